// TLS for requests that go out, by OpenSSL: certificates are checked against the system's roots (or what $SSL_CERT_FILE
// and $SSL_CERT_DIR name) and the host's name. Over a socket that does not block. The store's thread.
#pragma once

#include <expected>
#include <memory>
#include <span>
#include <string>

#include "wasi_http/types.h"

typedef struct ssl_st SSL;

namespace berth::wasi_http {

class TlsClient {
 public:
  enum class Progress : u8 { Done, Again, End };

  // `fd` stays the caller's, and outlives it. `is_address`: `host` is an address. Fails with internal-error.
  static std::expected<std::unique_ptr<TlsClient>, HttpError> start(int fd, const std::string& host, bool is_address);
  ~TlsClient();
  TlsClient(const TlsClient&) = delete;

  // Goes on with the handshake. Fails with TLS-certificate-error, TLS-alert-received or TLS-protocol-error.
  std::expected<Progress, HttpError> shake_hands();
  // `*moved` bytes when Done.
  std::expected<Progress, HttpError> read(std::span<char> out, size_t* moved);
  std::expected<Progress, HttpError> write(std::string_view bytes, size_t* moved);
  // Bytes that were received and can be read without waiting.
  bool has_pending() const;
  // What the last Again waits for.
  bool waits_to_write() const { return waits_to_write_; }

 private:
  explicit TlsClient(SSL* ssl) : ssl_(ssl) {}
  std::expected<Progress, HttpError> outcome(int result);
  SSL* ssl_;
  bool waits_to_write_ = false;
};

}  // namespace berth::wasi_http
