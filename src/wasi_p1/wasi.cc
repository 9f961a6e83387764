#include "wasi_p1/wasi.h"

#include <fcntl.h>

#include <algorithm>

#include "wasi_p1/state.h"

namespace berth::wasi_p1 {

namespace {

Result<> check_strings(const std::vector<std::string>& strings, const char* what) {
  for (const std::string& s : strings) {
    if (s.find('\0') != std::string::npos)
      return fail(ErrorCode::BadArgument, std::string(what) + " contains a NUL byte, which C programs cannot see");
  }
  return {};
}

Result<> add_stream(State& state, const StandardStream& stream, int usual, u64 withheld) {
  if (stream.kind == StandardStream::Null) {
    Descriptor d{hostio::File::null(), rights::kStream & ~withheld, 0, {}, {}};
    CHECK(state.descriptors.append(std::move(d)).has_value());
    return {};
  }
  int fd = stream.fd >= 0 ? stream.fd : usual;
  hostio::Io<hostio::File> file = hostio::File::inherited(fd);
  if (!file) {
    if (stream.fd >= 0)
      return fail(os_error(static_cast<int>(file.error()), "cannot use descriptor " + std::to_string(fd)));
    state.descriptors.skip();
    return {};
  }
  u64 possible = rights_for(*file);
  Descriptor d{std::move(*file), possible & ~withheld, 0, {}, {}};
  CHECK(state.descriptors.append(std::move(d)).has_value());
  return {};
}

}  // namespace

WasiContext::WasiContext(std::unique_ptr<State> state) : state_(std::move(state)) {}
WasiContext::~WasiContext() = default;

Result<std::unique_ptr<WasiContext>> WasiContext::create(WasiConfig config) {
  hostio::ignore_io_signals();
  TRY(check_strings(config.args, "an argument"));
  TRY(check_strings(config.environment, "an environment variable"));
  auto state =
      std::make_unique<State>(hostio::descriptor_limit(config.max_descriptors), config.interrupt_slice, config.waiter);
  state->args = std::move(config.args);
  state->environment = std::move(config.environment);

  TRY(add_stream(*state, config.input, 0, rights::kFdWrite));
  TRY(add_stream(*state, config.output, 1, rights::kFdRead));
  TRY(add_stream(*state, config.error_output, 2, rights::kFdRead));
  auto add = [&](Descriptor d) -> Result<> {
    if (!state->descriptors.append(std::move(d)))
      return fail(ErrorCode::LimitExceeded, "more is granted than the guest may have open");
    return {};
  };
  for (DirectoryGrant& g : config.directories) {
    hostio::Directory d = TRY(hostio::Directory::grant(g.host_path, {.writable = !g.read_only, .devices = g.devices}));
    TRY(add(Descriptor{std::move(d), rights::kDirectory, rights::kBeneathDirectory, std::move(g.guest_path), {}}));
  }
  for (hostio::File& listener : config.listeners)
    TRY(add(Descriptor{std::move(listener), rights::kListener, rights::kConnection, {}, {}}));
  return std::unique_ptr<WasiContext>(new WasiContext(std::move(state)));
}

void WasiContext::interrupt() { state_->own_waiter.interrupt(); }

}  // namespace berth::wasi_p1
