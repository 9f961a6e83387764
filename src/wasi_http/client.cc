// Requests over HTTP/1.1, in the clear or over TLS: one connection each.

#include <sys/socket.h>

#include <algorithm>
#include <charconv>

#include "hostio/clock.h"
#include "hostio/resolver.h"
#include "hostio/socket.h"
#include "wasi_http/response_reader.h"
#include "wasi_http/tls_client.h"
#include "wasi_p2/state.h"

namespace berth::wasi_http {

namespace {

using hostio::Errno;
using wasi_p2::Wants;

constexpr u64 kDefaultTimeout = u64{600} * 1'000'000'000;
constexpr size_t kReadAtOnce = size_t{64} << 10;
constexpr size_t kMaxHeld = size_t{64} << 10;  // of a body that the guest does not read
constexpr int kErrorBase = 5000;

u64 later(u64 duration) {
  u64 when = 0;
  return __builtin_add_overflow(hostio::monotonic_now(), duration, &when) ? UINT64_MAX : when;
}

}  // namespace

hostio::Errno to_errno(HttpError::Case which) { return static_cast<Errno>(kErrorBase + static_cast<int>(which)); }

HttpError to_http_error(Errno e) {
  switch (static_cast<int>(e)) {
    case kErrorBase + HttpError::RequestBodySize: return HttpError::of<HttpError::RequestBodySize>();
    case kErrorBase + HttpError::ResponseIncomplete: return HttpError::of<HttpError::ResponseIncomplete>();
    case kErrorBase + HttpError::ConnectionReadTimeout: return HttpError::of<HttpError::ConnectionReadTimeout>();
    case kErrorBase + HttpError::ProtocolError: return HttpError::of<HttpError::ProtocolError>();
    case kErrorBase + HttpError::ConnectionTerminated: return HttpError::of<HttpError::ConnectionTerminated>();
    case ECONNREFUSED: return HttpError::of<HttpError::ConnectionRefused>();
    case ETIMEDOUT: return HttpError::of<HttpError::ConnectionTimeout>();
    case EHOSTUNREACH:
    case ENETUNREACH: return HttpError::of<HttpError::DestinationUnroutable>();
    case EPIPE:
    case ECONNABORTED:
    case ECONNRESET: return HttpError::of<HttpError::ConnectionTerminated>();
    default: return HttpError::of<HttpError::InternalError>(std::string(hostio::describe(e)));
  }
}

namespace {

// A request and its response, from the first packet to the last.
class Exchange final : public BodySource {
 public:
  Exchange(State& state, std::string host, u16 port, bool is_secure, const RequestOptions* options, bool is_head)
      : state_(state), host_(std::move(host)), port_(port), is_secure_(is_secure), reader_(is_head) {
    const auto chosen = [&](std::optional<u64> RequestOptions::* member) {
      return options != nullptr && options->*member ? *(options->*member) : kDefaultTimeout;
    };
    connect_timeout_ = chosen(&RequestOptions::connect_timeout);
    first_byte_timeout_ = chosen(&RequestOptions::first_byte_timeout);
    between_bytes_timeout_ = chosen(&RequestOptions::between_bytes_timeout);
    deadline_ = later(connect_timeout_);
  }
  ~Exchange() override { let_body_go(); }

  void start(std::string head, Ref<OutgoingBody> body, bool in_chunks, const hostio::IpAddress* literal);

  // Until the head of the response is there, or it has failed.
  bool has_answer() const { return failure_ || reader_.has_head(); }
  Wants wants_answer() { return has_answer() ? Wants::ready() : wants_progress(); }
  std::expected<Ref<IncomingResponse>, HttpError> answer();

  // Until there is room for what the guest writes.
  Wants wants_progress();
  void advance();

  // The body of the response.
  Wants wants() override { return failure_ || reader_.is_readable() ? Wants::ready() : wants_progress(); }
  bool woken() override {
    advance();
    return failure_ || reader_.is_readable();
  }
  wasi_p2::Streamed<size_t> read(std::span<u8> out) override;
  std::expected<Ref<Fields>, HttpError> trailers() override;

