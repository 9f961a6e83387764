// Messages between a keep and its host: lines of JSON. Nothing secret goes this way, and nothing of the host's is
// believed but to stop. One thread.
//
//   host to keep   the greeting (keep/launch.h); {"signal": 15}
//   keep to host   {"state": "…"}; {"error": "…"}; {"exit": 0}
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace berth::keep {

class Control {
 public:
  explicit Control(int descriptor) : descriptor_(descriptor) {}

  int descriptor() const { return descriptor_; }
  // The next line, waiting for it. Fails with System when the host has gone, or its line is longer than 1 MiB.
  Result<std::string> line();
  // A whole line of what has come, without waiting for more than one read.
  Result<std::optional<std::string>> poll_line();

  void state(std::string_view state);
  void error(std::string_view text);
  void exit(int code);

 private:
  void send(std::string text);

  int descriptor_;
  std::string unread_;
};

}  // namespace berth::keep
