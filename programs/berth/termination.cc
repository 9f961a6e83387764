#include "berth/termination.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>

namespace berth::cli::termination {

namespace {

constexpr int kMostListeners = 64;

// All that the handler uses; it changes nothing but through system calls that may be made there.
std::atomic<bool> draining = false;
int ended_input = -1;  // a pipe without a writer
int held_input = -1;   // the writing end of the pipe that stands for standard input
int listeners[kMostListeners];
std::atomic<int> listener_count = 0;

void end_at_once(int number) { _exit(128 + number); }

void begin_drain(int number) {
  if (draining.exchange(true)) _exit(128 + number);
  const int before = errno;
  dup2(ended_input, STDIN_FILENO);
  if (held_input >= 0) close(held_input);
  for (int i = 0; i < listener_count.load(); ++i) shutdown(listeners[i], SHUT_RD);
  errno = before;
}

void on(int number, void (*handler)(int)) {
  struct sigaction action{};
  action.sa_handler = handler;
  sigfillset(&action.sa_mask);
  sigaction(number, &action, nullptr);
}

// Whether reading from standard input would end at once.
bool input_is_empty() {
  struct stat status{};
  if (fstat(STDIN_FILENO, &status) != 0 || S_ISDIR(status.st_mode)) return true;
  return S_ISCHR(status.st_mode) && status.st_rdev == makedev(1, 3);
}

}  // namespace

Result<> arrange(bool drain) {
  if (getpid() == 1) {
    for (const int number : {SIGHUP, SIGINT, SIGQUIT, SIGTERM}) on(number, end_at_once);
  }
  if (!drain) return {};
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return fail(os_error(errno, "cannot make a pipe"));
  ended_input = ends[0];
  close(ends[1]);
  if (input_is_empty()) {
    if (pipe2(ends, O_CLOEXEC) != 0) return fail(os_error(errno, "cannot make a pipe"));
    held_input = ends[1];
    dup2(ends[0], STDIN_FILENO);
    close(ends[0]);
  }
  on(SIGTERM, begin_drain);
  return {};
}

void close_at_drain(int listener) {
  const int count = listener_count.load();
  if (count == kMostListeners) return;
  listeners[count] = listener;
  listener_count.store(count + 1);
}

int exit_code(int code) { return draining.load() && code == 0 ? 128 + SIGTERM : code; }

}  // namespace berth::cli::termination
