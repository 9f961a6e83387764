#include "wasm/type_relations.h"

#include <algorithm>

#include <gtest/gtest.h>

namespace berth::wasm {
namespace {

// Adds recursion groups to a module one by one.
struct Types {
  Module module;
  TypeCanonicalizer canonicalizer{module};

  u32 add(std::vector<SubType> group) {
    const u32 start = static_cast<u32>(module.types.size());
    for (SubType& t : group) {
      t.group_start = start;
      t.group_size = static_cast<u32>(group.size());
      module.types.push_back(t);
    }
    canonicalizer.add_group(start, static_cast<u32>(group.size()));
    return start;
  }
};

SubType func(std::vector<ValType> params, std::vector<ValType> results = {}) {
  SubType t;
  t.func = {std::move(params), std::move(results)};
  return t;
}
SubType structure(std::vector<FieldType> fields, std::optional<u32> super = {}, bool is_final = false) {
  SubType t;
  t.kind = CompositeKind::Struct;
  t.is_final = is_final;
  if (super) t.super = TypeIdx(*super);
  t.strct.fields = std::move(fields);
  return t;
}
SubType array(FieldType element) {
  SubType t;
  t.kind = CompositeKind::Array;
  t.array.element = element;
  return t;
}
ValType ref(u32 index) { return ValType::ref(HeapType(TypeIdx(index)), true); }

TEST(TypeCanonicalizer, GivesEqualGroupsTheFirstIndex) {
  Types t;
  EXPECT_EQ(t.add({func({kI32}, {kI64})}), 0u);
  t.add({func({kI32}, {kF64})});
  t.add({func({kI32}, {kI64})});
  t.add({func({kI32, kI64})});
  t.add({structure({{kI32}})});
  t.add({structure({{kI32, Packed::None, true}})});
  t.add({structure({{kI32, Packed::I8}})});
  t.add({array({kI32})});
  t.add({structure({{kI32}})});
  const u32 want[] = {0, 1, 0, 3, 4, 5, 6, 7, 4};
  for (u32 i = 0; i < std::size(want); ++i) EXPECT_EQ(t.module.canonical[i].value, want[i]) << i;
}

TEST(TypeCanonicalizer, ComparesRecursionGroupsAsWholes) {
  Types t;
  t.add({structure({{ref(0)}})});                         // 0: refers to itself
  t.add({structure({{ref(1)}})});                         // 1: the same
  t.add({structure({{ref(0)}})});                         // 2: refers to another that looks like it
  t.add({structure({{ref(4)}}), structure({{ref(3)}})});  // 3, 4
  t.add({structure({{ref(6)}}), structure({{ref(5)}})});  // 5, 6: the same
  t.add({structure({{ref(7)}}), structure({{ref(8)}})});  // 7, 8: each to itself
  t.add({structure({{ref(1)}})});                         // 9: like 2, for 1 is 0
  const u32 want[] = {0, 0, 2, 3, 4, 3, 4, 7, 8, 2};
  for (u32 i = 0; i < std::size(want); ++i) EXPECT_EQ(t.module.canonical[i].value, want[i]) << i;
}

TEST(TypeCanonicalizer, DistinguishesFinalityAndSupertypes) {
  Types t;
  t.add({structure({})});
  t.add({structure({}, {}, true)});
  t.add({structure({}, 0)});
  t.add({structure({}, 0)});
  const u32 want[] = {0, 1, 2, 2};
  for (u32 i = 0; i < std::size(want); ++i) EXPECT_EQ(t.module.canonical[i].value, want[i]) << i;
}

TEST(Subtyping, FollowsTheLattice) {
  using H = HeapType;
  const H all[] = {H::kFunc,   H::kNoFunc, H::kExtern, H::kNoExtern, H::kAny,   H::kEq,    H::kI31,
                   H::kStruct, H::kArray,  H::kNone,   H::kExn,      H::kNoExn, H::kBottom};
  const std::vector<std::pair<H, std::vector<H>>> supertypes = {
      {H::kFunc, {}},
      {H::kNoFunc, {H::kFunc}},
      {H::kExtern, {}},
      {H::kNoExtern, {H::kExtern}},
      {H::kAny, {}},
      {H::kEq, {H::kAny}},
      {H::kI31, {H::kEq, H::kAny}},
      {H::kStruct, {H::kEq, H::kAny}},
      {H::kArray, {H::kEq, H::kAny}},
      {H::kNone, {H::kI31, H::kStruct, H::kArray, H::kEq, H::kAny}},
      {H::kExn, {}},
      {H::kNoExn, {H::kExn}},
      {H::kBottom, {std::begin(all), std::end(all)}},
  };
  const Module module;
  for (const auto& [sub, supers] : supertypes) {
    for (const H super : all) {
      const bool want = sub == super || std::ranges::count(supers, super) != 0;
      EXPECT_EQ(heap_matches(module, sub, super), want) << to_string(sub) << " <: " << to_string(super);
    }
  }
}

TEST(Subtyping, OfConcreteTypes) {
  Types t;
  t.add({func({})});          // 0
  t.add({structure({})});     // 1
  t.add({structure({}, 1)});  // 2
  t.add({structure({}, 2)});  // 3
  t.add({array({kI32})});     // 4
  t.add({structure({}, 1)});  // 5: equivalent to 2
  const Module& m = t.module;
  auto matches = [&](HeapType a, HeapType b) { return heap_matches(m, a, b); };
  auto concrete = [](u32 i) { return HeapType(TypeIdx(i)); };
  EXPECT_TRUE(matches(concrete(3), concrete(1)));
  EXPECT_TRUE(matches(concrete(3), concrete(5)));
  EXPECT_TRUE(matches(concrete(5), concrete(2)));
  EXPECT_FALSE(matches(concrete(1), concrete(2)));
  EXPECT_TRUE(matches(concrete(0), HeapType::kFunc));
  EXPECT_FALSE(matches(concrete(0), HeapType::kAny));
  EXPECT_TRUE(matches(concrete(1), HeapType::kStruct));
  EXPECT_FALSE(matches(concrete(1), HeapType::kArray));
  EXPECT_TRUE(matches(concrete(4), HeapType::kArray));
  EXPECT_TRUE(matches(concrete(4), HeapType::kEq));
  EXPECT_TRUE(matches(HeapType::kNone, concrete(4)));
  EXPECT_FALSE(matches(HeapType::kNone, concrete(0)));
  EXPECT_TRUE(matches(HeapType::kNoFunc, concrete(0)));
  EXPECT_FALSE(matches(HeapType::kStruct, concrete(1)));
  EXPECT_TRUE(val_equal(m, ref(2), ref(5)));
  EXPECT_FALSE(val_equal(m, ref(2), ValType::ref(concrete(5), false)));
  EXPECT_TRUE(val_matches(m, ValType::ref(concrete(5), false), ref(2)));
  EXPECT_FALSE(val_matches(m, ref(2), ValType::ref(concrete(5), false)));
  EXPECT_EQ(top_of(m, concrete(0)), HeapType(HeapType::kFunc));
  EXPECT_EQ(top_of(m, concrete(4)), HeapType(HeapType::kAny));
}

}  // namespace
}  // namespace berth::wasm
