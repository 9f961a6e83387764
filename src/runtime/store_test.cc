#include "runtime/store.h"

#include <gtest/gtest.h>

#include <thread>

#include "os/clock.h"
#include "os/fiber.h"
#include "runtime/builtins.h"
#include "runtime/deadline.h"
#include "runtime/global.h"
#include "runtime/memory.h"
#include "runtime/table.h"
#include "runtime/tag.h"
#include "runtime/testing.h"

// NOLINTBEGIN(performance-no-int-to-ptr): references are numbers.

namespace berth::runtime {
namespace {

using testing::FakeExecutor;
using testing::ModuleBuilder;
using B = ModuleBuilder;
using wasm::ExternKind;
using wasm::kI32;
using wasm::kI64;

// A module with one function `run` of type [] -> [], whose body the test gives, and GC types.
struct World {
  explicit World(StoreLimits limits = {}) : store(executor, limits) {
    ModuleBuilder b;
    b.type(B::func({}, {}));
    b.type(B::strct({B::field(kI64), B::field(B::ref(1))}));
    b.type(B::array(B::field(wasm::kAnyRef)));
    b.type(B::func({kI64}, {}));
    b.memory({{1, 1}, false, true, 16});
    b.function(0);
    b.tag(3);
    b.export_as("run", ExternKind::Func, 0);
    b.export_as("memory", ExternKind::Memory, 0);
    auto made = store.instantiate(executor.prepare_module(b), {});
    instance = *made;
    context = &instance->context();
    run = instance->find_function("run");
  }
  Outcome<void> call(FakeExecutor::Body body) {
    executor.bodies[0] = std::move(body);
    return store.call_raw(*run, nullptr);
  }
  abi::Ref node(u64 id) {
    abi::Ref ref = abi::kNull;
    EXPECT_EQ(struct_new(context, context->types[1], &ref), abi::TrapCode::None);
    reinterpret_cast<u64*>(ref)[1] = id;
    return ref;
  }
  void churn(u32 count = 300'000) {
    for (u32 i = 0; i < count; ++i) node(~u64{0});
  }

  FakeExecutor executor;
  Store store;
  Instance* instance;
  abi::InstanceContext* context;
  abi::FunctionInstance* run;
};

u64 id_of(abi::Ref ref) { return reinterpret_cast<const u64*>(ref)[1]; }

TEST(Store, CallsCheckArguments) {
  World w;
  auto* add = w.store.make_function({{kI32, kI64, wasm::kV128}, {kI64, kI32}},
                                    [](Caller& caller, abi::Slot* v) -> Outcome<void> {
                                      EXPECT_EQ(caller.instance(), nullptr);
                                      const i32 a = static_cast<i32>(v[0]);
                                      const i64 b = static_cast<i64>(v[1]);
                                      v[0] = static_cast<u64>(b + a);
                                      v[1] = static_cast<u32>(v[3]);
                                      return {};
                                    });
  V128 v{};
  v.bytes[8] = 9;
  const Value args[] = {Value::of_i32(-2), Value::of_i64(44), Value::of_v128(v)};
  auto results = w.store.call(*add, args);
  ASSERT_TRUE(results);
  EXPECT_EQ((*results)[0].i64_value, 42);
  EXPECT_EQ((*results)[1].i32_value, 9);
  EXPECT_FALSE(w.store.call(*add, std::span(args).first(2)));
  const Value wrong[] = {Value::of_i32(1), Value::of_i32(1), Value::of_v128(v)};
  auto failed = w.store.call(*add, wrong);
  ASSERT_FALSE(failed);
  EXPECT_EQ(std::get<Error>(failed.error()).code(), ErrorCode::BadArgument);
  EXPECT_NE(std::get<Error>(failed.error()).to_string().find("argument 2 is not of type i64"), std::string::npos);
}

TEST(Store, HostFunctionsUnwind) {
  World w;
  auto* quit = w.store.make_function({}, [](Caller&, abi::Slot*) -> Outcome<void> { return exit_guest(3); });
  auto result = w.store.call_raw(*quit, nullptr);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error()->to_string(), "exit with code 3");
  EXPECT_EQ(w.store.context().pending, nullptr);
  // As guest code calls it.
  EXPECT_EQ(quit->host(quit->host_data, w.context, nullptr), abi::Status::Unwind);
  EXPECT_NE(w.store.context().pending, nullptr);  // the store frees it if nobody takes it
}

TEST(Store, HostFunctionsSeeTheirCaller) {
  World w;
  auto* f = w.store.make_function({}, [&](Caller& caller, abi::Slot*) -> Outcome<void> {
    EXPECT_EQ(caller.instance(), w.instance);
    EXPECT_EQ(caller.memory().size(), 65536u);
    return {};
  });
  auto outcome = w.call([&](abi::FunctionInstance& self, abi::StoreContext&, abi::Slot*) -> Outcome<void> {
    EXPECT_EQ(f->host(f->host_data, self.context, nullptr), abi::Status::Ok);
    return {};
  });
  EXPECT_TRUE(outcome);
}

TEST(Store, NestingIsLimited) {
  World w({.native_nesting = 10});
  u32 depth = 0;
  std::function<Outcome<void>()> again = [&]() -> Outcome<void> {
    ++depth;
    return w.store.call_raw(*w.run, nullptr);
  };
  auto outcome = w.call([&](auto&, auto&, auto*) { return again(); });
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error()->trap, abi::TrapCode::StackExhausted);
  EXPECT_EQ(depth, 10u);
  EXPECT_TRUE(w.call([](auto&, auto&, auto*) -> Outcome<void> { return {}; }));
}

