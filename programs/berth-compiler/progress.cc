#include "berth-compiler/progress.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "cli/output.h"

namespace berth::compiler_program {
namespace {

constexpr u32 kBarWidth = 24;
constexpr auto kRedraw = std::chrono::milliseconds(100);
constexpr auto kRepeat = std::chrono::seconds(10);  // where there is no terminal

}  // namespace

std::string format_duration(std::chrono::seconds duration) {
  const auto s = static_cast<long long>(duration.count());
  char text[48];
  if (s < 60) {
    std::snprintf(text, sizeof text, "%llds", s);
  } else if (s < 3600) {
    std::snprintf(text, sizeof text, "%lldm%02llds", s / 60, s % 60);
  } else {
    std::snprintf(text, sizeof text, "%lldh%02lldm", s / 3600, s / 60 % 60);
  }
  return text;
}

Progress::Progress(bool wanted, u32 functions, u64 bytes)
    : wanted_(wanted), terminal_(isatty(STDERR_FILENO) == 1), functions_(functions), bytes_(bytes) {}

void Progress::add(u32 functions, u64 bytes) {
  if (!wanted_) return;
  const std::scoped_lock lock(mutex_);
  done_functions_ += functions;
  done_bytes_ += bytes;
  const auto now = Clock::now();
  const bool due = terminal_ ? now - drawn_ >= kRedraw : now - drawn_ >= kRepeat;
  if (!due) return;
  drawn_ = now;
  draw(bar(now));
}

void Progress::phase(const std::string& what) {
  if (!wanted_) return;
  const std::scoped_lock lock(mutex_);
  if (terminal_) draw(what);
}

void Progress::clear() {
  if (line_shown_) cli::write_all(STDERR_FILENO, "\r\x1b[K");
  line_shown_ = false;
}

void Progress::draw(const std::string& line) {
  cli::write_all(STDERR_FILENO, terminal_ ? "\r\x1b[K" + line : line + "\n");
  line_shown_ = terminal_;
}

std::string Progress::bar(Clock::time_point now) const {
  const double seconds = std::max(0.001, std::chrono::duration<double>(now - start_).count());
  const double part = bytes_ == 0 ? 1.0 : std::min(1.0, static_cast<double>(done_bytes_) / static_cast<double>(bytes_));
  const auto filled = static_cast<u32>(part * kBarWidth);
  char numbers[96];
  std::snprintf(numbers, sizeof numbers, " %3.0f%%  %u/%u functions  %.2f MB/s", part * 100, done_functions_,
                functions_, static_cast<double>(done_bytes_) / 1e6 / seconds);
  std::string out = "[" + std::string(filled, '#') + std::string(kBarWidth - filled, '.') + "]" + numbers;
  if (part > 0 && part < 1) {
    const auto left = std::chrono::seconds(static_cast<long long>(seconds / part * (1 - part)) + 1);
    out += "  " + format_duration(left) + " left";
  }
  return out;
}

}  // namespace berth::compiler_program
