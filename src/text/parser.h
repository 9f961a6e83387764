// WebAssembly text to WebAssembly binary (specification 3.0: text format, modules, and appendix, custom
// annotations). Pure functions: any number of threads may parse at once.
//
// The parser knows syntax and names, nothing else: what it accepts is then decoded and validated like
// any other binary, with the source map leading errors back to the text.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "text/source_map.h"
#include "wasm/features.h"

namespace berth::text {

struct ParseOptions {
  // Without memory64, sizes past 32 bits are malformed text; other features are left to the decoder.
  wasm::FeatureSet features = {};
  // Whether identifiers go into a name section.
  bool names = true;
  // What a module is called whose fields alone are given.
  std::optional<std::string> module_name = {};
};

struct ParsedModule {
  std::vector<u8> binary;
  // From the binary to the source given, into the strings of `(module quote …)` and `(module binary …)` too.
  SourceMap map;
  // The module's identifier without its dollar.
  std::optional<std::string> id;
  // A custom section that the text describes and that does not fit its module (ErrorCode::TextCustom):
  // the module itself may be sound.
  std::optional<Error> custom_error;
};

// Parses one module: `(module …)` in any of its forms, or its fields alone. The text is
// source[begin, end); offsets count from the start of `source`.
//
// Fails with TextSyntax, detail in the specification's words, at the source's byte offset
// (see text/diagnostic.h), for malformed text and for identifiers that nothing defines; with
// LimitExceeded for text past 4 GiB or 2^28 tokens.
Result<ParsedModule> parse_module(std::string_view source, const ParseOptions& options = {}, size_t begin = 0,
                                  size_t end = std::string_view::npos);

// Whether the offset of `error` is one of a source text rather than of a binary.
bool is_text_error(const Error& error);

}  // namespace berth::text
