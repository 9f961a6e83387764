#include "container/record.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include "container/process.h"
#include "container/text.h"
#include "os/file.h"

namespace berth::container {

namespace {

constexpr std::chrono::milliseconds kRetry{2};
// How long it takes at most to remove a folder of few files.
constexpr std::chrono::milliseconds kRemoval{200};
// Number and start of the runtime that works on the container.
constexpr char kProcessFile[] = "/process";
// The same of one that runs it to its end.
constexpr char kForeground[] = "/foreground";

Result<> make_folders(const std::string& path) {
  for (size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
    const std::string part = path.substr(0, end);
    if (mkdir(part.c_str(), 0700) != 0 && errno != EEXIST) return fail(os_error(errno, "cannot make " + part));
    if (end == std::string::npos) return {};
  }
}

// Without a name of its own until it is whole; the folder is in memory, so nothing needs to reach a disk.
Result<> write_file(const std::string& path, const std::string& text) {
  const std::string next = path + ".new";
  const Fd file(open(next.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!file) return fail(os_error(errno, "cannot write " + path));
  std::string_view left = text;
  while (!left.empty()) {
    const ssize_t n = write(file.get(), left.data(), left.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail(os_error(errno, "cannot write " + path));
    left.remove_prefix(static_cast<size_t>(n));
  }
  if (rename(next.c_str(), path.c_str()) != 0) return fail(os_error(errno, "cannot write " + path));
  return {};
}

// The moment at which a process was started, in the kernel's units; empty when there is none of that number.
std::string start_of(const std::string& process) {
  const auto bytes = os::read_file("/proc/" + process + "/stat");
  if (!bytes) return {};
  // Behind the name, which may hold anything, it is the 20th word.
  std::string_view text(reinterpret_cast<const char*>(bytes->data()), bytes->size());
  text.remove_prefix(std::min(text.rfind(')') + 1, text.size()));
  const std::vector<std::string> words = split(text, ' ');
  return words.size() > 19 ? words[19] : "";
}

std::string name_of_process(pid_t pid) {
  const std::string number = std::to_string(pid);
  return number + " " + start_of(number);
}

// Whether the process that `path` names goes on.
bool is_running(const std::string& path) {
  const auto bytes = os::read_file(path);
  if (!bytes) return false;
  const std::string text(bytes->begin(), bytes->end());
  return name_of_process(static_cast<pid_t>(std::atoi(text.c_str()))) == text;
}

// Waits until the process that `path` names has ended; whether it did so in time.
bool wait_for_process(const std::string& path, std::chrono::steady_clock::time_point end) {
  const auto bytes = os::read_file(path);
  if (!bytes) return true;
  const auto words = split({reinterpret_cast<const char*>(bytes->data()), bytes->size()}, ' ');
  pid_t pid = 0;
  if (words.size() == 2) std::from_chars(words[0].data(), words[0].data() + words[0].size(), pid);
  if (pid <= 0) return true;
  const Fd process(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  if (!process || start_of(words[0]) != words[1]) return true;
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
  pollfd ended{process.get(), POLLIN, 0};
  return poll(&ended, 1, static_cast<int>(std::max<i64>(left.count(), 0))) > 0;
}

bool still_there(const Fd& folder, const std::string& path) {
  struct stat opened{}, named{};
  return fstat(folder.get(), &opened) == 0 && stat(path.c_str(), &named) == 0 && opened.st_ino == named.st_ino &&
         opened.st_dev == named.st_dev;
}

}  // namespace

bool is_container_id(std::string_view id) {
  return !id.empty() && id != "." && id != ".." && std::ranges::all_of(id, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '+' ||
           c == '-' || c == '.';
  });
}

std::string ContainerFolder::path_of(const std::string& root, const std::string& id) { return root + "/berth/" + id; }

Result<ContainerFolder> ContainerFolder::create(const std::string& root, const std::string& id,
                                                const std::string& below) {
  std::string path = path_of(root, id);
  int made = mkdir(path.c_str(), 0700);
  if (made != 0 && errno == ENOENT) {
    TRY(make_folders(root + "/berth"));
    made = mkdir(path.c_str(), 0700);
  }
  if (made != 0 && errno == EEXIST) {
    // What remove_after_us has not come to yet, or never will.
    auto left = lock(root, id, kRemoval);
    if (left && *left && access((path + kForeground).c_str(), F_OK) == 0 && access(below.c_str(), F_OK) != 0 &&
        !is_running(path + kForeground))
      (*left)->remove();
    made = mkdir(path.c_str(), 0700);
  }
  if (made != 0) {
    if (errno == EEXIST) return fail(ErrorCode::BadArgument, "container with id exists: " + id);
    return fail(os_error(errno, "cannot make " + path));
  }
  Fd folder(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder) return fail(os_error(errno, "cannot open " + path));
  // A delete that came in between has the lock, and takes the folder away.
  if (flock(folder.get(), LOCK_EX) != 0) return fail(os_error(errno, "cannot lock " + path));
  if (!still_there(folder, path)) return fail(ErrorCode::BadArgument, "container " + id + " was deleted meanwhile");
  return ContainerFolder(std::move(path), std::move(folder));
}

Result<std::optional<ContainerFolder>> ContainerFolder::lock(const std::string& root, const std::string& id,
                                                             std::chrono::milliseconds patience) {
  std::string path = path_of(root, id);
  Fd folder(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder) {
    if (errno == ENOENT) return std::nullopt;
    return fail(os_error(errno, "cannot open " + path));
  }
  const auto end = std::chrono::steady_clock::now() + patience;
  auto busy = [&] {
    return fail(ErrorCode::LimitExceeded, "container " + id + " is being made or deleted by another process");
  };
  while (flock(folder.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR) return fail(os_error(errno, "cannot lock " + path));
    if (std::chrono::steady_clock::now() >= end) return busy();
    std::this_thread::sleep_for(kRetry);
  }
  if (!wait_for_process(path + kProcessFile, end)) return busy();
  if (!still_there(folder, path)) return std::nullopt;
  return ContainerFolder(std::move(path), std::move(folder));
}

std::optional<Record> ContainerFolder::read(const std::string& root, const std::string& id) {
  const std::string path = path_of(root, id) + "/record.json";
  const auto bytes = os::read_file(path);
  if (!bytes) return std::nullopt;
  const auto value = json::parse({reinterpret_cast<const char*>(bytes->data()), bytes->size()});
  if (!value) return std::nullopt;
  const json::Value* wasm = value->find("wasm");
  return Record{std::string(value->text_at({"bundle"})),
                std::string(value->text_at({"runtime"})),
                std::string(value->text_at({"pidFile"})),
                std::string(value->text_at({"cgroup"})),
                wasm && wasm->boolean().value_or(false),
                {std::string(value->text_at({"berth"})), texts(value->find("options"))}};
}

Result<> ContainerFolder::write(const Record& record, const json::Value& config) const {
  json::Value value;
  value.set("bundle", record.bundle);
  value.set("runtime", record.runtime);
  value.set("pidFile", record.pid_file);
  value.set("cgroup", record.cgroup);
  value.set("wasm", record.is_wasm);
  value.set("berth", record.launcher.berth);
  value.set("options", array_of(record.launcher.options));
  TRY(write_file(path_ + "/record.json", json::to_text(value)));
  return write_file(path_ + "/config.json", json::to_text(config));
}

Result<int> ContainerFolder::run(const std::vector<std::string>& command) const {
  // The child shares the lock until it becomes the runtime, and has said by then who it is.
  return run_process(command, [this] {
    const auto written = write_file(path_ + kProcessFile, name_of_process(getpid()));
    if (!written) _exit(127);
  });
}

Result<> ContainerFolder::remove_after_us(const std::string& below) {
  TRY(write_file(path_ + kForeground, name_of_process(getpid())));
  const Fd us(static_cast<int>(syscall(SYS_pidfd_open, getpid(), 0)));
  if (!us) return fail(os_error(errno, "cannot watch this process"));
  flock(lock_.get(), LOCK_UN);
  // Without a signal at its end: then it is no child that the runtime, which this process becomes, would wait for.
  const i64 child = syscall(SYS_clone, 0, 0, 0, 0, 0);
  if (child < 0) return fail(os_error(errno, "cannot start a process"));
  if (child > 0) {
    lock_ = Fd();
    return {};
  }
  setsid();
  // Nothing stays open that anybody waits for.
  const int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) dup2(nothing, stream);
  const int first = std::min(us.get(), lock_.get()), second = std::max(us.get(), lock_.get());
  syscall(SYS_close_range, STDERR_FILENO + 1, first - 1, 0U);
  syscall(SYS_close_range, first + 1, second - 1, 0U);
  syscall(SYS_close_range, second + 1, ~0U, 0U);
  pollfd ended{us.get(), POLLIN, 0};
  while (poll(&ended, 1, -1) < 0 && errno == EINTR) continue;
  // Another one may have been made in its place.
  if (flock(lock_.get(), LOCK_EX) == 0 && still_there(lock_, path_) && access(below.c_str(), F_OK) != 0) remove();
  _exit(0);
}

void ContainerFolder::remove() const {
  std::error_code ignored;  // what is left is found by the next delete
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace berth::container
