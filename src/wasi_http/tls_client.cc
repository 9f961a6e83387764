#include "wasi_http/tls_client.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <climits>

namespace berth::wasi_http {

namespace {

// For all requests of the process; the roots are read once.
SSL_CTX* shared_context() {
  static SSL_CTX* const made = []() -> SSL_CTX* {
    SSL_CTX* const context = SSL_CTX_new(TLS_client_method());
    if (context == nullptr) return nullptr;
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_mode(context,
                     SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
    // Without any roots every certificate is refused.
    SSL_CTX_set_default_verify_paths(context);
    static constexpr unsigned char kProtocols[] = "\x08http/1.1";
    SSL_CTX_set_alpn_protos(context, kProtocols, sizeof kProtocols - 1);
    ERR_clear_error();
    return context;
  }();
  return made;
}

}  // namespace

std::expected<std::unique_ptr<TlsClient>, HttpError> TlsClient::start(int fd, const std::string& host,
                                                                      bool is_address) {
  const auto fails = [] { return std::unexpected(HttpError::of<HttpError::InternalError>("TLS cannot be set up")); };
  SSL_CTX* const context = shared_context();
  SSL* const ssl = context == nullptr ? nullptr : SSL_new(context);
  if (ssl == nullptr) return fails();
  std::unique_ptr<TlsClient> client(new TlsClient(ssl));
  if (SSL_set_fd(ssl, fd) != 1) return fails();
  if (is_address) {
    if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host.c_str()) != 1) return fails();
  } else {
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (SSL_set1_host(ssl, host.c_str()) != 1 || SSL_set_tlsext_host_name(ssl, host.c_str()) != 1) return fails();
  }
  SSL_set_connect_state(ssl);
  return client;
}

bool TlsClient::has_pending() const { return SSL_pending(ssl_) > 0; }

TlsClient::~TlsClient() { SSL_free(ssl_); }

std::expected<TlsClient::Progress, HttpError> TlsClient::outcome(int result) {
  switch (SSL_get_error(ssl_, result)) {
    case SSL_ERROR_WANT_READ: waits_to_write_ = false; return Progress::Again;
    case SSL_ERROR_WANT_WRITE: waits_to_write_ = true; return Progress::Again;
    case SSL_ERROR_ZERO_RETURN: return Progress::End;
    default: break;
  }
  const unsigned long error = ERR_peek_last_error();
  ERR_clear_error();
  if (SSL_get_verify_result(ssl_) != X509_V_OK) return std::unexpected(HttpError::of<HttpError::TlsCertificateError>());
  const int reason = ERR_GET_REASON(error);
  if (ERR_GET_LIB(error) == ERR_LIB_SSL && reason > SSL_AD_REASON_OFFSET) {
    const int alert = reason - SSL_AD_REASON_OFFSET;
    return std::unexpected(HttpError::of<HttpError::TlsAlertReceived>(
        TlsAlert{static_cast<u8>(alert), std::string(SSL_alert_desc_string_long(alert))}));
  }
  if (!SSL_is_init_finished(ssl_)) return std::unexpected(HttpError::of<HttpError::TlsProtocolError>());
  return std::unexpected(HttpError::of<HttpError::ConnectionTerminated>());
}

std::expected<TlsClient::Progress, HttpError> TlsClient::shake_hands() {
  ERR_clear_error();
  const int result = SSL_do_handshake(ssl_);
  return result == 1 ? Progress::Done : outcome(result);
}

std::expected<TlsClient::Progress, HttpError> TlsClient::read(std::span<char> out, size_t* moved) {
  ERR_clear_error();
  const int n = SSL_read(ssl_, out.data(), static_cast<int>(std::min<size_t>(out.size(), INT_MAX)));
  if (n <= 0) return outcome(n);
  *moved = static_cast<size_t>(n);
  return Progress::Done;
}

std::expected<TlsClient::Progress, HttpError> TlsClient::write(std::string_view bytes, size_t* moved) {
  ERR_clear_error();
  const int n = SSL_write(ssl_, bytes.data(), static_cast<int>(std::min<size_t>(bytes.size(), INT_MAX)));
  if (n <= 0) return outcome(n);
  *moved = static_cast<size_t>(n);
  return Progress::Done;
}

}  // namespace berth::wasi_http
