#include "berth-keep/host.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <optional>
#include <thread>

#include "cli/output.h"
#include "json/json.h"
#include "keep/problem.h"

namespace berth::keep {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::seconds kToSwitchOff{20};

class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  int get() const { return fd_; }
  bool is_open() const { return fd_ >= 0; }
  void reset() { *this = Descriptor(); }

 private:
  int fd_ = -1;
};

// Text of a keep's for a terminal: nothing in it commands one.
std::string printable(std::string_view text) {
  std::string out;
  for (const char c : text) out += (static_cast<u8>(c) < ' ' && c != '\n' && c != '\t') || c == '\x7f' ? '?' : c;
  return out;
}

// What the keep has said on its control port.
class Reports {
 public:
  void take(std::string_view bytes) {
    unread_ += bytes;
    size_t end = 0;
    while ((end = unread_.find('\n')) != std::string::npos) {
      line(unread_.substr(0, end));
      unread_.erase(0, end + 1);
    }
    if (unread_.size() > (1 << 20)) unread_.clear();
  }
  bool has_started() const { return started_; }
  std::optional<int> exit_code() const { return exit_code_; }

 private:
  void line(const std::string& text) {
    const auto message = json::parse(text);
    if (!message) return;
    if (message->find("state")) started_ = true;
    if (const json::Value* error = message->find("error"); error && error->string()) {
      const std::string what = printable(*error->string());
      const size_t end = what.find('\n');
      cli::print_error("keep: " + what.substr(0, end), end == std::string::npos ? "" : what.substr(end + 1));
    }
    if (const json::Value* code = message->find("exit"); code && code->integer())
      exit_code_ = static_cast<int>(*code->integer() & 0xff);
  }

  std::string unread_;
  bool started_ = false;
  std::optional<int> exit_code_;
};

std::vector<char*> pointers(const std::vector<std::string>& words) {
  std::vector<char*> out;
  for (const std::string& word : words) out.push_back(const_cast<char*>(word.c_str()));
  out.push_back(nullptr);
  return out;
}

void block_signals(sigset_t& mask) {
  sigemptyset(&mask);
  for (const int signal : {SIGCHLD, SIGTERM, SIGINT, SIGHUP}) sigaddset(&mask, signal);
  sigprocmask(SIG_BLOCK, &mask, nullptr);
}

// A child that ends when we do. `in` becomes its standard input; its standard output is our standard error.
Result<pid_t> start(const std::vector<std::string>& words, bool own_streams) {
  const std::vector<char*> argv = pointers(words);
  const pid_t parent = getpid(), child = fork();
  if (child < 0) return fail(os_error(errno, "cannot start " + words[0]));
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(1);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    if (own_streams) {
      // Interrupts of the terminal are ours to hand on.
      setsid();
      const int null = open("/dev/null", O_RDWR);
      dup2(null, STDIN_FILENO);
      dup2(STDERR_FILENO, STDOUT_FILENO);
    }
    execvp(argv[0], argv.data());
    const std::string text = "cannot run " + words[0] + ": " + std::strerror(errno);
    cli::print_error(text, "install it (Debian: qemu-system-x86), or name another with --qemu");
    _exit(127);
  }
  return child;
}

Result<Descriptor> listen_at(const std::string& path) {
  Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return problem(path + " is too long a path for a socket");
  std::memcpy(address.sun_path, path.c_str(), path.size());
  // Of a machine before, which did not start.
  unlink(path.c_str());
  if (!socket.is_open() || bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
      listen(socket.get(), 1) != 0)
    return fail(os_error(errno, "cannot listen at " + path));
  return socket;
}

int code_of(int status) { return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status); }

// Our standard input to the keep, to its end, in pieces with their sizes before them. On a thread of its own, since a
// guest need not read; the connection stays until the machine ends.
void feed(const Descriptor& into) {
  std::thread([fd = Descriptor(dup(into.get()))] {
    std::vector<char> buffer(64 << 10);
    while (true) {
      const ssize_t n = read(STDIN_FILENO, buffer.data(), buffer.size());
      if (n < 0 && errno == EINTR) continue;
      const u32 size = n > 0 ? static_cast<u32>(n) : 0;
      const char header[] = {static_cast<char>(size), static_cast<char>(size >> 8), static_cast<char>(size >> 16),
                             static_cast<char>(size >> 24)};
      if (cli::write_all(fd.get(), {header, sizeof header}) != 0 || size == 0) break;
      if (cli::write_all(fd.get(), {buffer.data(), size}) != 0) return;
    }
  }).detach();
}

