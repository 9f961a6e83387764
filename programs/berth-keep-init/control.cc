#include "berth-keep-init/control.h"

#include <unistd.h>

#include <cerrno>

#include "cli/output.h"
#include "json/json.h"
#include "keep/problem.h"

namespace berth::keep {

Result<std::optional<std::string>> Control::poll_line() {
  constexpr size_t kMost = 1 << 20;
  while (true) {
    if (const size_t end = unread_.find('\n'); end != std::string::npos) {
      std::string line = unread_.substr(0, end);
      unread_.erase(0, end + 1);
      return line;
    }
    if (unread_.size() > kMost) return problem("the host sends a line without an end");
    char buffer[4096];
    const ssize_t n = read(descriptor_, buffer, sizeof buffer);
    if (n > 0) {
      unread_.append(buffer, static_cast<size_t>(n));
      if (unread_.find('\n') == std::string::npos) return std::nullopt;
    } else if (n == 0) {
      return problem("the host has gone");
    } else if (errno == EAGAIN) {
      return std::nullopt;
    } else if (errno != EINTR) {
      return fail(os_error(errno, "cannot read what the host says"));
    }
  }
}

Result<std::string> Control::line() {
  while (true) {
    auto got = TRY(poll_line());
    if (got) return std::move(*got);
  }
}

void Control::send(std::string text) {
  text += '\n';
  cli::write_all(descriptor_, text);
}

void Control::state(std::string_view state) { send(json::to_text(json::Object{{"state", state}})); }
void Control::error(std::string_view text) { send(json::to_text(json::Object{{"error", text}})); }
void Control::exit(int code) { send(json::to_text(json::Object{{"exit", code}})); }

}  // namespace berth::keep
