#include "berth/serve_log.h"

#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <memory>

#include "cli/output.h"

namespace berth::cli {

namespace {
constexpr size_t kMaxWaiting = size_t{16} << 20;

// What a client sent must not look like something else in a log.
std::string quoted(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const u8 byte = static_cast<u8>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20 || byte >= 0x7F) {
      char hex[8];
      std::snprintf(hex, sizeof hex, "\\x%02x", byte);
      out += hex;
    } else {
      out += c;
    }
  }
  return out;
}

// Bytes that are not ASCII are taken for Latin-1, as HTTP has it.
std::string json_quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    const u8 byte = static_cast<u8>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20 || byte >= 0x7F) {
      char hex[8];
      std::snprintf(hex, sizeof hex, "\\u%04x", byte);
      out += hex;
    } else {
      out += c;
    }
  }
  return out + "\"";
}

std::string_view host_of(std::string_view peer) {
  const size_t colon = peer.rfind(':');
  std::string_view host = peer.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  return host.empty() ? "-" : host;
}
}  // namespace

void append_record(std::string& out, LogFormat format, const LogRecord& r) {
  const time_t seconds = static_cast<time_t>(r.unix_ns / 1'000'000'000);
  tm t{};
  char when[64], number[64];
  if (format == LogFormat::Common) {
    localtime_r(&seconds, &t);
    std::strftime(when, sizeof when, "%d/%b/%Y:%H:%M:%S %z", &t);
    out += host_of(r.peer);
    out += " - - [";
    out += when;
    out += "] \"";
    out += quoted(r.method) + " " + quoted(r.path) + " ";
    out += r.version;
    out += "\" " + std::to_string(r.status) + " " + (r.sent > 0 ? std::to_string(r.sent) : "-") + "\n";
    return;
  }
  gmtime_r(&seconds, &t);
  std::strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S", &t);
  std::snprintf(number, sizeof number, ".%06luZ", r.unix_ns / 1000 % 1'000'000);
  out += "{\"time\":\"" + std::string(when) + number + "\"";
  const auto text = [&](const char* name, std::string_view value) {
    if (!value.empty()) out += std::string(",\"") + name + "\":" + json_quoted(value);
  };
  text("client", r.peer);
  text("method", r.method);
  text("host", r.authority);
  text("path", r.path);
  text("protocol", r.version);
  out += ",\"status\":" + std::to_string(r.status) + ",\"bytes_sent\":" + std::to_string(r.sent) +
         ",\"bytes_received\":" + std::to_string(r.received);
  std::snprintf(number, sizeof number, "%.6f", static_cast<double>(r.duration_ns) / 1e9);
  out += std::string(",\"seconds\":") + number;
  text("route", r.route);
  text("request_id", r.id);
  text("referer", r.referer);
  text("user_agent", r.user_agent);
  out += "}\n";
}

Result<std::unique_ptr<Log>> Log::open(const std::string& path, LogFormat format) {
  int fd = STDOUT_FILENO;
  if (path != "-") {
    fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (fd < 0) return fail(os_error(errno, "cannot open " + path));
  }
  return std::unique_ptr<Log>(new Log(path, format, fd));
}

Log::Log(std::string path, LogFormat format, int fd)
    : path_(std::move(path)), format_(format), fd_(fd), thread_([this] { run(); }) {}

Log::~Log() {
  {
    const std::lock_guard lock(mutex_);
    ends_ = true;
  }
  changed_.notify_one();
  thread_.join();
  if (fd_ != STDOUT_FILENO) ::close(fd_);
}

void Log::submit(std::string&& lines) {
  {
    const std::lock_guard lock(mutex_);
    if (waiting_.size() > kMaxWaiting) {
      for (const char c : lines) left_out_ += c == '\n' ? 1 : 0;
      return;
    }
    if (waiting_.empty()) {
      waiting_ = std::move(lines);
    } else {
      waiting_ += lines;
    }
  }
  changed_.notify_one();
}

void Log::reopen() {
  {
    const std::lock_guard lock(mutex_);
    reopens_ = true;
  }
  changed_.notify_one();
}

void Log::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return !waiting_.empty() || ends_ || reopens_; });
    const std::string lines = std::exchange(waiting_, {});
    const u64 left_out = std::exchange(left_out_, 0);
    const bool ends = ends_, reopens = std::exchange(reopens_, false);
    lock.unlock();
    if (!lines.empty()) write_all(fd_, lines);
    if (left_out > 0)
      print_error("the access log was not written fast enough: " + std::to_string(left_out) + " lines were left out");
    if (reopens && fd_ != STDOUT_FILENO) {
      const int fd = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
      if (fd >= 0) {
        ::close(fd_);
        fd_ = fd;
      }
    }
    lock.lock();
    if (ends && waiting_.empty()) return;
  }
}

}  // namespace berth::cli
