// How far a transfer is, as a bar on a terminal; nothing elsewhere. Safe from any thread.
#pragma once

#include <chrono>
#include <map>
#include <mutex>

#include "oci/transfer.h"

namespace berth::image {

class ProgressBar final : public oci::TransferObserver {
 public:
  // `verb` is what is done: "pulling".
  ProgressBar(std::string verb, bool quiet);
  // Takes the bar away.
  ~ProgressBar() override;

  void announced(const oci::Descriptor& blob) override;
  void moved(const oci::Descriptor& blob, u64 bytes) override;
  void done(const oci::Descriptor& blob, bool was_there) override;

 private:
  void draw(bool now);

  const std::string verb_;
  const bool shown_;
  std::mutex mutex_;
  std::map<oci::Digest, u64> moved_;
  u64 total_ = 0;
  size_t finished_ = 0, blobs_ = 0;
  bool is_drawn_ = false;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now(), last_{};
};

}  // namespace berth::image
