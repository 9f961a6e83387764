// What lies behind a Context, and what its interfaces share.
#pragma once

#include <array>
#include <atomic>
#include <string>
#include <vector>

#include "abi/context.h"
#include "hostio/wait.h"
#include "wasi_p2/descriptor.h"
#include "wasi_p2/streams.h"
#include "wasi_p2/wasi.h"

namespace berth::wasi_p2 {

using component::Borrow;
using component::Own;
template <typename T>
using Outcome = runtime::Outcome<T>;

struct Preopen {
  Ref<SharedDirectory> directory;
  std::string path;
};

// What another library keeps with the state.
class Extension {
 public:
  virtual ~Extension() = default;
  // For another context with the same grants.
  virtual std::unique_ptr<Extension> copy() const = 0;
};

struct State {
  // `other_waiter` null: it waits by itself.
  State(std::chrono::nanoseconds slice, hostio::Waiter* other_waiter)
      : own_waiter(&State::stopped, this, slice), waiter(other_waiter != nullptr ? *other_waiter : own_waiter) {}

  static bool stopped(void* self) {
    const std::atomic<u32>* flag = static_cast<State*>(self)->store_interrupt;
    return flag != nullptr && (flag->load(std::memory_order_relaxed) & abi::kStop) != 0;
  }

  // Waits until one of `sources` is ready; the indices of all that are. Fails with Canceled when the guest is to stop.
  hostio::Io<std::vector<u32>> wait(std::span<Waitable* const> sources, bool may_wait = true);
  hostio::Io<> wait_for(Waitable& source);

  template <typename T>
  Own<T> give(const Ref<T>& object) {
    return held.give(object);
  }
  // Refuses (TooManyFiles) a new descriptor that is one of those which the host keeps for itself; they are numbered
  // from the lowest free number on.
  hostio::Io<> check_descriptor(int fd) const {
    if (static_cast<size_t>(fd) < descriptor_limit) return {};
    return hostio::io_fail(hostio::Errno::TooManyFiles);
  }
  // Room for what is read, until the next call.
  std::span<u8> scratch(u64 bytes);

  std::vector<std::string> args;
  std::vector<std::pair<std::string, std::string>> environment;
  std::vector<Preopen> preopens;
  hostio::NetworkGrants network;
  Ref<SharedFile> standard[3];  // null: not open
  hostio::PollWaiter own_waiter;
  hostio::Waiter& waiter;
  const std::atomic<u32>* store_interrupt = nullptr;
  std::array<u64, 2> hash_key{};
  const size_t descriptor_limit = hostio::descriptor_limit(0);

  // wasi:random
  std::array<u64, 64> random_pool{};
  size_t random_used = 64;
  u64 insecure_state = 0;

  std::unique_ptr<Extension> http;

  HeldResources held;  // destroyed before what resources refer to

 private:
  std::unique_ptr<u8[]> scratch_;
  u64 scratch_bytes_ = 0;
};

std::unexpected<std::unique_ptr<runtime::Unwind>> interrupted();
// A guest's mistake that the specification calls one.
std::unexpected<std::unique_ptr<runtime::Unwind>> misuse(std::string what);

// wasi:io/streams#stream-error
struct StreamError {
  using Cases = std::variant<Own<IoError>, std::monostate>;
  Cases value;
};
template <typename T>
using StreamResult = Outcome<std::expected<T, StreamError>>;
// As the guest gets it; a trap when the guest is to stop.
Outcome<StreamError> to_stream_error(State& state, const StreamFailure& failure, Domain domain);
template <typename T>
StreamResult<T> to_result(State& state, Streamed<T> result, Domain domain) {
  if (result) {
    if constexpr (std::is_void_v<T>) {
      return std::expected<T, StreamError>();
    } else {
      return std::expected<T, StreamError>(std::move(*result));
    }
  }
  auto error = to_stream_error(state, result.error(), domain);
  if (!error) return std::unexpected(std::move(error).error());
  return std::expected<T, StreamError>(std::unexpected(std::move(*error)));
}

// Offers those of the interfaces that a component imports.
void define_imported(component::Linker& linker, std::span<const component::HostInterface> interfaces,
                     const component::cm::Component& component);

// All interfaces, by file.
std::span<const component::HostInterface> io_interfaces();
std::span<const component::HostInterface> cli_interfaces();
std::span<const component::HostInterface> clock_interfaces();
std::span<const component::HostInterface> random_interfaces();
std::span<const component::HostInterface> filesystem_interfaces();
std::span<const component::HostInterface> network_interfaces();
std::span<const component::HostInterface> tcp_interfaces();
std::span<const component::HostInterface> udp_interfaces();
std::span<const component::HostInterface> name_interfaces();

}  // namespace berth::wasi_p2
