#include "component/instance_pool.h"

#include <gtest/gtest.h>

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
