// What the tests of this library share: a guest without code. Its memory is a vector, its calls go
// straight to the functions.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "wasi_p1/calls.h"
#include "wasi_p1/wasi.h"

namespace berth::wasi_p1 {

inline Errno code(const Expected<>& r) { return r ? Errno::Success : r.error().code(); }

// A guest with the standard streams Null and one directory at descriptor 3, "/", granted.
class Guest : public testing::Test {
 protected:
  Guest() : memory(1 << 20) {
    std::string pattern = (std::filesystem::temp_directory_path() / "berth-test-XXXXXX").string();
    root = ::mkdtemp(pattern.data());
    config.input.kind = config.output.kind = config.error_output.kind = StandardStream::Null;
    config.directories.push_back({root, "/"});
  }
  ~Guest() override {
    std::error_code ignored;
    std::filesystem::remove_all(root, ignored);
  }

  // Makes the context from `config` as it is then; later changes have no effect.
  State& state() {
    if (!context) {
      auto made = WasiContext::create(std::move(config));
      EXPECT_TRUE(made) << made.error().to_string();
      context = std::move(*made);
    }
    return context->state();
  }
  Calls calls() { return Calls(state(), memory); }

  // Addresses for results lie below 1024, and what is put from there on.
  template <typename T>
  T at(u32 address) {
    T value;
    std::memcpy(&value, memory.data() + address, sizeof value);
    return value;
  }
  template <typename T>
  void set(u32 address, const T& value) {
    std::memcpy(memory.data() + address, &value, sizeof value);
  }
  std::string text(u32 address, u32 length) { return {reinterpret_cast<const char*>(memory.data()) + address, length}; }
  Pointer<u8> put(std::string_view s) {
    u32 address = next_;
    std::memcpy(memory.data() + address, s.data(), s.size());
    next_ += static_cast<u32>((s.size() + 7) & ~size_t{7});
    return {address};
  }
  static u32 length(std::string_view s) { return static_cast<u32>(s.size()); }

  Errno open(std::string_view path, u32* fd, u32 flags = 0, u64 base = rights::kFile, u32 fd_flags = 0,
             u32 directory = 3, u64 inheriting = 0) {
    Expected<> r = calls().path_open(directory, kLookupSymlinkFollow, put(path), length(path), flags, base, inheriting,
                                     fd_flags, Pointer<u32>{8});
    *fd = at<u32>(8);
    return code(r);
  }
  Errno write(u32 fd, std::string_view s) {
    set(16, Iovec{put(s).address, length(s)});
    return code(calls().fd_write(fd, Pointer<Iovec>{16}, 1, Pointer<u32>{24}));
  }
  Errno read(u32 fd, std::string* out, u32 limit = 100) {
    set(16, Iovec{512, limit});
    Errno e = code(calls().fd_read(fd, Pointer<Iovec>{16}, 1, Pointer<u32>{24}));
    *out = e == Errno::Success ? text(512, at<u32>(24)) : "";
    return e;
  }

  void host_write(std::string_view name, std::string_view s) { std::ofstream(root + "/" + std::string(name)) << s; }
  std::string host_read(std::string_view name) {
    std::ifstream in(root + "/" + std::string(name));
    return {std::istreambuf_iterator<char>(in), {}};
  }

  std::vector<u8> memory;
  std::string root;
  WasiConfig config;
  std::unique_ptr<WasiContext> context;

 private:
  u32 next_ = 1024;
};

}  // namespace berth::wasi_p1
