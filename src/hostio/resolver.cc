#include "hostio/resolver.h"

#include <ares.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/time.h>

#include <algorithm>
#include <cstring>

#include "hostio/clock.h"

namespace berth::hostio {

struct Lookup::Impl {
  ~Impl() {
    // Calls back what has not ended.
    if (channel != nullptr) ares_destroy(channel);
  }
  static void on_socket(void* self, ares_socket_t socket, int readable, int writable);
  static void on_answer(void* self, int status, int timeouts, ares_addrinfo* result);

  ares_channel channel = nullptr;
  Handle epoll;
  State state = State::Pending;
  std::vector<IpAddress> addresses;
};

void Lookup::Impl::on_socket(void* self, ares_socket_t socket, int readable, int writable) {
  const int epoll = static_cast<Impl*>(self)->epoll.fd();
  if (!readable && !writable) {
    // It is closed, which takes it out anyway.
    ::epoll_ctl(epoll, EPOLL_CTL_DEL, socket, nullptr);
    return;
  }
  epoll_event event{};
  event.events = (readable ? EPOLLIN : 0u) | (writable ? EPOLLOUT : 0u);
  event.data.fd = socket;
  // One that cannot be watched still has its timeout.
  if (::epoll_ctl(epoll, EPOLL_CTL_ADD, socket, &event) != 0) ::epoll_ctl(epoll, EPOLL_CTL_MOD, socket, &event);
}

void Lookup::Impl::on_answer(void* self, int status, int, ares_addrinfo* result) {
  Impl& impl = *static_cast<Impl*>(self);
  switch (status) {
    case ARES_SUCCESS: impl.state = State::Done; break;
    case ARES_ENOTFOUND:
    case ARES_ENODATA:
    case ARES_ENONAME:
    case ARES_EBADNAME: impl.state = State::NoSuchName; break;
    case ARES_ETIMEOUT:
    case ARES_ESERVFAIL:
    case ARES_ECONNREFUSED: impl.state = State::TemporaryFailure; break;
    default: impl.state = State::PermanentFailure; break;
  }
  if (result == nullptr) return;
  for (const ares_addrinfo_node* n = result->nodes; n != nullptr; n = n->ai_next) {
    IpAddress a;
    if (n->ai_family == AF_INET6) {
      a.is_v6 = true;
      std::memcpy(a.bytes.data(), &reinterpret_cast<const sockaddr_in6*>(n->ai_addr)->sin6_addr, 16);
    } else if (n->ai_family == AF_INET) {
      std::memcpy(a.bytes.data(), &reinterpret_cast<const sockaddr_in*>(n->ai_addr)->sin_addr, 4);
    } else {
      continue;
    }
    if (!a.is_v4_mapped() && std::ranges::find(impl.addresses, a) == impl.addresses.end()) impl.addresses.push_back(a);
  }
  ares_freeaddrinfo(result);
  if (impl.addresses.empty()) impl.state = State::NoSuchName;
}

Lookup::Lookup(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Lookup::~Lookup() = default;

Result<std::unique_ptr<Lookup>> Lookup::start(const std::string& name) {
  static const int kReady = ares_library_init(ARES_LIB_INIT_ALL);
  const auto failed = [](int status) {
    return fail(ErrorCode::System, std::string("cannot look up names: ") + ares_strerror(status));
  };
  if (kReady != ARES_SUCCESS) return failed(kReady);
  auto impl = std::make_unique<Impl>();
  impl->epoll = Handle(::epoll_create1(EPOLL_CLOEXEC));
  if (!impl->epoll) return fail(os_error(errno, "cannot look up names"));
  ares_options options{};
  options.sock_state_cb = &Impl::on_socket;
  options.sock_state_cb_data = impl.get();
  if (const int status = ares_init_options(&impl->channel, &options, ARES_OPT_SOCK_STATE_CB); status != ARES_SUCCESS) {
    impl->channel = nullptr;
    return failed(status);
  }
  ares_addrinfo_hints hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  ares_getaddrinfo(impl->channel, name.c_str(), nullptr, &hints, &Impl::on_answer, impl.get());
  return std::unique_ptr<Lookup>(new Lookup(std::move(impl)));
}

Lookup::State Lookup::state() const { return impl_->state; }
const std::vector<IpAddress>& Lookup::addresses() const { return impl_->addresses; }
int Lookup::fd() const { return impl_->epoll.fd(); }

std::optional<u64> Lookup::deadline() const {
  timeval left{};
  if (ares_timeout(impl_->channel, nullptr, &left) == nullptr) return std::nullopt;
  return monotonic_now() + static_cast<u64>(left.tv_sec) * 1'000'000'000 + static_cast<u64>(left.tv_usec) * 1000;
}

void Lookup::advance() {
  epoll_event events[16];
  const int ready = ::epoll_wait(impl_->epoll.fd(), events, 16, 0);
  for (int i = 0; i < ready; ++i) {
    const bool reads = (events[i].events & (EPOLLIN | EPOLLERR | EPOLLHUP)) != 0;
    const bool writes = (events[i].events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) != 0;
    ares_process_fd(impl_->channel, reads ? events[i].data.fd : ARES_SOCKET_BAD,
                    writes ? events[i].data.fd : ARES_SOCKET_BAD);
  }
  // Timeouts.
  if (ready <= 0) ares_process_fd(impl_->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}

}  // namespace berth::hostio
