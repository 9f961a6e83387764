// Makes the body of one function of a generated module. Pure but for the plan; any number of threads with a plan each.
#pragma once

#include "fuzz/choices.h"
#include "fuzz/layout.h"
#include "fuzz/writer.h"

namespace berth::fuzz {

// A valid body, locals included, for the function of that index in the module of the plan, to which it adds the
// types that it needs.
Writer generate_body(Choices& choices, ModulePlan& plan, u32 function);

}  // namespace berth::fuzz
