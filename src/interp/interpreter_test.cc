#include "interp/interpreter.h"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "decode/decoder.h"
#include "os/fiber.h"
#include "runtime/global.h"
#include "runtime/store.h"
#include "text/parser.h"
#include "validate/validate.h"

namespace berth::interp {
namespace {

using abi::TrapCode;
using runtime::UnwindKind;
using runtime::Value;

// A store with one instance of a module written as text; imports come from "host".
class Guest {
 public:
  explicit Guest(std::string_view source, const InterpreterConfig& config = {}, runtime::StoreLimits limits = {})
      : executor_(std::move(make_interpreter(config).value())),
        store_(std::make_unique<runtime::Store>(*executor_, limits)),
        linker_(std::make_unique<runtime::Linker>(*store_)) {
    auto parsed = text::parse_module(source);
    EXPECT_TRUE(parsed) << parsed.error().to_string();
    auto module = decode::decode_module(std::move(parsed->binary));
    EXPECT_TRUE(module) << module.error().to_string();
    auto valid = validate::validate_module(*module);
    EXPECT_TRUE(valid) << valid.error().to_string();
    module_ = std::make_shared<const wasm::Module>(std::move(*module));
  }

  void define(std::string_view name, runtime::HostFunction function) {
    for (const auto& import : module_->imports)
      if (import.name == name)
        EXPECT_TRUE(linker_->define(
            "host", name, store_->make_function(module_->func_type(wasm::FuncIdx(import.index)), std::move(function))));
  }

  void start() {
    auto made = linker_->instantiate(std::make_shared<const runtime::PreparedModule>(module_, *executor_));
    ASSERT_TRUE(made);
    instance_ = *made;
  }

  runtime::Outcome<u64> call(std::string_view name, u64 argument = 0) {
    abi::Slot values[8] = {argument};
    if (auto done = store_->call_raw(*instance_->find_function(name), values); !done)
      return std::unexpected(std::move(done.error()));
    return values[0];
  }

  runtime::Store& store() { return *store_; }
  runtime::Instance& instance() { return *instance_; }
  const wasm::Module& module() const { return *module_; }

