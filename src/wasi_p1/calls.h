// The functions of WASI 0.1, each by its name in the specification, with typed parameters. An
// object serves one call: it sees the guest's memory as it is at that moment. Results go through
// the trailing pointers, which are checked before anything is done.
#pragma once

#include <optional>
#include <string_view>

#include "wasi_p1/guest_memory.h"
#include "wasi_p1/state.h"

namespace berth::wasi_p1 {

// The guest ends with this code.
struct Exit {
  u32 code;
};

class Calls {
 public:
  Calls(State& state, std::span<u8> memory) : state_(state), memory_(memory) {}

  // calls_process.cc
  Expected<> args_get(Pointer<u32> argv, Pointer<u8> buffer);
  Expected<> args_sizes_get(Pointer<u32> count, Pointer<u32> bytes);
  Expected<> environ_get(Pointer<u32> environ, Pointer<u8> buffer);
  Expected<> environ_sizes_get(Pointer<u32> count, Pointer<u32> bytes);
  Expected<> clock_res_get(u32 id, Pointer<u64> resolution);
  Expected<> clock_time_get(u32 id, u64 precision, Pointer<u64> time);
  Expected<> random_get(Pointer<u8> buffer, u32 length);
  Expected<> sched_yield();
  Exit proc_exit(u32 code);
  Expected<std::optional<Exit>> proc_raise(u32 signal);

  // calls_fd.cc
  Expected<> fd_advise(u32 fd, u64 offset, u64 length, u32 advice);
  Expected<> fd_allocate(u32 fd, u64 offset, u64 length);
  Expected<> fd_close(u32 fd);
  Expected<> fd_datasync(u32 fd);
  Expected<> fd_fdstat_get(u32 fd, Pointer<Fdstat> out);
  Expected<> fd_fdstat_set_flags(u32 fd, u32 flags);
  Expected<> fd_fdstat_set_rights(u32 fd, u64 base, u64 inheriting);
  Expected<> fd_filestat_get(u32 fd, Pointer<Filestat> out);
  Expected<> fd_filestat_get_unstable(u32 fd, Pointer<unstable::Filestat> out);
  Expected<> fd_filestat_set_size(u32 fd, u64 size);
  Expected<> fd_filestat_set_times(u32 fd, u64 atim, u64 mtim, u32 flags);
  Expected<> fd_pread(u32 fd, Pointer<Iovec> iovs, u32 iovs_len, u64 offset, Pointer<u32> nread);
  Expected<> fd_prestat_get(u32 fd, Pointer<Prestat> out);
  Expected<> fd_prestat_dir_name(u32 fd, Pointer<u8> path, u32 path_len);
  Expected<> fd_pwrite(u32 fd, Pointer<Iovec> iovs, u32 iovs_len, u64 offset, Pointer<u32> nwritten);
  Expected<> fd_read(u32 fd, Pointer<Iovec> iovs, u32 iovs_len, Pointer<u32> nread);
  Expected<> fd_readdir(u32 fd, Pointer<u8> buf, u32 buf_len, u64 cookie, Pointer<u32> used);
  Expected<> fd_renumber(u32 from, u32 to);
  Expected<> fd_seek(u32 fd, i64 offset, u32 whence, Pointer<u64> position);
  Expected<> fd_seek_unstable(u32 fd, i64 offset, u32 whence, Pointer<u64> position);
  Expected<> fd_sync(u32 fd);
  Expected<> fd_tell(u32 fd, Pointer<u64> position);
  Expected<> fd_write(u32 fd, Pointer<Iovec> iovs, u32 iovs_len, Pointer<u32> nwritten);

