#include "berth-play/logs.h"

#include <fcntl.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "cli/output.h"

namespace berth::play {

namespace {
// A line that is longer comes in parts, as with Kubernetes' runtimes.
constexpr size_t kLongestLine = 16 * 1024;
}  // namespace

std::string time_text() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  struct tm parts{};
  gmtime_r(&now.tv_sec, &parts);
  char text[64];
  const size_t n = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
  std::snprintf(text + n, sizeof text - n, ".%09ldZ", now.tv_nsec);
  return text;
}

Result<std::unique_ptr<LogWriter>> LogWriter::open(Loop& loop, const std::string& path, std::string prefix) {
  container::Fd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  if (!file) return fail(os_error(errno, "cannot write " + path));
  std::unique_ptr<LogWriter> out(new LogWriter(loop, std::move(file), std::move(prefix)));
  for (size_t i = 0; i < 2; ++i) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return fail(os_error(errno, "cannot make a pipe"));
    out->streams_[i].from = container::Fd(ends[0]);
    out->ends_[i] = container::Fd(ends[1]);
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    loop.watch(ends[0], POLLIN, [self = out.get(), i](short) { self->take(i); });
  }
  return out;
}

LogWriter::~LogWriter() {
  for (Stream& stream : streams_)
    if (stream.from) loop_.forget(stream.from.get());
}

void LogWriter::close_ends() { ends_ = {}; }

void LogWriter::finish() {
  for (size_t i = 0; i < 2; ++i) {
    if (streams_[i].from) take(i);
    if (!streams_[i].line.empty()) put(i, streams_[i].line, false);
    streams_[i].line.clear();
  }
}

void LogWriter::take(size_t which) {
  Stream& stream = streams_[which];
  char part[8192];
  while (true) {
    const ssize_t n = read(stream.from.get(), part, sizeof part);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) break;
    if (n == 0) {
      loop_.forget(stream.from.get());
      stream.from = container::Fd();
      break;
    }
    stream.line.append(part, static_cast<size_t>(n));
    size_t begin = 0;
    for (size_t end; (end = stream.line.find('\n', begin)) != std::string::npos; begin = end + 1)
      put(which, std::string_view(stream.line).substr(begin, end - begin), true);
    stream.line.erase(0, begin);
    for (; stream.line.size() > kLongestLine; stream.line.erase(0, kLongestLine))
      put(which, std::string_view(stream.line).substr(0, kLongestLine), false);
  }
}

void LogWriter::put(size_t which, std::string_view line, bool complete) {
  std::string text = time_text() + (which == 0 ? " stdout " : " stderr ") + (complete ? "F " : "P ");
  cli::write_all(file_.get(), text.append(line).append("\n"));
  if (!prefix_.empty()) cli::write_all(STDOUT_FILENO, std::string(prefix_).append(line).append("\n"));
}

}  // namespace berth::play
