// Where a member of a JSON object is in its text, for what is signed as bytes. Pure.
#pragma once

#include <string_view>

namespace berth::attest {

// The text of the value of the first member called `name` of the object that `text` is; empty when there is none.
// `text` is JSON that was parsed without an error before.
std::string_view member_span(std::string_view text, std::string_view name);

}  // namespace berth::attest