TEST(Store, ValueStackIsCommittedAndBounded) {
  World w({.stack_bytes = 1 << 20});
  abi::StoreContext& c = w.store.context();
  EXPECT_EQ(c.stack_limit - c.stack_base, (1 << 20) / 8);
  c.stack_base[0] = 1;
  c.stack_limit[-1] = 1;
  EXPECT_EQ(c.stack_top, c.stack_base);
}

TEST(Store, SaysWhenThereIsNoRoomForItsStack) {
  FakeExecutor executor;
  Store store(executor, {.stack_bytes = u64{1} << 52});
  ModuleBuilder b;
  auto failed = store.instantiate(executor.prepare_module(b), {});
  if (failed) GTEST_SKIP() << "this machine has the address space";
  EXPECT_NE(std::get<Error>(failed.error()).to_string().find("value stack"), std::string::npos);
}

TEST(Store, RootsAreFoundEverywhere) {
  World w;
  abi::StoreContext& c = w.store.context();
  Global* global = w.store.make_global({wasm::kAnyRef, true}, Value::of_ref(w.node(1)));
  w.churn();
  EXPECT_EQ(id_of(global->cell().value[0]), 1u);
  Table* table = *w.store.make_table({wasm::kExternRef, {3, {}}, false}, abi::kNull);
  table->set(2, w.node(2));
  const abi::Ref rooted = w.node(3);
  w.store.root(rooted);
  w.store.root(rooted);
  w.store.unroot(rooted);
  c.stack_base[5] = w.node(4) + 8;
  c.stack_top = c.stack_base + 6;
  const Value payload = Value::of_ref(*w.store.make_host_object(55));
  w.store.root(payload.ref);
  w.churn();
  EXPECT_EQ(id_of(table->at(2)), 2u);
  EXPECT_EQ(id_of(rooted), 3u);
  EXPECT_EQ(id_of(c.stack_base[5] - 8), 4u);
  EXPECT_EQ(reinterpret_cast<abi::HostObject*>(payload.ref)->payload, 55u);
  const u64 before = w.store.collect_garbage();
  c.stack_top = c.stack_base;
  w.store.unroot(rooted);
  EXPECT_EQ(w.store.collect_garbage(), before - 48);
}

TEST(Store, StressedHeapKeepsWhatIsReachable) {
  World w({.stress_heap = true});
  auto outcome = w.call([&](auto&, auto&, auto*) -> Outcome<void> {
    abi::Ref list = abi::kNull;
    for (u64 i = 0; i < 300; ++i) {
      const abi::Ref next = w.node(i);
      reinterpret_cast<abi::Ref*>(next)[2] = list;
      list = next;
      w.node(~u64{0});
    }
    for (u64 i = 300; i-- > 0; list = reinterpret_cast<abi::Ref*>(list)[2]) EXPECT_EQ(id_of(list), i);
    return {};
  });
  EXPECT_TRUE(outcome);
}

