// Native code written by hand, as a compiler would make it, run through the whole of this library.
#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <thread>

#include "decode/decoder.h"
#if defined(__x86_64__)
#include "native/x86_64/code_by_hand.h"
#else
#include "native/aarch64/code_by_hand.h"
#endif
#include "native/entry.h"
#include "native/executor.h"
#include "native/machine.h"
#include "native/testing.h"
#include "os/fiber.h"
#include "runtime/deadline.h"
#include "runtime/memory.h"
#include "text/parser.h"
#include "validate/validate.h"

namespace berth::native {
namespace {

using abi::FunctionInstance;
using abi::TrapCode;
using runtime::Outcome;
using runtime::UnwindKind;
using testing::ArtifactParts;
using testing::TemporaryFile;

extern "C" {
#define LABELS(X)                                                                                                      \
  X(enter)                                                                                                             \
  X(enter_frame)                                                                                                       \
  X(exit)                                                                                                              \
  X(exit_frame)                                                                                                        \
  X(identity)                                                                                                          \
  X(call_by_index) X(call_by_index_frame) X(trap) X(load) X(recurse) X(recurse_frame) X(spin) X(throw) X(throw_frame)  \
      X(deep) X(deep_last) X(catch_deep) X(catch_deep_frame) X(catch_deep_landing) X(catch_index) X(catch_index_frame) \
          X(catch_index_call) X(catch_index_after) X(recurse_out) X(recurse_out_frame) X(hold) X(hold_frame) X(end)
#define X(name) extern const u8 label_##name[] asm(#name);
LABELS(X)
#undef X
}

#define AT(name) static_cast<u32>(ArtifactParts::kTextStart + (label_##name - label_enter))

constexpr std::string_view kSource = R"((module
  (type $f (func (param i64) (result i64)))
  (type $e (func (param i64)))
  (type $s (struct (field i64)))
  (import "host" "h" (func $h (type $f)))
  (tag (type $e))
  (memory (export "memory") 1 2)
  (func (export "identity") (type $f) (local.get 0))
  (func (export "call_by_index") (type $f) (local.get 0))
  (func (export "trap") (type $f) (local.get 0))
  (func (export "load") (type $f) (local.get 0))
  (func (export "recurse") (type $f) (local.get 0))
  (func (export "spin") (type $f) (local.get 0))
  (func (export "throw") (type $f) (local.get 0))
  (func (export "deep") (type $f) (local.get 0))
  (func (export "catch_deep") (type $f) (local.get 0))
  (func (export "catch_index") (type $f) (local.get 0))
  (func (export "recurse_out") (type $f) (local.get 0))
  (func (export "hold") (type $f) (local.get 0))
  (func (export "interpreted") (type $f) (local.get 0))))";
enum Index : u8 {
  kHost,
  kIdentity,
  kCallByIndex,
  kTrap,
  kLoad,
  kRecurse,
  kSpin,
  kThrow,
  kDeep,
  kCatchDeep,
  kCatchIndex,
  kRecurseOut,
  kHold,
  kInterpreted
};

