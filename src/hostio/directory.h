// Directories as capabilities. A Directory is a descriptor and what its holder may do beneath it;
// whoever has one can reach everything below and nothing else. The kernel resolves every path, with
// openat2(RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS): "..", absolute paths, symbolic links and
// renames that race with the resolution never lead out. Operations that name an entry (make,
// remove, rename, link) resolve its parent so and then act on a single component, which they never
// follow.
//
// Rules beyond the kernel's:
//  - A path that leads out fails with Escape; a magic link (/proc/*/fd, /proc/*/root) with Loop.
//  - Symbolic links with an absolute target are not made (Perm): a host tool might follow them.
//  - Without Grant::writable whatever changes the tree fails with ReadOnly; hard links from a read-only grant too,
//    since the link would be writable where it lands. FIFOs and devices may still be written to, as on a file
//    system that is mounted read-only.
//  - Devices are not opened (Access) unless Grant::devices, apart from null, zero, full, random and
//  urandom.
//  - What shows the kernel or other processes (procfs, sysfs, cgroups) is not opened (Access) through a grant of a
//  folder elsewhere, "/" above all: /proc/self/mem would let a guest write where it likes in this process.
//  - FIFOs open at once: for reading always, for writing only when a reader is there (else
//  NoDeviceAddress).
//  - Names are bytes; they need not be UTF-8.
//
// Needs Linux 5.8. There is no fallback for older kernels: `grant` fails with a clear error.
//
// Paths may lie in memory that changes meanwhile: they are copied first, and only the copy is
// judged. A Directory is immutable and may be used from several threads at once.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <variant>

#include "base/result.h"
#include "hostio/error.h"
#include "hostio/file.h"
#include "hostio/handle.h"
#include "hostio/metadata.h"
#include "hostio/path.h"

namespace berth::hostio {

struct Grant {
  bool writable = false;
  bool devices = false;
};

struct OpenOptions {
  bool read = false, write = false;  // neither counts as read
  bool append = false;
  bool create = false, exclusive = false, truncate = false;
  bool directory = false;  // fails with NotDirectory for anything else
  bool follow = false;     // follow a symbolic link in the last component; otherwise it fails with Loop
  bool sync = false, data_sync = false;
};

class Directory {
 public:
  // Opens `host_path`, a path of the host's and followed as such, to be granted. The error says
  // what failed.
  static Result<Directory> grant(const std::string& host_path, Grant rights);

  // Opens or creates a file, or opens a directory. The result inherits the grant.
  Io<std::variant<Directory, File>> open(std::string_view path, const OpenOptions& options) const;

  Io<Metadata> stat(std::string_view path, bool follow) const;
  Io<> set_times(std::string_view path, bool follow, TimeChange accessed, TimeChange modified) const;
  Io<> create_directory(std::string_view path) const;
  Io<> remove_directory(std::string_view path) const;
  // Removes anything but a directory (IsDirectory).
  Io<> unlink_file(std::string_view path) const;
  Io<> symlink(std::string_view target, std::string_view path) const;
  Io<std::string> read_link(std::string_view path) const;
  // Source and target may lie beneath different grants. A symbolic link is linked itself, not
  // followed.
  static Io<> link(const Directory& from, std::string_view path, const Directory& to, std::string_view new_path);
  static Io<> rename(const Directory& from, std::string_view path, const Directory& to, std::string_view new_path);

  // The directory itself.
  Io<Metadata> metadata() const { return metadata_of(handle_.fd()); }
  Io<> set_own_times(TimeChange accessed, TimeChange modified) const;
  Io<> sync(bool data_only) const;
  // A descriptor of its own for reading entries (see directory_reader.h).
  Io<Handle> open_for_reading() const;

  const Grant& rights() const { return grant_; }
  int fd() const { return handle_.fd(); }

 private:
  // An entry and the directory that holds it: this one, or one opened for the operation.
  struct Entry {
    Handle opened;
    int parent = -1;
    CPath name;
    bool is_dot, is_dots, trailing_slash;  // see SplitPath; is_dot: "." and not ".."
  };

  Directory(Handle handle, Grant grant, u64 device) : handle_(std::move(handle)), grant_(grant), device_(device) {}
  Io<Entry> entry(std::string_view path) const;
  Io<Handle> open_path_only(const CPath& path, bool follow) const;

  Handle handle_;
  Grant grant_;
  u64 device_;  // that the grant is on
};

}  // namespace berth::hostio
