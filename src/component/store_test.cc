#include "component/store.h"

#include <gtest/gtest.h>

namespace berth::component {
namespace {

using cm::TypeKind;

class ComponentStore : public testing::Test {
 protected:
  ComponentStore()
      : engine_(std::move(*engine::Engine::create({}))),
        runtime_(engine_->executor()),
        store_(runtime_),
        linker_(store_) {}

  std::expected<Instance, runtime::InstantiationFailure> instantiate(std::string_view text) {
    auto loaded = load_component({text.begin(), text.end()}, "test", engine_->config());
    EXPECT_TRUE(loaded) << (loaded ? "" : loaded.error().message);
    auto prepared = prepare(*engine_, *loaded);
    EXPECT_TRUE(prepared);
    return linker_.instantiate(*prepared);
  }
  static std::string text_of(const runtime::InstantiationFailure& failure) {
    if (const auto* error = std::get_if<Error>(&failure)) return error->to_string();
    return std::get<std::unique_ptr<runtime::Unwind>>(failure)->to_string();
  }

  std::unique_ptr<engine::Engine> engine_;
  runtime::Store runtime_;
  Store store_;
  Linker linker_;
};

constexpr std::string_view kEcho = R"((component
  (import "shout" (func $shout (param "text" string) (result string)))
  (core module $libc
    (memory (export "memory") 1)
    (global $next (mut i32) (i32.const 1024))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (local $at i32)
      (local.set $at (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
      (global.set $next (i32.add (local.get $at) (local.get 3)))
      (local.get $at)))
  (core instance $libc (instantiate $libc))
  (core func $shout (canon lower (func $shout) (memory $libc "memory") (realloc (func $libc "realloc"))))
  (core module $m
    (import "host" "shout" (func $shout (param i32 i32 i32)))
    (func (export "echo") (param i32 i32) (result i32)
      (call $shout (local.get 0) (local.get 1) (i32.const 16))
      (i32.const 16)))
  (core instance $m (instantiate $m (with "host" (instance (export "shout" (func $shout))))))
  (func (export "echo") (param "text" string) (result string)
    (canon lift (core func $m "echo") (memory $libc "memory") (realloc (func $libc "realloc")))))
)";

TEST_F(ComponentStore, PassesStringsToAndFromTheHost) {
  std::string heard;
  linker_.define_function("shout", [&](std::span<const Value> a) -> runtime::Outcome<std::optional<Value>> {
    heard = a[0].text;
    return Value::of_string(a[0].text + "!");
  });
  auto instance = instantiate(kEcho);
  ASSERT_TRUE(instance) << text_of(instance.error());
  Function* echo = instance->find_function("echo");
  ASSERT_TRUE(echo);
  const Value argument = Value::of_string("grüezi");
  auto result = store_.call(*echo, std::span(&argument, 1));
  ASSERT_TRUE(result) << text_of(result.error());
  EXPECT_EQ(heard, "grüezi");
  EXPECT_EQ((*result)->text, "grüezi!");

  const Value wrong = Value::of(TypeKind::U8, 1);
  EXPECT_NE(text_of(store_.call(*echo, std::span(&wrong, 1)).error()).find("argument 1 is not of type string"),
            std::string::npos);
}

TEST_F(ComponentStore, NamesEveryImportThatIsMissing) {
  const auto instance = instantiate(R"((component
    (import "a" (func))
    (import "i" (instance (export "f" (func)) (export "nothing" (instance))))))");
  ASSERT_FALSE(instance);
  EXPECT_EQ(text_of(instance.error()), "unknown import: a, i#f");
}

TEST_F(ComponentStore, InterfacesMatchAsVersionsAreCompatible) {
  linker_.define_function(
      "my:pkg/greeter@0.2.6#greet",
      [](std::span<const Value>) -> runtime::Outcome<std::optional<Value>> { return std::nullopt; });
  EXPECT_TRUE(instantiate(R"((component (import "my:pkg/greeter@0.2.1" (instance (export "greet" (func))))))"));
  EXPECT_FALSE(instantiate(R"((component (import "my:pkg/greeter@0.3.0" (instance (export "greet" (func))))))"));
}

TEST_F(ComponentStore, DropsResourcesOfTheHost) {
  std::vector<u64> dropped;
  ResourceType* file = linker_.define_resource("file", [&](u64 rep) { dropped.push_back(rep); });
  linker_.define_function("open", [file](std::span<const Value> a) -> runtime::Outcome<std::optional<Value>> {
    Value made = Value::of(TypeKind::Own, a[0].bits + 100);
    made.resource = file;
    return made;
  });
  auto instance = instantiate(R"((component
    (import "file" (type $file (sub resource)))
    (import "open" (func $open (param "n" u32) (result (own $file))))
    (core func $open' (canon lower (func $open)))
    (core func $drop (canon resource.drop $file))
    (core module $m
      (import "" "open" (func $open (param i32) (result i32)))
      (import "" "drop" (func $drop (param i32)))
      (func (export "run") (call $drop (call $open (i32.const 1))) (call $drop (call $open (i32.const 2))))
      (func (export "twice") (local $h i32)
        (local.set $h (call $open (i32.const 3))) (call $drop (local.get $h)) (call $drop (local.get $h))))
    (core instance $m (instantiate $m (with "" (instance (export "open" (func $open')) (export "drop" (func $drop))))))
    (func (export "run") (canon lift (core func $m "run")))
    (func (export "twice") (canon lift (core func $m "twice")))))");
  ASSERT_TRUE(instance) << text_of(instance.error());
  ASSERT_TRUE(store_.call(*instance->find_function("run"), {}));
  EXPECT_EQ(dropped, (std::vector<u64>{101, 102}));
  auto twice = store_.call(*instance->find_function("twice"), {});
  ASSERT_FALSE(twice);
  EXPECT_NE(text_of(twice.error()).find("unknown handle index 1"), std::string::npos);
  // After a trap nothing enters the instance any more.
  auto again = store_.call(*instance->find_function("run"), {});
  ASSERT_FALSE(again);
  EXPECT_NE(text_of(again.error()).find("cannot enter component instance"), std::string::npos);
}

}  // namespace
}  // namespace berth::component
