#include "container/code.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/auxv.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <thread>
#include <vector>

#include "container/cgroup.h"
#include "container/fd.h"
#include "container/node.h"
#include "container/process.h"
#include "digest/sha256.h"
#include "os/file.h"

namespace berth::container {

namespace {

constexpr char kFailed[] = ".failed";
// How long a failure is believed to be one again, in seconds; how often it is noted that code is used.
constexpr time_t kTryAgain = 600, kNoteUse = 24 * 3600;
constexpr u64 kMostBytes = u64{2} << 30;
constexpr int kNiceness = 19;
// The first one to go when memory is short: engines protect themselves, and what they start inherits it.
constexpr std::string_view kFirstToGo = "900";
constexpr size_t kMostReason = 2000;

Result<digest::Digest> digest_of(int file) {
  digest::Sha256 hash;
  std::vector<u8> part(1 << 16);
  for (off_t at = 0;;) {
    const ssize_t n = pread(file, part.data(), part.size(), at);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail(os_error(errno, "cannot read the module"));
    if (n == 0) return hash.finish();
    hash.update({part.data(), static_cast<size_t>(n)});
    at += n;
  }
}

// What code depends on apart from its module: the berth that is to run it, and the processor.
Result<std::string> name_for(const std::string& berth) {
  struct stat status{};
  if (stat(berth.c_str(), &status) != 0) return fail(os_error(errno, "cannot read " + berth));
  std::vector<u64> words = {static_cast<u64>(status.st_size), static_cast<u64>(status.st_mtim.tv_sec),
                            static_cast<u64>(status.st_mtim.tv_nsec)};
#if defined(__x86_64__)
  // Family and features; what differs from core to core is left out.
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (__get_cpuid(1, &a, &b, &c, &d)) words.insert(words.end(), {a, c, d});
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d)) words.insert(words.end(), {b, c, d});
  if (__get_cpuid_count(7, 1, &a, &b, &c, &d)) words.push_back(a);
#else
  words.insert(words.end(), {getauxval(AT_HWCAP), getauxval(AT_HWCAP2)});
#endif
  return digest::to_hex(digest::sha256({reinterpret_cast<const u8*>(words.data()), words.size() * sizeof words[0]}))
      .substr(0, 16);
}

bool is_ours_alone(const struct stat& status) {
  return (status.st_uid == geteuid() || status.st_uid == 0) && (status.st_mode & 022) == 0;
}

// Makes a folder that all may look into, and nobody else may write to. Fails with System, also for one that is not so.
Result<> make_folder(const std::string& path) {
  struct stat status{};
  if (mkdir(path.c_str(), 0755) != 0 && errno != EEXIST) return fail(os_error(errno, "cannot make " + path));
  if (lstat(path.c_str(), &status) != 0) return fail(os_error(errno, "cannot read " + path));
  if (!S_ISDIR(status.st_mode) || !is_ours_alone(status))
    return fail(ErrorCode::System, path + " is no folder that only its owner may write to");
  return {};
}

bool has_compiler(const std::string& berth) {
  const std::string beside = berth.substr(0, berth.rfind('/') + 1) + "berth-compiler";
  const char* named = std::getenv("BERTH_COMPILER");
  return access(beside.c_str(), X_OK) == 0 || (named && *named) || !find_program("berth-compiler").empty();
}

Result<Fd> copy_of(int module) {
  struct stat status{};
  Fd copy(memfd_create("module", MFD_CLOEXEC));
  if (!copy || fstat(module, &status) != 0) return fail(os_error(errno, "cannot copy the module"));
  for (off_t at = 0; at < status.st_size;) {
    const ssize_t n = sendfile(copy.get(), module, &at, static_cast<size_t>(status.st_size - at));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail(os_error(errno, "cannot copy the module"));
    if (n == 0) break;
  }
  return copy;
}

