// Messages of wasi:http/types and how they are the component model's. The store's thread.
#pragma once

#include <functional>

#include "hostio/network.h"
#include "wasi_p2/types.h"

namespace berth::wasi_http {

using component::Borrow;
using component::Own;
using wasi_p2::make;
using wasi_p2::Ref;
using wasi_p2::State;

// wasi:http/types#error-code
struct DnsError {
  std::optional<std::string> rcode;
  std::optional<u16> info_code;
};
struct TlsAlert {
  std::optional<u8> id;
  std::optional<std::string> message;
};
struct FieldSize {
  std::optional<std::string> name;
  std::optional<u32> size;
};
struct HttpError {
  using None = std::monostate;
  using Text = std::optional<std::string>;
  using Cases =
      std::variant<None, DnsError, None, None, None, None, None, None, None, None, None, None, None, None, TlsAlert,
                   None, None, std::optional<u64>, None, None, None, std::optional<u32>, std::optional<FieldSize>,
                   std::optional<u32>, FieldSize, None, std::optional<u32>, FieldSize, std::optional<u64>,
                   std::optional<u32>, FieldSize, Text, Text, None, None, None, None, None, Text>;
  enum Case : size_t {
    DnsTimeout = 0,
    Dns = 1,
    DestinationUnavailable = 3,
    DestinationUnroutable = 5,
    ConnectionRefused = 6,
    ConnectionTerminated = 7,
    ConnectionTimeout = 8,
    ConnectionReadTimeout = 9,
    TlsProtocolError = 12,
    TlsCertificateError = 13,
    TlsAlertReceived = 14,
    RequestDenied = 15,
    RequestBodySize = 17,
    RequestUriInvalid = 19,
    ResponseIncomplete = 25,
    ResponseHeaderSectionSize = 26,
    ResponseTransferCoding = 31,
    ResponseTimeout = 33,
    ProtocolError = 35,
    InternalError = 38,
  };
  Cases value;

  template <Case kCase, typename... P>
  static HttpError of(P&&... payload) {
    return {Cases(std::in_place_index<kCase>, std::forward<P>(payload)...)};
  }
};

enum class HeaderError : u8 { InvalidSyntax, Forbidden, Immutable };
struct HeaderErrorValue {
  using Cases = std::variant<std::monostate, std::monostate, std::monostate>;
  Cases value;
};

// get … patch, or another.
struct Method {
  using None = std::monostate;
  using Cases = std::variant<None, None, None, None, None, None, None, None, None, std::string>;
  Cases value;
  std::string_view name() const;
};
// Its index among the cases above; that of another when it has none.
size_t method_index(std::string_view name);
struct Scheme {
  using Cases = std::variant<std::monostate, std::monostate, std::string>;
  Cases value;
};

class Fields final : public wasi_p2::Resource {
 public:
  struct Entry {
    std::string name;  // as it was given; compared without case
    std::string value;
  };
  std::vector<Entry> entries;
  bool is_immutable = false;

  const std::string* find(std::string_view name) const;
  Ref<Fields> copy(bool immutable) const;
};
bool same_name(std::string_view a, std::string_view b);
std::expected<void, HeaderError> check_name(std::string_view name);
bool is_value(std::span<const u8> value);

// What a guest writes as the body of a message, kept until somebody takes it.
class OutgoingBody final : public wasi_p2::Resource {
 public:
  // Bytes that are kept at most.
  static constexpr u64 kCapacity = u64{64} << 10;