// A reference that only a register or a native frame of the guest's function holds.
TEST(Store, NativeFramesAreRoots) {
  World w;
  auto outcome = w.call([&](auto&, auto&, auto*) -> Outcome<void> {
    abi::Ref refs[50];
    for (u64 i = 0; i < 50; ++i) refs[i] = w.node(i);
    w.churn();
    for (u64 i = 0; i < 50; ++i) EXPECT_EQ(id_of(refs[i]), i);
    return {};
  });
  EXPECT_TRUE(outcome);
  EXPECT_LE(w.store.collect_garbage(), u64{24} * 50);
}

TEST(Store, FramesOfFibersAreRoots) {
  World w;
  std::unique_ptr<os::Fiber> fiber = *os::Fiber::create(256 << 10, [&](os::Fiber& self) {
    auto outcome = w.call([&](auto&, auto&, auto*) -> Outcome<void> {
      const abi::Ref mine = w.node(77);
      self.suspend();  // collected meanwhile, from another stack
      EXPECT_EQ(id_of(mine), 77u);
      w.churn();
      EXPECT_EQ(id_of(mine), 77u);
      return {};
    });
    EXPECT_TRUE(outcome);
  });
  auto outer = w.store.make_function({}, [&](Caller&, abi::Slot*) -> Outcome<void> {
    const abi::Ref mine = w.node(78);
    fiber->resume();
    w.churn();
    EXPECT_EQ(id_of(mine), 78u);
    fiber->resume();  // it collects while this stack waits
    EXPECT_EQ(id_of(mine), 78u);
    return {};
  });
  EXPECT_TRUE(w.store.call_raw(*outer, nullptr));
  EXPECT_TRUE(fiber->done());
}

TEST(Store, ExceptionsStayAliveUntilTheNextCall) {
  World w;
  auto outcome = w.call([&](auto&, auto&, auto*) -> Outcome<void> {
    const abi::Slot value = w.node(9);
    auto unwind = std::make_unique<Unwind>();
    unwind->kind = UnwindKind::Exception;
    EXPECT_EQ(exception_new(w.context, 0, &value, &unwind->exception), abi::TrapCode::None);
    return std::unexpected(std::move(unwind));
  });
  ASSERT_FALSE(outcome);
  w.churn();
  auto* exception = reinterpret_cast<abi::ExceptionObject*>(outcome.error()->exception);
  EXPECT_EQ(exception->tag, w.context->tags[0]);
  ASSERT_EQ(exception->slot_count, 1u);
  EXPECT_EQ(id_of(exception->values()[0]), 9u);
  EXPECT_TRUE(w.call([](auto&, auto&, auto*) -> Outcome<void> { return {}; }));
  EXPECT_EQ(w.store.collect_garbage(), 0u);
}

TEST(Store, InterruptStopsAndCanBeCleared) {
  World w;
  auto loop = [](auto&, abi::StoreContext& c, auto*) -> Outcome<void> {
    while (c.interrupt.load(std::memory_order_relaxed) == 0) {
    }
    return trap(abi::TrapCode::Interrupted);
  };
  {
    const i64 start = os::monotonic_ns();
    Deadline deadline(w.store, std::chrono::milliseconds(10));
    auto outcome = w.call(loop);
    ASSERT_FALSE(outcome);
    EXPECT_TRUE(deadline.passed());
    EXPECT_GE(os::monotonic_ns() - start, 10'000'000);
  }
  EXPECT_FALSE(w.store.call_raw(*w.run, nullptr));
  w.store.clear_interrupt();
  {
    Deadline never(w.store, std::chrono::hours(1));
    EXPECT_TRUE(w.call([](auto&, auto&, auto*) -> Outcome<void> { return {}; }));
    EXPECT_FALSE(never.passed());
  }
}

TEST(Store, DeadlineEndsAWait) {
  World w;
  Deadline deadline(w.store, std::chrono::milliseconds(10));
  auto outcome = w.call([&](auto&, auto&, auto*) -> Outcome<void> {
    u32 result = 0;
    return trap(atomic_wait32(w.context, 0, 0, 0, -1, &result));
  });
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error()->trap, abi::TrapCode::Interrupted);
}

