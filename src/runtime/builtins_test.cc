#include "runtime/builtins.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "runtime/memory.h"
#include "runtime/testing.h"

// NOLINTBEGIN(performance-no-int-to-ptr): references are numbers.

namespace berth::runtime {
namespace {

using testing::FakeExecutor;
using testing::ModuleBuilder;
using B = ModuleBuilder;
using abi::ArrayObject;
using wasm::kI32;
using wasm::kI64;

enum Types : u32 { kBytes, kShorts, kLongs, kVectors, kRefs, kBase, kDerived, kFunc };

class BuiltinsTest : public ::testing::Test {
 protected:
  BuiltinsTest() {
    ModuleBuilder b;
    b.type(B::array(B::field(kI32, true, wasm::Packed::I8)));
    b.type(B::array(B::field(kI32, true, wasm::Packed::I16)));
    b.type(B::array(B::field(kI64)));
    b.type(B::array(B::field(wasm::kV128)));
    b.type(B::array(B::field(wasm::kAnyRef)));
    b.type(B::open(B::strct({})));
    b.type(B::open(B::strct({B::field(kI32)}), kBase));
    b.type(B::func({}, {}));
    b.memory({{1, 3}, false, false, 16});
    b.memory({{1, {}}, true, false, 16});
    b.table({wasm::kFuncRef, {5, 20}, false});
    b.table({wasm::kFuncRef, {5, {}}, true});
    b.function(kFunc);
    b.data("0123456789");
    instance_ = *store_.instantiate(executor_.prepare_module(b), {});
    c_ = &instance_->context();
  }
  ArrayObject* array(Types type, u32 length) {
    Ref ref = abi::kNull;
    EXPECT_EQ(array_new(c_, c_->types[type], length, &ref), TrapCode::None);
    store_.root(ref);
    return reinterpret_cast<ArrayObject*>(ref);
  }
  static Ref ref(ArrayObject* a) { return reinterpret_cast<Ref>(a); }

