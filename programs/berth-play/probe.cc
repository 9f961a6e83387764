#include "berth-play/probe.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>

#include "container/process.h"

namespace berth::play {

namespace {

constexpr size_t kMostAnswer = 10 * 1024;

// The status of an HTTP answer, as soon as its first line is there; 0 before, -1 for what is none.
int status_of(std::string_view answer) {
  const size_t end = answer.find('\n');
  if (end == std::string_view::npos) return answer.size() > 1000 ? -1 : 0;
  if (!answer.starts_with("HTTP/1.") || end < 12) return -1;
  int status = -1;
  std::from_chars(answer.data() + 9, answer.data() + 12, status);
  return status;
}

}  // namespace

Result<pid_t> spawn(const std::vector<std::string>& words,
                    const std::vector<std::pair<std::string, std::string>>& environment, int network, int output,
                    int errors, const std::vector<std::string>& cgroups) {
  std::vector<std::string> variables;
  for (const auto& [name, value] : environment) variables.push_back(name + "=" + value);
  std::vector<char*> argv, envp;
  for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
  for (std::string& variable : variables) envp.push_back(variable.data());
  argv.push_back(nullptr);
  envp.push_back(nullptr);
  const pid_t parent = getpid();
  const pid_t child = fork();
  if (child < 0) return fail(os_error(errno, "cannot start a process"));
  if (child > 0) return child;
  setsid();
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(1);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  signal(SIGPIPE, SIG_DFL);
  const int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
  dup2(nothing, STDIN_FILENO);
  dup2(output < 0 ? nothing : output, STDOUT_FILENO);
  dup2(errors < 0 ? nothing : errors, STDERR_FILENO);
  bool there = network < 0 || setns(network, CLONE_NEWNET) == 0;
  for (const std::string& path : cgroups) {
    const int file = open(path.c_str(), O_WRONLY | O_CLOEXEC);
    there = there && file >= 0 && write(file, "0", 1) == 1;
  }
  if (there && chdir("/") == 0) execve(argv[0], argv.data(), envp.data());
  const std::string message = "cannot run " + words[0] + ": " + std::strerror(errno) + "\n";
  [[maybe_unused]] const ssize_t ignored = write(STDERR_FILENO, message.data(), message.size());
  _exit(127);
}

Prober::Prober(Loop& loop, const kube::Probe& probe, ProbeTarget target,
               std::function<void(bool, const std::string&)> result)
    : loop_(loop), probe_(probe), target_(std::move(target)), result_(std::move(result)) {
  next_ = loop_.after(probe_.delay, [this] { begin(); });
}

Prober::~Prober() {
  *alive_ = false;
  loop_.cancel(next_);
  loop_.cancel(deadline_);
  if (socket_) loop_.forget(socket_.get());
  if (child_ > 0) kill(child_, SIGKILL);
}

void Prober::begin() {
  next_ = loop_.after(probe_.period, [this] { begin(); });
  if (socket_ || child_ > 0) return;  // the last one takes longer than the period
  deadline_ = loop_.after(probe_.timeout, [this] { finish(false, "no answer within its timeout"); });
  if (probe_.kind == kube::Probe::Kind::Exec) {
    begin_command();
  } else {
    begin_request();
  }
}

void Prober::begin_command() {
  if (target_.words.empty()) return finish(false, "the container has no " + probe_.command[0]);
  const auto child = spawn(target_.words, target_.environment, target_.network, -1, -1, target_.cgroups);
  if (!child) return finish(false, child.error().to_string());
  child_ = *child;
  loop_.await(child_, [this, alive = alive_](int status) {
    if (!*alive || child_ == 0) return;
    child_ = 0;
    const int code = container::exit_code_of(status);
    finish(code == 0, "exit code " + std::to_string(code));
  });
}

void Prober::begin_request() {
  received_.clear();
  to_send_ = "GET " + probe_.path + " HTTP/1.1\r\nHost: localhost\r\nUser-Agent: kube-probe/1.31\r\nAccept: */*\r\n";
  for (const auto& [name, value] : probe_.headers) to_send_ += name + ": " + value + "\r\n";
  to_send_ += "Connection: close\r\n\r\n";
  socket_ = connect_to(target_.endpoint);
  if (!socket_) return finish(false, "nobody listens on port " + std::to_string(target_.endpoint.port));
  loop_.watch(socket_.get(), POLLOUT, [this](short events) { proceed(events); });
}

void Prober::proceed(short events) {
  if ((events & POLLOUT) != 0 || (events & POLLERR) != 0) {
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(socket_.get(), SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) return finish(false, "port " + std::to_string(target_.endpoint.port) + ": " + std::strerror(error));
    if (probe_.kind == kube::Probe::Kind::Tcp) return finish(true, {});
    while (!to_send_.empty()) {
      const ssize_t n = send(socket_.get(), to_send_.data(), to_send_.size(), MSG_NOSIGNAL);
      if (n < 0 && errno == EAGAIN) return;
      if (n < 0) return finish(false, std::strerror(errno));
      to_send_.erase(0, static_cast<size_t>(n));
    }
    loop_.change(socket_.get(), POLLIN);
  }
  if ((events & (POLLIN | POLLHUP)) == 0) return;
  char part[4096];
  const ssize_t n = read(socket_.get(), part, sizeof part);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n > 0) received_.append(part, static_cast<size_t>(n));
  const int status = status_of(received_);
  if (status == 0 && n > 0 && received_.size() < kMostAnswer) return;
  if (status <= 0) return finish(false, "the answer is no HTTP");
  finish(target_.any_status || (status >= 200 && status < 400), "HTTP status " + std::to_string(status));
}

void Prober::finish(bool good, std::string why) {
  loop_.cancel(deadline_);
  deadline_ = 0;
  if (socket_) loop_.forget(socket_.get());
  socket_ = container::Fd();
  if (child_ > 0) kill(child_, SIGKILL);
  child_ = 0;
  // Last: it may end this.
  const auto result = result_;
  result(good, why);
}

}  // namespace berth::play
