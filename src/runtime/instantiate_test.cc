#include <gtest/gtest.h>

#include <cstring>

#include "os/clock.h"
#include "runtime/builtins.h"
#include "runtime/global.h"
#include "runtime/memory.h"
#include "runtime/table.h"
#include "runtime/tag.h"
#include "runtime/testing.h"

// NOLINTBEGIN(performance-no-int-to-ptr): references are numbers.

namespace berth::runtime {
namespace {

using testing::Expr;
using testing::FakeExecutor;
using testing::ModuleBuilder;
using B = ModuleBuilder;
using wasm::ExternKind;
using wasm::kI32;
using wasm::kI64;

wasm::MemoryType memory_type(u64 min, std::optional<u64> max = {}) { return {{min, max}, false, false, 16}; }
wasm::TableType table_type(wasm::ValType element, u64 min, std::optional<u64> max = {}) {
  return {element, {min, max}, false};
}

class InstantiateTest : public ::testing::Test {
 protected:
  // The instance, or null with the reason in `error` or `unwind`.
  Instance* instantiate(ModuleBuilder& builder, std::vector<Extern> imports = {}) {
    auto result = store_.instantiate(executor_.prepare_module(builder), imports);
    if (result) return *result;
    if (auto* e = std::get_if<Error>(&result.error()))
      error_ = e->to_string();
    else
      trap_ = std::get<std::unique_ptr<Unwind>>(result.error())->trap;
    return nullptr;
  }
  static u64 global(Instance* instance, std::string_view name) {
    return std::get<Global*>(*instance->find_export(name))->cell().value[0];
  }

