#include "component_model/compose.h"

#include <gtest/gtest.h>

#include "component_model/validator.h"
#include "component_model/wit.h"
#include "decode/decoder.h"
#include "text/component_parser.h"

namespace berth::component_model {
namespace {

Result<std::shared_ptr<const wasm::Module>> load_module(std::vector<u8> bytes) {
  return std::make_shared<wasm::Module>(TRY(decode::decode_module(std::move(bytes))));
}

struct Made {
  std::vector<u8> binary;
  Component component;
};
Result<Made> make(std::string_view text) {
  Made m;
  m.binary = TRY(text::parse_component(text)).binary;
  m.component = TRY(decode_component(m.binary, load_module));
  TRY(validate_component(m.component));
  return m;
}

Result<Composition> composed(std::initializer_list<std::string_view> texts) {
  std::vector<Made> made;
  for (const std::string_view text : texts) made.push_back(TRY(make(text)));
  std::vector<Part> parts;
  for (size_t i = 0; i < made.size(); ++i)
    parts.push_back({&made[i].component, made[i].binary, std::string(1, static_cast<char>('a' + i)) + ".wasm"});
  return compose(parts, load_module);
}

// The whole's world, or why there is none.
std::string world(std::initializer_list<std::string_view> texts) {
  const auto made = composed(texts);
  if (!made) return std::string(made.error().detail());
  auto component = decode_component(made->binary, load_module);
  if (!component) return component.error().to_string();
  if (auto valid = validate_component(*component); !valid) return valid.error().to_string();
  const auto wit = to_wit(*component);
  if (!wit) return wit.error().to_string();
  return wit->substr(wit->find("world root"));
}

// Exports one interface with a function that takes nothing and gives a u32.
std::string plug(std::string_view name, std::string_view result = "u32", std::string_view imports = "") {
  return "(component " + std::string(imports) +
         R"((core module $m (func (export "f") (result i32) i32.const 1)) (core instance $i (instantiate $m)))" +
         "(func $f (result " + std::string(result) + R"() (canon lift (core func $i "f")))
         (instance $e (export "f" (func $f))) (export ")" +
         std::string(name) + R"(" (instance $e))))";
}
std::string app(std::string_view name) {
  return R"((component (import ")" + std::string(name) + R"(" (instance $i (export "f" (func (result u32)))))
    (export "g" (func $i "f"))))";
}

TEST(Compose, GivesImportsWhatIsExported) {
  EXPECT_EQ(world({plug("a:b/c"), app("a:b/c")}), "world root {\n  export g: func() -> u32;\n}\n");
}

TEST(Compose, TakesCompatibleVersions) {
  const std::string whole = "world root {\n  export g: func() -> u32;\n}\n";
  EXPECT_EQ(world({plug("a:b/c@1.2.0"), app("a:b/c@1.1.0")}), whole);
  EXPECT_EQ(world({plug("a:b/c@0.2.1"), app("a:b/c@0.2.6")}), whole);
  EXPECT_NE(world({plug("a:b/c@0.3.0"), app("a:b/c@0.2.6")}).find("nothing of a.wasm is used"), std::string::npos);
  EXPECT_NE(world({plug("a:b/c@0.0.1"), app("a:b/c@0.0.2")}).find("nothing of a.wasm is used"), std::string::npos);
}

TEST(Compose, TakesTheNearestAndChains) {
  const auto made = composed({plug("a:b/c"), plug("a:b/c", "u32", R"((import "a:b/c" (instance)))"), app("a:b/c")});
  ASSERT_TRUE(made) << made.error().to_string();
  ASSERT_EQ(made->connections.size(), 2u);
  EXPECT_EQ(made->connections[0].from, 0u);
  EXPECT_EQ(made->connections[0].to, 1u);
  EXPECT_EQ(made->connections[1].from, 1u);
  EXPECT_EQ(made->connections[1].to, 2u);
  EXPECT_TRUE(made->imports.empty());
}

TEST(Compose, SaysWhatDoesNotFit) {
  EXPECT_EQ(world({plug("a:b/c"), app("a:b/d")}),
            "nothing of a.wasm is used: it exports `a:b/c`, and b.wasm imports `a:b/d`");
  EXPECT_EQ(world({plug("a:b/c", "s32"), app("a:b/c")}),
            "b.wasm's import `a:b/c` is not what a.wasm exports: type mismatch in instance export `f`: type mismatch "
            "with result type: expected u32, found s32");
  EXPECT_EQ(world({plug("a:b/c"), R"((component (import "a:b/c" (instance)) (import "m" (core module))))"}),
            "b.wasm imports `m`, a core module, which cannot be passed on");
}