ArtifactParts parts() {
  ArtifactParts p;
  p.code.assign(label_enter, label_end);
  p.functions = {AT(identity), AT(call_by_index), AT(trap),        AT(load),        AT(recurse), AT(spin), AT(throw),
                 AT(deep),     AT(catch_deep),    AT(catch_index), AT(recurse_out), AT(hold),    0};
  p.types = {{AT(enter), AT(exit)}, {AT(enter), AT(exit)}, {0, 0}};
  p.rules.assign(std::begin(kFrames), std::end(kFrames));
  p.unwind = {{AT(enter), kNoFrame},
              {AT(enter_frame), kEnterFrame},
              {AT(exit), kNoFrame},
              {AT(exit_frame), kExitFrame},
              {AT(identity), kNoFrame},
              {AT(call_by_index_frame), kCallFrame},
              {AT(trap), kNoFrame},
              {AT(recurse_frame), kRecurseFrame},
              {AT(spin), kNoFrame},
              {AT(throw_frame), kThrowFrame},
              {AT(deep), kCallFrame},
              {AT(deep_last), kNoFrame},
              {AT(catch_deep_frame), kCatchFrame},
              {AT(catch_index), kNoFrame},
              {AT(catch_index_frame), kCatchFrame},
              {AT(recurse_out), kNoFrame},
              {AT(recurse_out_frame), kRecurseOutFrame},
              {AT(hold), kNoFrame},
              {AT(hold_frame), kHoldFrame}};
  p.landings = {{AT(catch_deep_frame), AT(catch_deep_landing), AT(catch_deep_landing)},
                {AT(catch_index_call), AT(catch_index_after), AT(catch_deep_landing)}};
  p.lines = {{AT(enter), abi::kNoLine, abi::kNoLine, 0}};
  const u32 starts[] = {AT(identity), AT(call_by_index), AT(trap),       AT(load),        AT(recurse),     AT(spin),
                        AT(throw),    AT(deep),          AT(catch_deep), AT(catch_index), AT(recurse_out), AT(hold)};
  for (u32 i = 0; i < std::size(starts); ++i) p.lines.push_back({starts[i], 1000 + i, i + 1, 0});
  return p;
}

// An interpreter whose functions are lambdas.
class FakeInterpreter final : public runtime::Executor {
 public:
  using Body = std::function<Outcome<void>(FunctionInstance&, StoreContext&, Slot*)>;
  Body body;
  std::unique_ptr<runtime::ModuleCode> prepare(std::shared_ptr<const wasm::Module>) override {
    struct Code final : runtime::ModuleCode {
      void* function_code(u32) override { return this; }
    };
    return std::make_unique<Code>();
  }
  Outcome<void> invoke(FunctionInstance& function, StoreContext& store, Slot* values) override {
    return body ? body(function, store, values) : runtime::trap(TrapCode::HostError, "no interpreter");
  }
  void backtrace(const StoreContext&, std::vector<runtime::Frame>&) override {}
};

std::shared_ptr<const wasm::Module> module() {
  auto parsed = text::parse_module(kSource);
  EXPECT_TRUE(parsed) << parsed.error().to_string();
  auto decoded = decode::decode_module(std::move(parsed->binary));
  EXPECT_TRUE(decoded);
  EXPECT_TRUE(validate::validate_module(*decoded));
  return std::make_shared<const wasm::Module>(std::move(*decoded));
}

class NativeTest : public ::testing::Test {
 protected:
  explicit NativeTest(runtime::StoreLimits limits = {}, bool attach_first = true) {
    auto interpreter = std::make_unique<FakeInterpreter>();
    interpreter_ = interpreter.get();
    executor_ = std::move(*Executor::create(std::move(interpreter)));
    prepared_ = std::make_shared<const runtime::PreparedModule>(module(), *executor_);
    if (attach_first) attach();
    store_ = std::make_unique<runtime::Store>(*executor_, limits);
    FunctionInstance* host = store_->make_function(
        prepared_->module().types[0].func,
        [this](runtime::Caller& caller, Slot* values) { return host_ ? host_(caller, values) : Outcome<void>{}; });
    const runtime::Extern imports[] = {host};
    auto made = store_->instantiate(prepared_, imports);
    EXPECT_TRUE(made);
    instance_ = *made;
  }
  void attach() {
    const TemporaryFile file(parts().image());
    auto artifact = Artifact::open(file.path(), {});
    ASSERT_TRUE(artifact) << artifact.error().to_string();
    Executor::attach(*prepared_, *artifact);
  }

