#include "berth-image/progress.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "cli/output.h"
#include "cli/units.h"

namespace berth::image {
namespace {

constexpr auto kRedraw = std::chrono::milliseconds(100);
constexpr size_t kWidth = 30;

bool is_terminal() {
  const char* const kind = std::getenv("TERM");
  return isatty(STDERR_FILENO) == 1 && kind && std::string_view(kind) != "dumb";
}

}  // namespace

ProgressBar::ProgressBar(std::string verb, bool quiet) : verb_(std::move(verb)), shown_(!quiet && is_terminal()) {}

ProgressBar::~ProgressBar() {
  if (is_drawn_) cli::write_all(STDERR_FILENO, "\r\x1b[K");
}

void ProgressBar::announced(const oci::Descriptor& blob) {
  const std::lock_guard lock(mutex_);
  total_ += blob.size;
  ++blobs_;
}

void ProgressBar::moved(const oci::Descriptor& blob, u64 bytes) {
  const std::lock_guard lock(mutex_);
  moved_[blob.digest] = bytes;
  draw(false);
}

void ProgressBar::done(const oci::Descriptor& blob, bool /*was_there*/) {
  const std::lock_guard lock(mutex_);
  moved_[blob.digest] = blob.size;
  ++finished_;
  draw(true);
}

void ProgressBar::draw(bool now) {
  const auto time = std::chrono::steady_clock::now();
  if (!shown_ || (!now && time - last_ < kRedraw)) return;
  last_ = time;
  u64 sum = 0;
  for (const auto& [digest, bytes] : moved_) sum += bytes;
  sum = std::min(sum, total_);
  const size_t filled = total_ == 0 ? kWidth : static_cast<size_t>(sum * kWidth / total_);
  std::string bar;
  for (size_t i = 0; i < kWidth; ++i) bar += i < filled ? "█" : "░";
  const double seconds = std::chrono::duration<double>(time - start_).count();
  const u64 rate = seconds > 0.5 ? static_cast<u64>(static_cast<double>(sum) / seconds) : 0;
  cli::write_all(STDERR_FILENO, "\r\x1b[K" + verb_ + " " + bar + " " + cli::format_size(sum) + " of " +
                                    cli::format_size(total_) + ", " + std::to_string(finished_) + " of " +
                                    std::to_string(blobs_) + " blobs" +
                                    (rate != 0 ? ", " + cli::format_size(rate) + "/s" : ""));
  is_drawn_ = true;
}

}  // namespace berth::image
