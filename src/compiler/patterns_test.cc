// What optimization must make of the patterns that matter for speed, and must not do where traps could be seen.
#include <gtest/gtest.h>

#include "compiler/compiler.h"
#include "decode/decoder.h"
#include "text/parser.h"
#include "validate/validate.h"

namespace berth::compiler {
namespace {

// The optimized IR of a module with the given fields, trampolines left out.
std::string optimized(const std::string& fields, const std::string& cpu = "x86-64-v3", bool fuel = false,
                      const std::string& target = "x86_64-linux") {
  wasm::FeatureSet features;
  for (const auto& f : wasm::all_features()) features.enable(f.feature);
  text::ParseOptions parse;
  parse.features = features;
  auto parsed = text::parse_module("(module " + fields + ")", parse);
  if (!parsed) return "the text does not parse";
  auto module = decode::decode_module(std::move(parsed->binary), features, {});
  if (!module || !validate::validate_module(*module)) return "the module is not valid";
  Options options;
  options.target = target;
  options.cpu = cpu;
  options.jobs = 1;
  options.fuel = fuel;
  std::string ir;
  options.dump = [&](const std::string& text, bool done) {
    if (done) ir += text;
  };
  const auto objects = compile_objects(*module, options);
  if (!objects) return objects.error().to_string();
  return ir.substr(0, ir.find("@\".enter["));
}

size_t count(const std::string& text, const std::string& part) {
  size_t found = 0;
  for (size_t at = text.find(part); at != text.npos; at = text.find(part, at + part.size())) ++found;
  return found;
}

// a[i] += x * b[i] for i below n: pointers step by 8, the counter goes down.
constexpr const char* kAxpy = R"((memory 1) (func (param $a i32) (param $b i32) (param $n i32) (param $x f64)
  (loop $next
    (f64.store (local.get $a)
      (f64.add (f64.load (local.get $a)) (f64.mul (local.get $x) (f64.load (local.get $b)))))
    (local.set $a (i32.add (local.get $a) (i32.const 8)))
    (local.set $b (i32.add (local.get $b) (i32.const 8)))
    (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))))";

TEST(Patterns, LoopsOverArraysAreVectorized) {
  const std::string ir = optimized(kAxpy);
  EXPECT_GT(count(ir, "fmul <4 x double>"), 0u) << ir;
  // The precise loop is still there.
  EXPECT_GT(count(ir, "store volatile double"), 0u) << ir;
}

// As unrolled stencils have it: a counter from a negative number up to 0, in steps.
TEST(Patterns, CountersFromBelowZeroAreVectorized) {
  const std::string ir = optimized(R"((memory 1) (func (param $x f64) (local $i i32)
    (local.set $i (i32.const -1984))
    (loop $next
      (f64.store offset=9000 (i32.add (local.get $i) (i32.const 2000))
        (f64.mul (local.get $x) (f64.load offset=1024 (i32.add (local.get $i) (i32.const 2000)))))
      (br_if $next (local.tee $i (i32.add (local.get $i) (i32.const 8)))))))");
  EXPECT_GT(count(ir, "fmul <4 x double>"), 0u) << ir;
}

TEST(Patterns, ArraysAtFixedAddressesNeedNoPreciseLoop) {
  const std::string ir = optimized(R"((memory 1) (func (param $x f64) (local $i i32)
    (loop $next
      (f64.store offset=1024 (local.get $i) (f64.mul (local.get $x) (f64.load offset=1024 (local.get $i))))
      (br_if $next (i32.ne (local.tee $i (i32.add (local.get $i) (i32.const 8))) (i32.const 8000))))))");
  EXPECT_GT(count(ir, "fmul <4 x double>"), 0u) << ir;
  EXPECT_EQ(count(ir, "volatile"), 0u) << ir;
}

// A difference of neighbours as clang unrolls it: the loop is left in its middle, and each half uses what the other has
// loaded, beyond a store.
TEST(Patterns, UnrolledDifferencesAreVectorized) {
  const std::string ir = optimized(R"((memory 100)
    (func (local $row i32) (local $at i32) (local $i i32) (local $before f64) (local $here f64)
      (loop $rows
        (local.set $before (f64.load (i32.add (local.get $row) (i32.const 771936))))
        (local.set $i (i32.const 0))
        (block $out
          (loop $next
            (local.set $at (i32.add (local.get $row) (local.get $i)))
            (f64.store (i32.add (local.get $at) (i32.const 3944))
              (f64.sub (f64.load (i32.add (local.get $at) (i32.const 3944)))
                (f64.sub (local.tee $here (f64.load (i32.add (local.get $at) (i32.const 771944))))
                         (local.get $before))))
            (br_if $out (i32.eq (local.get $i) (i32.const 1904)))
            (f64.store (i32.add (local.get $at) (i32.const 3952))
              (f64.sub (f64.load (i32.add (local.get $at) (i32.const 3952)))
                (f64.sub (local.tee $before (f64.load (i32.add (local.get $at) (i32.const 771952))))
                         (local.get $here))))
            (local.set $i (i32.add (local.get $i) (i32.const 16)))
            (br $next)))
        (br_if $rows (i32.ne (local.tee $row (i32.add (local.get $row) (i32.const 1920))) (i32.const 384000))))))");
  EXPECT_GT(count(ir, "fsub <4 x double>"), 0u) << ir;
}

