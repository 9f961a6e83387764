#include "broker/audit.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>

#include "attest/crypto.h"
#include "broker/problem.h"
#include "os/file.h"

namespace berth::broker {
namespace {

constexpr std::string_view kFirst = "";  // what the first line follows

std::string digest_of(std::string_view line) { return attest::to_hex(attest::sha256(attest::bytes_of(line))); }

Result<> write_all(int file, std::string_view text, const std::string& path) {
  while (!text.empty()) {
    const ssize_t written = write(file, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return std::unexpected(os_error(errno, "cannot write to the audit log " + path));
    text.remove_prefix(static_cast<size_t>(written));
  }
  return {};
}

struct Opened {
  int file = -1;
  std::string previous;
};

Result<Opened> open_log(const std::string& path) {
  Opened out;
  if (path == "-") {
    out.file = dup(STDERR_FILENO);
    if (out.file < 0) return std::unexpected(os_error(errno, "standard error"));
    return out;
  }
  out.file = ::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (out.file < 0) return std::unexpected(os_error(errno, "cannot open the audit log " + path));
  // The end of it is enough: a line has less than 64 KiB.
  const off_t size = lseek(out.file, 0, SEEK_END);
  std::string tail(static_cast<size_t>(std::min<off_t>(size, 65536)), '\0');
  const ssize_t got = pread(out.file, tail.data(), tail.size(), size - static_cast<off_t>(tail.size()));
  if (size < 0 || got != static_cast<ssize_t>(tail.size())) {
    close(out.file);
    return problem("cannot read the audit log " + path);
  }
  if (!tail.empty() && !tail.ends_with('\n')) {
    if (auto ended = write_all(out.file, "\n", path); !ended) {
      close(out.file);
      return std::unexpected(std::move(ended).error());
    }
  } else if (!tail.empty()) {
    tail.pop_back();
  }
  const size_t begin = tail.rfind('\n');
  if (!tail.empty()) out.previous = digest_of(begin == std::string::npos ? tail : tail.substr(begin + 1));
  return out;
}

}  // namespace

Result<std::unique_ptr<AuditLog>> AuditLog::open(const std::string& path) {
  Opened opened = TRY(open_log(path));
  return std::unique_ptr<AuditLog>(new AuditLog(path, opened.file, std::move(opened.previous)));
}

AuditLog::~AuditLog() { close(file_); }

Result<> AuditLog::reopen() {
  const std::scoped_lock lock(mutex_);
  Opened opened = TRY(open_log(path_));
  close(file_);
  file_ = opened.file;
  previous_ = std::move(opened.previous);
  return {};
}

Result<> AuditLog::record(std::string_view event, json::Object details) {
  json::Object members = {{"time", attest::format_time(time(nullptr))}, {"event", event}};
  members.insert(members.end(), std::make_move_iterator(details.begin()), std::make_move_iterator(details.end()));
  const std::scoped_lock lock(mutex_);
  members.push_back({"previous", previous_});
  std::string line = json::to_text(members);
  const std::string digest = digest_of(line);
  line += '\n';
  const off_t before = path_ == "-" ? 0 : lseek(file_, 0, SEEK_END);
  auto written = write_all(file_, line, path_);
  if (written && path_ != "-" && fdatasync(file_) != 0)
    written = std::unexpected(os_error(errno, "cannot write to the audit log " + path_));
  if (!written) {
    // What was written in part would be taken for a line.
    if (path_ != "-" && ftruncate(file_, before) != 0)
      return problem("the audit log " + path_ + " ends within a line: " + written.error().to_string());
    return written;
  }
  previous_ = digest;
  return {};
}

Result<u64> AuditLog::verify(std::string_view text) {
  std::string previous(kFirst);
  u64 lines = 0;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    if (end == std::string_view::npos)
      return problem("line " + std::to_string(lines + 1) + " has no end: something was cut off");
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end + 1);
    ++lines;
    const auto value = json::parse(line);
    if (!value) return problem("line " + std::to_string(lines) + " is no JSON: it was cut off, or changed");
    if (value->text_at({"previous"}) != previous)
      return problem("line " + std::to_string(lines) +
                     " does not follow the one before: lines were changed, removed or added");
    previous = digest_of(line);
  }
  return lines;
}

}  // namespace berth::broker
