// Leaving the interpreter in the middle of a loop: the rest of the function must do what the interpreter would have
// done. The guest tells the host of each turn, and the host attaches native code at a turn of its choice.
#include <gtest/gtest.h>

#include <limits.h>
#include <unistd.h>

#include "engine/code_source.h"
#include "engine/engine.h"
#include "interp/interpreter.h"
#include "native/executor.h"
#include "wasm/code_reader.h"

namespace berth::engine {
namespace {

std::string compiler_path() {
  char self[PATH_MAX];
  const ssize_t n = readlink("/proc/self/exe", self, sizeof self);
  const std::string path(self, n > 0 ? static_cast<size_t>(n) : 0);
  return path.substr(0, path.rfind('/')) + "/../bin/berth-compiler";
}

struct LoopScan {
  bool is_loop;
  template <wasm::Op op>
  bool on(const wasm::ImmOf<op>&) {
    is_loop = op == wasm::Op::Loop;
    return true;
  }
};

std::vector<Part::Loop> loops_of(const wasm::Module& module) {
  std::vector<Part::Loop> loops;
  for (u32 f = module.imported_functions; f < module.functions.size(); ++f) {
    wasm::CodeReader reader(module.body(wasm::FuncIdx(f)));
    for (u32 runs = reader.leb_u32(); runs > 0; --runs) {
      reader.leb_u32();
      reader.val_type();
    }
    while (reader.ok() && !reader.at_end()) {
      const u32 offset = reader.local_offset();
      LoopScan scan{};
      wasm::decode_op(reader, scan);
      if (scan.is_loop) loops.push_back({f, offset});
    }
  }
  return loops;
}

// What a run came to: results, or the trap and where it happened, or that there was an exception.
struct Result {
  i64 fuel = 0;
  std::vector<u64> values;
  abi::TrapCode trap = abi::TrapCode::None;
  bool exception = false;
  std::vector<std::pair<u32, u64>> frames;
  bool operator==(const Result&) const = default;
};

class LoopEntry : public testing::Test {
 protected:
  static constexpr u32 kNever = 1000;

  void SetUp() override {
    if (access(compiler_path().c_str(), X_OK) != 0) GTEST_SKIP() << "there is no " << compiler_path();
  }

  void load(const std::string& text, bool fuel = false) {
    fuel_ = fuel;
    Config config;
    for (const auto& f : wasm::all_features()) config.features.enable(f.feature);
    const std::string source = "(module (import \"host\" \"turn\" (func $turn (param i32)))" + text + ")";
    auto module = read_module({source.begin(), source.end()}, "test", config);
    ASSERT_TRUE(module) << module.error().message;
    module_ = *module;
    Part part;
    part.loops = loops_of(*module_);
    auto artifact = make_compiler_source(compiler_path(), {.fuel = fuel})->make_part(*module_, part);
    ASSERT_TRUE(artifact) << artifact.error().to_string();
    artifact_ = *artifact;
  }

