// Readable forms of the function names that compilers put into the name section. Pure; bounded by
// the name's length; safe for untrusted names.
#pragma once

#include <string>
#include <string_view>

namespace berth::engine {

// `_ZN4core3fmt5write17h0123456789abcdefE` becomes `core::fmt::write`, `_ZN3app4mainEi`
// `app::main`. Names that are not mangled, or in a way this does not know (templates, operators),
// come back unchanged.
std::string demangle(std::string_view name);

// The same text with control characters and bytes that are not UTF-8 replaced, and cut to
// `max_bytes`, so that a hostile name cannot take over a terminal.
std::string printable(std::string_view text, size_t max_bytes = 200);

}  // namespace berth::engine
