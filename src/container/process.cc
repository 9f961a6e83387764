#include "container/process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <string_view>

#include "container/fd.h"

extern char** environ;

namespace berth::container {

namespace {

constexpr int kPassedOn[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH};
std::atomic<pid_t> listener = 0;

void pass_on(int number) {
  if (const pid_t pid = listener.load(); pid > 0) kill(pid, number);
}

std::vector<char*> words_of(const std::vector<std::string>& command) {
  std::vector<char*> words;
  for (const std::string& word : command) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  return words;
}

Result<pid_t> spawn(const std::vector<std::string>& command, const posix_spawn_file_actions_t* actions) {
  pid_t pid = 0;
  const int error = posix_spawn(&pid, command[0].c_str(), actions, nullptr, words_of(command).data(), environ);
  if (error != 0) return fail(os_error(error, "cannot run " + command[0]));
  return pid;
}

int wait_for(pid_t pid) {
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
  return exit_code_of(status);
}

Result<std::array<Fd, 2>> make_pipe() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return fail(os_error(errno, "cannot make a pipe"));
  return std::array<Fd, 2>{Fd(ends[0]), Fd(ends[1])};
}

// crun starts itself twice, so that no container can write to its file: the second time from a read-only view of it,
// unless the first is a file in memory that nothing can change any more. Given that at once it saves a start, a mount
// and a third of its time; runc, many times as large, would be slower for it. Nothing when there can be no such file.
Fd sealed_copy_of_crun(const std::string& path) {
  constexpr off_t kMostBytes = 4 << 20;
  // As crun looks for them: these and no others (F_SEAL_EXEC comes with memory files that are not executable).
  constexpr int kSeals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
  constexpr unsigned kExecutable = 0x10;  // MFD_EXEC, which kernels before 6.3 do not know, nor need
  if (std::string_view(path).substr(path.rfind('/') + 1) != "crun") return {};
  const Fd from(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat status{};
  if (!from || fstat(from.get(), &status) != 0 || !S_ISREG(status.st_mode) || status.st_size > kMostBytes) return {};
  Fd copy(memfd_create("crun", MFD_CLOEXEC | MFD_ALLOW_SEALING | kExecutable));
  if (!copy && errno == EINVAL) copy = Fd(memfd_create("crun", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!copy) return {};
  off_t at = 0;
  while (at < status.st_size)
    if (sendfile(copy.get(), from.get(), &at, static_cast<size_t>(status.st_size - at)) <= 0) return {};
  if (fchmod(copy.get(), 0500) != 0 || fcntl(copy.get(), F_ADD_SEALS, kSeals) != 0) return {};
  return copy;
}

}  // namespace

int exit_code_of(int status) { return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status); }

Error replace_process(const std::vector<std::string>& command) {
  // A script, which cannot be run from a copy, or a host that allows none, is run as it is.
  if (const Fd copy = sealed_copy_of_crun(command[0]))
    syscall(SYS_execveat, copy.get(), "", words_of(command).data(), environ, AT_EMPTY_PATH);
  execv(command[0].c_str(), words_of(command).data());
  return os_error(errno, "cannot run " + command[0]);
}

Result<int> run_process(const std::vector<std::string>& command, const std::function<void()>& in_child) {
  // Blocked until somebody can be told, so that none is lost; the child starts with the old mask again.
  sigset_t passed, before;
  sigemptyset(&passed);
  for (const int number : kPassedOn) sigaddset(&passed, number);
  sigprocmask(SIG_BLOCK, &passed, &before);
  pid_t pid = -1;
  if (!in_child) {
    // Without a copy of this process, which takes longer than all else here.
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &before);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    errno = posix_spawn(&pid, command[0].c_str(), nullptr, &attributes, words_of(command).data(), environ);
    if (errno != 0) pid = -1;
  } else {
    pid = fork();
  }
  if (pid == 0) {
    in_child();
    sigprocmask(SIG_SETMASK, &before, nullptr);
    const std::string message = "berth-oci: " + replace_process(command).to_string() + "\n";
    [[maybe_unused]] const ssize_t ignored = write(STDERR_FILENO, message.data(), message.size());
    _exit(127);
  }
  const int error = errno;
  if (pid > 0) {
    listener.store(pid);
    struct sigaction action{};
    action.sa_handler = pass_on;
    for (const int number : kPassedOn) sigaction(number, &action, nullptr);
  }
  sigprocmask(SIG_SETMASK, &before, nullptr);
  if (pid < 0) return fail(os_error(error, "cannot run " + command[0]));
  const int code = wait_for(pid);
  listener.store(0);
  return code;
}

Result<Captured> capture_process(const std::vector<std::string>& command) {
  auto output = TRY(make_pipe());
  auto errors = TRY(make_pipe());
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, output[1].get(), STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, errors[1].get(), STDERR_FILENO);
  auto pid = spawn(command, &actions);
  posix_spawn_file_actions_destroy(&actions);
  if (!pid) return std::unexpected(std::move(pid).error());
  output[1] = Fd();
  errors[1] = Fd();

  Captured captured;
  pollfd open[] = {{output[0].get(), POLLIN, 0}, {errors[0].get(), POLLIN, 0}};
  std::string* to[] = {&captured.output, &captured.errors};
  while (open[0].fd >= 0 || open[1].fd >= 0) {
    if (poll(open, 2, -1) < 0 && errno != EINTR) break;
    for (size_t i = 0; i < 2; ++i) {
      if (open[i].fd < 0 || open[i].revents == 0) continue;
      char part[8192];
      const ssize_t n = read(open[i].fd, part, sizeof part);
      if (n > 0) to[i]->append(part, static_cast<size_t>(n));
      if (n == 0 || (n < 0 && errno != EINTR)) open[i].fd = -1;
    }
  }
  captured.exit_code = wait_for(*pid);
  return captured;
}

Result<int> make_memory_file(const char* name, const std::string& text) {
  const int file = memfd_create(name, 0);
  if (file < 0) return fail(os_error(errno, "cannot make a file in memory"));
  if (write(file, text.data(), text.size()) != static_cast<ssize_t>(text.size()) || lseek(file, 0, SEEK_SET) != 0)
    return fail(os_error(errno, "cannot write a file in memory"));
  return file;
}

}  // namespace berth::container