  // Calls "run", and has it go on natively at the next loop when the guest says `turn`. What was loaded has the same
  // effects each time.
  Result run(u32 turn) {
    interp::InterpreterConfig options;
    options.fuel = fuel_;
    auto executor = native::Executor::create(*interp::make_interpreter(options));
    EXPECT_TRUE(executor);
    auto prepared = std::make_shared<const runtime::PreparedModule>(module_, **executor);
    runtime::Store store(**executor);
    store.set_fuel(1'000'000);
    bool attached = false;
    was_native_ = false;
    auto* host = store.make_function({{wasm::kI32}, {}},
                                     [&](runtime::Caller& caller, abi::Slot* slots) -> runtime::Outcome<void> {
                                       // The interpreter would have noted where it is since the last time.
                                       if (attached && !caller.store().observe()) was_native_ = true;
                                       if (static_cast<u32>(slots[0]) == turn) {
                                         native::Executor::attach(*prepared, artifact_);
                                         attached = caller.store().observe();
                                       }
                                       return {};
                                     });
    const runtime::Extern imports[] = {host};
    auto instance = store.instantiate(prepared, imports);
    EXPECT_TRUE(instance);
    auto* function = (*instance)->find_function("run");
    std::vector<abi::Slot> slots(16);
    Result result;
    auto outcome = store.call_raw(*function, slots.data());
    if (outcome) {
      u32 at = 0;
      for (const auto& type : module_->func_type(wasm::FuncIdx(function->index)).results) {
        const bool is_narrow = type.kind == wasm::ValKind::I32 || type.kind == wasm::ValKind::F32;
        result.values.push_back(is_narrow ? static_cast<u32>(slots[at]) : slots[at]);
        ++at;
        if (type.is_vector()) result.values.push_back(slots[at++]);
      }
    } else {
      result.exception = outcome.error()->kind == runtime::UnwindKind::Exception;
      if (outcome.error()->kind == runtime::UnwindKind::Trap) result.trap = outcome.error()->trap;
      for (const auto& frame : outcome.error()->backtrace)
        result.frames.emplace_back(frame.function, frame.code_offset);
    }
    result.fuel = store.fuel();
    return result;
  }

  void expect_the_same(const std::string& text, bool fuel = false) {
    load(text, fuel);
    if (HasFatalFailure()) return;
    const Result expected = run(kNever);
    EXPECT_FALSE(was_native_);
    for (const u32 turn : {0u, 1u, 2u, 5u, 7u}) {
      const Result actual = run(turn);
      EXPECT_EQ(actual.fuel, expected.fuel) << "from turn " << turn;
      EXPECT_EQ(actual.values, expected.values) << "from turn " << turn;
      EXPECT_EQ(actual, expected) << "from turn " << turn;
      EXPECT_TRUE(was_native_) << "from turn " << turn;
    }
  }

  std::shared_ptr<const wasm::Module> module_;
  std::shared_ptr<const native::Artifact> artifact_;
  bool fuel_ = false;
  bool was_native_ = false;
};

// Ten turns and a few local variables.
constexpr std::string_view kSum = R"(
  (func (export "run") (result i64) (local $i i32) (local $sum i64) (local $f f64)
    (local.set $f (f64.const 1.5))
    (loop $l
      (call $turn (local.get $i))
      (local.set $sum (i64.add (i64.mul (local.get $sum) (i64.const 31)) (i64.extend_i32_u (local.get $i))))
      (local.set $f (f64.mul (local.get $f) (f64.const 1.25)))
      (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 10))))
    (i64.xor (local.get $sum) (i64.reinterpret_f64 (local.get $f)))))";

TEST_F(LoopEntry, CarriesLocals) { expect_the_same(std::string(kSum)); }
TEST_F(LoopEntry, CountsFuelAlike) { expect_the_same(std::string(kSum), true); }

TEST_F(LoopEntry, CarriesParametersAndOperandsBelow) {
  expect_the_same(R"(
  (func $five (result i32) (i32.const 5))
  (func (export "run") (result i32 i64 f32 i32) (local $i i32) (local $k i32)
    (local.set $k (i32.const 77))
    (i32.const 3)
    (local.get $k)                       ;; stands for the local until the loop, which changes it
    (call $five)
    (i64.const 9) (f32.const 0.5)
    (loop $l (param i64 f32) (result i64 f32)
      (call $turn (local.get $i))
      (local.set $k (i32.add (local.get $k) (i32.const 1)))
      (f32.add (f32.const 0.25))
      (block (param i64 f32) (result f32 i64) (local.set $k (i32.mul (local.get $k) (i32.const 3))) (drop) (i64.const 1)
        (i64.add) (f32.convert_i32_s (local.get $k)) (block (param i64 f32) (result f32 i64) (drop) (f32.const 2)
          (f32.const 3) (f32.add) (drop) (drop) (f32.const 4) (i64.const 5)))
      (drop) (drop)
      (i64.extend_i32_u (local.get $k)) (f32.convert_i32_u (local.get $i))
      (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 10))))
    (local.set $i (i32.const 0))
    (block (param i32 i32 i32 i64 f32) (result i32 i64 f32 i32)
      (local.set $i (i32.trunc_f32_s)) (local.set $k (i32.wrap_i64))
      (i32.add) (i32.mul) (i64.extend_i32_u (local.get $k)) (f32.convert_i32_s (local.get $i)) (local.get $k))))");
}

