// The log of requests, written by a thread of its own, so that nobody waits for whoever reads it.
#pragma once

#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

#include "base/result.h"

namespace berth::cli {

// One request, once it is over.
struct LogRecord {
  u64 unix_ns = 0;
  std::string_view peer, method, path, version, authority, referer, user_agent, route, id;
  u16 status = 0;
  u64 sent = 0, received = 0, duration_ns = 0;
};

enum class LogFormat : u8 { Common, Json };
// With its line end.
void append_record(std::string& out, LogFormat format, const LogRecord& record);

class Log {
 public:
  // `path`: a file that is appended to; "-": standard output. Fails with Io.
  static Result<std::unique_ptr<Log>> open(const std::string& path, LogFormat format);
  ~Log();
  Log(const Log&) = delete;

  LogFormat format() const { return format_; }
  // Lines, to be written soon. When far too many wait they are left out, and counted. Any thread.
  void submit(std::string&& lines);
  // Opens the file anew, for whoever has moved it away. Any thread.
  void reopen();

 private:
  Log(std::string path, LogFormat format, int fd);
  void run();
  const std::string path_;
  const LogFormat format_;
  int fd_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::string waiting_;
  u64 left_out_ = 0;
  bool ends_ = false, reopens_ = false;
  std::thread thread_;
};

}  // namespace berth::cli
