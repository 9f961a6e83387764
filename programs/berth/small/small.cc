// What the small program has in place of TLS and the HTTP server.

#include "berth/commands.h"
#include "berth/fuller.h"
#include "cli/output.h"
#include "wasi_http/tls_client.h"

namespace berth::cli {

std::string_view fuller_program() { return "berth-serve"; }

// Never reached: main hands over before.
int serve_command(const Arguments&) { return usage_error({"this program serves nothing", "berth-serve does"}); }

int serve_component_at(const Arguments&, std::string) {
  print_error("this program serves nothing",
              "name where to listen on the command line: berth run --serve ADDRESS:PORT");
  return kExitFailure;
}

}  // namespace berth::cli

namespace berth::wasi_http {

// Requests are only sent where --allow-http is given, which main hands over.
std::expected<std::unique_ptr<TlsClient>, HttpError> TlsClient::start(int, const std::string&, bool) {
  return std::unexpected(HttpError::of<HttpError::InternalError>("this program has no TLS; berth-serve has"));
}
TlsClient::~TlsClient() = default;
std::expected<TlsClient::Progress, HttpError> TlsClient::shake_hands() { return Progress::End; }
std::expected<TlsClient::Progress, HttpError> TlsClient::read(std::span<char>, size_t*) { return Progress::End; }
std::expected<TlsClient::Progress, HttpError> TlsClient::write(std::string_view, size_t*) { return Progress::End; }
bool TlsClient::has_pending() const { return false; }

}  // namespace berth::wasi_http