  Outcome<u64> call(Index index, u64 argument = 0) {
    Slot values[1] = {argument};
    if (auto done = store_->call_raw(*instance_->context().functions[index], values); !done)
      return std::unexpected(std::move(done).error());
    return values[0];
  }
  static TrapCode trap_of(const Outcome<u64>& outcome) {
    return !outcome && outcome.error()->kind == UnwindKind::Trap ? outcome.error()->trap : TrapCode::None;
  }
  static std::vector<u32> functions(const std::vector<runtime::Frame>& frames) {
    std::vector<u32> out;
    for (const auto& frame : frames) out.push_back(frame.function);
    return out;
  }
  bool on_guest_stack() const {
    auto at = static_cast<const u8*>(__builtin_frame_address(0));
    const auto& stack = os::ExecutionStack::current();
    return os::Fiber::current() != nullptr && at >= stack.low() && at < stack.high();
  }

  FakeInterpreter* interpreter_;
  std::unique_ptr<Executor> executor_;
  std::shared_ptr<const runtime::PreparedModule> prepared_;
  std::function<Outcome<void>(runtime::Caller&, Slot*)> host_;
  std::unique_ptr<runtime::Store> store_;
  runtime::Instance* instance_;
};

u64 with_index(u64 value, Index index) { return value << 8 | index; }

TEST_F(NativeTest, Runs) {
  EXPECT_EQ(call(kIdentity, 42).value(), 42u);
  EXPECT_EQ(call(kCallByIndex, with_index(43, kIdentity)).value(), 43u);
  EXPECT_EQ(berth_native_entry, nullptr);
  EXPECT_EQ(os::Fiber::current(), nullptr);
}

TEST_F(NativeTest, CallsTheHostWithItsCallerOnTheSameStack) {
  host_ = [&](runtime::Caller& caller, Slot* values) -> Outcome<void> {
    EXPECT_EQ(caller.instance(), instance_);
    EXPECT_EQ(caller.memory().size(), 65536u);
    EXPECT_TRUE(on_guest_stack());
    std::vector<runtime::Frame> frames;
    executor_->backtrace(store_->context(), frames);
    EXPECT_EQ(functions(frames), (std::vector<u32>{kCallByIndex, kCallByIndex}));
    EXPECT_EQ(frames.empty() ? 0 : frames[0].code_offset, 1001u);
    const os::Fiber* const fiber = os::Fiber::current();
    host_ = [&, fiber](runtime::Caller&, Slot* inner) -> Outcome<void> {
      EXPECT_EQ(os::Fiber::current(), fiber);
      std::vector<runtime::Frame> all;
      executor_->backtrace(store_->context(), all);
      EXPECT_EQ(functions(all), (std::vector<u32>{kCallByIndex, kCallByIndex, kCallByIndex}));
      *inner *= 2;
      return {};
    };
    auto nested = call(kCallByIndex, with_index(*values, kHost));
    EXPECT_TRUE(nested);
    *values = *nested + 1;
    return {};
  };
  EXPECT_EQ(call(kCallByIndex, with_index(with_index(21, kHost), kCallByIndex)).value(), 43u);
}

TEST_F(NativeTest, TrapsSayWhere) {
  auto outcome = call(kCallByIndex, with_index(0, kTrap));
  EXPECT_EQ(trap_of(outcome), TrapCode::Unreachable);
  EXPECT_EQ(functions(outcome.error()->backtrace), (std::vector<u32>{kTrap, kCallByIndex}));
  EXPECT_EQ(call(kIdentity, 1).value(), 1u);

  host_ = [&](runtime::Caller&, Slot*) -> Outcome<void> { return std::unexpected(std::move(call(kTrap)).error()); };
  outcome = call(kCallByIndex, with_index(0, kHost));
  EXPECT_EQ(trap_of(outcome), TrapCode::Unreachable);
  EXPECT_EQ(functions(outcome.error()->backtrace), (std::vector<u32>{kTrap, kCallByIndex}));
  host_ = [&](runtime::Caller&, Slot*) -> Outcome<void> { return runtime::trap(TrapCode::HostError); };
  outcome = call(kCallByIndex, with_index(0, kHost));
  EXPECT_EQ(trap_of(outcome), TrapCode::HostError);
  EXPECT_EQ(functions(outcome.error()->backtrace), (std::vector<u32>{kCallByIndex}));
  host_ = [&](runtime::Caller&, Slot*) -> Outcome<void> { return runtime::exit_guest(3); };
  outcome = call(kCallByIndex, with_index(0, kHost));
  EXPECT_EQ(outcome.error()->kind, UnwindKind::Exit);
}

