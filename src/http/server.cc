#include "http/server.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <unordered_map>

namespace berth::http {

namespace {

constexpr int kBacklog = 4096;
// Of one event, so that other threads get their share.
constexpr int kAcceptAtOnce = 16;
constexpr u64 kPause = u64{20} * 1'000'000;
// Kept for what is not a connection: files of guests, logs, the server's own.
constexpr u32 kKeptDescriptors = 256;

struct Address {
  sockaddr_storage storage{};
  socklen_t length = 0;
};

std::string to_text(const sockaddr_storage& storage) {
  char text[INET6_ADDRSTRLEN] = "";
  if (storage.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(storage);
    inet_ntop(AF_INET, &v4.sin_addr, text, sizeof text);
    return std::string(text) + ":" + std::to_string(ntohs(v4.sin_port));
  }
  if (storage.ss_family != AF_INET6) return {};
  const auto& v6 = reinterpret_cast<const sockaddr_in6&>(storage);
  if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) {
    inet_ntop(AF_INET, &v6.sin6_addr.s6_addr[12], text, sizeof text);
    return std::string(text) + ":" + std::to_string(ntohs(v6.sin6_port));
  }
  inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof text);
  return "[" + std::string(text) + "]:" + std::to_string(ntohs(v6.sin6_port));
}

Result<Address> parse_address(const std::string& text) {
  const auto bad = [&](std::string_view why) {
    return fail(ErrorCode::BadArgument, text + ": " + std::string(why) + "; for example 127.0.0.1:8080 or :8080");
  };
  const size_t colon = text.rfind(':');
  if (colon == std::string::npos) return bad("an address ends in a colon and a port");
  u16 port = 0;
  const auto [end, error] = std::from_chars(text.data() + colon + 1, text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size()) return bad("the port is no number up to 65535");
  std::string host = text.substr(0, colon);
  Address a;
  if (host == "localhost") host = "127.0.0.1";
  if (host.empty() || host == "*") host = "[::]";
  if (host.starts_with('[') && host.ends_with(']')) {
    auto& v6 = reinterpret_cast<sockaddr_in6&>(a.storage);
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(port);
    a.length = sizeof v6;
    if (inet_pton(AF_INET6, host.substr(1, host.size() - 2).c_str(), &v6.sin6_addr) != 1)
      return bad("what is in brackets is no IPv6 address");
    return a;
  }
  auto& v4 = reinterpret_cast<sockaddr_in&>(a.storage);
  v4.sin_family = AF_INET;
  v4.sin_port = htons(port);
  a.length = sizeof v4;
  if (inet_pton(AF_INET, host.c_str(), &v4.sin_addr) != 1) return bad("the host is no address");
  return a;
}

Result<int> open_socket(const std::string& text, bool is_any, Address address) {
  const auto wrong = [&](int fd, const char* what) {
    const int error = errno;
    if (fd >= 0) ::close(fd);
    return fail(os_error(error, std::string(what) + " " + text));
  };
  int fd = ::socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0 && is_any && errno == EAFNOSUPPORT) {
    // No IPv6 here: every address of IPv4.
    auto& v6 = reinterpret_cast<sockaddr_in6&>(address.storage);
    const in_port_t port = v6.sin6_port;
    address = {};
    auto& v4 = reinterpret_cast<sockaddr_in&>(address.storage);
    v4.sin_family = AF_INET;
    v4.sin_port = port;
    address.length = sizeof v4;
    fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  }
  if (fd < 0) return wrong(fd, "cannot make a socket for");
  const int on = 1, off = 0;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (address.storage.ss_family == AF_INET6)
    ::setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, is_any ? &off : &on, sizeof on);
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&address.storage), address.length) != 0)
    return wrong(fd, "cannot listen on");
  if (::listen(fd, kBacklog) != 0) return wrong(fd, "cannot listen on");
  return fd;
}

}  // namespace

// What one thread has.
class Server::Part final : public ConnectionOwner {
 public:
  Part(Server& server, std::unique_ptr<Loop> loop)
      : server_(server), loop_(std::move(loop)), pause_(*loop_, [this] { listen(); }) {}
  ~Part() { connections_.clear(); }

  Loop& loop() { return *loop_; }
  u64 busy() const { return busy_.load(std::memory_order_relaxed); }

  void start(Handler& handler) {
    handler_ = &handler;
    for (size_t i = 0; i < server_.sockets_.size(); ++i) {
      auto watcher = std::make_unique<Acceptor>(*this, i);
      acceptors_.push_back(std::move(watcher));
    }
    listen();
  }

  // In the loop's thread.
  void drain() {
    silence();
    drains_ = true;
    std::vector<Connection*> all;
    for (const auto& [c, owned] : connections_) all.push_back(c);
    for (Connection* const c : all) c->drain();
    // The last one closes the sockets, so that whoever connects now is refused, and may go elsewhere.
    if (--server_.undrained_ == 0) {
      for (int& socket : server_.sockets_) ::close(std::exchange(socket, -1));
    }
    server_.one_less_check();
  }
  void take(int fd, std::string peer, const TlsContext* tls) {
    if (drains_) {
      ::close(fd);
      busy_.fetch_sub(1, std::memory_order_relaxed);
      return server_.one_less();
    }
    std::unique_ptr<TlsSession> session;
    if (tls != nullptr) session = tls->accept(fd);
    if (tls != nullptr && session == nullptr) {
      ::close(fd);
      busy_.fetch_sub(1, std::memory_order_relaxed);
      return server_.one_less();
    }
    auto made = std::make_unique<Connection>(*loop_, fd, std::move(peer), std::move(session), server_.config_.settings,
                                             *handler_, *this);
    Connection& connection = *made;
    connections_.emplace(&connection, std::move(made));
    connection.start();
  }
  void clear() { connections_.clear(); }

