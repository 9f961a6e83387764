#include "component/instance_pool.h"

#include <gtest/gtest.h>

#include <thread>

namespace berth::component {
namespace {

std::string text_of(const runtime::InstantiationFailure& failure) {
  if (const auto* error = std::get_if<Error>(&failure)) return error->to_string();
  return std::get<std::unique_ptr<runtime::Unwind>>(failure)->to_string();
}

class Pools : public testing::Test {
 protected:
  Pools() : engine_(std::move(*engine::Engine::create({}))) {}

  std::expected<std::shared_ptr<const Prelinked>, runtime::InstantiationFailure> link(
      std::string_view text, DefineImports define = [](Linker&, Store&, runtime::Store&) {},
      const runtime::StoreLimits& limits = {}) {
    auto loaded = load_component({text.begin(), text.end()}, "test", engine_->config());
    EXPECT_TRUE(loaded) << (loaded ? "" : loaded.error().message);
    auto prepared = prepare(*engine_, *loaded);
    EXPECT_TRUE(prepared);
    return Prelinked::make(engine_->executor(), *prepared, std::move(define), limits);
  }
  static void nothing(Store&, runtime::Store&) {}

  std::unique_ptr<engine::Engine> engine_;
};

u64 call(const InstancePool::Lease& lease, std::string_view name, std::vector<u32> arguments = {}) {
  Function* function = lease.instance().find_function(name);
  EXPECT_NE(function, nullptr) << name;
  std::vector<Value> values;
  for (const u32 a : arguments) values.push_back(Value::of(cm::TypeKind::U32, a));
  auto result = lease.store().call(*function, values);
  EXPECT_TRUE(result) << text_of(result.error());
  return result && *result ? (*result)->bits : 0;
}

constexpr std::string_view kCounter = R"((component
  (core module $m
    (memory 1)
    (data (i32.const 8) "\05\00\00\00")
    (global $g (mut i32) (i32.const 7))
    (func (export "peek") (param i32) (result i32) (i32.load (local.get 0)))
    (func (export "poke") (param i32 i32) (i32.store (local.get 0) (local.get 1)))
    (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
    (func (export "count") (result i32)
      (global.set $g (i32.add (global.get $g) (i32.const 1)))
      (global.get $g)))
  (core instance $m (instantiate $m))
  (func (export "peek") (param "a" u32) (result u32) (canon lift (core func $m "peek")))
  (func (export "poke") (param "a" u32) (param "v" u32) (canon lift (core func $m "poke")))
  (func (export "grow") (param "n" u32) (result u32) (canon lift (core func $m "grow")))
  (func (export "count") (result u32) (canon lift (core func $m "count")))))";

TEST_F(Pools, GiveEachLeaseAnInstanceAsIfNew) {
  auto linked = link(kCounter);
  ASSERT_TRUE(linked) << text_of(linked.error());
  InstancePool pool(*linked);
  for (int i = 0; i < 3; ++i) {
    auto lease = pool.take(nothing);
    ASSERT_TRUE(lease) << text_of(lease.error());
    EXPECT_EQ(pool.in_use(), 1u);
    EXPECT_EQ(call(*lease, "count"), 8u);
    EXPECT_EQ(call(*lease, "count"), 9u);
    EXPECT_EQ(call(*lease, "peek", {8}), 5u);
    EXPECT_EQ(call(*lease, "peek", {65532}), 0u);
    call(*lease, "poke", {8, 99});
    call(*lease, "poke", {65532, 98});
  }
  EXPECT_EQ(pool.in_use(), 0u);
}

TEST_F(Pools, LeaveNothingOfTheLastUseToBeRead) {
  auto linked = link(kCounter, [](Linker&, Store&, runtime::Store&) {}, {.memory_bytes = 4 << 20});
  ASSERT_TRUE(linked);
  InstancePool pool(*linked);
  const runtime::Store* store = nullptr;
  for (int i = 0; i < 2; ++i) {
    auto lease = pool.take(nothing);
    ASSERT_TRUE(lease);
    if (store != nullptr) EXPECT_EQ(store, &lease->core_store()) << "the same place, or the test shows nothing";
    store = &lease->core_store();
    EXPECT_EQ(store->memory_bytes_in_use(), 65536u);
    for (u32 a = 0; a < 65536; a += 4) ASSERT_EQ(call(*lease, "peek", {a}), a == 8 ? 5u : 0u) << a;
    // Beyond the size that it has at first nothing is accessible, whatever it had been before.
    Function* peek = lease->instance().find_function("peek");
    const Value beyond = Value::of(cm::TypeKind::U32, 65536);
    if (i == 1) {
      auto trapped = lease->store().call(*peek, std::span(&beyond, 1));
      ASSERT_FALSE(trapped);
      EXPECT_NE(text_of(trapped.error()).find("out of bounds"), std::string::npos) << text_of(trapped.error());
      break;
    }
    EXPECT_EQ(call(*lease, "grow", {3}), 1u);
    for (u32 a = 0; a < 4 * 65536; a += 4) call(*lease, "poke", {a, 0xDEADBEEF});
  }
  // One that has trapped is as good as new, and so is what it grows into.
  auto lease = pool.take(nothing);
  ASSERT_TRUE(lease);
  EXPECT_EQ(store, &lease->core_store());
  EXPECT_EQ(call(*lease, "grow", {63}), 1u);
  EXPECT_EQ(call(*lease, "grow", {1}), ~u32{0});
  for (u32 a = 65536; a < 4 * 65536; a += 4) ASSERT_EQ(call(*lease, "peek", {a}), 0u) << a;
}

TEST_F(Pools, TakePagesBackFromThoseThatWaitLong) {
  auto linked = link(kCounter);
  ASSERT_TRUE(linked);
  InstancePool pool(*linked, {.max_instances = 8, .max_idle = 4, .max_resident = 1});
  for (int round = 0; round < 3; ++round) {
    std::vector<InstancePool::Lease> leases;
    for (int i = 0; i < 5; ++i) {
      leases.push_back(std::move(*pool.take(nothing)));
      ASSERT_EQ(call(leases.back(), "peek", {8}), 5u);
      ASSERT_EQ(call(leases.back(), "peek", {40000}), 0u);
      call(leases.back(), "poke", {8, 99});
      call(leases.back(), "poke", {40000, 99});
    }
  }
  EXPECT_EQ(pool.idle(), 4u);
  ASSERT_TRUE(pool.warm(4));
}

TEST_F(Pools, PutTablesAndSegmentsBack) {
  auto linked = link(R"((component
    (core module $m
      (type $f (func (result i32)))
      (table $t 3 8 funcref)
      (elem (table $t) (i32.const 1) func $one $two)
      (elem $passive func $two $two $two)
      (data $d "\11")
      (memory 1)
      (global $g (mut funcref) (ref.func $one))
      (func $one (result i32) (i32.const 1))
      (func $two (result i32) (i32.const 2))
      (func (export "call") (param i32) (result i32) (call_indirect $t (type $f) (local.get 0)))
      (func (export "through-global") (result i32)
        (table.set $t (i32.const 0) (global.get $g)) (call_indirect $t (type $f) (i32.const 0)))
      (func (export "size") (result i32) (table.size $t))
      (func (export "change")
        (global.set $g (ref.func $two))
        (drop (table.grow $t (ref.func $one) (i32.const 5)))
        (table.init $t $passive (i32.const 0) (i32.const 0) (i32.const 3))
        (memory.init $d (i32.const 0) (i32.const 0) (i32.const 1))
        (elem.drop $passive)
        (data.drop $d)))
    (core instance $m (instantiate $m))
    (func (export "call") (param "i" u32) (result u32) (canon lift (core func $m "call")))
    (func (export "through-global") (result u32) (canon lift (core func $m "through-global")))
    (func (export "size") (result u32) (canon lift (core func $m "size")))
    (func (export "change") (canon lift (core func $m "change")))))");
  ASSERT_TRUE(linked) << text_of(linked.error());
  InstancePool pool(*linked);
  for (int i = 0; i < 3; ++i) {
    auto lease = pool.take(nothing);
    ASSERT_TRUE(lease);
    EXPECT_EQ(call(*lease, "size"), 3u);
    EXPECT_EQ(call(*lease, "call", {1}), 1u);
    EXPECT_EQ(call(*lease, "call", {2}), 2u);
    EXPECT_EQ(call(*lease, "through-global"), 1u);
    call(*lease, "change");
    EXPECT_EQ(call(*lease, "size"), 8u);
    EXPECT_EQ(call(*lease, "call", {1}), 2u);
    EXPECT_EQ(call(*lease, "through-global"), 2u);
  }
}

