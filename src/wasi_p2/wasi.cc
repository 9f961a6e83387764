#include "wasi_p2/wasi.h"

#include <cstring>

#include "component_model/names.h"
#include "hostio/clock.h"
#include "text/utf8.h"
#include "wasi_p2/state.h"

namespace berth::wasi_p2 {

namespace cm = component::cm;

namespace {

Result<> check_strings(const std::vector<std::string>& strings, const char* what) {
  for (const std::string& s : strings) {
    if (!text::is_utf8(s))
      return fail(ErrorCode::BadArgument, std::string(what) + " is not UTF-8, which components cannot be given");
  }
  return {};
}

Result<Ref<SharedFile>> open_stream(const hostio::StandardStream& stream, int usual) {
  if (stream.kind == hostio::StandardStream::Null) return make<SharedFile>(hostio::File::null());
  const int fd = stream.fd >= 0 ? stream.fd : usual;
  auto file = hostio::File::inherited(fd);
  if (file) return make<SharedFile>(std::move(*file));
  if (stream.fd >= 0)
    return fail(os_error(static_cast<int>(file.error()), "cannot use descriptor " + std::to_string(fd)));
  return Ref<SharedFile>();
}

bool is_same_interface(const std::optional<cm::ParsedName>& a, const std::optional<cm::ParsedName>& b) {
  return a && b && a->kind == cm::ParsedName::Kind::Interface && a->interface == b->interface &&
         cm::compatible_version(std::string(a->version)) == cm::compatible_version(std::string(b->version));
}

}  // namespace

Context::Context(std::unique_ptr<State> state) : state_(std::move(state)) {}
Context::~Context() = default;

Result<std::unique_ptr<Context>> Context::create(Config config) {
  hostio::ignore_io_signals();
  TRY(check_strings(config.args, "an argument"));
  TRY(check_strings(config.environment, "an environment variable"));
  auto state = std::make_unique<State>(config.interrupt_slice, config.waiter);
  state->args = std::move(config.args);
  for (const std::string& variable : config.environment) {
    const size_t equals = variable.find('=');
    if (equals != std::string::npos)
      state->environment.emplace_back(variable.substr(0, equals), variable.substr(equals + 1));
  }
  state->standard[0] = TRY(open_stream(config.input, 0));
  state->standard[1] = TRY(open_stream(config.output, 1));
  state->standard[2] = TRY(open_stream(config.error_output, 2));
  for (hostio::DirectoryGrant& g : config.directories) {
    if (!text::is_utf8(g.guest_path))
      return fail(ErrorCode::BadArgument, "a folder's name is not UTF-8, which components cannot be given");
    auto directory = TRY(hostio::Directory::grant(g.host_path, {.writable = !g.read_only, .devices = g.devices}));
    state->preopens.push_back({make<SharedDirectory>(std::move(directory)), std::move(g.guest_path)});
  }
  state->network = std::move(config.network);
  u8 key[sizeof state->hash_key];
  if (auto filled = hostio::fill_random(key); !filled)
    return fail(os_error(static_cast<int>(filled.error()), "cannot get random numbers"));
  std::memcpy(state->hash_key.data(), key, sizeof key);
  return std::unique_ptr<Context>(new Context(std::move(state)));
}

std::unique_ptr<Context> Context::copy(hostio::Waiter* waiter) const {
  auto made = std::make_unique<State>(std::chrono::nanoseconds(0), waiter);
  made->args = state_->args;
  made->environment = state_->environment;
  made->preopens = state_->preopens;
  made->network = state_->network;
  for (size_t i = 0; i < std::size(made->standard); ++i) made->standard[i] = state_->standard[i];
  made->hash_key = state_->hash_key;
  if (state_->http != nullptr) made->http = state_->http->copy();
  return std::unique_ptr<Context>(new Context(std::move(made)));
}

void Context::interrupt() { state_->own_waiter.interrupt(); }

void Context::finish() {
  for (const auto& stream : state_->standard) {
    while (stream && stream->has_pending()) {
      const auto pushed = stream->push(state_->waiter);
      // Nobody is left to be told that a reader has gone.
      if (!pushed) break;
      if (stream->has_pending() && !state_->waiter.wait_for(stream->file.fd(), POLLOUT)) break;
    }
  }
}

void define_imported(component::Linker& linker, std::span<const component::HostInterface> interfaces,
                     const cm::Component& component) {
  std::vector<std::optional<cm::ParsedName>> imports;
  for (const cm::NamedExtern& import : component.type->imports) imports.push_back(cm::parse_name(import.name));
  for (const component::HostInterface& interface : interfaces) {
    const auto name = cm::parse_name(interface.name);
    if (std::ranges::any_of(imports, [&](const auto& import) { return is_same_interface(import, name); }))
      linker.define_interface(interface);
  }
}

void Context::attach(component::Store& store, runtime::Store& core_store) {
  state_->store_interrupt = &core_store.context().interrupt;
  store.set_host(state_.get());
}

void define_interfaces(component::Linker& linker, const cm::Component& component) {
  for (const auto interfaces :
       {io_interfaces(), cli_interfaces(), clock_interfaces(), random_interfaces(), filesystem_interfaces(),
        network_interfaces(), tcp_interfaces(), udp_interfaces(), name_interfaces()})
    define_imported(linker, interfaces, component);
}

void add_to_linker(component::Linker& linker, component::Store& store, runtime::Store& core_store, Context& context,
                   const cm::Component& component) {
  context.attach(store, core_store);
  define_interfaces(linker, component);
}

std::string find_command(const cm::Component& component) {
  const auto wanted = cm::parse_name("wasi:cli/run@0.2.0");
  for (const cm::NamedExtern& e : component.type->exports) {
    if (e.type.sort == cm::Sort::Instance && is_same_interface(cm::parse_name(e.name), wanted)) return e.name;
  }
  return {};
}

}  // namespace berth::wasi_p2
