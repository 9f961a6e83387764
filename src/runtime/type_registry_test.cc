#include "runtime/type_registry.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <thread>

#include "abi/size_classes.h"
#include "runtime/testing.h"

namespace berth::runtime {
namespace {

using testing::ModuleBuilder;
using B = ModuleBuilder;
using wasm::kI32;
using wasm::kI64;
using wasm::kV128;

TEST(TypeRegistry, EqualFunctionTypesOfDifferentModulesAreOne) {
  TypeGroups a, b;
  ModuleBuilder x, y;
  x.type(B::func({kI32}, {kI64}));
  y.type(B::func({}, {}));
  y.type(B::func({kI32}, {kI64}));
  const auto tx = a.add_module(x.m);
  const auto ty = b.add_module(y.m);
  EXPECT_EQ(tx[0], ty[1]);
  EXPECT_NE(ty[0], ty[1]);
  EXPECT_EQ(tx[0]->param_slots, 1u);
  EXPECT_EQ(tx[0]->result_slots, 1u);
  wasm::FuncType f{{kI32}, {kI64}};
  EXPECT_EQ(a.add_function(f), tx[0]);
}

TEST(TypeRegistry, GroupsAreComparedAsWholes) {
  TypeGroups groups;
  ModuleBuilder x;
  // (rec (struct (ref 0))), twice; and a group of two in which the first is the same text.
  x.type(B::strct({B::field(B::ref(0))}));
  x.type(B::strct({B::field(B::ref(1))}));
  x.rec({B::strct({B::field(B::ref(2))}), B::strct({})});
  x.type(B::strct({B::field(B::ref(0))}));  // names type 0 from outside
  x.type(B::strct({B::field(B::ref(1))}));
  const auto t = groups.add_module(x.m);
  EXPECT_EQ(t[0], t[1]);
  EXPECT_NE(t[0], t[2]);
  EXPECT_NE(t[0], t[4]);
  EXPECT_EQ(t[4], t[5]);
}

TEST(TypeRegistry, FinalityAndSupertypesMatter) {
  TypeGroups groups;
  ModuleBuilder x;
  x.type(B::open(B::strct({})));
  x.type(B::strct({}));
  x.type(B::open(B::strct({B::field(kI32)}), 0));
  x.type(B::open(B::strct({B::field(kI32)})));
  x.type(B::open(B::strct({B::field(kI32), B::field(kI64)}), 2));
  const auto t = groups.add_module(x.m);
  EXPECT_NE(t[0], t[1]);
  EXPECT_NE(t[2], t[3]);
  EXPECT_TRUE(abi::is_subtype(t[4], t[0]));
  EXPECT_TRUE(abi::is_subtype(t[4], t[2]));
  EXPECT_FALSE(abi::is_subtype(t[4], t[3]));
  EXPECT_FALSE(abi::is_subtype(t[0], t[4]));
  EXPECT_EQ(t[4]->depth, 2);
}

TEST(TypeRegistry, LaysOutStructs) {
  TypeGroups groups;
  ModuleBuilder x;
  x.type(B::strct({B::field(kI32, true, wasm::Packed::I8), B::field(kI32, true, wasm::Packed::I16), B::field(kI32),
                   B::field(B::ref(0)), B::field(kV128), B::field(kI32, true, wasm::Packed::I8)}));
  x.type(B::array(B::field(kI32, true, wasm::Packed::I16)));
  x.type(B::array(B::field(wasm::kFuncRef)));
  x.type(B::array(B::field(wasm::kAnyRef)));
  x.type(B::func({kV128, kI32}, {kV128}));
  const auto t = groups.add_module(x.m);
  const u32 expected[] = {8, 10, 12, 16, 32, 48};
  for (u32 i = 0; i < 6; ++i) EXPECT_EQ(t[0]->field_offsets[i], expected[i]);
  EXPECT_EQ(t[0]->object_bytes, 64u);
  EXPECT_TRUE(t[0]->has_refs);
  ASSERT_EQ(t[0]->ref_count, 1u);
  EXPECT_EQ(t[0]->ref_offsets[0], 16u);
  EXPECT_EQ(abi::kCellBytes[t[0]->size_class], 64);
  EXPECT_EQ(t[1]->element_log2, 1);
  EXPECT_FALSE(t[1]->has_refs);
  EXPECT_FALSE(t[2]->has_refs);  // functions are not objects of the heap
  EXPECT_TRUE(t[3]->has_refs);
  EXPECT_EQ(t[4]->param_slots, 3u);
  EXPECT_EQ(t[4]->result_slots, 2u);
}

TEST(TypeRegistry, NothingIsLeftWhenModulesGo) {
  const u64 before = registered_group_count();
  {
    TypeGroups a;
    std::vector<const abi::RuntimeType*> kept;
    {
      TypeGroups b;
      ModuleBuilder x;
      x.type(B::open(B::strct({B::field(wasm::kF64)})));
      x.type(B::open(B::strct({B::field(wasm::kF64), B::field(wasm::kF64)}), 0));
      x.rec({B::strct({B::field(B::ref(1)), B::field(B::ref(3))}), B::array(B::field(B::ref(2)))});
      ModuleBuilder y;
      y.m.types = x.m.types;
      b.add_module(x.m);
      kept = a.add_module(y.m);
      EXPECT_EQ(registered_group_count(), before + 3);
    }
    EXPECT_EQ(registered_group_count(), before + 3);
    EXPECT_EQ(kept[1]->display[0], kept[0]);
  }
  EXPECT_EQ(registered_group_count(), before);
}

TEST(TypeRegistry, ManyThreads) {
  const u64 before = registered_group_count();
  std::vector<std::thread> threads;
  threads.reserve(8);
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([i] {
      for (int k = 0; k < 200; ++k) {
        TypeGroups groups;
        ModuleBuilder x;
        x.type(B::open(B::strct({B::field(kI64)})));
        x.type(B::strct({B::field(kI64), B::field(B::ref(0)), B::field(k % 2 ? kI32 : kI64)}));
        x.type(B::func({B::ref(1)}, std::vector<wasm::ValType>(static_cast<size_t>(i), kI32)));
        const auto t = groups.add_module(x.m);
        EXPECT_EQ(t[2]->result_slots, static_cast<u32>(i));
        EXPECT_EQ(definition_types(*t[2])[t[2]->definition->func.params[0].heap.index().value], t[1]);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(registered_group_count(), before);
}

TEST(Types, MatchAcrossHierarchies) {
  TypeGroups groups;
  ModuleBuilder x;
  x.type(B::open(B::strct({})));
  x.type(B::open(B::strct({B::field(kI32)}), 0));
  x.type(B::func({}, {}));
  const auto t = groups.add_module(x.m);
  auto r = [&](wasm::HeapType h, bool null) { return resolve(wasm::ValType::ref(h, null), t); };
  const wasm::HeapType s0(wasm::TypeIdx(0)), s1(wasm::TypeIdx(1)), f(wasm::TypeIdx(2));
  using H = wasm::HeapType;
  EXPECT_TRUE(matches(r(s1, false), r(s0, true)));
  EXPECT_FALSE(matches(r(s0, false), r(s1, true)));
  EXPECT_FALSE(matches(r(s1, true), r(s0, false)));
  EXPECT_TRUE(matches(r(s1, true), r(H::kStruct, true)));
  EXPECT_TRUE(matches(r(s1, true), r(H::kEq, true)));
  EXPECT_TRUE(matches(r(H::kNone, true), r(s1, true)));
  EXPECT_FALSE(matches(r(H::kNone, true), r(f, true)));
  EXPECT_TRUE(matches(r(H::kNoFunc, true), r(f, true)));
  EXPECT_TRUE(matches(r(f, false), r(H::kFunc, true)));
  EXPECT_FALSE(matches(r(f, false), r(H::kAny, true)));
  EXPECT_TRUE(matches(r(H::kNoExtern, true), r(H::kExtern, true)));
  EXPECT_FALSE(matches(r(H::kExtern, true), r(H::kAny, true)));
  EXPECT_FALSE(matches(resolve_abstract(kI32), resolve_abstract(kI64)));
  EXPECT_EQ(to_string(*t[2]), "[] -> []");
  EXPECT_EQ(to_string(r(s1, true)), "(ref null (struct …))");
}

TEST(SizeClasses, CoverAllSizes) {
  for (u32 bytes = 1; bytes <= abi::kMaxCellBytes; ++bytes) {
    const u8 c = abi::size_class(bytes);
    ASSERT_LT(c, abi::kSizeClasses);
    ASSERT_GE(abi::kCellBytes[c], bytes);
    if (c > 0) ASSERT_LT(abi::kCellBytes[c - 1], bytes);
    if (bytes % 16 == 0) ASSERT_EQ(abi::kCellBytes[c] % 16, 0);
  }
  EXPECT_EQ(abi::size_class(abi::kMaxCellBytes + 1), abi::kLargeClass);
}

}  // namespace
}  // namespace berth::runtime
