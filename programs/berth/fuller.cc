#include "berth/fuller.h"

namespace berth::cli {

std::string_view fuller_program() { return {}; }

}  // namespace berth::cli