// Locked, or empty when `patient` is false and somebody else has it.
Result<Fd> lock(const std::string& path, bool patient) {
  Fd file(open(path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!file) return fail(os_error(errno, "cannot open " + path));
  while (flock(file.get(), LOCK_EX | (patient ? 0 : LOCK_NB)) != 0) {
    if (errno == EWOULDBLOCK) return Fd();
    if (errno != EINTR) return fail(os_error(errno, "cannot lock " + path));
  }
  return file;
}

void write_text(const char* path, std::string_view text) {
  const Fd file(open(path, O_WRONLY | O_CLOEXEC));
  if (file) [[maybe_unused]]
    const ssize_t ignored = write(file.get(), text.data(), text.size());
}

// Makes this process one of its own: nobody waits for it, and nothing that others wait for stays open. Leaves open what
// is above `highest`, and the standard streams, which lead nowhere then.
void leave(int highest) {
  setsid();
  const int nothing = open("/dev/null", O_RDWR);
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) dup2(nothing, stream);
  if (chdir("/") != 0 || syscall(SYS_close_range, STDERR_FILENO + 1, static_cast<unsigned>(highest), 0U) != 0) _exit(1);
}

std::string reason_in(int file) {
  std::string text(kMostReason, 0);
  text.resize(static_cast<size_t>(std::max<ssize_t>(pread(file, text.data(), text.size(), 0), 0)));
  while (text.ends_with('\n')) text.pop_back();
  return text;
}

}  // namespace

CodeFolder::CodeFolder(std::string folder, std::string berth) : folder_(std::move(folder)), berth_(std::move(berth)) {}

Result<std::optional<ModuleCode>> CodeFolder::find(int module) const {
  const std::string digest = digest::to_hex(TRY(digest_of(module)));
  ModuleCode code{folder_ + "/" + digest, TRY(name_for(berth_)) + ".berth"};
  const std::string path = code.folder + "/" + code.file;
  struct stat folder{}, file{};
  if (lstat(path.c_str(), &file) == 0) {
    if (lstat(code.folder.c_str(), &folder) != 0 || !S_ISDIR(folder.st_mode) || !S_ISREG(file.st_mode) ||
        !is_ours_alone(folder) || !is_ours_alone(file))
      return fail(ErrorCode::System, path + " is not its owner's alone, and not used");
    if (time(nullptr) - file.st_mtime > kNoteUse) utimensat(AT_FDCWD, path.c_str(), nullptr, AT_SYMLINK_NOFOLLOW);
    code.is_there = true;
    return code;
  }
  if (!has_compiler(berth_)) return std::nullopt;
  const std::string failed = code.folder + "/" + code.file + kFailed;
  if (lstat(failed.c_str(), &file) == 0) {
    if (time(nullptr) - file.st_mtime < kTryAgain) return std::nullopt;
    unlink(failed.c_str());
  }
  std::error_code error;
  std::filesystem::create_directories(std::filesystem::path(folder_).parent_path(), error);
  const mode_t before = umask(022);
  auto made = make_folder(folder_);
  if (made) made = make_folder(code.folder);
  if (made) made = make_folder(folder_ + "/locks");
  umask(before);
  if (!made) return fail(std::move(made).error());
  return code;
}

Result<> CodeFolder::compile_later(const ModuleCode& code, int module) const {
  const Fd locked = TRY(lock(folder_ + "/locks" + code.folder.substr(code.folder.rfind('/')), false));
  if (!locked) return {};
  const Fd copy = TRY(copy_of(module));
  // Through a child that ends at once, so that it is nobody's child.
  const pid_t child = fork();
  if (child < 0) return fail(os_error(errno, "cannot start a process"));
  if (child == 0) {
    if (fork() != 0) _exit(0);
    // Far up, so that all below can be closed. The lock goes on to the compiler.
    constexpr int kUp = 100;
    const int copy_above = fcntl(copy.get(), F_DUPFD_CLOEXEC, kUp), lock_above = fcntl(locked.get(), F_DUPFD, kUp);
    if (lock_above < 0 || copy_above < 0) _exit(1);
    leave(kUp - 1);
    leave_cgroup();
    write_text("/proc/self/oom_score_adj", kFirstToGo);
    setpriority(PRIO_PROCESS, 0, kNiceness);
    umask(022);
    // Nothing of whoever happened to start the first container.
    for (const char* name : {"HOME", "XDG_CACHE_HOME", "BERTH_CACHE_DIR"}) unsetenv(name);
    _exit(compile(code, copy_above, true) ? 0 : 1);
  }
  while (waitpid(child, nullptr, 0) < 0 && errno == EINTR) continue;
  return {};
}