 private:
  std::unique_ptr<runtime::Executor> executor_;
  std::unique_ptr<runtime::Store> store_;
  std::unique_ptr<runtime::Linker> linker_;
  std::shared_ptr<const wasm::Module> module_;
  runtime::Instance* instance_ = nullptr;
};

TrapCode trap_of(const runtime::Outcome<u64>& outcome) {
  if (outcome) return TrapCode::None;
  return outcome.error()->kind == UnwindKind::Trap ? outcome.error()->trap : TrapCode::None;
}

TEST(Interpreter, FaultInsideFusedInstructionsNamesItsOwnInstruction) {
  // Each function is one run of steps that fuse; the third access is the one out of bounds.
  Guest guest(R"((module (memory 1)
    (func (export "load") (param i32) (result i32) (local i32 i32)
      (local.set 1 (i32.add (local.get 0) (i32.const 8)))
      (local.set 2 (i32.load (local.get 1)))
      (i32.store (i32.const 64) (i32.const 7))
      (i64.load32_u offset=65536 (local.get 1)) (drop)
      (i32.load (i32.const 0)))
    (func (export "store") (param i32) (result i32)
      (i32.store (i32.const 32) (i32.const 5))
      (i32.store8 offset=65530 (i32.add (local.get 0) (i32.const 16)) (i32.const 1))
      (i32.store (i32.const 32) (i32.const 6))
      (i32.const 0))
    (func (export "at") (param i32) (result i32) (i32.load (local.get 0)))))");
  guest.start();
  const auto load = guest.call("load");
  EXPECT_EQ(trap_of(load), TrapCode::MemoryOutOfBounds);
  ASSERT_EQ(load.error()->backtrace.size(), 1u);
  EXPECT_EQ(guest.module().bytes[load.error()->backtrace[0].code_offset], 0x35);
  EXPECT_EQ(guest.call("at", 64).value(), 7u) << "what came before the trap stays";
  const auto store = guest.call("store");
  EXPECT_EQ(trap_of(store), TrapCode::MemoryOutOfBounds);
  ASSERT_EQ(store.error()->backtrace.size(), 1u);
  EXPECT_EQ(guest.module().bytes[store.error()->backtrace[0].code_offset], 0x3A);
  EXPECT_EQ(guest.call("at", 32).value(), 5u) << "what comes after the trap did not happen";
}

TEST(Interpreter, FaultInsideATunedLoopNamesItsOwnInstruction) {
  // c[i] += 3 * b[i], unrolled twice: what clang makes of the inner loop of a matrix multiplication.
  Guest guest(R"((module (memory 1)
    (func (export "run") (param $both i64) (result i64)
      (local $i i32) (local $pc i32) (local $pb i32) (local $c i32) (local $b i32) (local $s f64)
      (local.set $c (i32.wrap_i64 (local.get $both)))
      (local.set $b (i32.wrap_i64 (i64.shr_u (local.get $both) (i64.const 32))))
      (local.set $s (f64.const 3))
      (loop $l
        (f64.store (local.tee $pc (i32.add (local.get $c) (local.get $i)))
          (f64.add (f64.mul (local.get $s) (f64.load (local.tee $pb (i32.add (local.get $b) (local.get $i))))) (f64.load (local.get $pc))))
        (f64.store (local.tee $pc (i32.add (local.get $pc) (i32.const 8)))
          (f64.add (f64.mul (local.get $s) (f64.load (i32.add (local.get $pb) (i32.const 8)))) (f64.load (local.get $pc))))
        (br_if $l (i32.ne (local.tee $i (i32.add (local.get $i) (i32.const 16))) (i32.const 64))))
      (i64.extend_i32_u (i32.add (local.get $pc) (i32.add (local.get $pb) (local.get $i)))))
    (func (export "set") (param i64) (result i64) (f64.store (i32.wrap_i64 (local.get 0)) (f64.const 2)) (i64.const 0))
    (func (export "get") (param i64) (result i64) (i64.trunc_f64_s (f64.load (i32.wrap_i64 (local.get 0)))))))");
  guest.start();
  const auto& bytes = guest.module().bytes;
  std::vector<u32> loads;
  for (u32 i = 0; i + 2 < bytes.size(); ++i)
    if (bytes[i] == 0x2B && bytes[i + 1] == 3 && bytes[i + 2] == 0) loads.push_back(i);
  ASSERT_EQ(loads.size(), 5u);
  const auto both = [](u64 c, u64 b) { return c | b << 32; };
  const auto faults_at = [&](u64 c, u64 b) {
    const auto run = guest.call("run", both(c, b));
    EXPECT_EQ(trap_of(run), TrapCode::MemoryOutOfBounds);
    return run.error()->backtrace.at(0).code_offset;
  };
  constexpr u64 end = 65536;
  EXPECT_EQ(faults_at(0, end), loads[0]);
  EXPECT_EQ(faults_at(end, 0), loads[1]);
  EXPECT_EQ(faults_at(0, end - 8), loads[2]);
  EXPECT_EQ(faults_at(end - 8, 0), loads[3]);
  EXPECT_EQ(faults_at(0, end - 32), loads[0]) << "in the third round";
  for (const u64 at : {1024u, 1032u, 1072u, 1080u}) ASSERT_TRUE(guest.call("set", at));
  EXPECT_EQ(guest.call("run", both(2048, 1024)).value(), 2048u + 56 + 1024 + 48 + 64);
  EXPECT_EQ(guest.call("get", 2048).value(), 6u);
  EXPECT_EQ(guest.call("get", 2056).value(), 6u);
  EXPECT_EQ(guest.call("get", 2064).value(), 0u);
  EXPECT_EQ(guest.call("get", 2104).value(), 6u);
}

TEST(Interpreter, TailCallsUseNoStack) {
  Guest guest(R"((module (type $f (func (param i32) (result i32))) (table funcref (elem $even $odd))
    (func $even (export "even") (type $f)
      (if (i32.eqz (local.get 0)) (then (return (i32.const 1))))
      (return_call $odd (i32.sub (local.get 0) (i32.const 1))))
    (func $odd (type $f) (local i64 v128)
      (if (i32.eqz (local.get 0)) (then (return (i32.const 0))))
      (return_call_indirect (type $f) (i32.sub (local.get 0) (i32.const 1)) (i32.const 0)))))");
  guest.start();
  EXPECT_EQ(static_cast<u32>(guest.call("even", 1'000'001).value()), 0u);
}