// Enough functions and elements that both are left until they are needed.
std::string many_functions(std::string_view more) {
  std::string text =
      "(component (core module $m (type $f (func (result i32))) (table $t (export \"t\") 500 600 funcref)\n";
  std::string names;
  for (int i = 0; i < 400; ++i) {
    const std::string number = std::to_string(i);
    text += "(func $f" + number + " (result i32) (i32.const " + number + "))\n";
    names += " $f" + number;
  }
  text += "(elem (table $t) (i32.const 50) func" + names + ")\n(elem (table $t) (i32.const 60) func $f1 $f2)\n";
  text += R"((func (export "call") (param i32) (result i32) (call_indirect $t (type $f) (local.get 0)))
    (func (export "is-null") (param i32) (result i32) (ref.is_null (table.get $t (local.get 0))))
    (func (export "same") (param i32 i32) (result i32)
      (i32.add (call_indirect $t (type $f) (local.get 0)) (call_indirect $t (type $f) (local.get 1)))))
  (core instance $m (instantiate $m)))";
  text += more;
  for (const std::string_view name : {"call", "is-null"})
    text += "(func (export \"" + std::string(name) + "\") (param \"i\" u32) (result u32) (canon lift (core func $m \"" +
            std::string(name) + "\")))\n";
  return text + ")";
}