TEST_F(NativeTest, FaultsInMemoriesAreTraps) {
  instance_->find_memory("memory")->base()[65535] = 7;
  EXPECT_EQ(call(kLoad, 65528).value() >> 56, 7u);
  auto outcome = call(kLoad, 65529);
  EXPECT_EQ(trap_of(outcome), TrapCode::MemoryOutOfBounds);
  EXPECT_EQ(functions(outcome.error()->backtrace), (std::vector<u32>{kLoad}));
  EXPECT_EQ(trap_of(call(kLoad, 0x1FFFFFFFF)), TrapCode::MemoryOutOfBounds);
}

#if !defined(__has_feature) || !(__has_feature(address_sanitizer) || __has_feature(thread_sanitizer))
TEST_F(NativeTest, OtherFaultsAreCrashes) {
  // An address below the memory: nothing of the store's.
  EXPECT_EXIT((void)call(kLoad, ~u64{0} - reinterpret_cast<u64>(instance_->find_memory("memory")->base()) + 9),
              ::testing::KilledBySignal(SIGSEGV), "");
}
#endif

TEST_F(NativeTest, RecursionEnds) {
  for (int i = 0; i < 3; ++i) {
    auto outcome = call(kCallByIndex, with_index(0, kRecurse));
    EXPECT_EQ(trap_of(outcome), TrapCode::StackExhausted);
    EXPECT_EQ(outcome.error()->backtrace.size(), runtime::kMaxBacktrace);
  }
  u64 calls = 0;
  host_ = [&](runtime::Caller&, Slot*) -> Outcome<void> {
    ++calls;
    return {};
  };
  auto outcome = call(kRecurseOut);
  EXPECT_EQ(trap_of(outcome), TrapCode::StackExhausted);
  EXPECT_GT(calls, 1000u);
  EXPECT_EQ(functions(outcome.error()->backtrace)[0], u32{kCallByIndex});
}

TEST_F(NativeTest, RecursionThroughTheHostEnds) {
  u64 depth = 0;
  host_ = [&](runtime::Caller&, Slot*) -> Outcome<void> {
    ++depth;
    auto inner = call(kCallByIndex, with_index(0, kHost));
    if (!inner) return std::unexpected(std::move(inner).error());
    return {};
  };
  EXPECT_EQ(trap_of(call(kCallByIndex, with_index(0, kHost))), TrapCode::StackExhausted);
  EXPECT_GT(depth, 100u);
}

TEST_F(NativeTest, IsInterruptedAnywhere) {
#if defined(__has_feature) && __has_feature(thread_sanitizer)
  GTEST_SKIP() << "the thread sanitizer holds signals back until instrumented code runs, which native code is not";
#endif
  for (int i = 0; i < 5; ++i) {
    std::thread other([&, i] {
      std::this_thread::sleep_for(std::chrono::milliseconds(i));
      store_->interrupt();
    });
    auto outcome = call(kCallByIndex, with_index(0, kSpin));
    EXPECT_EQ(trap_of(outcome), TrapCode::Interrupted);
    other.join();
    EXPECT_EQ(trap_of(call(kIdentity)), TrapCode::Interrupted);
    store_->clear_interrupt();
    EXPECT_TRUE(call(kIdentity));
  }
  const runtime::Deadline deadline(*store_, std::chrono::milliseconds(3));
  EXPECT_EQ(trap_of(call(kSpin)), TrapCode::Interrupted);
  EXPECT_TRUE(deadline.passed());
}