 private:
  enum class Stage : u8 { Lookup, Connect, Connecting, Handshake, Connected, Over };

  // Waits for room in the body that the guest writes.
  class Drain final : public wasi_p2::Waitable {
   public:
    explicit Drain(Exchange* exchange) : exchange(exchange) {}
    Wants wants() override { return exchange != nullptr ? exchange->wants_progress() : Wants::ready(); }
    bool woken() override {
      if (exchange != nullptr) exchange->advance();
      return true;
    }
    Exchange* exchange;
  };

  void fail(HttpError error);
  void let_body_go();
  void look_up();
  void connect();
  void finish_connecting();
  void shake_hands();
  void begin();
  // As of the system calls, over TLS too; an error is noted and gives -1 with errno EPIPE.
  ssize_t put(std::string_view bytes);
  ssize_t take(std::span<char> out);
  void frame_body();
  bool send();
  bool receive();
  // A head that is too long fails, so what is held of one has an end.
  bool wants_to_receive() const { return !reader_.is_over() && (!reader_.has_head() || reader_.held() < kMaxHeld); }

  State& state_;
  const std::string host_;
  const u16 port_;
  const bool is_secure_;
  bool is_address_ = false;
  u64 connect_timeout_ = 0, first_byte_timeout_ = 0, between_bytes_timeout_ = 0;
  Stage stage_ = Stage::Lookup;
  std::unique_ptr<hostio::Lookup> lookup_;
  std::vector<hostio::IpAddress> addresses_;
  size_t next_address_ = 0;
  hostio::Handle socket_;
  std::unique_ptr<TlsClient> tls_;  // goes before the socket
  u64 deadline_ = UINT64_MAX;
  std::unique_ptr<char[]> in_;
  std::string out_;
  size_t sent_ = 0;
  Ref<OutgoingBody> body_;
  Ref<Drain> drain_;
  bool in_chunks_ = false;
  bool is_all_framed_ = false;
  ResponseReader reader_;
  std::optional<HttpError> failure_;
  bool is_advancing_ = false;
};

void Exchange::start(std::string head, Ref<OutgoingBody> body, bool in_chunks, const hostio::IpAddress* literal) {
  out_ = std::move(head);
  body_ = std::move(body);
  in_chunks_ = in_chunks;
  is_all_framed_ = !body_;
  if (body_) {
    drain_ = make<Drain>(this);
    body_->drain = Ref<wasi_p2::Waitable>(drain_.get());
    body_->on_change = [this] { advance(); };
  }
  if (literal != nullptr) {
    addresses_.push_back(*literal);
    is_address_ = true;
    stage_ = Stage::Connect;
  } else if (auto lookup = hostio::Lookup::start(host_)) {
    lookup_ = std::move(*lookup);
  } else {
    fail(HttpError::of<HttpError::Dns>(DnsError{lookup.error().detail(), {}}));
  }
  advance();
}

// The guest goes on writing into nothing.
void Exchange::let_body_go() {
  if (!body_) return;
  if (drain_) drain_->exchange = nullptr;
  body_->on_change = nullptr;
  body_->drain = Ref<wasi_p2::Waitable>();
  if (!body_->is_finished) body_->is_aborted = true;
  body_ = Ref<OutgoingBody>();
}

void Exchange::fail(HttpError error) {
  if (!failure_) failure_ = std::move(error);
  stage_ = Stage::Over;
  tls_.reset();
  socket_ = hostio::Handle();
  lookup_.reset();
  let_body_go();
}

void Exchange::look_up() {
  lookup_->advance();
  switch (lookup_->state()) {
    case hostio::Lookup::State::Pending: return;
    case hostio::Lookup::State::Done: break;
    case hostio::Lookup::State::TemporaryFailure: return fail(HttpError::of<HttpError::DnsTimeout>());
    default: return fail(HttpError::of<HttpError::Dns>(DnsError{"the name has no address", {}}));
  }
  addresses_ = lookup_->addresses();
  lookup_.reset();
  stage_ = Stage::Connect;
}

void Exchange::connect() {
  hostio::SocketAddress to;
  to.ip = addresses_[next_address_++];
  to.port = port_;
  auto made = hostio::make_socket(hostio::SocketKind::Tcp, to.ip.is_v6);
  if (made) {
    if (auto ok = state_.check_descriptor(made->fd()); !ok) made = std::unexpected(ok.error());
  }
  auto done = made ? hostio::connect_socket(made->fd(), to) : std::unexpected(made.error());
  if (!done && done.error() != Errno::InProgress) {
    if (next_address_ == addresses_.size()) fail(to_http_error(done.error()));
    return;
  }
  socket_ = std::move(*made);
  stage_ = Stage::Connecting;
}

void Exchange::finish_connecting() {
  pollfd entry{socket_.fd(), POLLOUT, 0};
  if (::poll(&entry, 1, 0) <= 0) return;
  if (const auto result = hostio::pending_error(socket_.fd()); !result) {
    if (next_address_ == addresses_.size()) return fail(to_http_error(result.error()));
    stage_ = Stage::Connect;
    return;
  }
  if (!is_secure_) return begin();
  auto tls = TlsClient::start(socket_.fd(), host_, is_address_);
  if (!tls) return fail(std::move(tls).error());
  tls_ = std::move(*tls);
  stage_ = Stage::Handshake;
}

void Exchange::shake_hands() {
  const auto progress = tls_->shake_hands();
  if (!progress) return fail(progress.error());
  if (*progress == TlsClient::Progress::End) return fail(HttpError::of<HttpError::TlsProtocolError>());
  if (*progress == TlsClient::Progress::Done) begin();
}

void Exchange::begin() {
  stage_ = Stage::Connected;
  deadline_ = later(first_byte_timeout_);
}

ssize_t Exchange::put(std::string_view bytes) {
  if (tls_ == nullptr) return ::send(socket_.fd(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  size_t moved = 0;
  const auto progress = tls_->write(bytes, &moved);
  if (progress && *progress == TlsClient::Progress::Done) return static_cast<ssize_t>(moved);
  errno = progress && *progress == TlsClient::Progress::Again ? EAGAIN : EPIPE;
  return -1;
}

ssize_t Exchange::take(std::span<char> out) {
  if (tls_ == nullptr) return ::recv(socket_.fd(), out.data(), out.size(), MSG_DONTWAIT);
  size_t moved = 0;
  const auto progress = tls_->read(out, &moved);
  if (progress && *progress == TlsClient::Progress::Done) return static_cast<ssize_t>(moved);
  if (progress && *progress == TlsClient::Progress::End) return 0;
  if (progress) {
    errno = EAGAIN;
  } else {
    fail(progress.error());
    errno = EPIPE;
  }
  return -1;
}

// Takes what the guest has written.
void Exchange::frame_body() {
  if (is_all_framed_ || out_.size() - sent_ >= OutgoingBody::kCapacity) return;
  if (body_->is_aborted) return fail(HttpError::of<HttpError::ConnectionTerminated>());
  if (!body_->pending.empty()) {
    if (in_chunks_) {
      char size[20];
      const auto end = std::to_chars(size, size + sizeof size, body_->pending.size(), 16).ptr;
      out_.append(size, end).append("\r\n").append(body_->pending).append("\r\n");
    } else {
      out_ += body_->pending;
    }
    body_->pending.clear();
  }
  if (!body_->is_finished) return;
  is_all_framed_ = true;
  if (!in_chunks_) return;
  out_ += "0\r\n";
  if (body_->trailers) {
    for (const Fields::Entry& e : body_->trailers->entries) out_ += e.name + ": " + e.value + "\r\n";
  }
  out_ += "\r\n";
}

// Whether there was something that could be done.
bool Exchange::send() {
  frame_body();
  if (failure_ || sent_ == out_.size()) return false;
  const ssize_t n = put(std::string_view(out_).substr(sent_));
  if (n < 0) {
    if (errno == EAGAIN || errno == EINTR) return false;
    // A server may answer without having read everything.
    is_all_framed_ = true;
    out_.clear();
    sent_ = 0;
    return false;
  }
  sent_ += static_cast<size_t>(n);
  if (sent_ == out_.size()) {
    out_.clear();
    sent_ = 0;
  }
  return true;
}

bool Exchange::receive() {
  if (!wants_to_receive()) return false;
  if (in_ == nullptr) in_ = std::make_unique_for_overwrite<char[]>(kReadAtOnce);
  const ssize_t n = take({in_.get(), kReadAtOnce});
  if (n < 0) {
    if (errno != EAGAIN && errno != EINTR) fail(to_http_error(hostio::last_errno()));
    return false;
  }
  if (n == 0) reader_.end();
  reader_.add({in_.get(), static_cast<size_t>(n)});
  deadline_ = later(between_bytes_timeout_);
  if (auto ok = reader_.advance(); !ok) {
    fail(std::move(ok).error());
  } else if (n == 0) {
    stage_ = Stage::Over;
    tls_.reset();
    socket_ = hostio::Handle();
    let_body_go();
  }
  return n > 0;
}

void Exchange::advance() {
  // What it does to the body comes back here.
  if (is_advancing_) return;
  is_advancing_ = true;
  if (stage_ != Stage::Over && hostio::monotonic_now() >= deadline_) {
    if (stage_ != Stage::Connected) {
      fail(HttpError::of<HttpError::ConnectionTimeout>());
    } else if (!reader_.has_head()) {
      fail(HttpError::of<HttpError::ConnectionReadTimeout>());
    } else if (wants_to_receive()) {
      fail(HttpError::of<HttpError::ConnectionReadTimeout>());
    }
  }
  if (stage_ == Stage::Lookup && lookup_) look_up();
  while (stage_ == Stage::Connect || stage_ == Stage::Connecting) {
    if (stage_ == Stage::Connect) connect();
    if (stage_ == Stage::Connecting) finish_connecting();
    if (stage_ == Stage::Connecting) break;
  }
  if (stage_ == Stage::Handshake) shake_hands();
  while (stage_ == Stage::Connected) {
    const bool has_sent = send();
    if (stage_ != Stage::Connected) break;
    if (!receive() && !has_sent) break;
  }
  is_advancing_ = false;
}

Wants Exchange::wants_progress() {
  Wants w;
  switch (stage_) {
    case Stage::Over: return Wants::ready();
    case Stage::Lookup:
      w = Wants::descriptor(lookup_->fd(), POLLIN);
      w.deadline = lookup_->deadline();
      break;
    case Stage::Connect: return Wants::ready();
    case Stage::Connecting: w = Wants::descriptor(socket_.fd(), POLLOUT); break;
    case Stage::Handshake: w = Wants::descriptor(socket_.fd(), tls_->waits_to_write() ? POLLOUT : POLLIN); break;
    case Stage::Connected: {
      if (tls_ != nullptr && wants_to_receive() && tls_->has_pending()) return Wants::ready();
      const bool sends = sent_ < out_.size();
      w = Wants::descriptor(socket_.fd(),
                            static_cast<short>((wants_to_receive() ? POLLIN : 0) | (sends ? POLLOUT : 0)));
      break;
    }
  }
  w.deadline = std::min(w.deadline.value_or(UINT64_MAX), deadline_);
  return w;
}

std::expected<Ref<IncomingResponse>, HttpError> Exchange::answer() {
  if (!reader_.has_head()) return std::unexpected(*failure_);
  auto response = make<IncomingResponse>();
  response->status = reader_.status();
  response->headers = reader_.headers();
  response->body = Ref<BodySource>(this);
  return response;
}

wasi_p2::Streamed<size_t> Exchange::read(std::span<u8> out) {
  if (!reader_.is_readable()) advance();
  const auto n = reader_.read(out);
  if (!n) return wasi_p2::failed(to_errno(static_cast<HttpError::Case>(n.error().value.index())));
  if (*n > 0) return *n;
  if (reader_.is_over()) return wasi_p2::closed();
  if (failure_) return wasi_p2::failed(to_errno(static_cast<HttpError::Case>(failure_->value.index())));
  return size_t{0};
}

std::expected<Ref<Fields>, HttpError> Exchange::trailers() {
  if (failure_ && !reader_.is_over()) return std::unexpected(*failure_);
  return reader_.trailers();
}

class Future final : public FutureResponse {
 public:
  explicit Future(Ref<Exchange> exchange) : exchange_(std::move(exchange)) {}
  Wants wants() override { return exchange_ ? exchange_->wants_answer() : Wants::ready(); }
  bool woken() override {
    if (exchange_) exchange_->advance();
    return !exchange_ || exchange_->has_answer();
  }
  std::optional<std::expected<Ref<IncomingResponse>, HttpError>> take() override {
    if (!exchange_->has_answer()) exchange_->advance();
    if (!exchange_->has_answer()) return std::nullopt;
    return std::exchange(exchange_, {})->answer();
  }

 private:
  Ref<Exchange> exchange_;
};

struct Target {
  std::string host;
  u16 port = 0;
};
std::optional<Target> parse_authority(std::string_view text, u16 usual_port) {
  Target t;
  t.port = usual_port;
  const size_t close = text.starts_with('[') ? text.find(']') : std::string_view::npos;
  const size_t colon = text.find(':', close == std::string_view::npos ? 0 : close);
  const std::string_view host = text.substr(0, colon);
  if (host.empty() || host.find('@') != std::string_view::npos) return std::nullopt;
  t.host = close == std::string_view::npos ? host : host.substr(1, host.size() - 2);
  if (colon == std::string_view::npos) return t;
  const std::string_view port = text.substr(colon + 1);
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), t.port);
  if (error != std::errc() || end != port.data() + port.size() || t.port == 0) return std::nullopt;
  return t;
}

}  // namespace

std::expected<Ref<FutureResponse>, HttpError> send_request(State& state, const hostio::NetworkGrants& grants,
                                                           const OutgoingRequest& request,
                                                           const RequestOptions* options) {
  const size_t scheme = request.scheme ? request.scheme->value.index() : 0;
  const bool is_secure = scheme == 1;
  const auto target = parse_authority(request.authority.value_or(""), is_secure ? 443 : 80);
  if (!target) return std::unexpected(HttpError::of<HttpError::RequestUriInvalid>());
  const auto literal = hostio::parse_ip(target->host);
  const bool may =
      literal ? grants.may_reach({*literal, target->port}) : grants.may_request(target->host, target->port);
  if (!may) return std::unexpected(HttpError::of<HttpError::RequestDenied>());
  if (scheme > 1) return std::unexpected(HttpError::of<HttpError::ProtocolError>());
  const std::string_view method = request.method.name();
  if (method == "CONNECT") return std::unexpected(HttpError::of<HttpError::RequestDenied>());

  std::string path = request.path.value_or("/");
  if (path.empty() || path[0] == '?') path.insert(0, "/");
  std::string head(method);
  head += " " + path + " HTTP/1.1\r\nhost: " + *request.authority + "\r\nconnection: close\r\n";
  size_t lengths = 0;
  for (const Fields::Entry& e : request.headers->entries) {
    head += e.name + ": " + e.value + "\r\n";
    lengths += same_name(e.name, "content-length") ? 1 : 0;
  }
  const std::optional<u64> length = request.body ? request.body->length : std::nullopt;
  // One that is none, or several, would let the server see another message than the guest wrote.
  if (lengths > 1 || (lengths == 1 && !length)) return std::unexpected(HttpError::of<HttpError::RequestBodySize>());
  const bool in_chunks = request.body && !length;
  if (in_chunks) head += "transfer-encoding: chunked\r\n";
  if (!request.body && (method == "POST" || method == "PUT" || method == "PATCH")) head += "content-length: 0\r\n";
  head += "\r\n";
  auto exchange = make<Exchange>(state, target->host, target->port, is_secure, options, method == "HEAD");
  exchange->start(std::move(head), request.body, in_chunks, literal ? &*literal : nullptr);
  return Ref<FutureResponse>(new Future(std::move(exchange)));
}

}  // namespace berth::wasi_http