class RunningMachine {
 public:
  RunningMachine(pid_t child, int signals, const Wishes& wishes)
      : child_(child), signals_(signals), wishes_(wishes), deadline_(Clock::now() + wishes.start_timeout) {}
  ~RunningMachine() {
    if (!ended_) {
      kill(child_, SIGKILL);
      waitpid(child_, nullptr, 0);
    }
  }
  RunningMachine(const RunningMachine&) = delete;
  RunningMachine& operator=(const RunningMachine&) = delete;

  // Takes the connection that QEMU makes to each socket at its start.
  Result<> accept_all(const std::vector<Descriptor>& listening, std::vector<Descriptor>& connected);
  Result<int> stay(std::vector<Descriptor>& streams, const Greeting& greeting);
  // Or was told not to.
  bool has_started() const { return reports_.has_started() || asked_to_end_ > 0; }

 private:
  enum Stream : size_t { kConsole, kControl, kStdin, kStdout, kStderr };

  void take_signals();
  bool reap();
  void read_stream(size_t which, Descriptor& stream);
  Result<int> conclude() const;

  pid_t child_;
  int signals_;
  const Wishes& wishes_;
  Clock::time_point deadline_;  // until it has started, or has switched itself off
  Reports reports_;
  std::string console_;
  int control_ = -1, asked_to_end_ = 0, status_ = 0;
  bool ended_ = false, late_ = false;
};