#if defined(__x86_64__)
TEST_F(NativeTest, GivesWayAnywhereAndGoesOn) {
#if defined(__has_feature) && __has_feature(thread_sanitizer)
  GTEST_SKIP() << "the thread sanitizer holds signals back until instrumented code runs, which native code is not";
#endif
  store_->set_yield([] { os::Fiber::current()->suspend(); });
  Outcome<u64> outcome;
  auto fiber = os::Fiber::create(256 << 10, [&](os::Fiber&) { outcome = call(kCallByIndex, with_index(0, kSpin)); });
  ASSERT_TRUE(fiber);
  std::atomic<bool> ended = false;
  std::thread clock([&] {
    while (!ended) {
      store_->ask_to_yield();
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  });
  for (int i = 0; i < 20; ++i) {
    (*fiber)->resume();
    ASSERT_FALSE((*fiber)->done());
    EXPECT_EQ(current_entry(), nullptr);
  }
  // Asked to stop while it waits.
  store_->interrupt();
  (*fiber)->resume();
  EXPECT_TRUE((*fiber)->done());
  EXPECT_EQ(trap_of(outcome), TrapCode::Interrupted);
  ended = true;
  clock.join();
  store_->set_yield(nullptr);
}

TEST_F(NativeTest, SuspendsInTheHostAndGoesOn) {
  host_ = [](runtime::Caller&, Slot*) -> Outcome<void> {
    os::Fiber::current()->suspend();
    return {};
  };
  Outcome<u64> outcome;
  auto fiber = os::Fiber::create(256 << 10, [&](os::Fiber&) { outcome = call(kCallByIndex, with_index(0, kHost)); });
  ASSERT_TRUE(fiber);
  (*fiber)->resume();
  EXPECT_FALSE((*fiber)->done());
  EXPECT_EQ(current_entry(), nullptr);
  (*fiber)->resume();
  EXPECT_TRUE((*fiber)->done());
  EXPECT_TRUE(outcome);
}
#endif

TEST_F(NativeTest, IsInterruptedBetweenBuiltins) {
  for (int i = 0; i < 20; ++i) {
    std::thread other([&] { store_->interrupt(); });
    Outcome<u64> outcome;
    host_ = [](runtime::Caller&, Slot*) -> Outcome<void> { return {}; };
    while ((outcome = call(kCallByIndex, with_index(0, kHost)))) {
    }
    EXPECT_EQ(trap_of(outcome), TrapCode::Interrupted);
    other.join();
    store_->clear_interrupt();
  }
  host_ = [&](runtime::Caller&, Slot*) -> Outcome<void> {
    store_->interrupt();
    return {};
  };
  EXPECT_EQ(trap_of(call(kCallByIndex, with_index(0, kHost))), TrapCode::Interrupted);
}

TEST_F(NativeTest, ExceptionsAreCaught) {
  EXPECT_EQ(call(kCatchDeep, 5).value(), 1005u);
  EXPECT_EQ(call(kCatchIndex, with_index(6, kThrow)).value(), 2006u);
  EXPECT_EQ(call(kCatchIndex, with_index(7, kDeep)).value(), 2007u);
  EXPECT_EQ(call(kCatchIndex, with_index(8, kIdentity)).value(), 8u);
  EXPECT_EQ(trap_of(call(kCatchIndex, with_index(0, kTrap))), TrapCode::Unreachable);

  auto outcome = call(kCallByIndex, with_index(9, kThrow));
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error()->kind, UnwindKind::Exception);
  EXPECT_EQ(reinterpret_cast<abi::ExceptionObject*>(outcome.error()->exception)->values()[0], 9u);
  EXPECT_EQ(functions(outcome.error()->backtrace), (std::vector<u32>{kThrow, kCallByIndex}));

  // Through the host.
  host_ = [&](runtime::Caller&, Slot* values) -> Outcome<void> {
    auto thrown = call(kThrow, *values);
    return std::unexpected(std::move(thrown).error());
  };
  EXPECT_EQ(call(kCatchIndex, with_index(10, kHost)).value(), 2010u);
  outcome = call(kCallByIndex, with_index(11, kHost));
  ASSERT_FALSE(outcome);
  EXPECT_EQ(functions(outcome.error()->backtrace), (std::vector<u32>{kThrow, kCallByIndex}));
}

