#include "cli/output.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace berth::cli {
int write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = write(fd, text.data(), text.size());
    if (n < 0) {
      if (errno == EINTR) continue;
      return errno;
    }
    text.remove_prefix(static_cast<size_t>(n));
  }
  return 0;
}

void Output::flush() {
  if (error_ == 0) error_ = write_all(STDOUT_FILENO, buffer_);
  buffer_.clear();
}

int Output::finish(int exit_code) {
  flush();
  if (error_ == 0) return exit_code;
  if (error_ != EPIPE) print_error(std::string("cannot write to standard output: ") + std::strerror(error_));
  return exit_code != 0 ? exit_code : kExitFailure;
}

void print_message(std::string_view message, std::string_view hint) {
  // One write, so that messages of several processes do not mix.
  std::string text = std::string(message) + "\n";
  if (!hint.empty()) text += "  " + std::string(hint) + "\n";
  write_all(STDERR_FILENO, text);
}

void print_error(std::string_view message, std::string_view hint) {
  print_message(std::string(program_name()) + ": " + std::string(message), hint);
}

int usage_error(const UsageError& error) {
  print_error(error.message, error.hint);
  return kExitUsage;
}

}  // namespace berth::cli