TEST(Store, SharedMemoryBetweenStores) {
  auto shared = *SharedMemory::create({{1, 10}, false, true, 16});
  std::atomic<u32> woken{0};
  std::vector<std::thread> threads;
  threads.reserve(8);
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&] {
      FakeExecutor executor;
      Store store(executor);
      ModuleBuilder b;
      b.import_memory({{1, 10}, false, true, 16});
      Instance* instance =
          *store.instantiate(executor.prepare_module(b), std::vector<Extern>{store.adopt_memory(shared)});
      u32 result = 9;
      EXPECT_EQ(atomic_wait32(&instance->context(), 0, 16, 0, -1, &result), abi::TrapCode::None);
      EXPECT_EQ(result, 0u);
      memory_grow(&instance->context(), 0, 1);
      ++woken;
    });
  }
  World w;
  ModuleBuilder b;
  b.import_memory({{1, 10}, false, true, 16});
  Instance* mine =
      *w.store.instantiate(w.executor.prepare_module(b), std::vector<Extern>{w.store.adopt_memory(shared)});
  u32 total = 0;
  while (total < 3) {
    u32 now = 0;
    EXPECT_EQ(atomic_notify(&mine->context(), 0, 16, 1, &now), abi::TrapCode::None);
    total += now;
  }
  for (auto& t : threads) t.join();
  EXPECT_EQ(woken, 3u);
  EXPECT_EQ(memory_size(&mine->context(), 0), 4u);
  u32 result = 0;
  EXPECT_EQ(atomic_wait32(&mine->context(), 0, 18, 0, 0, &result), abi::TrapCode::UnalignedAtomic);
  EXPECT_EQ(atomic_wait64(&mine->context(), 0, u64{4} * 65536, 0, 0, &result), abi::TrapCode::MemoryOutOfBounds);
  EXPECT_EQ(atomic_wait64(&mine->context(), 0, 8, 0, 1000, &result), abi::TrapCode::None);
  EXPECT_EQ(result, 2u);
}

TEST(Store, ManyInManyThreads) {
  FakeExecutor executor;
  executor.bodies[0] = [](abi::FunctionInstance& self, abi::StoreContext&, abi::Slot*) -> Outcome<void> {
    abi::Ref keep = abi::kNull;
    EXPECT_EQ(struct_new(self.context, self.context->types[1], &keep), abi::TrapCode::None);
    reinterpret_cast<u64*>(keep)[1] = 5;
    for (int i = 0; i < 400'000; ++i) {
      abi::Ref other = abi::kNull;
      EXPECT_EQ(struct_new(self.context, self.context->types[1], &other), abi::TrapCode::None);
    }
    EXPECT_EQ(id_of(keep), 5u);
    self.context->memory0_base[3] = 1;
    return {};
  };
  ModuleBuilder b;
  b.type(B::func({}, {}));
  b.type(B::strct({B::field(kI64), B::field(B::ref(1))}));
  b.memory({{1, {}}, false, false, 16});
  b.function(0);
  b.export_as("run", ExternKind::Func, 0);
  auto module = executor.prepare_module(b);
  std::vector<std::thread> threads;
  threads.reserve(8);
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int k = 0; k < 4; ++k) {
        std::vector<std::unique_ptr<Store>> stores;
        stores.reserve(8);
        for (int i = 0; i < 8; ++i)
          stores.push_back(std::make_unique<Store>(executor, StoreLimits{.heap_bytes = 16 << 20}));
        for (auto& store : stores) {
          auto instance = store->instantiate(module, {});
          ASSERT_TRUE(instance);
          ASSERT_EQ((*instance)->find_memory("memory"), nullptr);
        }
        Store& one = *stores[static_cast<size_t>(k)];
        auto instance = one.instantiate(module, {});
        EXPECT_TRUE(one.call_raw(*(*instance)->find_function("run"), nullptr));
      }
    });
  }
  for (auto& t : threads) t.join();
}

}  // namespace
}  // namespace berth::runtime

// NOLINTEND(performance-no-int-to-ptr)