  FakeExecutor executor_;
  Store store_{executor_};
  std::string error_;
  abi::TrapCode trap_ = abi::TrapCode::None;
};

TEST_F(InstantiateTest, EvaluatesConstantExpressions) {
  ModuleBuilder b;
  const u32 pair = b.type(B::strct({B::field(kI32), B::field(wasm::kAnyRef), B::field(wasm::kV128)}));
  const u32 bytes = b.type(B::array(B::field(kI32, true, wasm::Packed::I8)));
  const u32 vectors = b.type(B::array(B::field(wasm::kV128)));
  const u32 f = b.type(B::func({}, {}));
  b.import_global({kI32, false});
  b.function(f);
  V128 v{};
  for (u8 i = 0; i < 16; ++i) v.bytes[i] = i;
  b.global(kI32, Expr().global(0).i32(-3).i32_add());                                 // 1
  b.global(kI64, Expr().i64(i64{1} << 40).i64(-2).i64_mul());                         // 2
  b.global(wasm::kFuncRef, Expr().func(0));                                           // 3
  b.global(wasm::kV128, Expr().v128(v));                                              // 4
  b.global(B::ref(pair), Expr().i32(7).i32(-1).i31().global(4).struct_new(pair));     // 5
  b.global(B::ref(bytes), Expr().i32(0x141).i32(3).array_new(bytes));                 // 6
  b.global(B::ref(bytes), Expr().i32(1).i32(2).i32(3).array_new_fixed(bytes, 3));     // 7
  b.global(B::ref(vectors), Expr().global(4).global(4).array_new_fixed(vectors, 2));  // 8
  b.global(B::ref(pair), Expr().struct_new_default(pair));                            // 9
  b.global(wasm::kAnyRef, Expr().null(wasm::HeapType::kNone));                        // 10
  b.global(B::ref(bytes), Expr().i32(5).array_new_default(bytes));                    // 11
  for (u32 i = 1; i < 12; ++i) b.export_as(std::to_string(i), ExternKind::Global, i);
  Value ten = Value::of_i32(10);
  Instance* instance = instantiate(b, {store_.make_global({kI32, false}, ten)});
  ASSERT_NE(instance, nullptr) << error_;
  store_.collect_garbage();  // globals are roots
  EXPECT_EQ(static_cast<i32>(global(instance, "1")), 7);
  EXPECT_EQ(static_cast<i64>(global(instance, "2")), -(i64{1} << 41));
  EXPECT_EQ(global(instance, "3"), reinterpret_cast<u64>(instance->context().functions[0]));
  const u64 p = global(instance, "5");
  const abi::RuntimeType* type = reinterpret_cast<abi::Object*>(p)->type;
  EXPECT_EQ(type, instance->context().types[pair]);
  EXPECT_EQ(*reinterpret_cast<i32*>(p + type->field_offsets[0]), 7);
  EXPECT_EQ(abi::i31_signed(*reinterpret_cast<abi::Ref*>(p + type->field_offsets[1])), -1);
  EXPECT_EQ(std::memcmp(reinterpret_cast<u8*>(p + type->field_offsets[2]), &v, 16), 0);
  auto array = [&](const char* name) { return reinterpret_cast<abi::ArrayObject*>(global(instance, name)); };
  EXPECT_EQ(array("6")->length, 3u);
  EXPECT_EQ(array("6")->data()[2], 0x41);
  EXPECT_EQ(array("7")->data()[0], 1);
  EXPECT_EQ(array("7")->data()[2], 3);
  EXPECT_EQ(std::memcmp(array("8")->data() + 16, &v, 16), 0);
  EXPECT_NE(global(instance, "9"), abi::kNull);
  EXPECT_EQ(global(instance, "10"), abi::kNull);
  EXPECT_EQ(array("11")->length, 5u);
}

TEST_F(InstantiateTest, SegmentsComeInOrderAndLeaveTheirEffects) {
  auto* memory = *store_.make_memory(memory_type(1));
  auto* table = *store_.make_table(table_type(wasm::kFuncRef, 10), abi::kNull);
  ModuleBuilder b;
  const u32 f = b.type(B::func({}, {}));
  b.import_memory(memory_type(1));
  b.import_table(table_type(wasm::kFuncRef, 10));
  b.function(f);
  b.function(f);
  b.elem_funcs({0, 1}, Expr().i32(3));
  b.elem_exprs(wasm::kFuncRef, {Expr().func(1), Expr().null(wasm::HeapType::kFunc), Expr().func(0)}, Expr().i32(5));
  b.data("hello", Expr().i32(100));
  b.data("jklm", Expr().i32(65534));  // out of bounds: nothing of it is written
  b.data("never", Expr().i32(200));
  b.start(0);
  bool started = false;
  executor_.bodies[0] = [&](auto&, auto&, auto*) -> Outcome<void> {
    started = true;
    return {};
  };
  EXPECT_EQ(instantiate(b, {memory, table}), nullptr);
  EXPECT_EQ(trap_, abi::TrapCode::MemoryOutOfBounds);
  EXPECT_FALSE(started);
  EXPECT_EQ(std::memcmp(memory->base() + 100, "hello", 5), 0);
  EXPECT_EQ(memory->base()[65535], 0);
  EXPECT_EQ(memory->base()[200], 0);
  EXPECT_EQ(table->at(2), abi::kNull);
  EXPECT_NE(table->at(3), abi::kNull);
  EXPECT_EQ(table->at(4), table->at(5));
  EXPECT_EQ(table->at(6), abi::kNull);
  EXPECT_EQ(table->at(3), table->at(7));
  // The functions of the instance that failed can still be called.
  EXPECT_TRUE(store_.call(*reinterpret_cast<abi::FunctionInstance*>(table->at(3)), {}));
  EXPECT_TRUE(started);
}

TEST_F(InstantiateTest, ElementSegmentsOutOfBoundsTrap) {
  ModuleBuilder b;
  const u32 f = b.type(B::func({}, {}));
  b.function(f);
  b.table(table_type(wasm::kFuncRef, 2));
  b.elem_funcs({0, 0, 0}, Expr().i32(0));
  EXPECT_EQ(instantiate(b), nullptr);
  EXPECT_EQ(trap_, abi::TrapCode::TableOutOfBounds);
}

TEST_F(InstantiateTest, TablesStartWithTheirInitialValue) {
  ModuleBuilder b;
  const u32 f = b.type(B::func({}, {}));
  b.function(f);
  b.table(table_type(B::ref(f, false), 3), Expr().func(0));
  b.export_as("t", ExternKind::Table, 0);
  b.export_as("f", ExternKind::Func, 0);
  Instance* i = instantiate(b);
  ASSERT_NE(i, nullptr);
  Table* t = std::get<Table*>(*i->find_export("t"));
  EXPECT_EQ(t->at(2), reinterpret_cast<abi::Ref>(i->find_function("f")));
  EXPECT_EQ(i->find_function("f"), i->context().functions[0]);
  EXPECT_EQ(i->find_function("t"), nullptr);
  EXPECT_FALSE(i->find_export("missing"));
}

TEST_F(InstantiateTest, StartFunctionRunsLastAndMayTrap) {
  ModuleBuilder b;
  const u32 f = b.type(B::func({}, {}));
  b.memory(memory_type(1));
  b.function(f);
  b.data("x", Expr().i32(0));
  b.start(0);
  u8 seen = 0;
  executor_.bodies[0] = [&](abi::FunctionInstance& self, auto&, auto*) -> Outcome<void> {
    seen = self.context->memory0_base[0];
    return trap(abi::TrapCode::Unreachable);
  };
  EXPECT_EQ(instantiate(b), nullptr);
  EXPECT_EQ(seen, 'x');
  EXPECT_EQ(trap_, abi::TrapCode::Unreachable);
}

TEST_F(InstantiateTest, PassiveSegmentsAreDroppedPerInstance) {
  ModuleBuilder b;
  const u32 f = b.type(B::func({}, {}));
  const u32 any = b.type(B::array(B::field(wasm::kAnyRef)));
  b.function(f);
  b.memory(memory_type(1));
  b.table(table_type(wasm::kFuncRef, 4));
  const u32 d = b.data("data");
  const u32 e = b.elem_funcs({0, 0});
  const u32 x = b.elem_exprs(wasm::kAnyRef, {Expr().i32(4).array_new_default(any), Expr().i32(1).i31()});
  auto module = executor_.prepare_module(b);
  Instance* one = *store_.instantiate(module, {});
  Instance* two = *store_.instantiate(module, {});
  data_drop(&one->context(), d);
  elem_drop(&one->context(), e);
  using abi::TrapCode;
  EXPECT_EQ(memory_init(&one->context(), 0, d, 0, 0, 1), TrapCode::MemoryOutOfBounds);
  EXPECT_EQ(memory_init(&one->context(), 0, d, 65536, 0, 0), TrapCode::None);
  EXPECT_EQ(memory_init(&one->context(), 0, d, 65537, 0, 0), TrapCode::MemoryOutOfBounds);
  EXPECT_EQ(memory_init(&two->context(), 0, d, 8, 1, 3), TrapCode::None);
  EXPECT_EQ(std::memcmp(two->context().memory0_base + 8, "ata", 3), 0);
  EXPECT_EQ(memory_init(&two->context(), 0, d, 8, 2, 3), TrapCode::MemoryOutOfBounds);
  EXPECT_EQ(table_init(&one->context(), 0, e, 0, 0, 1), TrapCode::TableOutOfBounds);
  EXPECT_EQ(table_init(&two->context(), 0, e, 3, 0, 2), TrapCode::TableOutOfBounds);
  EXPECT_EQ(table_init(&two->context(), 0, e, 2, 0, 2), TrapCode::None);
  EXPECT_EQ(two->context().tables[0]->elements[3], reinterpret_cast<abi::Ref>(two->context().functions[0]));

  store_.collect_garbage();  // the evaluated segment keeps its array
  abi::Ref array = abi::kNull;
  ASSERT_EQ(array_new_elem(&two->context(), two->context().types[any], x, 0, 2, &array), TrapCode::None);
  const abi::Ref* elements = reinterpret_cast<abi::Ref*>(reinterpret_cast<abi::ArrayObject*>(array)->data());
  EXPECT_EQ(reinterpret_cast<abi::ArrayObject*>(elements[0])->length, 4u);
  EXPECT_EQ(elements[1], abi::make_i31(1));
  elem_drop(&two->context(), x);
  EXPECT_EQ(array_new_elem(&two->context(), two->context().types[any], x, 0, 1, &array), TrapCode::TableOutOfBounds);
  EXPECT_EQ(array_new_elem(&two->context(), two->context().types[any], x, 0, 0, &array), TrapCode::None);
}

// Matching. Each import that should fail is tried against each kind of difference.

TEST_F(InstantiateTest, FunctionsMatchBySubtyping) {
  // Two modules declare the same types at different indices.
  ModuleBuilder exporter;
  exporter.type(B::func({kI64}, {}));
  const u32 base = exporter.type(B::open(B::func({}, {wasm::kAnyRef})));
  const u32 derived = exporter.type(B::open(B::func({}, {wasm::ValType::ref(wasm::HeapType::kI31, false)}), base));
  exporter.function(derived);
  exporter.export_as("f", ExternKind::Func, 0);
  Instance* e = instantiate(exporter);
  const Extern f = *e->find_export("f");
  for (const u32 wanted : {0u, 1u, 2u}) {
    ModuleBuilder importer;
    importer.type(B::open(B::func({}, {wasm::kAnyRef})));
    importer.type(B::open(B::func({}, {wasm::ValType::ref(wasm::HeapType::kI31, false)}), 0));
    importer.type(B::func({}, {wasm::kAnyRef}));
    importer.import_function(wanted);
    EXPECT_EQ(instantiate(importer, {f}) != nullptr, wanted != 2) << error_;
  }
  EXPECT_NE(error_.find("incompatible import type"), std::string::npos) << error_;
  EXPECT_NE(error_.find("\"env\" \"f\": expected func [] -> [anyref]"), std::string::npos) << error_;
}

TEST_F(InstantiateTest, GlobalsMatch) {
  const wasm::ValType i31 = wasm::ValType::ref(wasm::HeapType::kI31, true);
  Global* immutable = store_.make_global({i31, false}, Value::of_ref(abi::make_i31(1)));
  Global* variable = store_.make_global({i31, true}, Value::of_ref(abi::make_i31(1)));
  auto works = [&](Global* given, wasm::GlobalType wanted) {
    ModuleBuilder b;
    b.import_global(wanted);
    return instantiate(b, {given}) != nullptr;
  };
  EXPECT_TRUE(works(immutable, {i31, false}));
  EXPECT_TRUE(works(immutable, {wasm::kAnyRef, false}));
  EXPECT_FALSE(works(immutable, {i31, true}));
  EXPECT_TRUE(works(variable, {i31, true}));
  EXPECT_FALSE(works(variable, {wasm::kAnyRef, true}));
  EXPECT_FALSE(works(variable, {i31, false}));
  EXPECT_FALSE(works(immutable, {kI32, false}));
}

TEST_F(InstantiateTest, TablesAndMemoriesMatch) {
  Table* table = *store_.make_table(table_type(wasm::kFuncRef, 5, 10), abi::kNull);
  auto table_works = [&](wasm::TableType wanted) {
    ModuleBuilder b;
    b.import_table(wanted);
    return instantiate(b, {table}) != nullptr;
  };
  EXPECT_TRUE(table_works(table_type(wasm::kFuncRef, 5, 10)));
  EXPECT_TRUE(table_works(table_type(wasm::kFuncRef, 0)));
  EXPECT_FALSE(table_works(table_type(wasm::kFuncRef, 6)));
  EXPECT_FALSE(table_works(table_type(wasm::kFuncRef, 5, 9)));
  EXPECT_FALSE(table_works(table_type(wasm::kExternRef, 5, 10)));
  EXPECT_FALSE(table_works({wasm::kFuncRef, {5, 10}, true}));
  table->grow(1, abi::kNull);
  EXPECT_TRUE(table_works(table_type(wasm::kFuncRef, 6)));  // the size now counts

  Memory* memory = *store_.make_memory(memory_type(2));
  auto memory_works = [&](wasm::MemoryType wanted) {
    ModuleBuilder b;
    b.import_memory(wanted);
    return instantiate(b, {memory}) != nullptr;
  };
  EXPECT_TRUE(memory_works(memory_type(2)));
  EXPECT_FALSE(memory_works(memory_type(3)));
  EXPECT_FALSE(memory_works(memory_type(0, 10)));
  EXPECT_FALSE(memory_works({{2, {}}, true, false, 16}));
  EXPECT_FALSE(memory_works({{2, {}}, false, false, 0}));
  EXPECT_FALSE(memory_works({{2, 10}, false, true, 16}));
  memory->grow(1);
  EXPECT_TRUE(memory_works(memory_type(3)));
}

TEST_F(InstantiateTest, TagsMatchByTypeAndKeepTheirIdentity) {
  Tag* tag = store_.make_tag({{kI32}, {}});
  auto make = [&](std::vector<wasm::ValType> params) {
    ModuleBuilder b;
    b.import_tag(b.type(B::func(std::move(params), {})));
    b.tag(0);
    b.export_as("a", ExternKind::Tag, 0);
    b.export_as("b", ExternKind::Tag, 1);
    return instantiate(b, {tag});
  };
  Instance* i = make({kI32});
  ASSERT_NE(i, nullptr);
  EXPECT_EQ(std::get<Tag*>(*i->find_export("a")), tag);
  EXPECT_NE(std::get<Tag*>(*i->find_export("b")), tag);
  EXPECT_EQ(i->context().tags[0], &tag->instance());
  EXPECT_EQ(make({kI64}), nullptr);
}

TEST_F(InstantiateTest, LinkerNamesEverythingThatIsMissing) {
  Linker linker(store_);
  ModuleBuilder b;
  const u32 f = b.type(B::func({}, {}));
  b.import_function(f, "one");
  b.import_function(f, "two");
  b.import_memory(memory_type(1), "mem");
  auto module = executor_.prepare_module(b);
  auto* one = store_.make_function({}, [](Caller&, abi::Slot*) -> Outcome<void> { return {}; });
  EXPECT_TRUE(linker.define("env", "one", one));
  EXPECT_FALSE(linker.define("env", "one", one));
  linker.allow_shadowing(true);
  EXPECT_TRUE(linker.define("env", "one", one));
  auto failed = linker.instantiate(module);
  ASSERT_FALSE(failed);
  const std::string text = std::get<Error>(failed.error()).to_string();
  EXPECT_NE(text.find("unknown import"), std::string::npos);
  EXPECT_NE(text.find("\"env\" \"two\" (func), \"env\" \"mem\" (memory)"), std::string::npos) << text;
  EXPECT_EQ(text.find("\"one\""), std::string::npos);
  EXPECT_TRUE(linker.define("env", "two", one));
  EXPECT_TRUE(linker.define("env", "mem", *store_.make_memory(memory_type(1))));
  auto made = linker.instantiate(module);
  ASSERT_TRUE(made);
  EXPECT_EQ((*made)->context().functions[1], one);
}

TEST_F(InstantiateTest, LimitsAreErrors) {
  Store small(executor_, {.memory_bytes = 65536, .table_elements = 10, .instances = 2});
  auto try_with = [&](u64 pages, u64 elements) {
    ModuleBuilder b;
    b.memory(memory_type(pages));
    b.table(table_type(wasm::kFuncRef, elements));
    return small.instantiate(executor_.prepare_module(b), {});
  };
  EXPECT_FALSE(try_with(2, 0));
  auto failed = try_with(1, 11);
  ASSERT_FALSE(failed);
  EXPECT_EQ(std::get<Error>(failed.error()).code(), ErrorCode::LimitExceeded);
  EXPECT_EQ(small.memory_bytes_in_use(), 0u);  // the memory was given back
  EXPECT_TRUE(try_with(1, 10));
  EXPECT_TRUE(try_with(0, 0));
  EXPECT_FALSE(try_with(0, 0));
}

TEST_F(InstantiateTest, HeapLimitInAConstantExpressionTraps) {
  Store small(executor_, {.heap_bytes = 1 << 20});
  ModuleBuilder b;
  const u32 bytes = b.type(B::array(B::field(kI64)));
  b.global(B::ref(bytes), Expr().i32(100'000).array_new_default(bytes));
  b.global(B::ref(bytes), Expr().i32(100'000).array_new_default(bytes));
  auto failed = small.instantiate(executor_.prepare_module(b), {});
  ASSERT_FALSE(failed);
  EXPECT_EQ(std::get<std::unique_ptr<Unwind>>(failed.error())->trap, abi::TrapCode::GcHeapExhausted);
}

TEST_F(InstantiateTest, BigModulesAreQuick) {
  constexpr u32 kFunctions = 100'000;
  ModuleBuilder b;
  const u32 f = b.type(B::func({}, {}));
  std::vector<u32> all;
  all.reserve(kFunctions);
  for (u32 i = 0; i < kFunctions; ++i) all.push_back(b.function(f));
  b.table(table_type(wasm::kFuncRef, kFunctions));
  b.elem_funcs(all, Expr().i32(0));
  b.memory(memory_type(200));
  b.data(std::string(10 << 20, 'x'), Expr().i32(0));
  auto module = executor_.prepare_module(b);
  const i64 start = os::monotonic_ns();
  auto made = store_.instantiate(module, {});
  const i64 took = os::monotonic_ns() - start;
  ASSERT_TRUE(made);
  std::printf("%u functions and elements, 10 MiB of data: %.2f ms\n", kFunctions, static_cast<double>(took) / 1e6);
}

}  // namespace
}  // namespace berth::runtime

// NOLINTEND(performance-no-int-to-ptr)
