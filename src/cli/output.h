// What a program itself prints: results to standard output, messages to standard error. Nothing here
// throws or allocates a stream object; used by one thread unless said otherwise.
#pragma once

#include <string_view>

#include "cli/options.h"

namespace berth::cli {

// Exit codes, apart from the guest's own.
inline constexpr int kExitFailure = 1, kExitUsage = 2, kExitTrap = 134;

// Standard output, buffered. Flushed by `finish`, which every command that prints returns through.
class Output {
 public:
  Output& operator<<(std::string_view text) {
    buffer_ += text;
    if (buffer_.size() >= kFlushAt) flush();
    return *this;
  }
  // Writes what is left. `exit_code`, or kExitFailure after saying so when not all could be written;
  // a reader that went away is no news worth a message.
  int finish(int exit_code);
  void flush();

 private:
  static constexpr size_t kFlushAt = 64 * 1024;
  std::string buffer_;
  int error_ = 0;
};

// Writes all of `text` to a descriptor; 0 or the errno. From any thread.
int write_all(int fd, std::string_view text);

// `message` and below it "  hint" when there is one, to standard error. From any thread.
void print_message(std::string_view message, std::string_view hint = {});
// The same with the program's name before it: "berth: message".
void print_error(std::string_view message, std::string_view hint = {});
// The same for what is wrong with the way the program was called; kExitUsage.
int usage_error(const UsageError& error);

}  // namespace berth::cli
