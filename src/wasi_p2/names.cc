// wasi:sockets: ip-name-lookup.

#include "hostio/resolver.h"
#include "wasi_p2/sockets.h"

namespace berth::wasi_p2 {

using component::host_function;
using component::HostDefinition;
using component::HostInterface;
using component::HostResource;

namespace {

class ResolveStream final : public Waitable {
 public:
  // Of an address that was written as such, or of a name that is being looked up.
  explicit ResolveStream(const hostio::IpAddress& address) : literal_{address} {}
  ResolveStream(State& state, std::string name, std::unique_ptr<hostio::Lookup> lookup)
      : state_(&state), name_(std::move(name)), lookup_(std::move(lookup)) {}

  Wants wants() override {
    if (is_over()) return Wants::ready();
    Wants w = Wants::descriptor(lookup_->fd(), POLLIN);
    w.deadline = lookup_->deadline();
    return w;
  }
  bool woken() override {
    lookup_->advance();
    return is_over();
  }
  Networked<std::optional<IpAddress>> next() {
    if (!is_over()) lookup_->advance();
    if (!is_over()) return refuse(NetworkError::WouldBlock);
    if (lookup_) {
      switch (lookup_->state()) {
        case hostio::Lookup::State::NoSuchName: return refuse(NetworkError::NameUnresolvable);
        case hostio::Lookup::State::TemporaryFailure: return refuse(NetworkError::TemporaryResolverFailure);
        case hostio::Lookup::State::PermanentFailure: return refuse(NetworkError::PermanentResolverFailure);
        default: break;
      }
    }
    const auto& all = lookup_ ? lookup_->addresses() : literal_;
    if (given_ == all.size()) return std::nullopt;
    const hostio::IpAddress& address = all[given_++];
    if (lookup_) state_->network.learn(name_, address);
    return to_guest(address);
  }

 private:
  bool is_over() const { return !lookup_ || lookup_->state() != hostio::Lookup::State::Pending; }

  State* state_ = nullptr;
  std::string name_;
  std::unique_ptr<hostio::Lookup> lookup_;
  std::vector<hostio::IpAddress> literal_;
  size_t given_ = 0;
};

// Whether it could be a name; which names exist, others know.
bool is_plausible(std::string_view name) {
  if (name.ends_with('.')) name.remove_suffix(1);
  if (name.empty() || name.size() > 253) return false;
  size_t label = 0;
  for (const char c : name) {
    if (static_cast<u8>(c) <= ' ' || c == 0x7F || c == ':' || c == '/' || c == '%' || c == '[' || c == ']')
      return false;
    label = c == '.' ? 0 : label + 1;
    if (label > 63 || (c == '.' && label == 0 && &c == name.data())) return false;
  }
  return name.find("..") == std::string_view::npos;
}

Networked<Own<ResolveStream>> resolve_addresses(State& state, Borrow<Network>, std::string_view name) {
  std::string_view address = name;
  if (address.starts_with('[') && address.ends_with(']')) address = address.substr(1, address.size() - 2);
  if (const auto ip = hostio::parse_ip(address)) return state.give(make<ResolveStream>(*ip));
  if (!is_plausible(name)) return refuse(NetworkError::InvalidArgument);
  if (!state.network.may_look_up(name)) return refuse(NetworkError::AccessDenied);
  auto lookup = hostio::Lookup::start(std::string(name));
  if (!lookup) return refuse(NetworkError::PermanentResolverFailure);
  return state.give(make<ResolveStream>(state, std::string(name), std::move(*lookup)));
}
Networked<std::optional<IpAddress>> resolve_next_address(State&, Borrow<ResolveStream> self) { return self->next(); }
Own<Pollable> subscribe(State& state, Borrow<ResolveStream> self) {
  return state.give(make<Pollable>(Ref<Waitable>(&*self)));
}

constexpr HostResource kResources[] = {resource<ResolveStream>("resolve-address-stream")};
constexpr HostDefinition kLookup[] = {
    host_function<resolve_addresses>("resolve-addresses"),
    host_function<resolve_next_address>("[method]resolve-address-stream.resolve-next-address"),
    host_function<subscribe>("[method]resolve-address-stream.subscribe"),
};
constexpr HostInterface kInterfaces[] = {{"wasi:sockets/ip-name-lookup@0.2.12", kResources, kLookup}};

}  // namespace

std::span<const HostInterface> name_interfaces() { return kInterfaces; }

}  // namespace berth::wasi_p2
