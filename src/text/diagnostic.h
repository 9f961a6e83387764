// Errors with the line of text they are about, for programs to print. Pure functions.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "text/source_map.h"

namespace berth::text {

// The form in which an error about text is shown:
//
//   app.wat:3:14: error: unknown local $x
//      3 |   (local.get $x)
//        |              ^^
//
// Tabs are shown as one space and what is not ASCII as it is; a long line is cut around the place.
// Ends in a newline.
std::string render(std::string_view file, std::string_view source, u64 offset, std::string_view message);

// The same for `error`, whose offset is one of `source` when it comes from the text parser, and
// otherwise one of the binary that `map`, if given, leads back to the text. An error that leads
// nowhere becomes "app.wat: error: …".
std::string render(std::string_view file, std::string_view source, const Error& error, const SourceMap* map = nullptr);

}  // namespace berth::text
