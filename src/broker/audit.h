// What a broker did, for those who must know afterwards: lines of JSON at the end of a file, each with the SHA-256 of
// the one before, so that a line that was changed, removed or put in between shows. May be used by several threads.
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "attest/encoding.h"
#include "json/json.h"

namespace berth::broker {

class AuditLog {
 public:
  // Continues the file, which is made when it is not there (mode 0600); "-" is standard error, and nothing is
  // continued. A line that a crash has cut off is ended. Fails with System.
  static Result<std::unique_ptr<AuditLog>> open(const std::string& path);
  ~AuditLog();
  AuditLog(const AuditLog&) = delete;

  // Appends {"time": …, "event": …, …, "previous": …}; the line is on the disk when it returns. Fails with System: then
  // what was to be recorded should not be done.
  Result<> record(std::string_view event, json::Object details);
  // Opens the file anew, for those who have moved it away.
  Result<> reopen();

  // Whether each line of such a text follows the one before. The error names the first that does not.
  static Result<u64> verify(std::string_view text);

 private:
  AuditLog(std::string path, int file, std::string previous)
      : path_(std::move(path)), file_(file), previous_(std::move(previous)) {}

  const std::string path_;
  std::mutex mutex_;
  int file_;
  std::string previous_;  // digest of the last line
};

}  // namespace berth::broker