// Where a store may write what the next turn uses, it must be loaded after it.
TEST(Patterns, LoadsStayBehindStoresToTheSamePlace) {
  const std::string ir = optimized(R"((memory 100) (func (local $i i32) (local $before f64)
    (loop $next
      (f64.store offset=1024 (local.get $i) (f64.add (local.get $before) (f64.load offset=90000 (local.get $i))))
      (local.set $before (f64.load offset=1020 (local.get $i)))
      (br_if $next (i32.ne (local.tee $i (i32.add (local.get $i) (i32.const 8))) (i32.const 8000))))))");
  EXPECT_EQ(count(ir, "x double>"), 0u) << ir;
  EXPECT_LT(ir.find("store double"), ir.find("load double", ir.find("store double"))) << ir;
}

// Where wide registers cost more than they bring, as LLVM has it.
TEST(Patterns, VectorsAreAsWideAsTheCpuPrefers) {
  const std::string ir = optimized(kAxpy, "sapphirerapids");
  EXPECT_GT(count(ir, "fmul <4 x double>"), 0u) << ir;
  EXPECT_EQ(count(ir, "fmul <8 x double>"), 0u) << ir;
}

// There is nothing to gain from a second loop where LLVM vectorizes nothing.
TEST(Patterns, LoopsThatWhatIsLoadedEndsStayOne) {
  const std::string ir = optimized(R"((memory 1) (func (param $a i32) (param $b i32) (param $n i32) (result i32)
    (local $i i32)
    (loop $next (result i32)
      (if (i32.ne (i32.load8_u (i32.add (local.get $a) (local.get $i)))
                  (i32.load8_u (i32.add (local.get $b) (local.get $i))))
        (then (return (local.get $i))))
      (br_if $next (local.get $i)
        (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $n))))))");
  EXPECT_EQ(count(ir, "load volatile i8"), 2u) << ir;
  EXPECT_EQ(count(ir, "load i8"), 0u) << ir;
}

// Steps of 1, or of 2 after a backslash.
TEST(Patterns, StepsThatDependOnWhatWasLoadedAreGuessed) {
  constexpr const char* kString = R"((memory 1) (func (param $p i32) (result i32) (local $c i32)
    (loop $next
      (local.set $p (i32.add (local.get $p)
        (select (i32.const 2) (i32.const 1) (i32.eq (local.get $c) (i32.const 92)))))
      (br_if $next (i32.ne (local.tee $c (i32.load8_u (local.get $p))) (i32.const 34))))
    (local.get $p)))";
  const std::string ir = optimized(kString);
  EXPECT_EQ(count(ir, "zext i1"), 0u) << ir;
  EXPECT_EQ(count(ir, "select"), 0u) << ir;
  // What does not lead to the next load may stay as it is.
  const std::string counts = optimized(R"((memory 1) (func (param $p i32) (param $end i32) (result i32) (local $n i32)
    (loop $next
      (local.set $n (i32.add (local.get $n) (i32.eq (i32.load8_u (local.get $p)) (i32.const 92))))
      (br_if $next (i32.ne (local.tee $p (i32.add (local.get $p) (i32.const 1))) (local.get $end))))
    (local.get $n)))",
                                       "x86-64-v2");
  EXPECT_GT(count(counts, "zext i1") + count(counts, "zext <"), 0u) << counts;
}

TEST(Patterns, OneAccessChecksForItsNeighbours) {
  const std::string ir = optimized(R"((memory 1) (func (param $p i32) (result i32)
    (i32.add (i32.load (local.get $p)) (i32.add (i32.load offset=4 (local.get $p)) (i32.load offset=8 (local.get $p))))))");
  EXPECT_EQ(count(ir, "load volatile i32"), 1u) << ir;
  EXPECT_EQ(count(ir, "load i32"), 2u) << ir;
}

TEST(Patterns, AnAccessWhoseResultNobodyWantsStillTraps) {
  const std::string ir = optimized("(memory 1) (func (param $p i32) (drop (i64.load offset=8 (local.get $p))))");
  EXPECT_EQ(count(ir, "load volatile"), 1u) << ir;
}

TEST(Patterns, StoresStayBeforeWhatMayTrap) {
  const std::string ir = optimized(R"((memory 1) (global $g (mut i32) (i32.const 0))
    (func (param $p i32) (param $q i32) (result i32)
      (global.set $g (i32.const 1))
      (i32.store (local.get $p) (i32.const 7))
      (global.set $g (i32.const 2))
      (i32.load (local.get $q))))");
  EXPECT_EQ(count(ir, "store volatile i32"), 3u) << ir;
  EXPECT_EQ(count(ir, "load volatile i32"), 1u) << ir;
}

