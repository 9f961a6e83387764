// wasi:io: error, poll, streams.

#include <algorithm>

#include "hostio/clock.h"
#include "wasi_p2/types.h"

namespace berth::wasi_p2 {

using component::host_function;
using component::HostDefinition;
using component::HostInterface;
using component::HostResource;

std::unexpected<std::unique_ptr<runtime::Unwind>> interrupted() { return runtime::trap(abi::TrapCode::Interrupted); }
std::unexpected<std::unique_ptr<runtime::Unwind>> misuse(std::string what) {
  return runtime::trap(abi::TrapCode::HostError, std::move(what));
}

Outcome<StreamError> to_stream_error(State& state, const StreamFailure& failure, Domain domain) {
  if (failure.is_closed) return StreamError{std::monostate()};
  if (failure.error == hostio::Errno::Canceled) return interrupted();
  return StreamError{state.give(make<IoError>(failure.error, domain))};
}

std::span<u8> State::scratch(u64 bytes) {
  if (bytes > scratch_bytes_) {
    scratch_ = std::make_unique_for_overwrite<u8[]>(bytes);
    scratch_bytes_ = bytes;
  }
  return {scratch_.get(), bytes};
}

hostio::Io<std::vector<u32>> State::wait(std::span<Waitable* const> sources, bool may_wait) {
  std::vector<Wants> wanted(sources.size());
  std::vector<pollfd> fds;
  std::vector<u32> ready;
  for (;;) {
    std::optional<u64> deadline;
    if (!may_wait) deadline = 0;
    fds.clear();
    for (size_t i = 0; i < sources.size(); ++i) {
      Wants& w = wanted[i] = sources[i]->wants();
      if (w.is_ready) deadline = 0;
      if (w.deadline) deadline = std::min(deadline.value_or(UINT64_MAX), *w.deadline);
      if (w.fd >= 0) fds.push_back({w.fd, w.events, 0});
    }
    // With nothing to ask the system for, there is no need to.
    if (!fds.empty() || deadline != 0) TRY(waiter.wait(fds, deadline));
    if (waiter.interrupted()) return hostio::io_fail(hostio::Errno::Canceled);
    const u64 now = deadline ? hostio::monotonic_now() : 0;
    size_t fd = 0;
    for (size_t i = 0; i < sources.size(); ++i) {
      const Wants& w = wanted[i];
      bool has_come = w.deadline && *w.deadline <= now;
      if (w.fd >= 0 && fds[fd++].revents != 0) has_come = true;
      if (w.is_ready || (has_come && sources[i]->woken())) ready.push_back(static_cast<u32>(i));
    }
    if (!ready.empty() || !may_wait) return ready;
  }
}

hostio::Io<> State::wait_for(Waitable& source) {
  Waitable* const one = &source;
  TRY(wait(std::span(&one, 1)));
  return {};
}

namespace {

constexpr u64 kMaxRead = u64{256} << 10;
// More than a program can mean; the host must not be made to keep so much about them.
constexpr size_t kMaxPollables = size_t{1} << 16;
constexpr u64 kMaxBlockingWrite = 4096;
constexpr u64 kZeroes = 4096;

// --- error

std::string error_to_debug_string(State&, Borrow<IoError> error) {
  return error->domain == Domain::Http ? "the HTTP exchange failed" : hostio::describe(error->code);
}

// --- poll

Outcome<bool> pollable_ready(State& state, Borrow<Pollable> self) {
  Waitable* const one = self->source.get();
  auto ready = state.wait(std::span(&one, 1), false);
  if (!ready && ready.error() == hostio::Errno::Canceled) return interrupted();
  return ready && !ready->empty();
}

Outcome<void> pollable_block(State& state, Borrow<Pollable> self) {
  if (auto waited = state.wait_for(*self->source); !waited && waited.error() == hostio::Errno::Canceled)
    return interrupted();
  return {};
}

Outcome<std::vector<u32>> poll(State& state, std::vector<Borrow<Pollable>> in) {
  if (in.empty()) return misuse("empty poll list");
  if (in.size() > kMaxPollables) return misuse("poll: too many pollables");
  std::vector<Waitable*> sources;
  sources.reserve(in.size());
  for (const auto& p : in) sources.push_back(p->source.get());
  auto ready = state.wait(sources);
  if (ready) return std::move(*ready);
  if (ready.error() == hostio::Errno::Canceled) return interrupted();
  return misuse(std::string("cannot wait: ") + hostio::describe(ready.error()));
}

Own<Pollable> subscribe(State& state, Waitable& source) { return state.give(make<Pollable>(Ref<Waitable>(&source))); }

// --- input

using Bytes = std::span<const u8>;

Outcome<void> wait_until_ready(State& state, Waitable& source) {
  auto waited = state.wait_for(source);
  if (waited) return {};
  if (waited.error() == hostio::Errno::Canceled) return interrupted();
  return misuse(std::string("cannot wait: ") + hostio::describe(waited.error()));
}

// Reads at least one byte, unless the stream ends or `length` is 0.
Outcome<Streamed<size_t>> read_blocking(State& state, InputStream& stream, std::span<u8> out) {
  for (;;) {
    auto n = stream.read(out);
    if (!n || *n != 0 || out.empty()) return n;
    TRY(wait_until_ready(state, stream));
  }
}

StreamResult<Bytes> give_bytes(State& state, Streamed<size_t> n, std::span<u8> buffer, Domain domain) {
  if (n) return std::expected<Bytes, StreamError>(buffer.first(*n));
  return to_result<Bytes>(state, std::unexpected(n.error()), domain);
}

StreamResult<Bytes> input_read(State& state, Borrow<InputStream> self, u64 length) {
  const auto buffer = state.scratch(std::min(length, kMaxRead));
  return give_bytes(state, self->read(buffer), buffer, self->domain);
}
StreamResult<Bytes> input_blocking_read(State& state, Borrow<InputStream> self, u64 length) {
  const auto buffer = state.scratch(std::min(length, kMaxRead));
  return give_bytes(state, TRY(read_blocking(state, *self, buffer)), buffer, self->domain);
}
StreamResult<u64> input_skip(State& state, Borrow<InputStream> self, u64 length) {
  return to_result<u64>(state, self->read(state.scratch(std::min(length, kMaxRead))), self->domain);
}
StreamResult<u64> input_blocking_skip(State& state, Borrow<InputStream> self, u64 length) {
  const auto buffer = state.scratch(std::min(length, kMaxRead));
  return to_result<u64>(state, TRY(read_blocking(state, *self, buffer)), self->domain);
}
Own<Pollable> input_subscribe(State& state, Borrow<InputStream> self) { return subscribe(state, *self); }

// --- output

StreamResult<u64> output_check_write(State& state, Borrow<OutputStream> self) {
  return to_result<u64>(state, self->check_write(), self->domain);
}

StreamResult<void> output_write(State& state, Borrow<OutputStream> self, Bytes contents) {
  if (contents.size() > self->permit) return misuse("write exceeded the length that check-write has permitted");
  return to_result<void>(state, self->write(contents), self->domain);
}

// Waits until all is written.
Outcome<Streamed<>> flush_blocking(State& state, OutputStream& stream) {
  for (;;) {
    if (auto flushed = stream.flush(); !flushed || stream.wants().is_ready) return flushed;
    TRY(wait_until_ready(state, stream));
  }
}

Outcome<Streamed<>> write_blocking(State& state, OutputStream& stream, Bytes contents) {
  while (!contents.empty()) {
    const auto permit = stream.check_write();
    if (!permit) return Streamed<>(std::unexpected(permit.error()));
    if (*permit == 0) {
      TRY(wait_until_ready(state, stream));
      continue;
    }
    const Bytes part = contents.first(std::min<u64>(contents.size(), *permit));
    if (auto written = stream.write(part); !written) return written;
    contents = contents.subspan(part.size());
  }
  return flush_blocking(state, stream);
}

StreamResult<void> output_blocking_write_and_flush(State& state, Borrow<OutputStream> self, Bytes contents) {
  if (contents.size() > kMaxBlockingWrite) return misuse("blocking-write-and-flush takes at most 4096 bytes");
  return to_result<void>(state, TRY(write_blocking(state, *self, contents)), self->domain);
}
StreamResult<void> output_flush(State& state, Borrow<OutputStream> self) {
  return to_result<void>(state, self->flush(), self->domain);
}
StreamResult<void> output_blocking_flush(State& state, Borrow<OutputStream> self) {
  return to_result<void>(state, TRY(flush_blocking(state, *self)), self->domain);
}
Own<Pollable> output_subscribe(State& state, Borrow<OutputStream> self) { return subscribe(state, *self); }

StreamResult<void> output_write_zeroes(State& state, Borrow<OutputStream> self, u64 length) {
  static constexpr u8 kZero[kZeroes] = {};
  if (length > self->permit) return misuse("write-zeroes exceeded the length that check-write has permitted");
  Streamed<> written;
  for (u64 left = length; written && left > 0;) {
    const u64 part = std::min(left, kZeroes);
    written = self->write(Bytes(kZero).first(part));
    left -= part;
  }
  return to_result<void>(state, written, self->domain);
}
StreamResult<void> output_blocking_write_zeroes_and_flush(State& state, Borrow<OutputStream> self, u64 length) {
  static constexpr u8 kZero[kMaxBlockingWrite] = {};
  if (length > kMaxBlockingWrite) return misuse("blocking-write-zeroes-and-flush takes at most 4096 bytes");
  return to_result<void>(state, TRY(write_blocking(state, *self, Bytes(kZero).first(length))), self->domain);
}

StreamResult<u64> splice(State& state, OutputStream& to, InputStream& from, u64 length, bool waits) {
  const auto fails = [&](const StreamFailure& failure, Domain domain) {
    return to_result<u64>(state, std::unexpected(failure), domain);
  };
  auto permit = to.check_write();
  while (permit && *permit == 0 && waits) {
    TRY(wait_until_ready(state, to));
    permit = to.check_write();
  }
  if (!permit) return fails(permit.error(), to.domain);
  const auto buffer = state.scratch(std::min({length, *permit, kMaxRead}));
  const auto n = waits ? TRY(read_blocking(state, from, buffer)) : from.read(buffer);
  if (!n) return fails(n.error(), from.domain);
  if (auto written = to.write(buffer.first(*n)); !written) return fails(written.error(), to.domain);
  return std::expected<u64, StreamError>(*n);
}
StreamResult<u64> output_splice(State& state, Borrow<OutputStream> self, Borrow<InputStream> source, u64 length) {
  return splice(state, *self, *source, length, false);
}
StreamResult<u64> output_blocking_splice(State& state, Borrow<OutputStream> self, Borrow<InputStream> source,
                                         u64 length) {
  return splice(state, *self, *source, length, true);
}

constexpr HostResource kErrorResources[] = {resource<IoError>("error")};
constexpr HostDefinition kError[] = {host_function<error_to_debug_string>("[method]error.to-debug-string")};

constexpr HostResource kPollResources[] = {resource<Pollable>("pollable")};
constexpr HostDefinition kPoll[] = {
    host_function<pollable_ready>("[method]pollable.ready"),
    host_function<pollable_block>("[method]pollable.block"),
    host_function<poll>("poll"),
};

constexpr HostResource kStreamResources[] = {resource<InputStream>("input-stream"),
                                             resource<OutputStream>("output-stream")};
constexpr HostDefinition kStreams[] = {
    host_function<input_read>("[method]input-stream.read"),
    host_function<input_blocking_read>("[method]input-stream.blocking-read"),
    host_function<input_skip>("[method]input-stream.skip"),
    host_function<input_blocking_skip>("[method]input-stream.blocking-skip"),
    host_function<input_subscribe>("[method]input-stream.subscribe"),
    host_function<output_check_write>("[method]output-stream.check-write"),
    host_function<output_write>("[method]output-stream.write"),
    host_function<output_blocking_write_and_flush>("[method]output-stream.blocking-write-and-flush"),
    host_function<output_flush>("[method]output-stream.flush"),
    host_function<output_blocking_flush>("[method]output-stream.blocking-flush"),
    host_function<output_subscribe>("[method]output-stream.subscribe"),
    host_function<output_write_zeroes>("[method]output-stream.write-zeroes"),
    host_function<output_blocking_write_zeroes_and_flush>("[method]output-stream.blocking-write-zeroes-and-flush"),
    host_function<output_splice>("[method]output-stream.splice"),
    host_function<output_blocking_splice>("[method]output-stream.blocking-splice"),
};

constexpr HostInterface kInterfaces[] = {
    {"wasi:io/error@0.2.12", kErrorResources, kError},
    {"wasi:io/poll@0.2.12", kPollResources, kPoll},
    {"wasi:io/streams@0.2.12", kStreamResources, kStreams},
};

}  // namespace

std::span<const HostInterface> io_interfaces() { return kInterfaces; }

}  // namespace berth::wasi_p2
