// WebAssembly modules as text (specification 3.0: text format). Pure functions: any number of threads
// may print at once.
//
// What is printed parses back to the same binary, apart from what the text format has no words for:
// encodings longer than they need be, short and long forms of one thing, the order of the name section
// among custom sections, and code metadata that does not stand on an instruction.
#pragma once

#include <string>

#include "base/result.h"
#include "wasm/module.h"

namespace berth::text {

struct PrintOptions {
  bool folded = false;           // instructions as expressions
  bool inline_exports = false;   // within what they export; the exports then come in the order of that
  bool offsets = false;          // a comment with the offset in the binary before each instruction (not folded)
  bool names = true;             // identifiers from the name section
  bool annotations = true;       // custom sections and code metadata
  std::string head = {};         // what to begin with instead of `(module` and the module's name
  u64 max_bytes = u64{4} << 30;  // of text; types and locals can take far more room than in the binary
};

// Prints a decoded module, validated or not. Fails with the decoder's error when the body of a function
// or a constant expression is malformed, and with LimitExceeded when there is too much text.
Result<std::string> print_module(const wasm::Module& module, const PrintOptions& options = {});

}  // namespace berth::text