TEST_F(LoopEntry, NestedLoops) {
  expect_the_same(R"(
  (func (export "run") (result i32) (local $i i32) (local $j i32) (local $n i32) (local $x i32)
    (loop $outer
      (local.set $j (i32.const 0))
      (local.get $x)                     ;; an operand below the inner loop
      (loop $inner
        (call $turn (local.get $n))
        (local.set $n (i32.add (local.get $n) (i32.const 1)))
        (local.set $x (i32.add (i32.mul (local.get $x) (i32.const 7)) (local.get $j)))
        (br_if $inner (i32.lt_u (local.tee $j (i32.add (local.get $j) (i32.const 1))) (i32.const 4))))
      (local.set $x (i32.xor (local.get $x)))
      (br_if $outer (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 4))))
    (local.get $x)))");
}

TEST_F(LoopEntry, LoopsThatBeginTogetherAndTables) {
  expect_the_same(R"(
  (func (export "run") (result i32) (local $n i32) (local $x i32)
    (block $done
      (loop $a (loop $b
        (call $turn (local.get $n))
        (local.set $n (i32.add (local.get $n) (i32.const 1)))
        (local.set $x (i32.add (i32.mul (local.get $x) (i32.const 7)) (local.get $n)))
        (br_if $done (i32.ge_u (local.get $n) (i32.const 12)))
        (br_table $a $b $a $b (i32.rem_u (local.get $n) (i32.const 3))))))
    (local.get $x)))");
}

TEST_F(LoopEntry, CarriesVectors) {
  expect_the_same(R"(
  (func (export "run") (result v128 i32) (local $i i32) (local $v v128) (local $w v128)
    (local.set $v (v128.const i32x4 1 2 3 4))
    (local.set $w (v128.const i32x4 5 6 7 8))
    (i32x4.add (local.get $v) (local.get $w))   ;; an operand below
    (loop $l
      (call $turn (local.get $i))
      (local.set $v (i32x4.mul (local.get $v) (local.get $w)))
      (local.set $w (i32x4.add (local.get $w) (i32x4.splat (local.get $i))))
      (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 10))))
    (v128.xor (local.get $v)) (local.get $i)))");
}

TEST_F(LoopEntry, ManyParametersAndACaller) {
  expect_the_same(R"(
  (func $work (param i32 i64 f32 f64 i32 i32 i32 i32 i32 i32) (result i32 i32 i32 i32) (local $i i32)
    (loop $l
      (call $turn (local.get $i))
      (local.set 9 (i32.add (local.get 9) (local.get 0)))
      (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 10))))
    (local.get 9) (local.get 8) (i32.wrap_i64 (local.get 1)) (i32.trunc_f64_s (local.get 3)))
  (func (export "run") (result i32) (local $before i32)
    (local.set $before (i32.const 1000))
    (call $work (i32.const 2) (i64.const 3) (f32.const 4) (f64.const 5) (i32.const 6) (i32.const 7) (i32.const 8)
      (i32.const 9) (i32.const 10) (i32.const 11))
    (i32.add) (i32.mul) (i32.sub) (i32.add (local.get $before))))");
}

constexpr std::string_view kThrower = R"(
  (tag $t (param i32))
  (func $may_throw (param i32) (if (i32.eq (local.get 0) (i32.const 9)) (then (throw $t (i32.const 42)))))";

