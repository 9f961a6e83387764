#include <gtest/gtest.h>

#include "component/host_abi.h"

namespace berth::component {
namespace {

// What the functions of these tests work on.
struct Host {
  std::vector<std::string> heard;
  std::vector<u64> dropped;
};
struct Thing {
  u64 number = 0;
};
struct Point {
  i32 x = 0;
  u8 y = 0;
};
enum class Color : u8 { Red, Green, Blue };
enum class Rights : u8 { None = 0, Read = 1, Write = 2 };
struct Shape {
  using Cases = std::variant<std::monostate, u64, Point>;
  Cases value;
};

}  // namespace

template <>
struct HostTraits<Point> : RecordTraits<"x y", &Point::x, &Point::y> {};
template <>
struct HostTraits<Color> : EnumTraits<"red green blue"> {};
template <>
struct HostTraits<Rights> : FlagsTraits<"read write"> {};
template <>
struct HostTraits<Shape> : VariantTraits<"none circle box"> {};

namespace {

Own<Thing> make_thing(Host&, u64 number) { return {new Thing{number}}; }
u64 read_thing(Host&, Borrow<Thing> self) { return self->number; }
void say(Host& host, std::string_view text) { host.heard.emplace_back(text); }
std::string echo(Host&, std::string_view text) { return std::string(text) + "!"; }
std::tuple<Point, Color> mix(Host&, Point p, Color c, Rights r, bool up) {
  const i32 step = up ? 1 : -1;
  return {Point{p.x + step, static_cast<u8>(p.y + static_cast<u8>(r))}, c == Color::Red ? Color::Blue : Color::Red};
}
std::optional<Shape> shape(Host&, Shape s) {
  if (const auto* circle = std::get_if<u64>(&s.value)) return Shape{Point{static_cast<i32>(*circle), 9}};
  if (std::holds_alternative<Point>(s.value)) return Shape{std::monostate()};
  return std::nullopt;
}
std::expected<std::vector<u16>, Color> halves(Host&, std::vector<u16> in) {
  if (in.empty()) return std::unexpected(Color::Blue);
  for (u16& n : in) n /= 2;
  return in;
}
runtime::Outcome<u32> refuse(Host&, u32 n) {
  if (n == 0) return runtime::trap(abi::TrapCode::HostError, "zero");
  return n;
}
u64 many(Host&, u64 a, u64 b, u64 c, u64 d, u64 e, u64 f, u64 g, u64 h, u64 i, u64 j, u64 k, u64 l, u64 m, u64 n, u64 o,
         u64 p, u64 q) {
  return a + b * c + d + e + f + g + h + i + j + k + l + m + n + o + p * q;
}

constexpr HostResource kResources[] = {host_resource<Thing, [](void* host, Thing* t) {
  static_cast<Host*>(host)->dropped.push_back(t->number);
  delete t;
}>("thing")};
constexpr HostDefinition kFunctions[] = {
    host_function<make_thing>("[constructor]thing"),
    host_function<read_thing>("[method]thing.read"),
    host_function<say>("say"),
    host_function<echo>("echo"),
    host_function<mix>("mix"),
    host_function<shape>("shape"),
    host_function<halves>("halves"),
    host_function<refuse>("refuse"),
    host_function<many>("many"),
};
constexpr HostInterface kInterface{"test:host/all@1.2.0", kResources, kFunctions};

class HostInterfaces : public testing::Test {
 protected:
  HostInterfaces()
      : engine_(std::move(*engine::Engine::create({}))),
        runtime_(engine_->executor()),
        store_(runtime_),
        linker_(store_) {
    store_.set_host(&host_);
    linker_.define_interface(kInterface);
  }
  std::expected<Instance, runtime::InstantiationFailure> instantiate(const std::string& text) {
    auto loaded = load_component({text.begin(), text.end()}, "test", engine_->config());
    EXPECT_TRUE(loaded) << (loaded ? "" : loaded.error().message);
    return linker_.instantiate(*prepare(*engine_, *loaded));
  }
  // A component that hands one function through: imported with `type`, called from a core module and exported.
  std::string through(const std::string& name, const std::string& types, const std::string& type,
                      const std::string& core, const std::string& encoding = "string-encoding=utf8") {
    return R"((component
      (import "test:host/all@1.0.0" (instance $host )" +
           types + R"( (export ")" + name + R"(" (func )" + type + R"())))
      (core module $libc
        (memory (export "memory") 1)
        (global $next (mut i32) (i32.const 1024))
        (func (export "realloc") (param i32 i32 i32 i32) (result i32)
          (if (local.get 0) (then (return (local.get 0))))  ;; less than there was
          (global.get $next)
          (global.set $next (i32.and (i32.add (i32.add (global.get $next) (local.get 3)) (i32.const 15)) (i32.const -16)))))
      (core instance $libc (instantiate $libc))
      (core func $f (canon lower (func $host ")" +
           name + R"(") (memory $libc "memory") (realloc (func $libc "realloc")) )" + encoding + R"())
      (core module $m (import "" "f" (func $f )" +
           core + R"()) (export "f" (func $f)))
      (core instance $m (instantiate $m (with "" (instance (export "f" (func $f))))))
      (func (export "f") )" +
           type + R"( (canon lift (core func $m "f") (memory $libc "memory")
        (realloc (func $libc "realloc")) )" +
           encoding + ")))";
  }
  static std::string text_of(const runtime::InstantiationFailure& failure) {
    if (const auto* error = std::get_if<Error>(&failure)) return error->to_string();
    return std::get<std::unique_ptr<runtime::Unwind>>(failure)->to_string();
  }

  Host host_;
  std::unique_ptr<engine::Engine> engine_;
  runtime::Store runtime_;
  Store store_;
  Linker linker_;
};

TEST_F(HostInterfaces, PassScalarsAndStrings) {
  auto instance = instantiate(through("say", "", "(param \"text\" string)", "(param i32 i32)"));
  ASSERT_TRUE(instance) << text_of(instance.error());
  for (const char* text : {"", "plain", "grüezi \xF0\x9F\x8E\x89"}) {
    const Value v = Value::of_string(text);
    ASSERT_TRUE(store_.call(*instance->find_function("f"), std::span(&v, 1)));
  }
  EXPECT_EQ(host_.heard, (std::vector<std::string>{"", "plain", "grüezi \xF0\x9F\x8E\x89"}));

  host_.heard.clear();
  instance = instantiate(through("say", "", "(param \"text\" string)", "(param i32 i32)", "string-encoding=utf16"));
  ASSERT_TRUE(instance) << text_of(instance.error());
  const Value v = Value::of_string("grüezi \xF0\x9F\x8E\x89");
  ASSERT_TRUE(store_.call(*instance->find_function("f"), std::span(&v, 1)));
  EXPECT_EQ(host_.heard, (std::vector<std::string>{"grüezi \xF0\x9F\x8E\x89"}));
}

TEST_F(HostInterfaces, TrapWhenTheirFunctionsDo) {
  auto instance = instantiate(through("refuse", "", "(param \"n\" u32) (result u32)", "(param i32) (result i32)"));
  ASSERT_TRUE(instance) << text_of(instance.error());
  const Value five = Value::of(cm::TypeKind::U32, 5), zero = Value::of(cm::TypeKind::U32, 0);
  EXPECT_EQ((*store_.call(*instance->find_function("f"), std::span(&five, 1)))->bits, 5u);
  const auto trapped = store_.call(*instance->find_function("f"), std::span(&zero, 1));
  ASSERT_FALSE(trapped);
  EXPECT_NE(text_of(trapped.error()).find("zero"), std::string::npos);
}

// Calls from core code, whose results are in memory: each checks what it gets and traps when that is wrong.
TEST_F(HostInterfaces, LayOutWhatTypesSay) {
  auto instance = instantiate(R"((component
    (import "test:host/all@1.2.9" (instance $host
      (type $p (record (field "x" s32) (field "y" u8))) (export "point" (type $point (eq $p)))
      (type $c (enum "red" "green" "blue")) (export "color" (type $color (eq $c)))
      (type $r (flags "read" "write")) (export "rights" (type $rights (eq $r)))
      (type $s (variant (case "none") (case "circle" u64) (case "box" $point))) (export "shape" (type $shape (eq $s)))
      (export "mix" (func (param "p" $point) (param "c" $color) (param "r" $rights) (param "up" bool)
        (result (tuple $point $color))))
      (export "shape-of" (func (param "n" u32)))))
    (core module $m)))");
  ASSERT_FALSE(instance);
  EXPECT_NE(text_of(instance.error()).find("unknown import: test:host/all@1.2.9#shape-of"), std::string::npos);

  instance = instantiate(R"((component
    (import "test:host/all@1.2.9" (instance $host
      (type $p (record (field "x" s32) (field "y" u8))) (export "point" (type $point (eq $p)))
      (type $c (enum "red" "green" "blue")) (export "color" (type $color (eq $c)))
      (type $r (flags "read" "write")) (export "rights" (type $rights (eq $r)))
      (type $s (variant (case "none") (case "circle" u64) (case "box" $point))) (export "shapes" (type $shape (eq $s)))
      (export "thing" (type $thing (sub resource)))
      (export "[constructor]thing" (func (param "n" u64) (result (own $thing))))
      (export "[method]thing.read" (func (param "self" (borrow $thing)) (result u64)))
      (export "mix" (func (param "p" $point) (param "c" $color) (param "r" $rights) (param "up" bool)
        (result (tuple $point $color))))
      (export "shape" (func (param "s" $shape) (result (option $shape))))
      (export "halves" (func (param "in" (list u16)) (result (result (list u16) (error $color)))))
      (export "many" (func (param "a" u64) (param "b" u64) (param "c" u64) (param "d" u64) (param "e" u64)
        (param "f" u64) (param "g" u64) (param "h" u64) (param "i" u64) (param "j" u64) (param "k" u64) (param "l" u64)
        (param "m" u64) (param "n" u64) (param "o" u64) (param "p" u64) (param "q" u64) (result u64)))))
    (alias export $host "thing" (type $thing))
    (core module $libc
      (memory (export "memory") 1)
      (data (i32.const 512) "\08\00\02\00\00\01")
      (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024)))
    (core instance $libc (instantiate $libc))
    (core func $mix (canon lower (func $host "mix") (memory $libc "memory")))
    (core func $shape (canon lower (func $host "shape") (memory $libc "memory")))
    (core func $halves (canon lower (func $host "halves") (memory $libc "memory") (realloc (func $libc "realloc"))))
    (core func $many (canon lower (func $host "many") (memory $libc "memory")))
    (core func $new (canon lower (func $host "[constructor]thing")))
    (core func $read (canon lower (func $host "[method]thing.read")))
    (core func $drop (canon resource.drop $thing))
    (core module $m
      (import "libc" "memory" (memory 1))
      (import "" "mix" (func $mix (param i32 i32 i32 i32 i32 i32)))
      (import "" "shape" (func $shape (param i32 i64 i32 i32)))
      (import "" "halves" (func $halves (param i32 i32 i32)))
      (import "" "many" (func $many (param i32) (result i64)))
      (import "" "new" (func $new (param i64) (result i32)))
      (import "" "read" (func $read (param i32) (result i64)))
      (import "" "drop" (func $drop (param i32)))
      (func $check (param i32) (if (i32.eqz (local.get 0)) (then unreachable)))
      (func (export "run") (local $t i32)
        ;; (-5, 7), red, write, and bits past the label, up
        (call $mix (i32.const -5) (i32.const 7) (i32.const 0) (i32.const 0xF2) (i32.const 2) (i32.const 16))
        (call $check (i32.eq (i32.load (i32.const 16)) (i32.const -4)))
        (call $check (i32.eq (i32.load8_u (i32.const 20)) (i32.const 9)))
        (call $check (i32.eq (i32.load8_u (i32.const 24)) (i32.const 2)))
        ;; circle(3): a box (3, 9); box: none; none: nothing
        (call $shape (i32.const 1) (i64.const 3) (i32.const 0) (i32.const 32))
        (call $check (i32.eq (i32.load8_u (i32.const 32)) (i32.const 1)))
        (call $check (i32.eq (i32.load8_u (i32.const 40)) (i32.const 2)))
        (call $check (i32.eq (i32.load (i32.const 48)) (i32.const 3)))
        (call $check (i32.eq (i32.load8_u (i32.const 52)) (i32.const 9)))
        (call $shape (i32.const 2) (i64.const 3) (i32.const 4) (i32.const 32))
        (call $check (i32.eq (i32.load8_u (i32.const 32)) (i32.const 1)))
        (call $check (i32.eqz (i32.load8_u (i32.const 40))))
        (call $shape (i32.const 0) (i64.const 0) (i32.const 0) (i32.const 32))
        (call $check (i32.eqz (i32.load8_u (i32.const 32))))
        ;; a list of three, and an error for none
        (call $halves (i32.const 512) (i32.const 3) (i32.const 64))
        (call $check (i32.eqz (i32.load8_u (i32.const 64))))
        (call $check (i32.eq (i32.load (i32.const 68)) (i32.const 1024)))
        (call $check (i32.eq (i32.load (i32.const 72)) (i32.const 3)))
        (call $check (i32.eq (i32.load (i32.const 1024)) (i32.const 0x00010004)))
        (call $check (i32.eq (i32.load16_u (i32.const 1028)) (i32.const 0x80)))
        (call $halves (i32.const 512) (i32.const 0) (i32.const 64))
        (call $check (i32.eq (i32.load8_u (i32.const 64)) (i32.const 1)))
        (call $check (i32.eq (i32.load8_u (i32.const 68)) (i32.const 2)))
        ;; seventeen parameters are in memory
        (i64.store (i32.const 128) (i64.const 5))
        (i64.store (i32.const 248) (i64.const 6))
        (i64.store (i32.const 256) (i64.const 7))
        (call $check (i64.eq (call $many (i32.const 128)) (i64.const 47)))
        ;; a resource
        (local.set $t (call $new (i64.const 77)))
        (call $check (i64.eq (call $read (local.get $t)) (i64.const 77)))
        (call $drop (local.get $t)))
      (func (export "wrong-case") (call $shape (i32.const 3) (i64.const 0) (i32.const 0) (i32.const 32)))
      (func (export "wrong-pointer") (call $halves (i32.const 65534) (i32.const 2) (i32.const 64)))
      (func (export "wrong-result") (call $halves (i32.const 512) (i32.const 1) (i32.const 65533)))
      (func (export "wrong-handle") (drop (call $read (i32.const 9)))))
    (core instance $m (instantiate $m
      (with "libc" (instance $libc))
      (with "" (instance (export "mix" (func $mix)) (export "shape" (func $shape)) (export "halves" (func $halves))
        (export "many" (func $many)) (export "new" (func $new)) (export "read" (func $read))
        (export "drop" (func $drop))))))
    (func (export "run") (canon lift (core func $m "run")))
    (func (export "wrong-case") (canon lift (core func $m "wrong-case")))
    (func (export "wrong-pointer") (canon lift (core func $m "wrong-pointer")))
    (func (export "wrong-result") (canon lift (core func $m "wrong-result")))
    (func (export "wrong-handle") (canon lift (core func $m "wrong-handle")))))");
  ASSERT_TRUE(instance) << text_of(instance.error());
  const auto ran = store_.call(*instance->find_function("run"), {});
  ASSERT_TRUE(ran) << text_of(ran.error());
  EXPECT_EQ(host_.dropped, std::vector<u64>{77});
  const auto trapped = store_.call(*instance->find_function("wrong-case"), {});
  ASSERT_FALSE(trapped);
  EXPECT_NE(text_of(trapped.error()).find("discriminant 3 out of range"), std::string::npos);
}

TEST_F(HostInterfaces, RefuseOtherTypes) {
  const struct {
    const char *name, *types, *type;
  } kCases[] = {
      {"say", "", "(param \"text\" (list u8))"},
      {"say", "", ""},
      {"say", "", "(param \"text\" string) (result u32)"},
      {"refuse", "", "(param \"n\" u64) (result u32)"},
      {"refuse", "", "(param \"n\" u32)"},
      {"halves", "(type $c (enum \"red\" \"green\")) (export \"c\" (type $d (eq $c)))",
       "(param \"in\" (list u16)) (result (result (list u16) (error $d)))"},
      {"halves", "(type $c (enum \"red\" \"blue\" \"green\")) (export \"c\" (type $d (eq $c)))",
       "(param \"in\" (list u16)) (result (result (list u16) (error $d)))"},
      {"halves", "(type $c (enum \"red\" \"green\" \"blue\")) (export \"c\" (type $d (eq $c)))",
       "(param \"in\" (list u16)) (result (result (list u16)))"},
  };
  for (const auto& c : kCases) {
    const auto instance = instantiate(std::string("(component (import \"test:host/all@1.0.0\" (instance ") + c.types +
                                      " (export \"" + c.name + "\" (func " + c.type + ")))))");
    ASSERT_FALSE(instance) << c.name << " " << c.type;
    EXPECT_NE(text_of(instance.error()).find("the host's function has another type"), std::string::npos)
        << text_of(instance.error());
  }
  // Another resource under the right name.
  linker_.define_resource("test:other/own@1.0.0#thing", [](u64) {});
  const auto instance = instantiate(R"((component
    (import "test:other/own@1.0.0" (instance $other (export "thing" (type (sub resource)))))
    (alias export $other "thing" (type $thing))
    (import "test:host/all@1.0.0" (instance
      (alias outer 1 $thing (type $t))
      (export "thing" (type $u (eq $t)))
      (export "[constructor]thing" (func (param "n" u64) (result (own $u))))))))");
  ASSERT_FALSE(instance);
  EXPECT_NE(text_of(instance.error()).find("mismatched resource types"), std::string::npos);
}

}  // namespace
}  // namespace berth::component
