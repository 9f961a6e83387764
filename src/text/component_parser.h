// Text of components to their binary (component model, Explainer: the text format, with all its
// abbreviations). Pure functions: any number of threads may parse at once. The counterpart of
// text/parser.h, which core modules inside of components go through.
#pragma once

#include "text/parser.h"

namespace berth::text {

struct ParsedComponent {
  std::vector<u8> binary;
  SourceMap map;  // as of ParsedModule
  std::optional<std::string> id;
};

// Parses one component, `(component …)` in any of its forms; `(component definition …)` too. The text is
// source[begin, end); offsets count from the start of `source`. Fails like parse_module.
Result<ParsedComponent> parse_component(std::string_view source, const ParseOptions& options = {}, size_t begin = 0,
                                        size_t end = std::string_view::npos);

}  // namespace berth::text