TEST_F(LoopEntry, CatchesAround) {
  expect_the_same(std::string(kThrower) + R"()
  (func (export "run") (result i32) (local $i i32)
    (block $caught (result i32)
      (try_table (catch $t $caught)
        (loop $l
          (call $turn (local.get $i))
          (call $may_throw (local.get $i))
          (local.set $i (i32.add (local.get $i) (i32.const 1)))
          (br $l)))
      (unreachable))
    (i32.add (local.get $i))))");
}

TEST_F(LoopEntry, CatchesWithin) {
  expect_the_same(std::string(kThrower) + R"()
  (func (export "run") (result i32) (local $i i32) (local $sum i32)
    (loop $l
      (block $caught (result i32)
        (try_table (catch $t $caught)
          (call $turn (local.get $i))
          (call $may_throw (i32.add (i32.const 6) (local.get $i))))
        (local.get $i))
      (local.set $sum (i32.add (local.get $sum)))
      (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 10))))
    (local.get $sum)))");
}

TEST_F(LoopEntry, ExceptionsLeaveIt) {
  const std::string thrower = std::string(kThrower) + R"()
  (func $loop (result i32) (local $i i32)
    (loop $l (result i32)
      (call $turn (local.get $i))
      (call $may_throw (local.get $i))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br $l))))";
  expect_the_same(thrower + "(func (export \"run\") (result i32) (call $loop))");
  expect_the_same(thrower + R"((func (export "run") (result i32)
    (block $caught (result i32) (try_table (catch $t $caught) (drop (call $loop))) (i32.const 1))))");
}

TEST_F(LoopEntry, TrapsNameTheFunctionOnce) {
  load(R"((memory 1)
  (func $loop (param i32) (result i32) (local $i i32)
    (loop $l (result i32)
      (call $turn (local.get $i))
      (if (i32.eq (local.get $i) (i32.const 12)) (then (drop (i32.load (i32.const -4)))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br $l)))
  (func (export "run") (result i32) (call $loop (i32.const 1))))");
  const Result expected = run(kNever);
  EXPECT_EQ(expected.trap, abi::TrapCode::MemoryOutOfBounds);
  EXPECT_EQ(expected.frames.size(), 2u);
  for (const u32 turn : {0u, 7u}) EXPECT_EQ(run(turn), expected);
}

TEST_F(LoopEntry, TailCallsOutOfIt) {
  expect_the_same(R"(
  (func $end (param i32) (result i32 i64) (i32.mul (local.get 0) (i32.const 3)) (i64.const 5))
  (func $loop (result i32 i64) (local $i i32)
    (loop $l (result i32 i64)
      (call $turn (local.get $i))
      (if (i32.eq (local.get $i) (i32.const 12)) (then (return_call $end (local.get $i))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br $l)))
  (func (export "run") (result i32 i64) (call $loop)))");
}

TEST_F(LoopEntry, RecursionThroughLoops) {
  expect_the_same(R"(
  (global $n (mut i32) (i32.const 0))
  (func $deep (param $depth i32) (result i32) (local $i i32) (local $sum i32)
    (if (i32.eqz (local.get $depth)) (then (return (i32.const 1))))
    (loop $l
      (call $turn (global.get $n))
      (global.set $n (i32.add (global.get $n) (i32.const 1)))
      (local.set $sum (i32.add (local.get $sum) (call $deep (i32.sub (local.get $depth) (i32.const 1)))))
      (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 3))))
    (i32.add (local.get $sum) (local.get $depth)))
  (func (export "run") (result i32) (call $deep (i32.const 4))))");
}

TEST_F(LoopEntry, IsInterruptedAfterwards) {
  load(R"((func (export "run") (local $i i32)
    (loop $l
      (call $turn (local.get $i))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $l (i32.lt_u (local.get $i) (i32.const 1000000000)))
      (br $l))))",
       true);
  EXPECT_EQ(run(3).trap, abi::TrapCode::OutOfFuel);
  EXPECT_TRUE(was_native_);
}

}  // namespace
}  // namespace berth::engine
