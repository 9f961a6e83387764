// Images as `berth image` keeps them: got where they are missing, and unpacked. Waits for it; one thread.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "kube/objects.h"

namespace berth::play {

// Programs of Berth: beside this one, or in $PATH. Empty where there is none.
std::string find_program(const std::string& name);

struct Image {
  std::string digest, folder;  // where its files are, which are all containers'
  std::vector<std::string> entrypoint, command, environment;
  std::string working_folder, user;
};

// Fails with NotSupported where there is no berth-image, and with System, giving what that says.
Result<Image> get_image(const std::string& name, kube::PullPolicy policy);

}  // namespace berth::play