  FakeExecutor executor_;
  Store store_{executor_};
  Instance* instance_;
  InstanceContext* c_;
};

TEST_F(BuiltinsTest, MemoryOperationsCheckBoundsFirst) {
  u8* m = c_->memory0_base;
  EXPECT_EQ(memory_fill(c_, 0, 65530, 7, 6), TrapCode::None);
  EXPECT_EQ(m[65535], 7);
  EXPECT_EQ(memory_fill(c_, 0, 0, 9, 65537), TrapCode::MemoryOutOfBounds);
  EXPECT_EQ(m[0], 0);
  EXPECT_EQ(memory_fill(c_, 0, 65536, 9, 0), TrapCode::None);
  EXPECT_EQ(memory_fill(c_, 0, 65537, 9, 0), TrapCode::MemoryOutOfBounds);
  EXPECT_EQ(memory_fill(c_, 1, ~u64{0}, 9, 2), TrapCode::MemoryOutOfBounds);
  std::copy_n("abcdef", 6, m);
  EXPECT_EQ(memory_copy(c_, 0, 0, 2, 0, 6), TrapCode::None);
  EXPECT_EQ(std::memcmp(m, "ababcdef", 8), 0);
  EXPECT_EQ(memory_copy(c_, 1, 0, 65530, 0, 6), TrapCode::None);
  EXPECT_EQ(c_->memories[1]->base[65530], 'a');
  EXPECT_EQ(memory_copy(c_, 1, 0, 65531, 0, 6), TrapCode::MemoryOutOfBounds);
  EXPECT_EQ(memory_init(c_, 0, 0, 100, 8, 2), TrapCode::None);
  EXPECT_EQ(std::memcmp(m + 100, "89", 2), 0);
  EXPECT_EQ(memory_init(c_, 0, 0, 100, 8, 3), TrapCode::MemoryOutOfBounds);
  EXPECT_EQ(memory_size(c_, 0), 1u);
  EXPECT_EQ(memory_grow(c_, 0, 1), 1);
  EXPECT_EQ(memory_grow(c_, 0, 2), -1);
  EXPECT_EQ(memory_fill(c_, 0, 65536, 9, 65536), TrapCode::None);
  u32 result = 0;
  EXPECT_EQ(atomic_wait32(c_, 0, 0, 0, 0, &result), TrapCode::ExpectedSharedMemory);
  EXPECT_EQ(atomic_notify(c_, 0, 0, 1, &result), TrapCode::None);
  EXPECT_EQ(result, 0u);
  EXPECT_EQ(atomic_notify(c_, 0, 2, 1, &result), TrapCode::UnalignedAtomic);
}

TEST_F(BuiltinsTest, TableOperations) {
  const Ref f = reinterpret_cast<Ref>(c_->functions[0]);
  EXPECT_EQ(table_fill(c_, 0, 1, f, 4), TrapCode::None);
  EXPECT_EQ(table_fill(c_, 0, 1, f, 5), TrapCode::TableOutOfBounds);
  EXPECT_EQ(table_fill(c_, 0, ~u64{0}, f, 1), TrapCode::TableOutOfBounds);
  EXPECT_EQ(table_copy(c_, 1, 0, 2, 0, 3), TrapCode::None);
  EXPECT_EQ(c_->tables[1]->elements[2], abi::kNull);
  EXPECT_EQ(c_->tables[1]->elements[4], f);
  EXPECT_EQ(table_copy(c_, 1, 0, 3, 0, 3), TrapCode::TableOutOfBounds);
  EXPECT_EQ(table_grow(c_, 0, f, 15), 5);
  EXPECT_EQ(table_grow(c_, 0, f, 1), -1);
  EXPECT_EQ(c_->tables[0]->elements[19], f);
}

TEST_F(BuiltinsTest, ArrayOperations) {
  const Slot value[2] = {0x1122334455667788, 0x99};
  ArrayObject* bytes = array(kBytes, 10);
  ArrayObject* shorts = array(kShorts, 10);
  ArrayObject* longs = array(kLongs, 10);
  ArrayObject* vectors = array(kVectors, 10);
  for (ArrayObject* a : {bytes, shorts, longs, vectors}) {
    EXPECT_EQ(array_fill(c_, ref(a), 1, value, 8), TrapCode::None);
    EXPECT_EQ(array_fill(c_, ref(a), 10, value, 0), TrapCode::None);
    EXPECT_EQ(array_fill(c_, ref(a), 9, value, 2), TrapCode::ArrayOutOfBounds);
    EXPECT_EQ(array_fill(c_, ref(a), ~0u, value, 2), TrapCode::ArrayOutOfBounds);
    const u64 size = u64{1} << a->type->element_log2;
    EXPECT_EQ(a->data()[0], 0);
    EXPECT_EQ(std::memcmp(a->data() + 8 * size, value, size), 0);
    EXPECT_EQ(a->data()[9 * size], 0);
  }
  EXPECT_EQ(array_fill(c_, abi::kNull, 0, value, 0), TrapCode::NullArrayReference);
  longs->data()[0] = 5;
  EXPECT_EQ(array_copy(c_, ref(longs), 1, ref(longs), 0, 9), TrapCode::None);
  EXPECT_EQ(longs->data()[8], 5);
  EXPECT_EQ(array_copy(c_, ref(longs), 2, ref(longs), 0, 9), TrapCode::ArrayOutOfBounds);
  EXPECT_EQ(array_init_data(c_, ref(shorts), 0, 0, 0, 5), TrapCode::None);
  EXPECT_EQ(std::memcmp(shorts->data(), "0123456789", 10), 0);
  EXPECT_EQ(array_init_data(c_, ref(shorts), 0, 0, 0, 6), TrapCode::MemoryOutOfBounds);
  EXPECT_EQ(array_init_data(c_, ref(shorts), 8, 0, 0, 3), TrapCode::ArrayOutOfBounds);
  Ref made = abi::kNull;
  EXPECT_EQ(array_new_data(c_, c_->types[kLongs], 0, 2, 1, &made), TrapCode::None);
  EXPECT_EQ(std::memcmp(reinterpret_cast<ArrayObject*>(made)->data(), "23456789", 8), 0);
  EXPECT_EQ(array_new_data(c_, c_->types[kLongs], 0, 3, 1, &made), TrapCode::MemoryOutOfBounds);
  EXPECT_EQ(array_new(c_, c_->types[kVectors], ~0u, &made), TrapCode::AllocationTooLarge);
}

TEST_F(BuiltinsTest, RefTest) {
  using H = wasm::HeapType;
  const H base{wasm::TypeIdx(kBase)}, derived{wasm::TypeIdx(kDerived)}, func{wasm::TypeIdx(kFunc)},
      bytes{wasm::TypeIdx(kBytes)};
  Ref b = abi::kNull, d = abi::kNull;
  ASSERT_EQ(struct_new(c_, c_->types[kBase], &b), TrapCode::None);
  store_.root(b);
  ASSERT_EQ(struct_new(c_, c_->types[kDerived], &d), TrapCode::None);
  const Ref i31 = abi::make_i31(3);
  const Ref host = *store_.make_host_object(1);
  const Ref f = reinterpret_cast<Ref>(c_->functions[0]);
  EXPECT_TRUE(ref_test(c_, d, base, false));
  EXPECT_TRUE(ref_test(c_, d, derived, false));
  EXPECT_FALSE(ref_test(c_, b, derived, false));
  EXPECT_FALSE(ref_test(c_, b, bytes, false));
  EXPECT_TRUE(ref_test(c_, b, H::kStruct, false));
  EXPECT_TRUE(ref_test(c_, b, H::kEq, false));
  EXPECT_FALSE(ref_test(c_, b, H::kI31, false));
  EXPECT_TRUE(ref_test(c_, i31, H::kI31, false));
  EXPECT_TRUE(ref_test(c_, i31, H::kEq, false));
  EXPECT_FALSE(ref_test(c_, i31, base, true));
  EXPECT_FALSE(ref_test(c_, i31, H::kStruct, true));
  EXPECT_TRUE(ref_test(c_, abi::kNull, derived, true));
  EXPECT_FALSE(ref_test(c_, abi::kNull, derived, false));
  EXPECT_FALSE(ref_test(c_, b, H::kNone, true));
  EXPECT_TRUE(ref_test(c_, abi::kNull, H::kNone, true));
  EXPECT_TRUE(ref_test(c_, host, H::kAny, false));
  EXPECT_FALSE(ref_test(c_, host, H::kEq, false));
  EXPECT_FALSE(ref_test(c_, host, base, false));
  EXPECT_TRUE(ref_test(c_, host, H::kExtern, false));
  EXPECT_TRUE(ref_test(c_, f, func, false));
  EXPECT_TRUE(ref_test(c_, f, H::kFunc, false));
  EXPECT_FALSE(ref_test(c_, f, H::kNoFunc, true));
}

}  // namespace
}  // namespace berth::runtime

// NOLINTEND(performance-no-int-to-ptr)
