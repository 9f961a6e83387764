// Other programs of Berth, which this one hands over to. One thread.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "cli/options.h"

namespace berth::cli {

// Becomes `program` with these words: the one beside this program or in $PATH. Returns an exit code only when that
// fails, after saying why.
int hand_over_to(const std::string& program, const std::vector<std::string>& words);
int hand_over_to_image(const std::vector<std::string>& words);

// Whether `text`, which names no file, may be the name of an image.
bool may_name_image(std::string_view text);
// Has berth-image unpack the image of that name, and gives the path of its module; nothing after it has said why not.
std::optional<std::string> module_of_image(std::string_view name);

}  // namespace berth::cli
