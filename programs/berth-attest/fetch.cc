#include "berth-attest/fetch.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdlib>

#include "os/file.h"

namespace berth::attest {
namespace {

constexpr u64 kMostAnswer = u64{20} << 20;
constexpr const char* kProgram = "berth-fetch";

Result<std::string> find_program() {
  char self[PATH_MAX];
  const ssize_t n = readlink("/proc/self/exe", self, sizeof self);
  std::string path(self, n > 0 ? static_cast<size_t>(n) : 0);
  path = path.substr(0, path.rfind('/') + 1) + kProgram;
  if (access(path.c_str(), X_OK) == 0) return path;
  const char* const variable = std::getenv("PATH");
  std::string_view rest = variable ? variable : "";
  while (!rest.empty()) {
    const std::string entry(rest.substr(0, rest.find(':')));
    rest.remove_prefix(std::min(rest.size(), entry.size() + 1));
    if (entry.starts_with('/') && access((entry + "/" + kProgram).c_str(), X_OK) == 0) return entry + "/" + kProgram;
  }
  return fail(ErrorCode::System,
              "there is no " + std::string(kProgram) + " beside this program or in $PATH, which fetches");
}

// What the program prints; nothing when it failed, which it has then said.
Result<std::string> run(std::vector<std::string> words) {
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return fail(os_error(errno, "cannot make a pipe"));
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  pid_t child = 0;
  const int error = posix_spawn(&child, words[0].c_str(), &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  if (error != 0) {
    close(ends[0]);
    return fail(os_error(error, "cannot run " + words[0]));
  }
  auto bytes = os::read_descriptor(ends[0], words[0], kMostAnswer);
  close(ends[0]);
  int status = 0;
  while (waitpid(child, &status, 0) < 0)
    if (errno != EINTR) return fail(os_error(errno, "cannot wait for " + words[0]));
  if (!bytes) return std::unexpected(std::move(bytes).error());
  if (status != 0) return fail(ErrorCode::System, "cannot fetch " + words.back());
  return std::string(bytes->begin(), bytes->end());
}

Result<Fetched> read_answer(const std::string& url, std::string_view text) {
  Fetched out;
  const auto line = [&] {
    const size_t end = text.find('\n');
    const std::string_view taken = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    return taken;
  };
  const std::string status(line());
  for (std::string_view header = line(); !header.empty(); header = line()) {
    const size_t colon = header.find(": ");
    if (colon != std::string_view::npos) out.headers.emplace(header.substr(0, colon), header.substr(colon + 2));
  }
  if (status != "200") return fail(ErrorCode::System, "cannot fetch " + url + ": the service answers " + status);
  out.body = text;
  return out;
}

}  // namespace

Fetch fetch_by_program(const cli::Arguments& arguments) {
  std::vector<std::string> options;
  for (const std::string_view name : {"--ca-file", "--tls-verify"}) {
    if (const auto value = arguments.value(name)) {
      options.emplace_back(name);
      options.emplace_back(*value);
    }
  }
  return [options](const std::string& url) -> Result<Fetched> {
    std::vector<std::string> words = {TRY(find_program())};
    words.insert(words.end(), options.begin(), options.end());
    words.emplace_back("--");
    words.push_back(url);
    return read_answer(url, TRY(run(std::move(words))));
  };
}

}  // namespace berth::attest
