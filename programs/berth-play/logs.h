// What a container writes: line by line into a file, in the form that Kubernetes' runtimes use, and perhaps to our own
// standard output. One thread.
#pragma once

#include <array>
#include <memory>
#include <string>

#include "base/result.h"
#include "berth-play/loop.h"
#include "container/fd.h"

namespace berth::play {

class LogWriter {
 public:
  // `prefix`, if not empty, is put before each line on standard output. Fails with System.
  static Result<std::unique_ptr<LogWriter>> open(Loop& loop, const std::string& path, std::string prefix);
  ~LogWriter();
  LogWriter(const LogWriter&) = delete;

  // The ends for the container: standard output and standard error. Closed once it has them.
  int output() const { return ends_[0].get(); }
  int errors() const { return ends_[1].get(); }
  void close_ends();
  // Takes what is there still, also lines without an end.
  void finish();

 private:
  struct Stream {
    container::Fd from;
    std::string line;
  };
  LogWriter(Loop& loop, container::Fd file, std::string prefix)
      : loop_(loop), file_(std::move(file)), prefix_(std::move(prefix)) {}
  void take(size_t which);
  void put(size_t which, std::string_view line, bool complete);

  Loop& loop_;
  container::Fd file_;
  const std::string prefix_;
  std::array<container::Fd, 2> ends_;
  std::array<Stream, 2> streams_;
};

// "2026-11-22T20:15:00.123456789Z", now.
std::string time_text();

}  // namespace berth::play
