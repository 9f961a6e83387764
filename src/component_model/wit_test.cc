#include "component_model/wit.h"

#include <gtest/gtest.h>

#include "component_model/decoder.h"
#include "component_model/validator.h"
#include "decode/decoder.h"
#include "text/component_parser.h"

namespace berth::component_model {
namespace {

Result<std::shared_ptr<const wasm::Module>> load_module(std::vector<u8> bytes) {
  return std::make_shared<wasm::Module>(TRY(decode::decode_module(std::move(bytes))));
}

std::string wit(std::string_view text, std::string_view skipped = {}) {
  const auto parsed = text::parse_component(text);
  if (!parsed) return parsed.error().to_string();
  auto component = decode_component(parsed->binary, load_module);
  if (!component) return component.error().to_string();
  if (auto valid = validate_component(*component); !valid) return valid.error().to_string();
  const auto out = to_wit(*component, skipped);
  return out ? *out : out.error().to_string();
}

TEST(Wit, ShowsInterfacesByPackage) {
  EXPECT_EQ(wit(R"((component
    (type $error-type (instance (export "error" (type (sub resource)))))
    (import "wasi:io/error@0.2.0" (instance $error (type $error-type)))
    (alias export $error "error" (type $e))
    (import "a:b/streams@1.0.0" (instance
      (alias outer 1 $e (type $outer))
      (export "error" (type $e (eq $outer)))
      (export "output-stream" (type $stream (sub resource)))
      (type $variant (variant (case "failed" (own $e)) (case "list")))
      (export "stream-error" (type $stream-error (eq $variant)))
      (type $id (list u8))
      (export "id" (type $named (eq $id)))
      (export "id2" (type $again (eq $named)))
      (export "[constructor]output-stream" (func (result (own $stream))))
      (export "[method]output-stream.write" (func (param "self" (borrow $stream)) (param "contents" $named)
        (result (result (error $stream-error)))))
      (export "[static]output-stream.join" (func (param "a" (borrow $stream)) (param "use" (own $stream))
        (result (option u64))))
      (export "f" (func (param "x" (tuple u8 char)) (result (result u8 (error string)))))
      (export "g" (func async))))
    (core module $m (func (export "run")))
    (core instance $i (instantiate $m))
    (func $run (canon lift (core func $i "run")))
    (export "run" (func $run))))"),
            R"(package root:component;

world root {
  import wasi:io/error@0.2.0;
  import a:b/streams@1.0.0;

  export run: func();
}
package wasi:io@0.2.0 {
  interface error {
    resource error;
  }
}


package a:b@1.0.0 {
  interface streams {
    use wasi:io/error@0.2.0.{error};

    resource output-stream {
      constructor();
      write: func(contents: id) -> result<_, stream-error>;
      join: static func(a: borrow<output-stream>, %use: output-stream) -> option<u64>;
    }

    variant stream-error {
      failed(error),
      %list,
    }

    type id = list<u8>;

    type id2 = id;

    f: func(x: tuple<u8, char>) -> result<u8, string>;

    g: async func();
  }
}
)");
}

TEST(Wit, ShowsTypesAndInterfacesOfTheWorldItself) {
  EXPECT_EQ(wit(R"((component
    (import "a:b/types" (instance $types
      (type $r (record (field "x" u32)))
      (export "point" (type (eq $r)))))
    (alias export $types "point" (type $p))
    (import "inline" (instance
      (alias outer 1 $p (type $o))
      (export "point" (type $q (eq $o)))
      (export "f" (func (param "p" $q)))))
    (import "point" (type $wp (eq $p)))
    (type $fl (flags "a" "b"))
    (import "fl" (type $flags (eq $fl)))
    (import "h" (func (param "p" $wp) (param "f" $flags)))
    (core module $m)
    (export "m" (core module $m))))",
                "a"),
            R"(package root:component;

world root {
  import a:b/types;
  import inline: interface {
    use a:b/types.{point};

    f: func(p: point);
  }
  use a:b/types.{point};

  flags fl {
    a,
    b,
  }
  import h: func(p: point, f: fl);

  // export m: core module
}
)");
}

TEST(Wit, ShowsWhatNamesSayBesides) {
  EXPECT_EQ(wit(R"((component
    (import "first" (implements "a:b/store@1.0.0") (instance (export "get" (func (result u32)))))
    (import "second" (implements "a:b/store@1.0.0") (external-id "a b") (instance (export "get" (func (result u32)))))
    (import "t" (external-id "id") (type (sub resource)))))"),
            R"(package root:component;

world root {
  import first: a:b/store@1.0.0;
  @external-id("a\u{20}b")
  import second: a:b/store@1.0.0;

  @external-id("id")
  resource t;
}
package a:b@1.0.0 {
  interface store {
    get: func() -> u32;
  }
}
)");
}

TEST(Wit, FollowsTypesThroughComponentsInside) {
  // As toolchains export interfaces: by a component inside, which is given the types.
  const std::string text = wit(R"((component
    (import "a:b/types" (instance $types
      (type $r (record (field "x" u32)))
      (export "point" (type (eq $r)))))
    (alias export $types "point" (type $p))
    (core module $m (func (export "f") (param i32)))
    (core instance $i (instantiate $m))
    (func $f (param "p" $p) (canon lift (core func $i "f")))
    (component $shim
      (type $r (record (field "x" u32)))
      (import "import-type-point" (type $ip (eq $r)))
      (import "import-func-f" (func $if (param "p" $ip)))
      (export $ep "point" (type $ip))
      (export "f" (func $if) (func (param "p" $ep))))
    (instance $e (instantiate $shim (with "import-type-point" (type $p)) (with "import-func-f" (func $f))))
    (export "a:b/other" (instance $e))))");
  EXPECT_NE(text.find("  interface other {\n    use types.{point};\n\n    f: func(p: point);\n  }\n"),
            std::string::npos)
      << text;
}

TEST(Wit, EndsWhenThereIsTooMuch) {
  // Each of these types is twice as long as the one before it.
  std::string types = "(type $t0 (tuple u8 u8))";
  for (int i = 1; i < 60; ++i) {
    const std::string before = " $t" + std::to_string(i - 1);
    types += "(type $t" + std::to_string(i) + " (tuple" + before + (i < 25 ? before : "") + "))";
  }
  const std::string text = wit("(component " + types + R"((import "f" (func (param "p" $t59)))))");
  EXPECT_NE(text.find("the component's WIT would be too large"), std::string::npos) << text.substr(0, 200);
}

}  // namespace
}  // namespace berth::component_model
