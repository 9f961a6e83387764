// Calls with arguments that nobody would choose. Run under sanitizers, this shows that no guest can make the host
// read, write or wait where it must not.
#include <sys/resource.h>

#include <random>

#include "wasi_p1/test_support.h"

namespace berth::wasi_p1 {
namespace {

class RandomCalls : public Guest {
 protected:
  u32 any_u32() {
    switch (random_() % 8) {
      case 0: return static_cast<u32>(random_());
      case 1: return static_cast<u32>(memory.size() - random_() % 70);
      case 2: return 0xffffffff - static_cast<u32>(random_() % 70);
      case 3: return 1u << (random_() % 32);
      case 4: return static_cast<u32>(random_() % memory.size());
      default: return static_cast<u32>(random_() % 16);
    }
  }
  template <typename T>
  T any() {
    if constexpr (std::is_same_v<T, u32>) {
      return any_u32();
    } else if constexpr (std::is_same_v<T, u64> || std::is_same_v<T, i64>) {
      u64 low = any_u32();
      return static_cast<T>(random_() % 4 == 0 ? low << 32 | any_u32() : low);
    } else {
      // Mostly where something sensible lies.
      return T{random_() % 4 == 0 ? any_u32() : static_cast<u32>(random_() % 4096)};
    }
  }
  template <typename R, typename... P>
  void call(R (Calls::*method)(P...)) {
    Calls c = calls();
    (void)(c.*method)(any<P>()...);
  }

  std::mt19937_64 random_{20261122};
};

TEST_F(RandomCalls, NeverHarmTheHost) {
  // Files stay small, and nothing waits.
  rlimit old;
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &old), 0);
  rlimit small = old;
  small.rlim_cur = 1 << 20;
  config.max_descriptors = 64;
  config.directories.push_back({root, "/ro", true});
  config.environment = {"A=1"};
  config.args = {"x"};
  state().own_waiter.interrupt();
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);

  static constexpr std::string_view kPaths[] = {"a", "b/c", "../x", "/", ".", "..", "a/../b", "b/", "", "b"};
  for (int round = 0; round < 3000; ++round) {
    // Paths, buffers and random bytes, anew now and then.
    if (round % 10 == 0) {
      for (u32 i = 0; i < 4096; i += 8) set(i, random_() % 3 == 0 ? random_() : random_() % 4096);
      for (u32 i = 0; i < 40; ++i) {
        std::string_view p = kPaths[random_() % std::size(kPaths)];
        std::memcpy(memory.data() + random_() % 4000, p.data(), p.size());
      }
    }
    call(&Calls::args_get);
    call(&Calls::args_sizes_get);
    call(&Calls::environ_get);
    call(&Calls::environ_sizes_get);
    call(&Calls::clock_res_get);
    call(&Calls::clock_time_get);
    call(&Calls::random_get);
    call(&Calls::proc_raise);
    call(&Calls::fd_advise);
    call(&Calls::fd_allocate);
    if (round % 4 == 0) call(&Calls::fd_close);
    call(&Calls::fd_datasync);
    call(&Calls::fd_fdstat_get);
    call(&Calls::fd_fdstat_set_flags);
    if (round % 50 == 0) call(&Calls::fd_fdstat_set_rights);
    call(&Calls::fd_filestat_get);
    call(&Calls::fd_filestat_get_unstable);
    call(&Calls::fd_filestat_set_size);
    call(&Calls::fd_filestat_set_times);
    call(&Calls::fd_pread);
    call(&Calls::fd_prestat_get);
    call(&Calls::fd_prestat_dir_name);
    call(&Calls::fd_pwrite);
    call(&Calls::fd_read);
    call(&Calls::fd_readdir);
    call(&Calls::fd_renumber);
    call(&Calls::fd_seek);
    call(&Calls::fd_seek_unstable);
    call(&Calls::fd_tell);
    call(&Calls::fd_write);
    call(&Calls::path_create_directory);
    call(&Calls::path_filestat_get);
    call(&Calls::path_filestat_get_unstable);
    call(&Calls::path_filestat_set_times);
    call(&Calls::path_link);
    call(&Calls::path_open);
    call(&Calls::path_readlink);
    call(&Calls::path_remove_directory);
    call(&Calls::path_rename);
    call(&Calls::path_symlink);
    call(&Calls::path_unlink_file);
    call(&Calls::poll_oneoff);
    call(&Calls::poll_oneoff_unstable);
    call(&Calls::sock_accept);
    call(&Calls::sock_recv);
    call(&Calls::sock_send);
    call(&Calls::sock_shutdown);
    // The descriptors must not all be gone.
    if (round % 100 == 99) context.reset(), config.directories = {{root, "/"}}, state().own_waiter.interrupt();
  }
  ::setrlimit(RLIMIT_FSIZE, &old);
}

}  // namespace
}  // namespace berth::wasi_p1