TEST(Interpreter, StackExhaustionIsATrapAndLeavesTheStoreUsable) {
  Guest guest(R"((module (func $f (export "f") (param i32) (result i32) (i32.add (call $f (local.get 0)) (i32.const 1)))
                         (func (export "g") (result i32) (i32.const 3))))");
  guest.start();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(trap_of(guest.call("f")), TrapCode::StackExhausted);
  EXPECT_EQ(static_cast<u32>(guest.call("g").value()), 3u);
}

TEST(Interpreter, InterruptStopsEveryKindOfLoop) {
  Guest guest(R"((module (table funcref (elem $tail))
    (func (export "br") (loop (br 0)))
    (func (export "br_if") (loop (br_if 0 (i32.const 1))))
    (func (export "fused") (local i32) (loop (br_if 0 (i32.lt_s (local.tee 0 (i32.and (i32.add (local.get 0) (i32.const 1)) (i32.const 7))) (i32.const 100)))))
    (func (export "br_table") (loop (br_table 0 0 (i32.const 0))))
    (func (export "br_on_null") (loop (br_on_null 0 (ref.null func)) (drop)))
    (func $tail (export "return_call") (return_call $tail))
    (func $again (export "return_call_indirect") (return_call_indirect (i32.const 0)))
    (func $calls (export "calls") (param i32) (if (i32.lt_u (local.get 0) (i32.const 40))
      (then (call $calls (i32.add (local.get 0) (i32.const 1))) (call $calls (i32.add (local.get 0) (i32.const 1))))))))");
  guest.start();
  for (const char* name :
       {"br", "br_if", "fused", "br_table", "br_on_null", "return_call", "return_call_indirect", "calls"}) {
    std::jthread timer([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
      guest.store().interrupt();
    });
    EXPECT_EQ(trap_of(guest.call(name)), TrapCode::Interrupted) << name;
    timer.join();
    guest.store().clear_interrupt();
  }
}

TEST(Interpreter, GivesWayInEveryKindOfLoopAndGoesOn) {
  Guest guest(R"((module (table funcref (elem $tail)) (global $go (export "go") (mut i32) (i32.const 1))
    (func (export "br_if") (result i32) (loop (br_if 0 (global.get $go))) (i32.const 7))
    (func $tail (export "return_call") (result i32)
      (if (result i32) (global.get $go) (then (return_call $tail)) (else (i32.const 7))))
    (func (export "calls") (result i32) (call $calls (i32.const 0)))
    (func $calls (param i32) (result i32) (if (global.get $go) (then (if (i32.lt_u (local.get 0) (i32.const 40))
      (then (drop (call $calls (i32.add (local.get 0) (i32.const 1))))
            (drop (call $calls (i32.add (local.get 0) (i32.const 1)))))))) (i32.const 7))))");
  guest.start();
  auto* const go = std::get<runtime::Global*>(*guest.instance().find_export("go"));
  for (const char* name : {"br_if", "return_call", "calls"}) {
    int turns = 0;
    go->cell().value[0] = 1;
    guest.store().set_yield([&] {
      os::Fiber::current()->suspend();
      if (++turns == 3) go->cell().value[0] = 0;
    });
    u32 result = 0;
    auto fiber = os::Fiber::create(256 << 10, [&](os::Fiber&) { result = static_cast<u32>(guest.call(name).value()); });
    ASSERT_TRUE(fiber);
    std::atomic<bool> ended = false;
    std::jthread clock([&] {
      while (!ended) {
        guest.store().ask_to_yield();
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }
    });
    int resumed = 0;
    for (; !(*fiber)->done(); ++resumed) (*fiber)->resume();
    ended = true;
    clock.join();
    guest.store().set_yield(nullptr);
    EXPECT_GE(resumed, 3) << name;
    EXPECT_EQ(result, 7u) << name;
  }
}

TEST(Interpreter, FuelEndsALoopAndIsCounted) {
  Guest guest(R"((module (func (export "spin") (loop (br 0)))
                         (func (export "short") (result i32) (i32.add (i32.const 1) (i32.const 2)))))",
              {.fuel = true});
  guest.start();
  guest.store().set_fuel(100);
  EXPECT_EQ(static_cast<u32>(guest.call("short").value()), 3u);
  const i64 left = guest.store().fuel();
  EXPECT_LT(left, 100);
  EXPECT_GT(left, 90);
  EXPECT_EQ(trap_of(guest.call("spin")), TrapCode::OutOfFuel);
}

