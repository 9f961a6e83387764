// TLS for servers, by OpenSSL. A TlsContext may be used by several threads; a session is one connection's.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

typedef struct ssl_ctx_st SSL_CTX;
typedef struct ssl_st SSL;

namespace berth::http {

// What a transfer came to.
enum class Moved : u8 { Some, Again, End, Failed };

class TlsSession {
 public:
  explicit TlsSession(SSL* ssl) : ssl_(ssl) {}
  ~TlsSession();
  TlsSession(const TlsSession&) = delete;

  // `*moved` bytes, when it is Some. The handshake is done on the way.
  Moved read(std::span<char> out, size_t* moved);
  Moved write(std::string_view bytes, size_t* moved);
  bool has_shaken_hands() const;
  // Whether HTTP/2 was agreed on.
  bool is_http2() const;
  // Tells the other side that nothing more comes; does not wait.
  void shut_down();

 private:
  SSL* ssl_;
};

class TlsContext {
 public:
  // Certificates with their chain, and the key, as PEM files. TLS 1.2 and 1.3; offers "h2" and "http/1.1". Fails with
  // Io or BadArgument, saying which file.
  static Result<std::shared_ptr<TlsContext>> load(const std::string& certificate, const std::string& key);
  ~TlsContext();
  TlsContext(const TlsContext&) = delete;

  // For a connection that was accepted; null when there is no memory.
  std::unique_ptr<TlsSession> accept(int fd) const;

 private:
  explicit TlsContext(SSL_CTX* context) : context_(context) {}
  SSL_CTX* context_;
};

}  // namespace berth::http
