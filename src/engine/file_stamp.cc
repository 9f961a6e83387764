#include "engine/file_stamp.h"

#include <sys/stat.h>
#include <sys/vfs.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <string>

namespace berth::engine {
namespace {

constexpr i64 kSecond = 1'000'000'000;
// More than a tick of the slowest kernel, which has a hundred a second.
constexpr i64 kTick = kSecond / 50;

i64 nanoseconds(const timespec& t) { return i64{t.tv_sec} * kSecond + t.tv_nsec; }

// How far apart two changes have to be to give different times. Some file systems keep whole seconds, or two.
i64 granularity(const FileStamp& stamp) { return stamp.changed % kSecond == 0 ? 2 * kSecond : kTick; }

}  // namespace

Result<FileStamp> stamp_of(int file, const std::string& name) {
  struct stat status{};
  if (fstat(file, &status) != 0) return fail(os_error(errno, "cannot read " + name));
  if (!S_ISREG(status.st_mode)) return fail(ErrorCode::System, "cannot read " + name + ": it is not a regular file");
  FileStamp stamp;
  stamp.device = status.st_dev;
  stamp.inode = status.st_ino;
  stamp.size = static_cast<u64>(status.st_size);
  stamp.modified = nanoseconds(status.st_mtim);
  stamp.changed = nanoseconds(status.st_ctim);
  return stamp;
}

i64 file_clock() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME_COARSE, &now);
  return nanoseconds(now);
}

bool is_settled(const FileStamp& stamp, i64 now) { return now - stamp.changed > granularity(stamp); }

void wait_until_settled(const FileStamp& stamp) {
  const i64 needed = stamp.changed + granularity(stamp) - file_clock();
  if (needed < 0 || needed > 3 * kSecond) return;
  timespec wait{needed / kSecond, needed % kSecond};
  wait.tv_nsec = std::min<long>(wait.tv_nsec + kTick, kSecond - 1);
  while (nanosleep(&wait, &wait) != 0 && errno == EINTR) continue;
}

bool has_reliable_stamps(int file) {
  struct statfs status{};
  if (fstatfs(file, &status) != 0) return false;
  constexpr u32 kKnown[] = {
      0xEF53,      // ext2, ext3, ext4
      0x58465342,  // XFS
      0x9123683E,  // btrfs
      0x01021994,  // tmpfs
      0x794C7630,  // overlayfs
      0xF2F52010,  // F2FS
      0x2FC12FC1,  // ZFS
      0xCA451A4E,  // bcachefs
      0x73717368,  // squashfs
      0xE0F5E1E2,  // EROFS
  };
  return std::ranges::find(kKnown, static_cast<u32>(status.f_type)) != std::end(kKnown);
}

}  // namespace berth::engine