TEST_F(NativeTest, ThrowingIsFast) {
  Slot values[1];
  constexpr int kTimes = 20'000;
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < kTimes; ++i) {
    values[0] = 1;
    ASSERT_TRUE(store_->call_raw(*instance_->context().functions[kCatchDeep], values));
  }
  const auto took = std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now() - start);
  RecordProperty("ns", static_cast<int>(took.count() / kTimes));
  std::printf("throw, eleven frames and catch: %d ns\n", static_cast<int>(took.count() / kTimes));
}

TEST_F(NativeTest, CallsAreFast) {
  Slot values[1] = {1};
  constexpr int kTimes = 100'000;
  auto time = [&](Index index, u64 argument) {
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < kTimes; ++i) {
      values[0] = argument;
      EXPECT_TRUE(store_->call_raw(*instance_->context().functions[index], values));
    }
    const auto took = std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now() - start);
    return static_cast<int>(took.count() / kTimes);
  };
  host_ = [](runtime::Caller&, Slot*) -> Outcome<void> { return {}; };
  const int in = time(kIdentity, 1);
  std::printf("host to guest: %d ns; and to the host: %d ns more\n", in, time(kCallByIndex, with_index(1, kHost)) - in);
}

TEST_F(NativeTest, OtherTiersTakePart) {
  interpreter_->body = [&](FunctionInstance& function, StoreContext& store, Slot* values) -> Outcome<void> {
    EXPECT_EQ(function.index, u32{kInterpreted});
    EXPECT_EQ(&store, &store_->context());
    EXPECT_TRUE(on_guest_stack());
    *values += 1;
    return {};
  };
  EXPECT_EQ(call(kInterpreted, 1).value(), 2u);
  EXPECT_EQ(call(kCallByIndex, with_index(5, kInterpreted)).value(), 6u);
  interpreter_->body = [&](FunctionInstance&, StoreContext&, Slot* values) -> Outcome<void> {
    auto thrown = call(kThrow, *values);
    return std::unexpected(std::move(thrown).error());
  };
  EXPECT_EQ(call(kCatchIndex, with_index(12, kInterpreted)).value(), 2012u);
  interpreter_->body = [&](FunctionInstance&, StoreContext&, Slot*) -> Outcome<void> {
    auto inner = call(kCallByIndex, with_index(0, kInterpreted));
    if (!inner) return std::unexpected(std::move(inner).error());
    return {};
  };
  EXPECT_EQ(trap_of(call(kInterpreted)), TrapCode::StackExhausted);
}

class Attached : public NativeTest {
 protected:
  Attached() : NativeTest({}, false) {}
};
TEST_F(Attached, LaterThanTheInstance) {
  int interpreted = 0;
  interpreter_->body = [&](FunctionInstance&, StoreContext&, Slot*) -> Outcome<void> {
    ++interpreted;
    return {};
  };
  EXPECT_EQ(call(kIdentity, 3).value(), 3u);
  EXPECT_EQ(interpreted, 1);
  attach();
  EXPECT_EQ(call(kIdentity, 3).value(), 3u);
  EXPECT_EQ(interpreted, 1);
  FunctionInstance& trap = *instance_->context().functions[kTrap];
  EXPECT_EQ(trap.native_target, &trap);
  EXPECT_EQ(trap_of(call(kCallByIndex, with_index(0, kTrap))), TrapCode::Unreachable);
  EXPECT_EQ(trap.native_target, trap.context);
}