  std::string pending;        // written and not taken
  u64 written = 0;            // in all
  std::optional<u64> length;  // as content-length says
  bool is_finished = false;   // no more is written
  bool is_aborted = false;    // it was dropped before
  bool was_streamed = false;  // write() was called
  Ref<Fields> trailers;
  std::function<void()> on_change;  // who takes it looks
  Ref<wasi_p2::Waitable> drain;     // what writing waits for; null: somebody will take it later
};

// What the host reads as the body of a message.
class BodySource : public wasi_p2::Waitable {
 public:
  virtual wasi_p2::Streamed<size_t> read(std::span<u8> out) = 0;
  virtual std::expected<Ref<Fields>, HttpError> trailers() = 0;  // null: none; once the body has ended
};
class IncomingBody final : public wasi_p2::Resource {
 public:
  explicit IncomingBody(Ref<BodySource> source) : source(std::move(source)) {}
  const Ref<BodySource> source;
  bool was_streamed = false;
};

class RequestOptions final : public wasi_p2::Resource {
 public:
  std::optional<u64> connect_timeout, first_byte_timeout, between_bytes_timeout;  // nanoseconds
};

class OutgoingRequest final : public wasi_p2::Resource {
 public:
  Method method;
  std::optional<std::string> path;
  std::optional<Scheme> scheme;
  std::optional<std::string> authority;
  Ref<Fields> headers;
  Ref<OutgoingBody> body;  // null: never asked for
};
class OutgoingResponse final : public wasi_p2::Resource {
 public:
  u16 status = 200;
  Ref<Fields> headers;
  Ref<OutgoingBody> body;
};
class IncomingRequest final : public wasi_p2::Resource {
 public:
  Method method;
  std::optional<std::string> path;
  std::optional<Scheme> scheme;
  std::optional<std::string> authority;
  Ref<Fields> headers;
  Ref<BodySource> body;  // null once consumed
};
class IncomingResponse final : public wasi_p2::Resource {
 public:
  u16 status = 0;
  Ref<Fields> headers;
  Ref<BodySource> body;
};
// Where the answer to an incoming request goes.
class ResponseOutparam final : public wasi_p2::Resource {
 public:
  std::function<void(std::expected<Ref<OutgoingResponse>, HttpError>)> set;
  std::function<void(u16 status, const Fields& fields)> inform;
};

// A response that is on its way.
class FutureResponse : public wasi_p2::Waitable {
 public:
  // Nothing while it is not there. Once.
  virtual std::optional<std::expected<Ref<IncomingResponse>, HttpError>> take() = 0;
  bool was_taken = false;
};

// Sends a request (client.cc). Fails at once when it is not allowed or makes no sense.
std::expected<Ref<FutureResponse>, HttpError> send_request(State& state, const hostio::NetworkGrants& grants,
                                                           const OutgoingRequest& request,
                                                           const RequestOptions* options);

// What went wrong with a body's stream, as its IoError has it.
hostio::Errno to_errno(HttpError::Case which);
HttpError to_http_error(hostio::Errno e);

}  // namespace berth::wasi_http

namespace berth::component {

template <>
struct HostTraits<wasi_http::DnsError>
    : RecordTraits<"rcode info-code", &wasi_http::DnsError::rcode, &wasi_http::DnsError::info_code> {};
template <>
struct HostTraits<wasi_http::TlsAlert>
    : RecordTraits<"alert-id alert-message", &wasi_http::TlsAlert::id, &wasi_http::TlsAlert::message> {};
template <>
struct HostTraits<wasi_http::FieldSize>
    : RecordTraits<"field-name field-size", &wasi_http::FieldSize::name, &wasi_http::FieldSize::size> {};
template <>
struct HostTraits<wasi_http::HttpError>
    : VariantTraits<
          "DNS-timeout DNS-error destination-not-found destination-unavailable destination-IP-prohibited "
          "destination-IP-unroutable connection-refused connection-terminated connection-timeout "
          "connection-read-timeout connection-write-timeout connection-limit-reached TLS-protocol-error "
          "TLS-certificate-error TLS-alert-received HTTP-request-denied HTTP-request-length-required "
          "HTTP-request-body-size HTTP-request-method-invalid HTTP-request-URI-invalid HTTP-request-URI-too-long "
          "HTTP-request-header-section-size HTTP-request-header-size HTTP-request-trailer-section-size "
          "HTTP-request-trailer-size HTTP-response-incomplete HTTP-response-header-section-size "
          "HTTP-response-header-size HTTP-response-body-size HTTP-response-trailer-section-size "
          "HTTP-response-trailer-size HTTP-response-transfer-coding HTTP-response-content-coding "
          "HTTP-response-timeout HTTP-upgrade-failed HTTP-protocol-error loop-detected configuration-error "
          "internal-error"> {};
template <>
struct HostTraits<wasi_http::HeaderErrorValue> : VariantTraits<"invalid-syntax forbidden immutable"> {};
template <>
struct HostTraits<wasi_http::Method> : VariantTraits<"get head post put delete connect options trace patch other"> {};
template <>
struct HostTraits<wasi_http::Scheme> : VariantTraits<"HTTP HTTPS other"> {};

}  // namespace berth::component