Result<> CodeFolder::compile_now(const ModuleCode& code, int module) const {
  const Fd locked = TRY(lock(folder_ + "/locks" + code.folder.substr(code.folder.rfind('/')), true));
  const std::string path = code.folder + "/" + code.file;
  if (access(path.c_str(), F_OK) == 0) return {};
  const mode_t before = umask(022);
  auto done = compile(code, TRY(copy_of(module)).get(), false);
  umask(before);
  return done;
}

// `module` is a copy that nobody else has.
Result<> CodeFolder::compile(const ModuleCode& code, int module, bool quietly) const {
  const std::string path = code.folder + "/" + code.file, failed = path + kFailed;
  // Whoever had the lock before may have done it; and the file may have changed since it was looked at.
  if (access(path.c_str(), F_OK) == 0) return {};
  if (digest::to_hex(TRY(digest_of(module))) != code.folder.substr(code.folder.rfind('/') + 1))
    return fail(ErrorCode::System, "the module has changed meanwhile");
  const Fd messages(memfd_create("messages", MFD_CLOEXEC));
  std::vector<std::string> words = {berth_, "compile", "-o", path};
  if (quietly) {
    const unsigned half = std::max(1U, std::thread::hardware_concurrency() / 2);
    words.insert(words.end(), {"--jobs", std::to_string(half)});
  }
  words.emplace_back("-");
  const int code_of_exit = TRY(run_process(words, [&] {
    lseek(module, 0, SEEK_SET);
    dup2(module, STDIN_FILENO);
    if (messages) dup2(messages.get(), STDERR_FILENO);
  }));
  // Somebody has ended it, which says nothing about the module.
  if (code_of_exit > 128) return fail(ErrorCode::CompilerFailed, "the compiler was ended by a signal");
  if (code_of_exit != 0) {
    std::string reason = "cannot compile: " + reason_in(messages.get());
    const std::span<const u8> bytes(reinterpret_cast<const u8*>(reason.data()), reason.size());
    TRY(os::replace_file(failed, bytes, 0644));
    return fail(ErrorCode::CompilerFailed, std::move(reason));
  }
  unlink(failed.c_str());
  // What an older Berth, or another processor, had.
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(code.folder, ignored)) {
    if (entry.path() != path) std::filesystem::remove(entry.path(), ignored);
  }
  prune(code.folder);
  return {};
}

void CodeFolder::prune(const std::string& keep) const {
  struct Module {
    std::filesystem::file_time_type used;
    std::filesystem::path folder;
    u64 bytes;
  };
  std::vector<Module> modules;
  u64 all = 0;
  std::error_code ignored;
  for (const auto& folder : std::filesystem::directory_iterator(folder_, ignored)) {
    if (folder.path().filename() == "locks") continue;
    Module module{{}, folder.path(), 0};
    for (const auto& file : std::filesystem::directory_iterator(folder, ignored)) {
      module.used = std::max(module.used, file.last_write_time(ignored));
      module.bytes += file.file_size(ignored);
    }
    all += module.bytes;
    // One that is empty is being filled.
    if (module.folder != keep && module.bytes != 0) modules.push_back(std::move(module));
  }
  std::ranges::sort(modules, {}, &Module::used);
  for (const Module& module : modules) {
    if (all <= kMostBytes) return;
    std::filesystem::remove_all(module.folder, ignored);
    all -= module.bytes;
  }
}

}  // namespace berth::container