Result<> RunningMachine::accept_all(const std::vector<Descriptor>& listening, std::vector<Descriptor>& connected) {
  for (const Descriptor& socket : listening) {
    while (true) {
      pollfd entries[] = {{.fd = socket.get(), .events = POLLIN, .revents = 0},
                          {.fd = signals_, .events = POLLIN, .revents = 0}};
      poll(entries, 2, 1000);
      if (reap()) return problem("QEMU has ended at once, with exit code " + std::to_string(code_of(status_)));
      if ((entries[0].revents & POLLIN) != 0) break;
      take_signals();
      if (asked_to_end_ > 0) return problem("ended by a signal before the keep was started");
      if (Clock::now() > deadline_) return problem("QEMU does not start");
    }
    connected.emplace_back(accept4(socket.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!connected.back().is_open()) return fail(os_error(errno, "cannot connect to QEMU"));
  }
  return {};
}

void RunningMachine::take_signals() {
  signalfd_siginfo info;
  while (read(signals_, &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
    if (info.ssi_signo == SIGCHLD) continue;
    // Before there is anybody to tell, and for the second time, the machine is what ends.
    if (++asked_to_end_ > 1 || !reports_.has_started()) {
      kill(child_, SIGKILL);
    } else {
      cli::write_all(control_, json::to_text(json::Object{{"signal", info.ssi_signo}}) + "\n");
    }
  }
}

bool RunningMachine::reap() {
  if (!ended_ && waitpid(child_, &status_, WNOHANG) == child_) ended_ = true;
  return ended_;
}

void RunningMachine::read_stream(size_t which, Descriptor& stream) {
  char buffer[64 << 10];
  const ssize_t n = read(stream.get(), buffer, sizeof buffer);
  if (n < 0 && (errno == EINTR || errno == EAGAIN)) return;
  if (n <= 0) return stream.reset();
  const std::string_view bytes(buffer, static_cast<size_t>(n));
  switch (which) {
    case kConsole:
      if (wishes_.console) cli::write_all(STDERR_FILENO, bytes);
      console_ += bytes;
      if (console_.size() > (16 << 10)) console_.erase(0, console_.size() - (8 << 10));
      break;
    case kControl: reports_.take(bytes); break;
    case kStdout: cli::write_all(STDOUT_FILENO, bytes); break;
    default: cli::write_all(STDERR_FILENO, bytes); break;
  }
}

Result<int> RunningMachine::stay(std::vector<Descriptor>& streams, const Greeting& greeting) {
  control_ = streams[kControl].get();
  if (const int error = cli::write_all(control_, greeting_text(greeting) + "\n"); error != 0)
    return fail(os_error(error, "cannot tell the keep what it is for"));
  bool switching_off = false, fed = false;
  while (true) {
    std::vector<pollfd> entries = {{.fd = signals_, .events = POLLIN, .revents = 0}};
    std::vector<size_t> which = {0};
    for (size_t i = 0; i < streams.size(); ++i) {
      if (!streams[i].is_open()) continue;
      entries.push_back({.fd = streams[i].get(), .events = POLLIN, .revents = 0});
      which.push_back(i);
    }
    if (reap() && entries.size() == 1) return conclude();
    poll(entries.data(), entries.size(), 1000);
    take_signals();
    for (size_t i = 1; i < entries.size(); ++i)
      if (entries[i].revents != 0) read_stream(which[i], streams[which[i]]);
    if (!fed && reports_.has_started()) {
      // Not before: a machine that does not start must not swallow it.
      fed = true;
      feed(streams[kStdin]);
    }
    if (!switching_off && reports_.exit_code()) {
      switching_off = true;
      deadline_ = Clock::now() + kToSwitchOff;
    }
    if ((switching_off || !reports_.has_started()) && !late_ && Clock::now() > deadline_) {
      late_ = true;
      kill(child_, SIGKILL);
    }
  }
}

Result<int> RunningMachine::conclude() const {
  if (reports_.exit_code()) return *reports_.exit_code();
  std::string last = printable(console_);
  while (!last.empty() && (last.back() == '\n' || last.back() == '?')) last.pop_back();
  if (last.size() > 1500) last.erase(0, last.size() - 1500);
  const std::string hint = last.empty() ? "" : "\nthe last it said:\n" + last;
  if (asked_to_end_ > 0) return 128 + SIGTERM;
  if (late_)
    return problem(
        "the keep does not start in time; --start-timeout gives it longer, --console shows it, --accel "
        "tcg does without KVM" +
        hint);
  return problem("the keep has ended without an exit code" + hint);
}

}  // namespace

Result<TemporaryFolder> TemporaryFolder::make() {
  const char* const parent = std::getenv("TMPDIR");
  std::string path = std::string(parent && *parent ? parent : "/tmp") + "/berth-keep-XXXXXX";
  if (!mkdtemp(path.data())) return fail(os_error(errno, "cannot make " + path));
  return TemporaryFolder(std::move(path));
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code error;
  if (!path_.empty()) std::filesystem::remove_all(path_, error);
}

Result<int> run_machine(const std::vector<std::string>& words, const TemporaryFolder& folder, const Greeting& greeting,
                        const Wishes& wishes, bool& has_started) {
  has_started = false;
  std::vector<Descriptor> listening, connected;
  for (const char* const name : {"console", "control", "stdin", "stdout", "stderr"})
    listening.push_back(TRY(listen_at(folder.path() + "/" + name)));
  sigset_t mask;
  block_signals(mask);
  const Descriptor signals(signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signals.is_open()) return fail(os_error(errno, "cannot watch for signals"));
  const pid_t child = TRY(start(words, true));
  RunningMachine machine(child, signals.get(), wishes);
  if (auto accepted = machine.accept_all(listening, connected); !accepted) {
    has_started = machine.has_started();
    return fail(std::move(accepted.error()));
  }
  listening.clear();
  auto code = machine.stay(connected, greeting);
  has_started = machine.has_started();
  return code;
}

Result<int> run_process(std::vector<std::string> words, const Greeting& greeting) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) return fail(os_error(errno, "cannot make a socket"));
  Descriptor own(ends[0]), other(ends[1]);
  fcntl(own.get(), F_SETFD, FD_CLOEXEC);
  words.insert(words.begin() + 1, {"--control", std::to_string(other.get())});
  sigset_t mask;
  block_signals(mask);
  const Descriptor signals(signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK));
  const pid_t child = TRY(start(words, false));
  other.reset();
  Reports reports;
  cli::write_all(own.get(), greeting_text(greeting) + "\n");
  while (true) {
    pollfd entries[] = {{.fd = signals.get(), .events = POLLIN, .revents = 0},
                        {.fd = own.get(), .events = POLLIN, .revents = 0}};
    poll(entries, 2, -1);
    signalfd_siginfo info;
    while (read(signals.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info))
      if (info.ssi_signo != SIGCHLD) kill(child, static_cast<int>(info.ssi_signo));
    if (entries[1].revents == 0) continue;
    char buffer[4096];
    const ssize_t n = read(own.get(), buffer, sizeof buffer);
    if (n > 0) {
      reports.take({buffer, static_cast<size_t>(n)});
      continue;
    }
    if (n < 0 && errno == EINTR) continue;
    break;
  }
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
  if (!reports.exit_code()) return problem("the keep has ended without an exit code");
  return *reports.exit_code();
}

Result<> run_to_end(const std::vector<std::string>& words) {
  pid_t child = 0;
  if (const int error = posix_spawn(&child, words[0].c_str(), nullptr, nullptr, pointers(words).data(), environ);
      error != 0)
    return fail(os_error(error, "cannot run " + words[0]));
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
  if (code_of(status) != 0) return problem(words[0] + " has failed");
  return {};
}

}  // namespace berth::keep