class Stressed : public NativeTest {
 protected:
  static runtime::StoreLimits limits() {
    runtime::StoreLimits l;
    l.stress_heap = true;
    return l;
  }
  Stressed() : NativeTest(limits()) {}
};
TEST_F(Stressed, ReferencesInNativeFramesKeepObjects) {
  host_ = [&](runtime::Caller&, Slot*) -> Outcome<void> {
    store_->collect_garbage();
    return {};
  };
  EXPECT_EQ(call(kHold).value(), 1u);
  EXPECT_EQ(call(kCallByIndex, with_index(0, kHold)).value(), 1u);
  // The same with frames of an outer entry.
  host_ = [&](runtime::Caller&, Slot*) -> Outcome<void> {
    host_ = [&](runtime::Caller&, Slot*) -> Outcome<void> {
      store_->collect_garbage();
      return {};
    };
    EXPECT_EQ(call(kHold).value(), 1u);
    return {};
  };
  EXPECT_EQ(call(kHold).value(), 1u);
}

TEST_F(NativeTest, StoresOnOneThreadNest) {
  runtime::Store other(*executor_);
  FunctionInstance* outer = nullptr;
  FunctionInstance* host =
      other.make_function(prepared_->module().types[0].func, [&](runtime::Caller&, Slot* values) -> Outcome<void> {
        auto inner = call(kCallByIndex, with_index(*values, kHost));
        EXPECT_EQ(trap_of(call(kTrap)), TrapCode::Unreachable);
        *values = *inner + 1;
        return {};
      });
  host_ = [&](runtime::Caller&, Slot* values) -> Outcome<void> {
    *values += 10;
    return {};
  };
  const runtime::Extern imports[] = {host};
  auto made = other.instantiate(prepared_, imports);
  ASSERT_TRUE(made);
  outer = (*made)->context().functions[kCallByIndex];
  Slot values[1] = {with_index(1, kHost)};
  ASSERT_TRUE(other.call_raw(*outer, values));
  EXPECT_EQ(values[0], 12u);
}

TEST_F(NativeTest, ManyStoresAreCheap) {
  std::vector<std::unique_ptr<runtime::Store>> stores;
  const auto start = std::chrono::steady_clock::now();
#ifdef BERTH_EMULATED
  constexpr int kStores = 10;  // qemu takes 50 MB for the 8 GiB that each reserves
#elif defined(BERTH_INSTRUMENTED)
  constexpr int kStores = 100;  // a sanitizer keeps mappings of its own for each stack
#else
  constexpr int kStores = 2000;
#endif
  for (int i = 0; i < kStores; ++i) {
    auto& store = *stores.emplace_back(std::make_unique<runtime::Store>(*executor_));
    FunctionInstance* host = store.make_function(prepared_->module().types[0].func,
                                                 [](runtime::Caller&, Slot*) -> Outcome<void> { return {}; });
    const runtime::Extern imports[] = {host};
    auto made = store.instantiate(prepared_, imports);
    ASSERT_TRUE(made);
    Slot values[1] = {with_index(7, kIdentity)};
    ASSERT_TRUE(store.call_raw(*(*made)->context().functions[kCallByIndex], values));
  }
  const auto took = std::chrono::steady_clock::now() - start;
  std::printf("store, instance and first call: %d ns\n",
              static_cast<int>(std::chrono::duration_cast<std::chrono::nanoseconds>(took).count() / kStores));
}

TEST_F(NativeTest, ThreadsHaveTheirOwn) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      runtime::Store store(*executor_);
      FunctionInstance* host = store.make_function(prepared_->module().types[0].func,
                                                   [](runtime::Caller&, Slot*) -> Outcome<void> { return {}; });
      const runtime::Extern imports[] = {host};
      auto made = store.instantiate(prepared_, imports);
      ASSERT_TRUE(made);
      for (u64 i = 0; i < 200; ++i) {
        Slot values[1] = {i};
        ASSERT_TRUE(store.call_raw(*(*made)->context().functions[kCatchDeep], values));
        EXPECT_EQ(values[0], i + 1000);
        if (i % 20 == static_cast<u64>(t))
          EXPECT_FALSE(store.call_raw(*(*made)->context().functions[kRecurse], values));
      }
    });
  }
  for (auto& thread : threads) thread.join();
}

}  // namespace
}  // namespace berth::native
