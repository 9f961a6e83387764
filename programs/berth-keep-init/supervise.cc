#include "berth-keep-init/supervise.h"

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "cli/output.h"
#include "json/json.h"
#include "keep/problem.h"

namespace berth::keep {
namespace {

constexpr uid_t kNobody = 65534;
constexpr size_t kMostPiece = 64 << 10;

Result<> write_new(const std::string& path, std::span<const u8> bytes, mode_t mode, bool is_machine) {
  const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
  if (file < 0) return fail(os_error(errno, "cannot make " + path));
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t n = write(file, bytes.data() + done, bytes.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    done += static_cast<size_t>(n);
  }
  const int error = errno;
  const bool owned = !is_machine || fchown(file, kNobody, kNobody) == 0;
  close(file);
  if (done != bytes.size()) return fail(os_error(error, "cannot write " + path));
  if (!owned) return fail(os_error(errno, "cannot give " + path + " away"));
  return {};
}

Result<> lay_out(const Delivery& delivery, const Place& place) {
  if (mkdir(place.folder.c_str(), 0711) != 0 && errno != EEXIST)
    return fail(os_error(errno, "cannot make " + place.folder));
  // Its user may read it, and not exchange it.
  TRY(write_new(place.folder + "/app.wasm", delivery.module, 0444, false));
  if (delivery.secrets.empty()) return {};
  const std::string folder = place.folder + "/secrets";
  if (mkdir(folder.c_str(), 0700) != 0) return fail(os_error(errno, "cannot make " + folder));
  for (const auto& [name, secret] : delivery.secrets)
    TRY(write_new(folder + "/" + name, secret, 0400, place.is_machine));
  if (place.is_machine && chown(folder.c_str(), kNobody, kNobody) != 0)
    return fail(os_error(errno, "cannot give " + folder + " away"));
  return {};
}

// In the child: becomes berth.
[[noreturn]] void become(const std::vector<std::string>& words, const Place& place, const Ports& ports) {
  dup2(ports.in, STDIN_FILENO);
  dup2(ports.out, STDOUT_FILENO);
  dup2(ports.err, STDERR_FILENO);
  std::signal(SIGPIPE, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  if (place.is_machine) {
    setsid();
    // Without the machine's rights from here on; a failure must not go unnoticed.
    if (setgroups(0, nullptr) != 0 || setgid(kNobody) != 0 || setuid(kNobody) != 0) _exit(126);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  }
  std::vector<char*> argv;
  for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  char* const environment[] = {nullptr};
  execve(argv[0], argv.data(), environment);
  _exit(127);
}

bool read_all(int from, char* into, size_t size) {
  while (size > 0) {
    const ssize_t n = read(from, into, size);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    into += n;
    size -= static_cast<size_t>(n);
  }
  return true;
}

// Standard input in pieces with their sizes before them, the end being one of no size: a port that the host closes
// loses what is still on its way. A process of its own carries it, since the workload need not read.
Result<int> start_pump(int port) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return fail(os_error(errno, "cannot make a pipe"));
  const pid_t pump = fork();
  if (pump < 0) return fail(os_error(errno, "cannot carry standard input"));
  if (pump > 0) {
    close(ends[1]);
    return ends[0];
  }
  close(ends[0]);
  std::signal(SIGPIPE, SIG_DFL);
  std::vector<char> buffer(kMostPiece);
  u8 size[4];
  while (read_all(port, reinterpret_cast<char*>(size), sizeof size)) {
    const u32 bytes = size[0] | u32{size[1]} << 8 | u32{size[2]} << 16 | u32{size[3]} << 24;
    if (bytes == 0 || bytes > buffer.size() || !read_all(port, buffer.data(), bytes)) break;
    if (cli::write_all(ends[1], {buffer.data(), bytes}) != 0) break;
  }
  _exit(0);
}

int exit_code(int status) { return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status); }

}  // namespace

std::vector<std::string> command_of(const Delivery& delivery, const Place& place) {
  const Config& config = delivery.config;
  const std::string module = place.folder + "/app.wasm";
  std::vector<std::string> words = {place.berth, "run", "--argv0", "app.wasm"};
  const auto option = [&](const char* name, const std::string& value) {
    words.emplace_back(name);
    words.push_back(value);
  };
  // There is no compiler in here: what is native is brought along.
  if (config.native) {
    option("--artifact", module);
  } else {
    option("--tier", "interp");
  }
  if (!delivery.secrets.empty()) option("--dir", place.folder + "/secrets::/secrets:ro");
  for (const auto& [name, value] : config.env) option("--env", name + "=" + value);
  for (const std::string& each : config.allow_net) option("--allow-net", each);
  for (const std::string& each : config.allow_http) option("--allow-http", each);
  for (const std::string& each : config.tcp_listen) option("--tcp-listen", each);
  for (const std::string& each : config.udp_bind) option("--udp-bind", each);
  if (!config.max_memory.empty()) option("--max-memory", config.max_memory);
  words.push_back(module);
  words.insert(words.end(), config.args.begin(), config.args.end());
  return words;
}

Result<int> supervise(const Delivery& delivery, const Place& place, const Ports& ports, Control& control) {
  TRY(lay_out(delivery, place));
  const std::vector<std::string> words = command_of(delivery, place);
  sigset_t mask;
  sigemptyset(&mask);
  for (const int signal : {SIGCHLD, SIGTERM, SIGINT, SIGHUP}) sigaddset(&mask, signal);
  sigprocmask(SIG_BLOCK, &mask, nullptr);
  const int signals = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
  if (signals < 0) return fail(os_error(errno, "cannot watch for signals"));
  Ports streams = ports;
  if (place.is_machine) streams.in = TRY(start_pump(ports.in));
  const pid_t child = fork();
  if (child < 0) return fail(os_error(errno, "cannot start the workload"));
  if (child == 0) become(words, place, streams);
  if (place.is_machine) close(streams.in);
  control.state("running");

  bool host_is_there = true;
  while (true) {
    int status = 0;
    while (const pid_t ended = waitpid(-1, &status, WNOHANG)) {
      if (ended < 0 && errno == EINTR) continue;
      if (ended < 0) break;
      if (ended == child) {
        close(signals);
        return exit_code(status);
      }
    }
    pollfd entries[] = {{.fd = signals, .events = POLLIN, .revents = 0},
                        {.fd = host_is_there ? control.descriptor() : -1, .events = POLLIN, .revents = 0}};
    if (poll(entries, 2, -1) < 0) continue;
    signalfd_siginfo info;
    while (read(signals, &info, sizeof info) == static_cast<ssize_t>(sizeof info))
      if (info.ssi_signo != SIGCHLD) kill(child, static_cast<int>(info.ssi_signo));
    if ((entries[1].revents & (POLLIN | POLLHUP)) == 0) continue;
    const auto line = control.poll_line();
    if (!line) {
      // Without its host nobody hears of it any more.
      host_is_there = false;
      kill(child, SIGTERM);
    } else if (*line) {
      const auto message = json::parse(**line);
      const json::Value* const signal = message ? message->find("signal") : nullptr;
      const auto number = signal ? signal->integer() : std::nullopt;
      if (number && *number > 0 && *number < 32) kill(child, static_cast<int>(*number));
    }
  }
}

}  // namespace berth::keep