  // calls_path.cc
  Expected<> path_create_directory(u32 fd, Pointer<u8> path, u32 path_len);
  Expected<> path_filestat_get(u32 fd, u32 lookup, Pointer<u8> path, u32 path_len, Pointer<Filestat> out);
  Expected<> path_filestat_get_unstable(u32 fd, u32 lookup, Pointer<u8> path, u32 path_len,
                                        Pointer<unstable::Filestat> out);
  Expected<> path_filestat_set_times(u32 fd, u32 lookup, Pointer<u8> path, u32 path_len, u64 atim, u64 mtim, u32 flags);
  Expected<> path_link(u32 old_fd, u32 old_lookup, Pointer<u8> old_path, u32 old_len, u32 new_fd, Pointer<u8> new_path,
                       u32 new_len);
  Expected<> path_open(u32 fd, u32 lookup, Pointer<u8> path, u32 path_len, u32 oflags, u64 base, u64 inheriting,
                       u32 fdflags, Pointer<u32> opened);
  Expected<> path_readlink(u32 fd, Pointer<u8> path, u32 path_len, Pointer<u8> buf, u32 buf_len, Pointer<u32> used);
  Expected<> path_remove_directory(u32 fd, Pointer<u8> path, u32 path_len);
  Expected<> path_rename(u32 old_fd, Pointer<u8> old_path, u32 old_len, u32 new_fd, Pointer<u8> new_path, u32 new_len);
  Expected<> path_symlink(Pointer<u8> target, u32 target_len, u32 fd, Pointer<u8> path, u32 path_len);
  Expected<> path_unlink_file(u32 fd, Pointer<u8> path, u32 path_len);

  // calls_poll.cc
  Expected<> poll_oneoff(Pointer<Subscription> in, Pointer<Event> out, u32 count, Pointer<u32> nevents);
  Expected<> poll_oneoff_unstable(Pointer<unstable::Subscription> in, Pointer<Event> out, u32 count,
                                  Pointer<u32> nevents);

  // calls_socket.cc
  Expected<> sock_accept(u32 fd, u32 flags, Pointer<u32> connection);
  Expected<> sock_recv(u32 fd, Pointer<Iovec> data, u32 data_len, u32 flags, Pointer<u32> received,
                       Pointer<u16> out_flags);
  Expected<> sock_send(u32 fd, Pointer<Iovec> data, u32 data_len, u32 flags, Pointer<u32> sent);
  Expected<> sock_shutdown(u32 fd, u32 how);

 private:
  // A descriptor that has all of `rights` (else NotCapable).
  Expected<Descriptor*> descriptor(u32 fd, u64 rights);
  // The same that must be a file (else IsDirectory), a directory (NotDirectory) or a socket
  // (NotSocket).
  Expected<Descriptor*> file(u32 fd, u64 rights);
  Expected<Descriptor*> directory(u32 fd, u64 rights);
  Expected<hostio::File*> socket(u32 fd, u64 rights);

  Expected<> string_list(std::span<const std::string> strings, Pointer<u32> pointers, Pointer<u8> buffer);
  Expected<> string_list_sizes(std::span<const std::string> strings, Pointer<u32> count, Pointer<u32> bytes);
  Expected<hostio::Metadata> path_metadata(u32 fd, u32 lookup, Pointer<u8> path, u32 path_len);
  Expected<> seek(u32 fd, i64 offset, hostio::Whence whence, Pointer<u64> position);
  Expected<u32> read_entries(Descriptor& d, std::span<u8> out, u64 cookie);
  template <typename GuestSubscription>
  Expected<> poll(Pointer<GuestSubscription> in, Pointer<Event> out, u32 count, Pointer<u32> nevents);

  State& state_;
  GuestMemory memory_;
};

// Shared by the files that implement Calls.
Expected<bool> follows(u32 lookup);
struct TimeChanges {
  hostio::TimeChange accessed, modified;
};
Expected<TimeChanges> time_changes(u64 atim, u64 mtim, u32 flags);
Expected<hostio::FileStatus> to_status(u32 fdflags);
Filestat to_filestat(const hostio::Metadata& m);
unstable::Filestat to_unstable_filestat(const hostio::Metadata& m);

}  // namespace berth::wasi_p1