constexpr std::string_view kStreams = R"(
    (import "wasi:io/error@0.2.0" (instance $error (export "error" (type (sub resource)))))
    (alias export $error "error" (type $e))
    (import "wasi:io/streams@0.2.0" (instance $streams
      (alias outer 1 $e (type $outer))
      (export "error" (type $e2 (eq $outer)))
      (export "output-stream" (type $s (sub resource)))
      (type $v (variant (case "failed" (own $e2)) (case "closed")))
      (export "stream-error" (type $se (eq $v)))
      (export "[method]output-stream.flush" (func (param "self" (borrow $s)) (result (result (error $se))))))))";

TEST(Compose, ImportsWhatIsLeftOnce) {
  const std::string other = R"(
    (import "wasi:io/poll@0.2.6" (instance $poll (export "pollable" (type (sub resource)))))
    (alias export $poll "pollable" (type $p))
    (import "wasi:io/streams@0.2.6" (instance
      (alias outer 1 $p (type $outer))
      (export "pollable" (type $p2 (eq $outer)))
      (export "output-stream" (type $s (sub resource)))
      (export "[method]output-stream.subscribe" (func (param "self" (borrow $s)) (result (own $p2)))))))";
  const std::string first = plug("a:b/c", "u32", kStreams);
  const std::string last = "(component " + other + app("a:b/c").substr(10);
  EXPECT_EQ(world({first, last}), R"(world root {
  import wasi:io/error@0.2.0;
  import wasi:io/poll@0.2.6;
  import wasi:io/streams@0.2.6;

  export g: func() -> u32;
}
package wasi:io@0.2.0 {
  interface error {
    resource error;
  }
}


package wasi:io@0.2.6 {
  interface poll {
    resource pollable;
  }
  interface streams {
    use wasi:io/error@0.2.0.{error};
    use poll.{pollable};

    resource output-stream {
      flush: func() -> result<_, stream-error>;
      subscribe: func() -> pollable;
    }

    variant stream-error {
      failed(error),
      closed,
    }
  }
}
)");
}

TEST(Compose, LeavesResourcesToWhomTheyBelong) {
  // The plug's error is its own, so what else works on errors cannot be the host's.
  const std::string whole = world({R"((component (type $r (resource (rep i32)))
        (instance $i (export "error" (type $r))) (export "wasi:io/error@0.2.0" (instance $i))))",
                                   "(component " + std::string(kStreams) + ")"});
  EXPECT_EQ(whole, "b.wasm imports `wasi:io/streams@0.2.0`: its resource `error` is not the host's any more");
}

TEST(Compose, KeepsNamesOfOneResourceApart) {
  EXPECT_EQ(world({plug("a:b/c"), R"((component
      (import "a:b/c" (instance $c (export "f" (func (result u32)))))
      (import "a:b/types" (instance
        (export "fields" (type $f (sub resource)))
        (export "trailers" (type $t (eq $f)))
        (export "[constructor]fields" (func (result (own $f))))
        (export "finish" (func (result (own $t)))))))"
                                  ")"}),
            R"(world root {
  import a:b/types;
}
package a:b {
  interface types {
    resource fields {
      constructor();
    }

    type trailers = fields;

    finish: func() -> trailers;
  }
}
)");
}

TEST(Compose, PassesTypesOfTheWorldOn) {
  EXPECT_EQ(world({plug("a:b/c"), R"((component
      (import "a:b/c" (instance $c (export "f" (func (result u32)))))
      (type $r (record (field "x" u32)))
      (import "point" (type $p (eq $r)))
      (import "thing" (type $t (sub resource)))
      (import "h" (func $h (param "p" $p) (param "t" (borrow $t)) (result (list $p))))
      (export $q "pointed" (type $p))
      (export "h2" (func $h) (func (param "p" $q) (param "t" (borrow $t)) (result (list $q))))))"}),
            R"(world root {
  record point {
    x: u32,
  }

  resource thing;
  import h: func(p: point, t: borrow<thing>) -> list<point>;

  // export pointed: type
  export h2: func(p: pointed, t: borrow<thing>) -> list<pointed>;
}
)");
}

}  // namespace
}  // namespace berth::component_model