 private:
  struct Acceptor final : Watcher {
    Acceptor(Part& p, size_t i) : part(p), index(i) {}
    void on_ready(u32) override { part.accept(index); }
    Part& part;
    const size_t index;
    bool is_listening = false;
  };

  void on_connection_closed(Connection& connection) override {
    connections_.erase(&connection);
    busy_.fetch_sub(1, std::memory_order_relaxed);
    server_.one_less();
  }

  void listen() {
    if (drains_) return;
    for (const auto& a : acceptors_) {
      if (!a->is_listening) a->is_listening = loop_->add(server_.sockets_[a->index], EPOLLIN | EPOLLEXCLUSIVE, *a);
    }
  }
  void silence() {
    for (const auto& a : acceptors_) {
      if (a->is_listening) loop_->remove(server_.sockets_[a->index], *a);
      a->is_listening = false;
    }
  }

  void accept(size_t index) {
    for (int i = 0; i < kAcceptAtOnce; ++i) {
      if (server_.open_.load(std::memory_order_relaxed) >= server_.config_.max_connections) return rest();
      sockaddr_storage peer{};
      socklen_t length = sizeof peer;
      const int fd =
          ::accept4(server_.sockets_[index], reinterpret_cast<sockaddr*>(&peer), &length, SOCK_CLOEXEC | SOCK_NONBLOCK);
      if (fd < 0) {
        if (errno == EINTR || errno == ECONNABORTED) continue;
        if (errno != EAGAIN) rest();
        return;
      }
      const int on = 1;
      ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      server_.open_.fetch_add(1, std::memory_order_relaxed);
      server_.accepted_.fetch_add(1, std::memory_order_relaxed);
      Part& part = server_.least_busy();
      part.busy_.fetch_add(1, std::memory_order_relaxed);
      const TlsContext* const tls = server_.config_.listen[index].tls.get();
      if (&part == this) {
        take(fd, to_text(peer), tls);
      } else {
        part.loop_->post([&part, fd, text = to_text(peer), tls] { part.take(fd, text, tls); });
      }
    }
  }
  // Out of descriptors, or of connections that may be open: those that wait stay in the kernel's queue.
  void rest() {
    silence();
    pause_.set(loop_->now() + kPause);
  }

  Server& server_;
  std::unique_ptr<Loop> loop_;
  Handler* handler_ = nullptr;
  std::vector<std::unique_ptr<Acceptor>> acceptors_;
  Timer pause_;
  std::unordered_map<Connection*, std::unique_ptr<Connection>> connections_;
  std::atomic<u64> busy_ = 0;
  bool drains_ = false;
};

Server::Server(ServerConfig config) : config_(std::move(config)) {}

Server::~Server() {
  stop();
  for (const int fd : sockets_) {
    if (fd >= 0) ::close(fd);
  }
}

Result<std::unique_ptr<Server>> Server::create(ServerConfig config) {
  config.threads = std::max(config.threads, 1u);
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
    files.rlim_cur = files.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &files);
  }
  const u64 most = files.rlim_cur > 2 * kKeptDescriptors ? files.rlim_cur - kKeptDescriptors : files.rlim_cur / 2;
  if (config.max_connections == 0 || config.max_connections > most)
    config.max_connections = static_cast<u32>(std::min<u64>(most, u64{1} << 20));
  std::unique_ptr<Server> server(new Server(std::move(config)));
  for (const ListenAddress& l : server->config_.listen) {
    const Address address = TRY(parse_address(l.address));
    const bool is_any = l.address.starts_with(':') || l.address.starts_with('*');
    const int fd = TRY(open_socket(l.address, is_any, address));
    server->sockets_.push_back(fd);
    Address bound;
    bound.length = sizeof bound.storage;
    ::getsockname(fd, reinterpret_cast<sockaddr*>(&bound.storage), &bound.length);
    server->addresses_.push_back(to_text(bound.storage));
  }
  for (u32 i = 0; i < server->config_.threads; ++i)
    server->parts_.push_back(std::make_unique<Part>(*server, TRY(Loop::create())));
  return server;
}

Loop& Server::loop(u32 index) const { return parts_[index]->loop(); }

Server::Part& Server::least_busy() const {
  return **std::ranges::min_element(parts_, {}, [](const auto& part) { return part->busy(); });
}

void Server::start(const std::vector<Handler*>& handlers) {
  undrained_ = config_.threads;
  for (u32 i = 0; i < config_.threads; ++i) {
    Part& part = *parts_[i];
    Handler& handler = *handlers[i];
    threads_.emplace_back([&part, &handler] {
      part.start(handler);
      part.loop().run();
      part.clear();
    });
  }
}

void Server::one_less() {
  open_.fetch_sub(1, std::memory_order_relaxed);
  one_less_check();
}

void Server::one_less_check() {
  if (!drains_.load() || undrained_.load() != 0 || open_.load() != 0) return;
  std::function<void()> told;
  {
    const std::lock_guard lock(mutex_);
    told = std::exchange(told_, nullptr);
  }
  if (told) told();
}

void Server::drain(std::function<void()> told) {
  {
    const std::lock_guard lock(mutex_);
    told_ = std::move(told);
  }
  drains_ = true;
  for (const auto& part : parts_) part->loop().post([&part] { part->drain(); });
}

void Server::stop() {
  for (const auto& part : parts_) part->loop().stop();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

}  // namespace berth::http
