// WASI 0.1 (wasi_snapshot_preview1, and wasi_unstable for older programs) for one instance: what it
// is granted, and the functions it imports. https://github.com/WebAssembly/WASI/tree/wasi-0.1
//
// Nothing is granted that the configuration does not name, apart from the standard streams, clocks
// and randomness. Capabilities are hostio's; rights of descriptors are enforced as the
// specification says.
//
// Choices where the specification leaves room:
//  - Descriptors: 0 to 2, then the directories, then the listening sockets.
//  - path_open gives fewer rights than asked for where the parent does not inherit them, except
//  that
//    reading and writing are given or refused (notcapable). Writing beneath a read-only grant is
//    refused with rofs. A path that leads out of its grant is refused with perm, as wasmtime does.
//  - An address or length outside of memory is an error (fault) and no trap.
//  - Names are bytes and need not be UTF-8.
//  - proc_raise ends the guest with 128 plus the signal's number if the signal would; stopping and
//    continuing are not supported.
//
// A context and its functions are used by one thread at a time; only `interrupt` may be called from
// any.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "hostio/file.h"
#include "hostio/grants.h"
#include "hostio/wait.h"
#include "runtime/store.h"
#include "wasm/module.h"

namespace berth::wasi_p1 {

using hostio::DirectoryGrant;
using hostio::parse_directory_grant;
using hostio::StandardStream;

struct WasiConfig {
  std::vector<std::string> args;         // the program's name first
  std::vector<std::string> environment;  // "NAME=value"
  std::vector<DirectoryGrant> directories;
  std::vector<hostio::File> listeners;  // from hostio::listen_tcp or hostio::adopt_listener
  StandardStream input, output, error_output;
  // How often a waiting guest looks whether its store was interrupted. Zero for those who call
  // WasiContext::interrupt, too: then a waiting guest costs nothing at all.
  std::chrono::nanoseconds interrupt_slice = std::chrono::milliseconds(50);
  // Waits instead, and knows when the guest is to stop: for those who run many guests in one thread. Outlives the
  // context. Null: the thread is blocked meanwhile.
  hostio::Waiter* waiter = nullptr;
  u32 max_descriptors = 0;  // 0: as many as the process may open, less a few for the host itself
};

struct State;

class WasiContext {
 public:
  // Opens the grants. Makes the process ignore SIGPIPE and SIGXFSZ. Fails with Usage (an argument with a NUL,
  // …) or Io.
  static Result<std::unique_ptr<WasiContext>> create(WasiConfig config);
  ~WasiContext();
  WasiContext(const WasiContext&) = delete;

  // From any thread: whatever the guest waits for, now or later, traps with Interrupted. Stopping
  // code that runs is Store::interrupt's business; a deadline calls both.
  void interrupt();

  State& state() { return *state_; }

 private:
  explicit WasiContext(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// Defines the functions in `store` and in its `linker`. With `only_for`, only those which that
// module imports, which is what starts quickest. The context must outlive the store. Fails as
// Linker::define does.
Result<> add_to_linker(runtime::Linker& linker, runtime::Store& store, WasiContext& context,
                       const wasm::Module* only_for = nullptr);

// Whether `name` is a function of WASI 0.1, for those who explain a module's imports.
bool is_wasi_function(std::string_view module, std::string_view name);

}  // namespace berth::wasi_p1
