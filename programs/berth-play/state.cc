#include "berth-play/state.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "container/cgroup.h"
#include "container/node.h"
#include "container/process.h"

namespace berth::play {

namespace {

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value && *value == '/' ? value : "";
}

Result<container::Fd> open_lock(const std::string& path) {
  container::Fd file(open((path + "/lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!file) return fail(os_error(errno, "cannot open " + path + "/lock"));
  return file;
}

}  // namespace

std::string state_root() {
  if (const std::string named = variable("BERTH_PLAY_DIR"); !named.empty()) return named;
  if (geteuid() == 0 && access("/run", W_OK) == 0) return "/run/berth/play";
  if (const std::string runtime = variable("XDG_RUNTIME_DIR"); !runtime.empty()) return runtime + "/berth/play";
  return "/tmp/berth-play-" + std::to_string(getuid());
}

std::string data_root() {
  if (const std::string named = variable("BERTH_PLAY_DIR"); !named.empty()) return named + "-claims";
  if (geteuid() == 0 && access("/var/lib", W_OK) == 0) return "/var/lib/berth/claims";
  if (const std::string data = variable("XDG_DATA_HOME"); !data.empty()) return data + "/berth/claims";
  return variable("HOME") + "/.local/share/berth/claims";
}

Result<> make_folders(const std::string& path, u32 mode) {
  for (size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
    const std::string part = path.substr(0, end);
    const bool is_last = end == std::string::npos;
    if (mkdir(part.c_str(), is_last ? mode : 0755) != 0 && errno != EEXIST)
      return fail(os_error(errno, "cannot make " + part));
    if (is_last) return {};
  }
}

std::vector<AppFolder> list_apps() {
  std::vector<AppFolder> out;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(state_root(), error)) {
    AppFolder app{entry.path().filename(), entry.path(), false};
    const container::Fd lock(open((app.path + "/lock").c_str(), O_RDWR | O_CLOEXEC));
    if (!lock) continue;
    app.is_alive = flock(lock.get(), LOCK_EX | LOCK_NB) != 0;
    out.push_back(std::move(app));
  }
  std::ranges::sort(out, {}, &AppFolder::name);
  return out;
}

Result<container::Fd> lock_app(const std::string& name, std::string& path) {
  TRY(make_folders(state_root(), 0700));
  struct stat status{};
  if (stat(state_root().c_str(), &status) != 0 || status.st_uid != geteuid())
    return fail(ErrorCode::System, state_root() + " belongs to another user");
  path = state_root() + "/" + name;
  while (true) {
    TRY(make_folders(path, 0700));
    container::Fd lock = TRY(open_lock(path));
    if (flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
      return fail(ErrorCode::BadArgument, "an application called " + name + " is being played; `berth stop " + name +
                                              "` ends it, --name gives this one another name");
    }
    // Whoever had it may just have removed the folder.
    struct stat mine{}, there{};
    if (fstat(lock.get(), &mine) == 0 && stat((path + "/lock").c_str(), &there) == 0 && mine.st_ino == there.st_ino)
      return lock;
  }
}

Result<json::Value> ask(const AppFolder& app, const std::string& question) {
  const container::Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = app.path + "/control";
  if (path.size() >= sizeof address.sun_path) return fail(ErrorCode::System, path + " is too long for a socket");
  std::strcpy(address.sun_path, path.c_str());
  if (!socket || connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
    return fail(os_error(errno, "nobody answers at " + path));
  const std::string line = question + "\n";
  if (send(socket.get(), line.data(), line.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(line.size()))
    return fail(os_error(errno, "cannot ask " + path));
  std::string text;
  char part[8192];
  while (true) {
    const ssize_t n = read(socket.get(), part, sizeof part);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    text.append(part, static_cast<size_t>(n));
  }
  auto answer = json::parse(text);
  if (!answer) return fail(ErrorCode::System, path + " has ended without an answer");
  return answer;
}

void clean_left_behind(const std::string& folder) {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder + "/runtime", error)) {
    for (const char* name : {"crun", "runc"}) {
      const std::string runtime = container::find_program(name);
      if (runtime.empty()) continue;
      static_cast<void>(container::capture_process(
          {runtime, "--root", folder + "/runtime", "delete", "--force", entry.path().filename()}));
    }
  }
  for (const auto& entry : std::filesystem::directory_iterator(folder + "/cgroups", error)) {
    const std::string name = entry.path().filename();
    static_cast<void>(container::remove_cgroup("/berth-play/" + name, name));
  }
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    if (entry.path().filename() != "lock") std::filesystem::remove_all(entry.path(), error);
  }
}

void remove_folder(const std::string& folder) {
  std::error_code error;
  // The lock last: as long as it is there, others see that somebody is at work.
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    if (entry.path().filename() != "lock") std::filesystem::remove_all(entry.path(), error);
  }
  std::filesystem::remove_all(folder, error);
}

}  // namespace berth::play