TEST_F(Pools, LookFunctionsUpWhenTheyAreNeeded) {
  auto linked = link(many_functions(""));
  ASSERT_TRUE(linked) << text_of(linked.error());
  InstancePool pool(*linked);
  for (int i = 0; i < 2; ++i) {
    auto lease = pool.take(nothing);
    ASSERT_TRUE(lease);
    for (const u32 at : {50u, 449u, 62u, 59u}) EXPECT_EQ(call(*lease, "call", {at}), at - 50);
    EXPECT_EQ(call(*lease, "call", {60}), 1u) << "the later segment counts";
    EXPECT_EQ(call(*lease, "call", {61}), 2u);
    EXPECT_EQ(call(*lease, "is-null", {49}), 1u);
    EXPECT_EQ(call(*lease, "is-null", {50}), 0u);
    EXPECT_EQ(call(*lease, "is-null", {450}), 1u);
    const Value empty = Value::of(cm::TypeKind::U32, 49);
    auto trapped = lease->store().call(*lease->instance().find_function("call"), std::span(&empty, 1));
    ASSERT_FALSE(trapped);
    EXPECT_NE(text_of(trapped.error()).find("uninitialized element"), std::string::npos) << text_of(trapped.error());
  }
}

TEST_F(Pools, LookFunctionsUpBeforeSomebodyChangesTheTable) {
  auto linked = link(many_functions(R"(
    (core module $other
      (import "m" "t" (table $t 500 funcref))
      (func (export "clear") (table.set $t (i32.const 50) (ref.null func))
        (table.copy $t $t (i32.const 51) (i32.const 61) (i32.const 1))))
    (core instance $other (instantiate $other (with "m" (instance $m))))
    (func (export "clear") (canon lift (core func $other "clear"))))"));
  ASSERT_TRUE(linked) << text_of(linked.error());
  InstancePool pool(*linked);
  for (int i = 0; i < 2; ++i) {
    auto lease = pool.take(nothing);
    ASSERT_TRUE(lease);
    EXPECT_EQ(call(*lease, "is-null", {50}), 0u);
    EXPECT_EQ(call(*lease, "call", {51}), 1u);
    call(*lease, "clear");
    EXPECT_EQ(call(*lease, "is-null", {50}), 1u);
    EXPECT_EQ(call(*lease, "call", {51}), 2u);
  }
}

TEST_F(Pools, RunStartFunctionsForEachLease) {
  u32 calls = 0;
  auto linked =
      link(R"((component
    (import "tick" (func $tick (result u32)))
    (core func $tick' (canon lower (func $tick)))
    (core module $first
      (import "" "tick" (func $tick (result i32)))
      (memory (export "memory") 1)
      (global (export "g") (mut i32) (i32.const 0))
      (table (export "table") 2 funcref)
      (data (i32.const 0) "\01")
      (func $start (i32.store (i32.const 4) (i32.add (call $tick) (i32.load (i32.const 0)))))
      (start $start))
    (core instance $first (instantiate $first (with "" (instance (export "tick" (func $tick'))))))
    (core module $second
      (import "first" "memory" (memory 1))
      (import "first" "table" (table 2 funcref))
      (data (i32.const 0) "\02")
      (elem (i32.const 0) func $seven)
      (func $seven (result i32) (i32.const 7))
      (func (export "peek") (param i32) (result i32) (i32.load (local.get 0)))
      (func (export "indirect") (result i32) (call_indirect (result i32) (i32.const 0))))
    (core instance $second (instantiate $second (with "first" (instance $first))))
    (func (export "peek") (param "a" u32) (result u32) (canon lift (core func $second "peek")))
    (func (export "indirect") (result u32) (canon lift (core func $second "indirect")))))",
           [&](Linker& linker, Store&, runtime::Store&) {
             linker.define_function("tick", [&](std::span<const Value>) -> runtime::Outcome<std::optional<Value>> {
               return Value::of(cm::TypeKind::U32, 100 + calls++);
             });
           });
  ASSERT_TRUE(linked) << text_of(linked.error());
  EXPECT_EQ(calls, 0u) << "linking runs nothing of the guest's";
  InstancePool pool(*linked);
  for (u32 i = 0; i < 3; ++i) {
    auto lease = pool.take(nothing);
    ASSERT_TRUE(lease) << text_of(lease.error());
    EXPECT_EQ(calls, i + 1);
    // The start function saw what the first module's data had written, before that of the second.
    EXPECT_EQ(call(*lease, "peek", {4}), 101 + i);
    EXPECT_EQ(call(*lease, "peek", {0}), 2u);
    EXPECT_EQ(call(*lease, "indirect"), 7u);
  }
}

TEST_F(Pools, MakeObjectsOfTheHeapAnew) {
  auto linked = link(R"((component
    (core module $m
      (type $box (struct (field (mut i32))))
      (global $box (ref $box) (struct.new $box (i32.const 41)))
      (table $t 2 (ref null $box))
      (elem $e (table $t) (i32.const 1) (ref null $box) (item global.get $box))
      (elem $passive (ref null $box) (item (struct.new $box (i32.const 5))))
      (func (export "count") (result i32)
        (struct.set $box 0 (global.get $box) (i32.add (struct.get $box 0 (global.get $box)) (i32.const 1)))
        (table.init $t $passive (i32.const 0) (i32.const 0) (i32.const 1))
        (elem.drop $passive)
        (i32.add (i32.mul (i32.const 100) (struct.get $box 0 (table.get $t (i32.const 0))))
                 (struct.get $box 0 (table.get $t (i32.const 1))))))
    (core instance $m (instantiate $m))
    (func (export "count") (result u32) (canon lift (core func $m "count")))))");
  ASSERT_TRUE(linked) << text_of(linked.error());
  InstancePool pool(*linked);
  for (u32 i = 0; i < 3; ++i) {
    auto lease = pool.take(nothing);
    ASSERT_TRUE(lease) << text_of(lease.error());
    EXPECT_EQ(call(*lease, "count"), 542u);
    lease->core_store().collect_garbage();
  }
}

TEST_F(Pools, ForgetHandlesAndTraps) {
  auto linked = link(R"((component
    (type $r (resource (rep i32)))
    (core func $new (canon resource.new $r))
    (core module $m
      (import "" "new" (func $new (param i32) (result i32)))
      (func (export "make") (result i32) (call $new (i32.const 1)))
      (func (export "fail") unreachable))
    (core instance $m (instantiate $m (with "" (instance (export "new" (func $new))))))
    (func (export "make") (result u32) (canon lift (core func $m "make")))
    (func (export "fail") (canon lift (core func $m "fail")))))");
  ASSERT_TRUE(linked) << text_of(linked.error());
  InstancePool pool(*linked);
  for (u32 i = 0; i < 3; ++i) {
    auto lease = pool.take(nothing);
    ASSERT_TRUE(lease);
    for (u32 k = 1; k <= 100; ++k) EXPECT_EQ(call(*lease, "make"), k);
    EXPECT_FALSE(lease->store().call(*lease->instance().find_function("fail"), {}));
    lease->core_store().interrupt();
  }
  EXPECT_EQ(pool.idle(), 1u);
}

TEST_F(Pools, MakeInstancesWithSharedMemoriesAnew) {
  auto linked = link(R"((component
    (core module $m
      (memory 1 1 shared)
      (func (export "swap") (param i32) (result i32) (i32.atomic.rmw.xchg (i32.const 0) (local.get 0))))
    (core instance $m (instantiate $m))
    (func (export "swap") (param "v" u32) (result u32) (canon lift (core func $m "swap")))))");
  ASSERT_TRUE(linked) << text_of(linked.error());
  InstancePool pool(*linked);
  for (u32 i = 0; i < 3; ++i) {
    auto lease = pool.take(nothing);
    ASSERT_TRUE(lease);
    EXPECT_EQ(call(*lease, "swap", {5}), 0u);
  }
  EXPECT_EQ(pool.idle(), 0u);
}

TEST_F(Pools, FailAsInstantiatingDoes) {
  auto missing = link(R"((component (import "a" (func))))");
  ASSERT_FALSE(missing);
  EXPECT_EQ(text_of(missing.error()), "unknown import: a");
  auto traps = link(R"((component
    (core module $m (func $start unreachable) (start $start))
    (core instance (instantiate $m))))");
  ASSERT_TRUE(traps);
  InstancePool pool(*traps);
  for (int i = 0; i < 2; ++i) {
    auto lease = pool.take(nothing);
    ASSERT_FALSE(lease);
    EXPECT_NE(text_of(lease.error()).find("unreachable"), std::string::npos);
    EXPECT_EQ(pool.in_use(), 0u);
  }
}

TEST_F(Pools, KeepAsManyAsTheyAreTold) {
  auto linked = link(kCounter);
  ASSERT_TRUE(linked);
  InstancePool pool(*linked, {.max_instances = 8, .max_idle = 2});
  ASSERT_TRUE(pool.warm(5));
  EXPECT_EQ(pool.idle(), 2u);
  {
    std::vector<InstancePool::Lease> leases;
    for (int i = 0; i < 5; ++i) leases.push_back(std::move(*pool.take(nothing)));
    EXPECT_EQ(pool.idle(), 0u);
  }
  EXPECT_EQ(pool.idle(), 2u);
}

TEST_F(Pools, ShareWhatIsLinkedBetweenThreads) {
  auto linked = link(kCounter);
  ASSERT_TRUE(linked);
  const auto use = [&] {
    InstancePool pool(*linked);
    for (int i = 0; i < 50; ++i) {
      auto lease = pool.take(nothing);
      ASSERT_TRUE(lease);
      ASSERT_EQ(call(*lease, "peek", {8}), 5u);
      call(*lease, "poke", {8, 99});
      ASSERT_EQ(call(*lease, "count"), 8u);
    }
  };
  std::thread other(use);
  use();
  other.join();
}

TEST_F(Pools, KeepInstancesApart) {
  auto linked = link(kCounter);
  ASSERT_TRUE(linked);
  InstancePool pool(*linked);
  auto a = pool.take(nothing), b = pool.take(nothing);
  ASSERT_TRUE(a && b);
  call(*a, "poke", {8, 1});
  call(*b, "poke", {8, 2});
  EXPECT_EQ(call(*a, "peek", {8}), 1u);
  EXPECT_EQ(call(*b, "peek", {8}), 2u);
}

TEST_F(Pools, RefuseMoreThanTheirMost) {
  auto linked = link(kCounter);
  ASSERT_TRUE(linked);
  InstancePool pool(*linked, {.max_instances = 2});
  {
    auto a = pool.take(nothing), b = pool.take(nothing);
    ASSERT_TRUE(a && b);
    auto c = pool.take(nothing);
    ASSERT_FALSE(c);
    EXPECT_NE(text_of(c.error()).find("all 2 instances of the pool are in use"), std::string::npos);
  }
  EXPECT_TRUE(pool.take(nothing));
}

}  // namespace
}  // namespace berth::component
