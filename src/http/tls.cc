#include "http/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <climits>

namespace berth::http {

namespace {

std::string last_error() {
  const unsigned long code = ERR_peek_last_error();
  ERR_clear_error();
  const char* const reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  return reason == nullptr ? "unknown error" : reason;
}

// HTTP/2 where the client knows it.
int choose_protocol(SSL*, const unsigned char** out, unsigned char* out_length, const unsigned char* in,
                    unsigned in_length, void*) {
  static constexpr unsigned char kOurs[] = "\x02h2\x08http/1.1";
  unsigned char* chosen = nullptr;
  if (SSL_select_next_proto(&chosen, out_length, kOurs, sizeof kOurs - 1, in, in_length) != OPENSSL_NPN_NEGOTIATED)
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

Moved outcome(const SSL* ssl, int result) {
  switch (SSL_get_error(ssl, result)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE: return Moved::Again;
    case SSL_ERROR_ZERO_RETURN: return Moved::End;
    default: ERR_clear_error(); return Moved::Failed;
  }
}

}  // namespace

TlsSession::~TlsSession() { SSL_free(ssl_); }

Moved TlsSession::read(std::span<char> out, size_t* moved) {
  ERR_clear_error();
  const int n = SSL_read(ssl_, out.data(), static_cast<int>(std::min<size_t>(out.size(), INT_MAX)));
  if (n <= 0) return outcome(ssl_, n);
  *moved = static_cast<size_t>(n);
  return Moved::Some;
}

Moved TlsSession::write(std::string_view bytes, size_t* moved) {
  ERR_clear_error();
  const int n = SSL_write(ssl_, bytes.data(), static_cast<int>(std::min<size_t>(bytes.size(), INT_MAX)));
  if (n <= 0) return outcome(ssl_, n);
  *moved = static_cast<size_t>(n);
  return Moved::Some;
}

bool TlsSession::has_shaken_hands() const { return SSL_is_init_finished(ssl_) != 0; }

bool TlsSession::is_http2() const {
  const unsigned char* name = nullptr;
  unsigned length = 0;
  SSL_get0_alpn_selected(ssl_, &name, &length);
  return std::string_view(reinterpret_cast<const char*>(name), length) == "h2";
}

void TlsSession::shut_down() {
  ERR_clear_error();
  if (has_shaken_hands()) SSL_shutdown(ssl_);
  ERR_clear_error();
}

TlsContext::~TlsContext() { SSL_CTX_free(context_); }

Result<std::shared_ptr<TlsContext>> TlsContext::load(const std::string& certificate, const std::string& key) {
  ERR_clear_error();
  SSL_CTX* const context = SSL_CTX_new(TLS_server_method());
  if (context == nullptr) return fail(ErrorCode::BadArgument, "TLS cannot be set up: " + last_error());
  std::shared_ptr<TlsContext> made(new TlsContext(context));
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                   SSL_OP_IGNORE_UNEXPECTED_EOF);
  SSL_CTX_set_mode(context,
                   SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_alpn_select_cb(context, choose_protocol, nullptr);
  if (SSL_CTX_use_certificate_chain_file(context, certificate.c_str()) != 1)
    return fail(ErrorCode::BadArgument, "cannot use the certificate " + certificate + ": " + last_error());
  if (SSL_CTX_use_PrivateKey_file(context, key.c_str(), SSL_FILETYPE_PEM) != 1)
    return fail(ErrorCode::BadArgument, "cannot use the key " + key + ": " + last_error());
  if (SSL_CTX_check_private_key(context) != 1)
    return fail(ErrorCode::BadArgument, "the key " + key + " does not belong to the certificate " + certificate);
  return made;
}

std::unique_ptr<TlsSession> TlsContext::accept(int fd) const {
  SSL* const ssl = SSL_new(context_);
  if (ssl == nullptr) return nullptr;
  auto session = std::make_unique<TlsSession>(ssl);
  if (SSL_set_fd(ssl, fd) != 1) return nullptr;
  SSL_set_accept_state(ssl);
  return session;
}

}  // namespace berth::http
