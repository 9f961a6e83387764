#include "berth/hand_over.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>

#include "cli/output.h"
#include "engine/descriptor.h"

namespace berth::cli {
namespace {

constexpr char kImage[] = "berth-image";

std::string find_beside(const std::string& name) {
  char self[PATH_MAX];
  const ssize_t n = readlink("/proc/self/exe", self, sizeof self);
  std::string path(self, n > 0 ? static_cast<size_t>(n) : 0);
  path = path.substr(0, path.rfind('/') + 1).append(name);
  if (access(path.c_str(), X_OK) == 0) return path;
  const char* const variable = std::getenv("PATH");
  std::string_view rest = variable ? variable : "";
  while (!rest.empty()) {
    const std::string_view entry = rest.substr(0, rest.find(':'));
    rest.remove_prefix(std::min(rest.size(), entry.size() + 1));
    path = std::string(entry).append("/").append(name);
    if (entry.starts_with('/') && access(path.c_str(), X_OK) == 0) return path;
  }
  return {};
}

std::vector<char*> pointers(std::vector<std::string>& words) {
  std::vector<char*> out;
  for (std::string& word : words) out.push_back(word.data());
  out.push_back(nullptr);
  return out;
}

int missing(const std::string& name) {
  print_error("there is no " + name + " beside this program or in $PATH",
              "this is its business; install it there, from the same build");
  return kExitFailure;
}

}  // namespace

int hand_over_to(const std::string& name, const std::vector<std::string>& words) {
  const std::string program = find_beside(name);
  if (program.empty()) return missing(name);
  std::vector<std::string> all = {program};
  all.insert(all.end(), words.begin(), words.end());
  execv(program.c_str(), pointers(all).data());
  print_error("cannot run " + program + ": " + std::strerror(errno));
  return kExitFailure;
}

int hand_over_to_image(const std::vector<std::string>& words) { return hand_over_to(kImage, words); }

bool may_name_image(std::string_view text) {
  for (const std::string_view suffix : {".wasm", ".wat", ".berth"}) {
    if (text.ends_with(suffix)) return false;
  }
  if (text.empty() || text.starts_with('/') || text.starts_with('.') || text.starts_with('-')) return false;
  if (text.find_first_of(":@") != std::string_view::npos) return true;
  // A path of folders is a file's that is not there, unless it starts with a registry.
  const std::string_view first = text.substr(0, text.find('/'));
  return first.size() != text.size() && (first == "localhost" || first.find('.') != std::string_view::npos);
}

std::optional<std::string> module_of_image(std::string_view name) {
  const std::string program = find_beside(kImage);
  if (program.empty()) {
    missing(kImage);
    return std::nullopt;
  }
  std::vector<std::string> words = {program, "unpack", "--", std::string(name)};
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return std::nullopt;
  const engine::Descriptor from(ends[0]);
  engine::Descriptor into(ends[1]);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, into.get(), STDOUT_FILENO);
  pid_t child = 0;
  const int error = posix_spawn(&child, program.c_str(), &actions, nullptr, pointers(words).data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  into = engine::Descriptor();
  if (error != 0) {
    print_error("cannot run " + program + ": " + std::strerror(error));
    return std::nullopt;
  }
  std::string path;
  char buffer[PATH_MAX];
  while (true) {
    const ssize_t n = read(from.get(), buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    path.append(buffer, static_cast<size_t>(n));
  }
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
  if (status != 0 || !path.ends_with('\n')) return std::nullopt;
  path.pop_back();
  return path;
}

}  // namespace berth::cli