TEST(Patterns, FixedAddressesWithinTheMemoryCannotTrap) {
  const std::string ir = optimized("(memory 1) (func (result i32) (i32.load offset=65532 (i32.const 0)))");
  EXPECT_EQ(count(ir, "volatile"), 0u) << ir;
  const std::string beyond = optimized("(memory 1) (func (result i32) (i32.load offset=65533 (i32.const 0)))");
  EXPECT_EQ(count(beyond, "load volatile"), 1u) << beyond;
}

TEST(Patterns, MaskedIndicesOfTablesAreInBounds) {
  const std::string ir = optimized(R"((memory 1) (func (param $x i32) (result i32)
    (i32.load offset=1024 (i32.shl (i32.and (local.get $x) (i32.const 255)) (i32.const 2)))))");
  EXPECT_EQ(count(ir, "volatile"), 0u) << ir;
}

// Both arms check, but for a different number of bytes; merged, the numbers would be variables.
TEST(Patterns, ChecksOfTwoArmsStayTwo) {
  const std::string ir = optimized(R"((memory 1) (func (param $c i32) (param $p i32) (param $q i32) (result i32)
    (if (result i32) (local.get $c)
      (then (i32.load offset=16 (local.get $p)))
      (else (i32.load offset=24 (local.get $q))))))");
  EXPECT_EQ(count(ir, "volatile"), 2u) << ir;
}

// Folded into a masked move the load would fault only when it is chosen.
TEST(Patterns, LoadsThatASelectMayNotChooseStillTrap) {
  const std::string ir = optimized(R"((memory 1) (func (param $p i32) (param $c i32) (result f64)
    (select (f64.const 1) (f64.load (local.get $p)) (local.get $c))))",
                                   "x86-64-v4");
  EXPECT_EQ(count(ir, "load volatile i8"), 1u) << ir;
}

// A store across the end of a memory may write what lies before it there.
TEST(Patterns, StoresLookBeforeTheyWriteOnAArch64) {
  constexpr const char* kStores = R"((memory 1) (func (param $p i32) (param $q i32)
    (i64.store (local.get $p) (i64.const 1)) (i32.store8 (local.get $q) (i32.const 2))))";
  const std::string ir = optimized(kStores, "generic", false, "aarch64-linux");
  EXPECT_EQ(count(ir, "load volatile i8"), 1u) << ir;
  EXPECT_LT(ir.find("load volatile i8"), ir.find("store volatile i64")) << ir;
  EXPECT_EQ(count(ir, "store volatile"), 2u) << ir;
  EXPECT_EQ(count(optimized(kStores), "load volatile i8"), 0u);
}

TEST(Patterns, MinimaOfConstantsAreQuiet) {
  for (const char* target : {"x86_64-linux", "aarch64-linux"}) {
    const std::string ir = optimized(R"(
      (func (result i32) (i32.reinterpret_f32 (f32.min (f32.const 1) (f32.const nan:0x200000))))
      (func (result i32) (i32x4.extract_lane 0
        (f32x4.max (v128.const f32x4 nan:0x200000 1 1 1) (v128.const f32x4 1 1 1 1)))))",
                                     "generic", false, target);
    EXPECT_EQ(count(ir, "ret i32 2145386496"), 2u) << ir;
  }
}

TEST(Patterns, MemoriesOf64BitsAreComparedOnceInALoop) {
  const std::string ir = optimized(R"((memory i64 1) (func (param $p i64) (param $n i64) (result f64) (local $s f64)
    (loop $next
      (local.set $s (f64.add (local.get $s) (f64.load (local.get $p))))
      (local.set $p (i64.add (local.get $p) (i64.const 8)))
      (br_if $next (i64.ne (local.tee $n (i64.sub (local.get $n) (i64.const 1))) (i64.const 0))))
    (local.get $s)))");
  // One loop with a trap in it, one without.
  EXPECT_EQ(count(ir, "call void @llvm.ubsantrap"), 1u) << ir;
  EXPECT_GE(count(ir, "fadd double"), 2u) << ir;
}

TEST(Patterns, FinalTypesOfIndirectCallsAreOneComparison) {
  const std::string ir = optimized(R"((type $t (func (result i32))) (table 4 4 funcref)
    (func (param $i i32) (result i32) (call_indirect (type $t) (local.get $i))))");
  EXPECT_EQ(count(ir, "icmp"), 4u) << ir;  // the index, null, null when it was looked up, the type
}

TEST(Patterns, TypesThatSayEnoughNeedNoChecks) {
  const std::string ir = optimized(R"((type $s (struct (field i32)))
    (func (param $r (ref $s)) (result i32) (struct.get $s 0 (ref.cast (ref $s) (local.get $r)))))");
  EXPECT_EQ(count(ir, "icmp"), 0u) << ir;
}

TEST(Patterns, TheLastStretchCostsFuelToo) {
  const std::string ir = optimized("(func (result i32) (i32.const 1))", "x86-64-v3", true);
  EXPECT_EQ(count(ir, "add i64"), 1u) << ir;
}

}  // namespace
}  // namespace berth::compiler
