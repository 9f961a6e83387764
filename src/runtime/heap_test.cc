#include "runtime/heap.h"

#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <random>

#include "os/clock.h"
#include "runtime/objects.h"
#include "runtime/testing.h"
#include "runtime/type_registry.h"

// NOLINTBEGIN(performance-no-int-to-ptr): references are numbers.

namespace berth::runtime {
namespace {

using abi::ArrayObject;
using abi::Object;
using abi::Ref;
using testing::ModuleBuilder;
using B = ModuleBuilder;

struct Roots final : RootSource {
  std::vector<Ref> precise;
  std::vector<u64> conservative;
  void visit_roots(RootVisitor& visitor) override {
    for (const Ref r : precise) visitor.reference(r);
    visitor.words(conservative.data(), conservative.data() + conservative.size());
  }
};

// A heap and some types: a leaf of 16 bytes, a node with two references, arrays of bytes and of
// references.
class HeapTest : public ::testing::Test {
 protected:
  HeapTest() {
    ModuleBuilder x;
    x.type(B::strct({B::field(wasm::kI64)}));
    x.type(B::strct({B::field(wasm::kI64), B::field(B::ref(1)), B::field(B::ref(1))}));
    x.type(B::array(B::field(wasm::kI32, true, wasm::Packed::I8)));
    x.type(B::array(B::field(wasm::kAnyRef)));
    x.type(B::strct(std::vector<wasm::FieldType>(3000, B::field(wasm::kAnyRef))));
    x.type(B::array(B::field(wasm::kV128)));
    const auto t = groups_.add_module(x.m);
    leaf_ = t[0], node_ = t[1], bytes_ = t[2], refs_ = t[3], wide_ = t[4], vectors_ = t[5];
  }
  void make(u64 limit) { heap_ = std::make_unique<Heap>(limit, runs_, roots_); }

  Object* leaf(u64 id) { return with_id(heap_->allocate(leaf_, leaf_->object_bytes), id); }
  Object* node(u64 id) { return with_id(heap_->allocate(node_, node_->object_bytes), id); }
  ArrayObject* array(const abi::RuntimeType* type, u32 length) {
    auto* a = static_cast<ArrayObject*>(heap_->allocate(type, array_bytes(type, length)));
    if (a != nullptr) a->length = length;
    return a;
  }
  static u64& id(Object* o) { return reinterpret_cast<u64*>(o)[1]; }
  static Ref& child(Object* o, u32 i) { return reinterpret_cast<Ref*>(o)[2 + i]; }
  static Ref ref(Object* o) { return reinterpret_cast<Ref>(o); }
  // Stores a reference in an object, as guests do.
  void set(Ref& place, Ref value) {
    place = value;
    abi::StoreContext store{};
    store.cards = heap_->cards();
    abi::mark_card(store, &place);
  }

  TypeGroups groups_;
  const abi::RuntimeType *leaf_, *node_, *bytes_, *refs_, *wide_, *vectors_;
  abi::AllocationRun runs_[kSizeClasses + 1];
  Roots roots_;
  std::unique_ptr<Heap> heap_;

