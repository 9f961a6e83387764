#include "keep/http.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <cerrno>
#include <charconv>
#include <memory>
#include <optional>

#include "attest/crypto.h"
#include "keep/problem.h"

namespace berth::keep {
namespace {

namespace http = boost::beast::http;
using Clock = std::chrono::steady_clock;

std::optional<u16> parse_port(std::string_view text) {
  u16 port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return error == std::errc() && end == text.data() + text.size() && port != 0 ? std::optional(port) : std::nullopt;
}

struct Free {
  void operator()(SSL* p) const { SSL_free(p); }
  void operator()(SSL_CTX* p) const { SSL_CTX_free(p); }
};

// A connection, and TLS on it. What waits does so until the deadline.
class Connection {
 public:
  explicit Connection(Clock::time_point deadline) : deadline_(deadline) {}
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection() {
    tls_.reset();
    if (fd_ >= 0) close(fd_);
  }

  Result<> open(const Server& server);
  Result<> send(std::string_view text);
  // Nothing at the end.
  Result<size_t> receive(std::span<char> into);

 private:
  Result<> start_tls(const Server& server);
  Result<> wait(short events);
  // What TLS waits for; or why it failed.
  Result<> after(int outcome);
  std::string certificate_problem() const;

  Clock::time_point deadline_;
  std::string name_;
  int fd_ = -1;
  std::unique_ptr<SSL_CTX, Free> context_;
  std::unique_ptr<SSL, Free> tls_;
};

Result<> Connection::wait(short events) {
  while (true) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline_ - Clock::now()).count();
    if (left <= 0) return problem(name_ + " does not answer in time");
    pollfd entry = {.fd = fd_, .events = events, .revents = 0};
    const int n = poll(&entry, 1, static_cast<int>(std::min<long>(left, 60'000)));
    if (n > 0) return {};
    if (n < 0 && errno != EINTR) return fail(os_error(errno, "cannot wait for " + name_));
  }
}

Result<> Connection::open(const Server& server) {
  name_ = "the broker at " + server.address;
  const size_t colon = server.address.rfind(':');
  const auto port = parse_port(server.address.substr(colon == std::string::npos ? server.address.size() : colon + 1));
  std::string host = server.address.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  sockaddr_storage storage = {};
  auto* const four = reinterpret_cast<sockaddr_in*>(&storage);
  auto* const six = reinterpret_cast<sockaddr_in6*>(&storage);
  socklen_t size = 0;
  if (port && inet_pton(AF_INET, host.c_str(), &four->sin_addr) == 1) {
    four->sin_family = AF_INET;
    four->sin_port = htons(*port);
    size = sizeof *four;
  } else if (port && inet_pton(AF_INET6, host.c_str(), &six->sin6_addr) == 1) {
    six->sin6_family = AF_INET6;
    six->sin6_port = htons(*port);
    size = sizeof *six;
  } else {
    return problem(server.address + " is no address and port");
  }
  fd_ = socket(storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd_ < 0) return fail(os_error(errno, "cannot make a socket"));
  if (connect(fd_, reinterpret_cast<const sockaddr*>(&storage), size) != 0) {
    if (errno != EINPROGRESS) return fail(os_error(errno, "cannot reach " + name_));
    TRY(wait(POLLOUT));
    int error = 0;
    socklen_t length = sizeof error;
    getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &length);
    if (error != 0) return fail(os_error(error, "cannot reach " + name_));
  }
  if (server.url.tls) return start_tls(server);
  return {};
}

Result<> Connection::start_tls(const Server& server) {
  context_.reset(SSL_CTX_new(TLS_client_method()));
  if (!context_) return problem("cannot start TLS: " + attest::openssl_reason());
  SSL_CTX_set_min_proto_version(context_.get(), TLS1_2_VERSION);
  SSL_CTX_set_verify(context_.get(), SSL_VERIFY_PEER, nullptr);
  const attest::Owned<BIO> text(
      BIO_new_mem_buf(server.authorities.data(), static_cast<int>(server.authorities.size())));
  int count = 0;
  while (X509* const certificate = PEM_read_bio_X509(text.get(), nullptr, nullptr, nullptr)) {
    count += X509_STORE_add_cert(SSL_CTX_get_cert_store(context_.get()), certificate);
    X509_free(certificate);
  }
  (void)attest::openssl_reason();
  if (count == 0) return problem("no certificate says whom to trust for " + name_ + "; https needs one");
  tls_.reset(SSL_new(context_.get()));
  X509_VERIFY_PARAM* const parameters = SSL_get0_param(tls_.get());
  const std::string& host = server.url.host;
  if (X509_VERIFY_PARAM_set1_ip_asc(parameters, host.c_str()) != 1) {
    X509_VERIFY_PARAM_set1_host(parameters, host.c_str(), host.size());
    SSL_set_tlsext_host_name(tls_.get(), host.c_str());
  }
  (void)attest::openssl_reason();
  SSL_set_fd(tls_.get(), fd_);
  while (true) {
    const int outcome = SSL_connect(tls_.get());
    if (outcome == 1) return {};
    TRY(after(outcome));
  }
}

std::string Connection::certificate_problem() const {
  const long verdict = SSL_get_verify_result(tls_.get());
  return verdict == X509_V_OK ? "" : std::string(": its certificate: ") + X509_verify_cert_error_string(verdict);
}

Result<> Connection::after(int outcome) {
  const int reason = SSL_get_error(tls_.get(), outcome);
  if (reason == SSL_ERROR_WANT_READ) return wait(POLLIN);
  if (reason == SSL_ERROR_WANT_WRITE) return wait(POLLOUT);
  std::string why = certificate_problem();
  if (const std::string text = attest::openssl_reason(); why.empty() && !text.empty()) why = ": " + text;
  return problem("TLS with " + name_ + " failed" + why);
}

Result<> Connection::send(std::string_view text) {
  while (!text.empty()) {
    if (tls_) {
      const int n = SSL_write(tls_.get(), text.data(), static_cast<int>(std::min<size_t>(text.size(), 1 << 20)));
      if (n > 0) {
        text.remove_prefix(static_cast<size_t>(n));
      } else {
        TRY(after(n));
      }
      continue;
    }
    const ssize_t n = ::send(fd_, text.data(), text.size(), MSG_NOSIGNAL);
    if (n >= 0) {
      text.remove_prefix(static_cast<size_t>(n));
    } else if (errno == EAGAIN) {
      TRY(wait(POLLOUT));
    } else if (errno != EINTR) {
      return fail(os_error(errno, "cannot send to " + name_));
    }
  }
  return {};
}

Result<size_t> Connection::receive(std::span<char> into) {
  while (true) {
    if (tls_) {
      const int n = SSL_read(tls_.get(), into.data(), static_cast<int>(into.size()));
      if (n > 0) return static_cast<size_t>(n);
      if (SSL_get_error(tls_.get(), n) == SSL_ERROR_ZERO_RETURN) return 0;
      TRY(after(n));
      continue;
    }
    const ssize_t n = recv(fd_, into.data(), into.size(), 0);
    if (n >= 0) return static_cast<size_t>(n);
    if (errno == EAGAIN) {
      TRY(wait(POLLIN));
    } else if (errno != EINTR) {
      return fail(os_error(errno, "cannot read from " + name_));
    }
  }
}

std::string cookies_of(const http::fields& fields) {
  std::string out;
  const auto [first, last] = fields.equal_range(http::field::set_cookie);
  for (auto it = first; it != last; ++it) {
    const auto value = it->value();
    const std::string_view whole(value.data(), value.size());
    out += (out.empty() ? "" : "; ") + std::string(whole.substr(0, whole.find(';')));
  }
  return out;
}

Result<Response> read_response(Connection& connection) {
  http::response_parser<http::string_body> parser;
  parser.eager(true);
  parser.body_limit(kMostBody);
  parser.header_limit(64 << 10);
  const auto broken = [](const boost::system::error_code& error) {
    return problem("the broker's answer is no HTTP that is understood here: " + error.message());
  };
  std::string unread;
  std::vector<char> buffer(64 << 10);
  while (!parser.is_done()) {
    const size_t n = TRY(connection.receive(buffer));
    boost::system::error_code error;
    if (n == 0) {
      parser.put_eof(error);
      if (error || !parser.is_done()) return problem("the broker's answer ends early");
      break;
    }
    unread.append(buffer.data(), n);
    while (!unread.empty() && !parser.is_done()) {
      const size_t used = parser.put(boost::asio::buffer(unread), error);
      unread.erase(0, used);
      if (error == http::error::need_more || used == 0) break;
      if (error) return broken(error);
    }
  }
  auto message = parser.release();
  return Response{.status = message.result_int(), .cookies = cookies_of(message), .body = std::move(message.body())};
}

}  // namespace

Result<Url> parse_url(std::string_view text) {
  const auto bad = [&](std::string_view why) {
    return fail(ErrorCode::BadArgument,
                std::string(text) + ": " + std::string(why) + "; a broker is named as https://host[:port]");
  };
  Url url;
  std::string_view rest = text;
  if (rest.starts_with("https://")) {
    url.tls = true;
    rest.remove_prefix(8);
  } else if (rest.starts_with("http://")) {
    rest.remove_prefix(7);
  } else {
    return bad("no URL of http or https");
  }
  if (std::ranges::any_of(rest, [](char c) { return c <= ' ' || c > '~' || c == '?' || c == '#' || c == '@'; }))
    return bad("characters that do not belong there");
  const size_t slash = std::min(rest.find('/'), rest.size());
  url.path = rest.substr(slash);
  while (url.path.ends_with('/')) url.path.pop_back();
  std::string_view authority = rest.substr(0, slash);
  url.port = url.tls ? 443 : 80;
  size_t after = authority.find(':');
  if (authority.starts_with('[')) {
    const size_t end = authority.find(']');
    if (end == std::string_view::npos) return bad("a ] is missing");
    url.host = authority.substr(1, end - 1);
    after = end + 1;
  } else {
    url.host = authority.substr(0, after);
  }
  if (after < authority.size()) {
    const auto port = authority[after] == ':' ? parse_port(authority.substr(after + 1)) : std::nullopt;
    if (!port) return bad("no port");
    url.port = *port;
  }
  if (url.host.empty()) return bad("no host");
  return url;
}

Result<Response> request(const Server& server, std::string_view path, const std::string* body, std::string_view cookie,
                         std::chrono::seconds patience) {
  Connection connection(Clock::now() + patience);
  TRY(connection.open(server));
  const bool six = server.url.host.find(':') != std::string::npos;
  std::string text = std::string(body ? "POST " : "GET ") + server.url.path + std::string(path) + " HTTP/1.1\r\n";
  text += "Host: " + (six ? "[" + server.url.host + "]" : server.url.host);
  if (server.url.port != (server.url.tls ? 443 : 80)) text += ":" + std::to_string(server.url.port);
  text += "\r\nUser-Agent: berth-keep\r\nAccept: application/json\r\nConnection: close\r\n";
  if (!cookie.empty()) text += "Cookie: " + std::string(cookie) + "\r\n";
  if (body) text += "Content-Type: application/json\r\nContent-Length: " + std::to_string(body->size()) + "\r\n";
  text += "\r\n";
  if (body) text += *body;
  TRY(connection.send(text));
  return read_response(connection);
}

}  // namespace berth::keep
