#include "berth-image/process.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "oci/problem.h"
#include "oci/store.h"
#include "os/file.h"

namespace berth::image {
namespace {

std::string own_folder() {
  char self[PATH_MAX];
  const ssize_t n = readlink("/proc/self/exe", self, sizeof self);
  const std::string path(self, n > 0 ? static_cast<size_t>(n) : 0);
  return path.substr(0, path.rfind('/') + 1);
}

Result<std::string> contents(const oci::File& file) {
  lseek(file.get(), 0, SEEK_SET);
  const auto bytes = TRY(os::read_descriptor(file.get(), "what a program printed"));
  return std::string(bytes.begin(), bytes.end());
}

}  // namespace

Result<std::string> find_program(const std::string& name, const char* variable) {
  if (const char* named = std::getenv(variable); named && *named) {
    if (access(named, X_OK) == 0) return std::string(named);
    return oci::problem(std::string("$") + variable + " is " + named + ", and there is no program of that name");
  }
  std::string beside = own_folder() + name;
  if (access(beside.c_str(), X_OK) == 0) return beside;
  const char* const path = std::getenv("PATH");
  std::string_view rest = path ? path : "";
  while (!rest.empty()) {
    const std::string entry(rest.substr(0, rest.find(':')));
    rest.remove_prefix(std::min(rest.size(), entry.size() + 1));
    if (entry.starts_with('/') && access((entry + "/" + name).c_str(), X_OK) == 0) return entry + "/" + name;
  }
  return oci::problem("there is no " + name + " in " + own_folder() + " or in $PATH",
                      "install it there, or name it in $" + std::string(variable));
}

Result<Outcome> run_program(const std::vector<std::string>& words, bool gather) {
  const oci::File out(memfd_create("output", MFD_CLOEXEC)), err(memfd_create("errors", MFD_CLOEXEC));
  if (!out.is_open() || !err.is_open()) return fail(os_error(errno, "cannot make a temporary file"));
  std::vector<char*> argv;
  argv.reserve(words.size() + 1);
  for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  if (gather) {
    posix_spawn_file_actions_adddup2(&actions, out.get(), STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, err.get(), STDERR_FILENO);
  }
  pid_t child = 0;
  const int error = posix_spawn(&child, words[0].c_str(), &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return fail(os_error(error, "cannot run " + words[0]));
  int status = 0;
  while (waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return fail(os_error(errno, "cannot wait for " + words[0]));
  }
  Outcome outcome;
  outcome.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  outcome.output = TRY(contents(out));
  outcome.errors = TRY(contents(err));
  while (outcome.errors.ends_with('\n')) outcome.errors.pop_back();
  return outcome;
}

Result<ScratchFolder> ScratchFolder::make() {
  const char* const place = std::getenv("TMPDIR");
  std::string path = std::string(place && *place ? place : "/tmp") + "/berth-image-XXXXXX";
  if (!mkdtemp(path.data()))
    return oci::problem("cannot make a temporary folder " + path + ": " + std::strerror(errno),
                        "$TMPDIR names another place");
  return ScratchFolder(std::move(path));
}

ScratchFolder::~ScratchFolder() {
  std::error_code ignored;
  if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
}

}  // namespace berth::image