TEST(Interpreter, ExceptionsCrossHostFunctions) {
  Guest guest(R"((module (import "host" "again" (func $again (param i32) (result i32))) (tag $t (param i32))
    (func (export "throw") (param i32) (result i32) (throw $t (i32.mul (local.get 0) (i32.const 2))))
    (func (export "outer") (param i32) (result i32)
      (block $caught (result i32) (try_table (result i32) (catch $t $caught) (call $again (local.get 0)))))
    (func (export "uncaught") (param i32) (result i32) (call $again (local.get 0)))))");
  guest.define("again", [&](runtime::Caller& caller, abi::Slot* values) -> runtime::Outcome<void> {
    return caller.store().call_raw(*caller.instance()->find_function("throw"), values);
  });
  guest.start();
  EXPECT_EQ(static_cast<u32>(guest.call("outer", 21).value()), 42u);
  const auto uncaught = guest.call("uncaught", 1);
  ASSERT_FALSE(uncaught);
  EXPECT_EQ(uncaught.error()->kind, UnwindKind::Exception);
  EXPECT_EQ(uncaught.error()->backtrace.size(), 2u);
}

TEST(Interpreter, TrapsOfHostFunctionsCarryTheGuestsBacktrace) {
  Guest guest(R"((module (import "host" "fail" (func $fail (param i32) (result i32)))
    (func $inner (param i32) (result i32) (call $fail (local.get 0)))
    (func (export "f") (param i32) (result i32) (call $inner (local.get 0)))))");
  guest.define("fail", [](runtime::Caller&, abi::Slot*) -> runtime::Outcome<void> {
    return runtime::trap(TrapCode::HostError, "no");
  });
  guest.start();
  const auto outcome = guest.call("f");
  EXPECT_EQ(trap_of(outcome), TrapCode::HostError);
  ASSERT_EQ(outcome.error()->backtrace.size(), 2u);
  EXPECT_EQ(outcome.error()->backtrace[0].function, 1u);
  EXPECT_EQ(outcome.error()->backtrace[1].function, 2u);
}

TEST(InterpreterDeathTest, FaultsOfTheHostAreNotTraps) {
  Guest guest(R"((module (import "host" "crash" (func $crash (result i32))) (memory 1)
    (func (export "f") (result i32) (call $crash))))");
  guest.define("crash", [](runtime::Caller&, abi::Slot*) -> runtime::Outcome<void> {
    *static_cast<volatile int*>(nullptr) = 1;
    return {};
  });
  guest.start();
  EXPECT_DEATH((void)guest.call("f"), "");
}

TEST(Interpreter, ManyInstancesOfOneModuleInManyThreads) {
  auto executor = make_interpreter().value();
  auto parsed = text::parse_module(R"((module (memory 1) (global $n (mut i32) (i32.const 0))
    (func $fib (param i32) (result i32) (if (result i32) (i32.lt_s (local.get 0) (i32.const 2)) (then (local.get 0))
      (else (i32.add (call $fib (i32.sub (local.get 0) (i32.const 1))) (call $fib (i32.sub (local.get 0) (i32.const 2)))))))
    (func (export "f") (param i32) (result i32)
      (global.set $n (i32.add (global.get $n) (i32.const 1)))
      (i32.store (i32.const 8) (call $fib (local.get 0)))
      (i32.add (i32.load (i32.const 8)) (global.get $n)))))");
  ASSERT_TRUE(parsed);
  auto module = decode::decode_module(std::move(parsed->binary));
  ASSERT_TRUE(module);
  ASSERT_TRUE(validate::validate_module(*module));
  auto prepared = std::make_shared<const runtime::PreparedModule>(
      std::make_shared<const wasm::Module>(std::move(*module)), *executor);
  std::vector<std::jthread> threads;
  std::atomic<u32> right{0};
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&] {
      runtime::Store store(*executor);
      for (int i = 0; i < 20; ++i) {
        auto instance = store.instantiate(prepared, {});
        if (!instance) return;
        for (u32 call = 1; call <= 3; ++call) {
          abi::Slot values[1] = {15};
          if (store.call_raw(*(*instance)->find_function("f"), values) && static_cast<u32>(values[0]) == 610 + call)
            ++right;
        }
      }
    });
  }
  threads.clear();
  EXPECT_EQ(right, 8u * 20 * 3);
}

}  // namespace
}  // namespace berth::interp
