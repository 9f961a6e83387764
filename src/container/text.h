// Small helpers on texts. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "json/json.h"

namespace berth::container {

// The parts between separators, without white space around them; empty parts are left out.
std::vector<std::string> split(std::string_view text, char separator);
// The strings in an array; none for anything else.
std::vector<std::string> texts(const json::Value* array);
json::Array array_of(const std::vector<std::string>& texts);
// Whether `text` is what a pattern describes, in which * stands for any characters.
bool matches(std::string_view pattern, std::string_view text);

}  // namespace berth::container
