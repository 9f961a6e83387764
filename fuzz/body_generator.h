// Makes the body of one function of a generated module. Pure; any number of threads.
#pragma once

#include <vector>

#include "fuzz/choices.h"
#include "fuzz/layout.h"
#include "fuzz/writer.h"

namespace berth::fuzz {

// A valid body, locals included, for function `index` of `functions` in a module of layout.h.
Writer generate_body(Choices& choices, const std::vector<Signature>& functions, u32 index);

}  // namespace berth::fuzz