 private:
  static Object* with_id(Object* o, u64 value) {
    if (o != nullptr) id(o) = value;
    return o;
  }
};

TEST_F(HeapTest, KeepsWhatIsReachableAndReusesTheRest) {
  make(64 << 20);
  Object* kept = node(1);
  set(child(kept, 0), ref(leaf(2)));
  roots_.precise = {ref(kept), abi::make_i31(5), abi::kNull};
  for (u64 i = 0; i < 1'000'000; ++i) ASSERT_NE(leaf(100 + i), nullptr);
  EXPECT_GT(heap_->statistics().collections, 0u);
  EXPECT_EQ(heap_->collect(), 32u + 16u);
  EXPECT_EQ(id(kept), 1u);
  EXPECT_EQ(id(reinterpret_cast<Object*>(child(kept, 0))), 2u);
  EXPECT_EQ(heap_->used_bytes(), 2u * kBlockBytes);
}

TEST_F(HeapTest, NewObjectsAreZero) {
  make(8 << 20);
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 20'000; ++i) {
      Object* n = heap_->allocate(node_, node_->object_bytes);
      ASSERT_EQ(id(n), 0u);
      ASSERT_EQ(child(n, 0), abi::kNull);
      std::memset(reinterpret_cast<u8*>(n) + 8, 0xEE, 24);
      child(n, 0) = child(n, 1) = abi::kNull;
      ArrayObject* a = array(bytes_, static_cast<u32>(i * 7 % 90'000));
      ASSERT_NE(a, nullptr);
      if (i % 64 == 0) {
        for (u32 k = 0; k < a->length; ++k) ASSERT_EQ(a->data()[k], 0);
      }
      std::memset(a->data(), 0xDD, a->length);
    }
    heap_->collect();
  }
}

TEST_F(HeapTest, VectorsAreAligned) {
  make(64 << 20);
  for (u32 length = 0; length < 2000; length += 1 + length / 50) {
    for (int i = 0; i < 3; ++i) {
      const ArrayObject* a = array(vectors_, length);
      ASSERT_NE(a, nullptr);
      ASSERT_EQ(reinterpret_cast<u64>(a) % 16, 0u) << length;
    }
  }
}

TEST_F(HeapTest, OldObjectsKeepNewOnesByTheirCards) {
  make(256 << 20);
  std::vector<Object*> holders;
  for (const u32 length : {4u, 60u, 1000u, 4000u, 200'000u}) {
    holders.push_back(array(refs_, length));
    roots_.precise.push_back(ref(holders.back()));
  }
  holders.push_back(node(1));
  roots_.precise.push_back(ref(holders.back()));
  heap_->collect();
  const auto full = heap_->statistics().full_collections;
  std::vector<Ref> kept;
  const auto put = [&](Ref& place, u64 value) {
    set(place, ref(leaf(value)));
    kept.push_back(place);
  };
  const auto fill = [&] {
    for (Object* holder : holders) {
      if (holder->type == node_) {
        put(child(holder, 0), 100 + kept.size());
        put(child(holder, 1), 100 + kept.size());
        continue;
      }
      Ref* elements = reinterpret_cast<Ref*>(static_cast<ArrayObject*>(holder)->data());
      const u32 length = static_cast<ArrayObject*>(holder)->length;
      for (const u32 at : {0u, length / 3, length / 2, length - 1}) put(elements[at], 100 + kept.size());
    }
  };
  fill();
  // An object is new until the next collection, then it is old itself and may hold new ones.
  const auto before = heap_->statistics().collections;
  while (heap_->statistics().collections < before + 5) ASSERT_NE(leaf(7), nullptr);
  Object* chain = node(2);
  set(child(holders.back(), 0), ref(chain));
  while (heap_->statistics().collections < before + 6) ASSERT_NE(leaf(8), nullptr);
  set(child(chain, 1), ref(leaf(3)));
  while (heap_->statistics().collections < before + 8) ASSERT_NE(leaf(9), nullptr);
  EXPECT_EQ(id(reinterpret_cast<Object*>(child(chain, 1))), 3u);
  kept.erase(kept.end() - 2);  // what `chain` replaced
  for (size_t i = 0; i + 1 < kept.size(); ++i) ASSERT_EQ(id(reinterpret_cast<Object*>(kept[i])), 100 + i);
  EXPECT_EQ(heap_->statistics().full_collections, full);
  // Everything is found again by a full collection.
  const u64 live = heap_->collect();
  EXPECT_EQ(heap_->collect(), live);
  EXPECT_EQ(heap_->statistics().full_collections, full + 2);
}

TEST_F(HeapTest, WhatDiedOldIsCollectedInTime) {
  make(u64{1} << 30);
  // Lists of a megabyte, of which the last ten are alive: nothing dies new.
  constexpr u32 kNodes = 32'768;
  u64 most = 0;
  for (u32 round = 0; round < 400; ++round) {
    Object* list = node(0);
    roots_.precise.push_back(ref(list));
    for (u32 i = 1; i < kNodes; ++i) {
      Object* next = node(i);
      set(child(next, 0), ref(list));
      roots_.precise.back() = ref(list = next);
    }
    if (roots_.precise.size() > 10) roots_.precise.erase(roots_.precise.begin());
    most = std::max(most, heap_->used_bytes());
  }
  const HeapStatistics& statistics = heap_->statistics();
  EXPECT_GT(statistics.full_collections, 2u);
  EXPECT_LT(statistics.full_collections * 2, statistics.collections);
  EXPECT_LT(most, u64{64} << 20);
}

TEST_F(HeapTest, TheLimitIsReachedOnlyByWhatIsAlive) {
  // Two thirds of the limit are alive, and replaced slowly: what dies is old.
  make(12 << 20);
  constexpr u32 kKept = 250'000;  // of 32 bytes
  for (u32 i = 0; i < kKept; ++i) roots_.precise.push_back(ref(node(i)));
  for (u32 i = 0; i < 4 * kKept; ++i) {
    Object* made = node(i);
    ASSERT_NE(made, nullptr) << i;
    roots_.precise[u64{i} * 7919 % kKept] = ref(made);
  }
}

TEST_F(HeapTest, InteriorPointersKeepObjects) {
  make(64 << 20);
  std::vector<Object*> objects{node(1), array(bytes_, 100), array(bytes_, 100'000), array(refs_, 16)};
  id(objects[1]) = id(objects[2]) = 0;
  static_cast<ArrayObject*>(objects[1])->length = 100;
  static_cast<ArrayObject*>(objects[2])->length = 100'000;
  static_cast<ArrayObject*>(objects[3])->length = 16;
  set(child(objects[3], 5), ref(leaf(7)));
  // The middle of each, and just past the elements of arrays.
  const auto at = [](Object* o, u64 offset) { return reinterpret_cast<u64>(o) + offset; };
  roots_.conservative = {at(objects[0], 31), at(objects[1], 116), at(objects[2], 16 + 100'000),
                         at(objects[3], 16 + 128)};
  heap_->collect();
  for (Object* o : objects) EXPECT_EQ(heap_->find(o), o);
  EXPECT_EQ(id(reinterpret_cast<Object*>(child(objects[3], 5))), 7u);
  roots_.conservative = {at(objects[2], 16 + 100'000 + 1), 12345, ~u64{0}, abi::make_i31(77)};
  EXPECT_EQ(heap_->collect(), 0u);
  for (Object* o : objects) EXPECT_EQ(heap_->find(o), nullptr);
}

TEST_F(HeapTest, FreeCellsAreNotObjects) {
  make(64 << 20);
  Object* first = leaf(1);
  Object* dead = leaf(2);
  roots_.precise = {ref(first)};
  heap_->collect();
  roots_.conservative = {ref(dead), ref(dead) + 16, ref(dead) + 1600};
  EXPECT_EQ(heap_->find(dead), nullptr);
  EXPECT_EQ(heap_->collect(), 16u);
  EXPECT_EQ(leaf(3), dead);  // the hole is used again
  EXPECT_EQ(heap_->find(dead), dead);
  EXPECT_EQ(heap_->find(reinterpret_cast<u8*>(dead) + 16),
            nullptr);  // in the run, not yet allocated
}

TEST_F(HeapTest, LimitIsKept) {
  make(4 << 20);
  Object* list = nullptr;
  u64 count = 0;
  while (Object* n = node(count)) {
    set(child(n, 0), list == nullptr ? abi::kNull : ref(list));
    list = n;
    roots_.precise = {ref(list)};
    ++count;
  }
  EXPECT_EQ(count, (4u << 20) / 32);
  EXPECT_LE(heap_->used_bytes(), u64{4} << 20);
  EXPECT_EQ(array(bytes_, 5 << 20), nullptr);
  EXPECT_EQ(array(bytes_, 50'000), nullptr);
  for (Object* n = list; n != nullptr; n = reinterpret_cast<Object*>(child(n, 0))) ASSERT_EQ(id(n), --count);
  roots_.precise.clear();
  ASSERT_NE(array(bytes_, 3 << 20), nullptr);
  ASSERT_NE(array(bytes_, 3 << 20), nullptr);  // the first is garbage
}

TEST_F(HeapTest, MarkStackOverflowLosesNothing) {
  make(64 << 20);
  // A wide array of nodes, each with two children of its own: far more pending work than the mark
  // stack holds.
  const u32 count = 400'000;
  ArrayObject* top = array(refs_, count);
  roots_.precise = {ref(top)};
  for (u32 i = 0; i < count; ++i) set(reinterpret_cast<Ref*>(top->data())[i], ref(node(i)));
  // And a list whose every node also has a node to be looked at later.
  Object* list = nullptr;
  for (u32 i = 0; i < 500'000; ++i) {
    Object* n = node(i);
    set(child(n, 0), list == nullptr ? abi::kNull : ref(list));
    roots_.precise = {ref(top), ref(n)};
    set(child(n, 1), ref(node(i + 1'000'000)));
    list = n;
  }
  EXPECT_EQ(heap_->collect(), (16u + 8u * count + 1) + 32u * count + 64u * 500'000);
  u32 expected = 500'000;
  for (Object* n = list; n != nullptr; n = reinterpret_cast<Object*>(child(n, 0))) {
    --expected;
    ASSERT_EQ(id(n), expected);
    ASSERT_EQ(id(reinterpret_cast<Object*>(child(n, 1))), expected + 1'000'000);
  }
}

TEST_F(HeapTest, WideStructsAreScannedInParts) {
  make(64 << 20);
  Object* wide = heap_->allocate(wide_, wide_->object_bytes);
  roots_.precise = {ref(wide)};
  for (u32 i = 0; i < 3000; ++i) {
    Object* l = leaf(i);
    const Ref value = ref(l);
    std::memcpy(reinterpret_cast<u8*>(wide) + wide_->field_offsets[i], &value, 8);
  }
  EXPECT_EQ(heap_->collect(), wide_->object_bytes + 3000u * 16);
}

// Random graphs against a model that knows what is reachable.
TEST_F(HeapTest, RandomGraphs) {
  make(32 << 20);
  std::mt19937_64 random(42);
  struct Model {
    u64 id;
    std::vector<Ref> children;
  };
  std::unordered_map<Ref, Model> model;
  u64 next_id = 1, large_count = 0;
  auto make_object = [&]() -> Ref {
    const u64 kind = random() % 16;
    Object* o = nullptr;
    Model m{next_id++, {}};
    auto some = [&]() -> Ref {
      if (roots_.precise.empty() || random() % 4 == 0)
        return random() % 2 ? abi::kNull : abi::make_i31(static_cast<u32>(random()));
      return roots_.precise[random() % roots_.precise.size()];
    };
    if (kind < 8) {
      o = node(m.id);
      for (u32 i = 0; o != nullptr && i < 2; ++i) m.children.push_back(child(o, i) = some());
    } else if (kind < 15) {
      const u32 length =
          kind == 14 && large_count++ % 50 == 0 ? static_cast<u32>(random() % 20'000) : static_cast<u32>(random() % 40);
      ArrayObject* a = array(refs_, length);
      o = a;
      for (u32 i = 0; o != nullptr && i < length; ++i)
        m.children.push_back(reinterpret_cast<Ref*>(a->data())[i] = some());
      m.id = length;
    } else {
      o = leaf(m.id);
    }
    if (o == nullptr) return abi::kNull;
    model[ref(o)] = m;
    return ref(o);
  };
  auto verify = [&] {
    std::unordered_map<Ref, Model> reached;
    std::vector<Ref> work(roots_.precise);
    while (!work.empty()) {
      const Ref r = work.back();
      work.pop_back();
      if (r == abi::kNull || abi::is_i31(r) || reached.contains(r)) continue;
      auto* o = reinterpret_cast<Object*>(r);
      ASSERT_TRUE(model.contains(r));
      ASSERT_EQ(heap_->find(o), o);
      const Model& m = model[r];
      if (o->type == refs_) {
        auto* a = static_cast<ArrayObject*>(o);
        ASSERT_EQ(a->length, m.id);
        for (u32 i = 0; i < a->length; ++i) ASSERT_EQ(reinterpret_cast<Ref*>(a->data())[i], m.children[i]);
      } else {
        ASSERT_EQ(id(o), m.id);
        for (u32 i = 0; i < m.children.size(); ++i) ASSERT_EQ(child(o, i), m.children[i]);
      }
      work.insert(work.end(), m.children.begin(), m.children.end());
      reached.emplace(r, m);
    }
    model = std::move(reached);
  };
  for (int round = 0; round < 30; ++round) {
    for (int i = 0; i < 2000; ++i) {
      const Ref r = make_object();
      if (r == abi::kNull || random() % 4 == 0) {
        if (roots_.precise.size() > 200) roots_.precise.erase(roots_.precise.begin(), roots_.precise.begin() + 100);
      }
      if (r != abi::kNull && roots_.precise.size() < 1000) roots_.precise.push_back(r);
    }
    verify();
    heap_->collect();
    verify();
    if (HasFatalFailure()) return;
    if (round % 4 == 3) roots_.precise.clear();
  }
  roots_.precise.clear();
  EXPECT_EQ(heap_->collect(), 0u);
  EXPECT_EQ(heap_->used_bytes(), 0u);
}

TEST_F(HeapTest, ManySmallObjectsUnderASmallLimit) {
  make(64 << 20);
  abi::StoreContext store{};
  store.allocation_runs = runs_;
  const i64 start = os::monotonic_ns();
  constexpr u32 kCount = 10'000'000;
  for (u32 i = 0; i < kCount; ++i) {
    Object* o = allocate_inline(store, leaf_);
    if (o == nullptr) o = heap_->allocate(leaf_, leaf_->object_bytes);
    ASSERT_NE(o, nullptr);
    id(o) = i;
  }
  const i64 took = os::monotonic_ns() - start;
  RecordProperty("ns_per_object_x100", static_cast<int>(took * 100 / kCount));
  std::printf("%.2f ns an object, %llu collections in %.3f ms\n", static_cast<double>(took) / kCount,
              static_cast<unsigned long long>(heap_->statistics().collections),
              static_cast<double>(heap_->statistics().collection_ns) / 1e6);
}

}  // namespace
}  // namespace berth::runtime

// NOLINTEND(performance-no-int-to-ptr)
