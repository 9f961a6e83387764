// wasi:http: types, outgoing-handler.

#include <algorithm>
#include <charconv>

#include "component_model/names.h"
#include "wasi_http/http.h"
#include "wasi_http/types.h"
#include "wasi_p2/state.h"

namespace berth::wasi_http {

using component::host_function;
using component::HostDefinition;
using component::HostInterface;
using component::HostResource;
using wasi_p2::IoError;
using wasi_p2::Pollable;
using wasi_p2::resource;
using wasi_p2::Waitable;
using wasi_p2::Wants;

namespace {

constexpr std::string_view kMethods[] = {"GET",     "HEAD",    "POST",  "PUT",  "DELETE",
                                         "CONNECT", "OPTIONS", "TRACE", "PATCH"};

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool is_token(std::string_view s) {
  return !s.empty() && std::ranges::all_of(s, [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
  });
}

}  // namespace

size_t method_index(std::string_view name) {
  return static_cast<size_t>(std::ranges::find(kMethods, name) - std::begin(kMethods));
}

std::string_view Method::name() const {
  if (const auto* other = std::get_if<9>(&value)) return *other;
  return kMethods[value.index()];
}

bool same_name(std::string_view a, std::string_view b) { return std::ranges::equal(a, b, {}, lower, lower); }

std::expected<void, HeaderError> check_name(std::string_view name) {
  static constexpr std::string_view kForbidden[] = {"connection",
                                                    "host",
                                                    "http2-settings",
                                                    "keep-alive",
                                                    "proxy-authenticate",
                                                    "proxy-authorization",
                                                    "proxy-connection",
                                                    "transfer-encoding",
                                                    "upgrade"};
  if (!is_token(name)) return std::unexpected(HeaderError::InvalidSyntax);
  for (const std::string_view f : kForbidden) {
    if (same_name(name, f)) return std::unexpected(HeaderError::Forbidden);
  }
  return {};
}

bool is_value(std::span<const u8> value) {
  return std::ranges::all_of(value, [](u8 c) { return (c >= 0x20 && c != 0x7F) || c == '\t'; });
}

const std::string* Fields::find(std::string_view name) const {
  for (const Entry& e : entries) {
    if (same_name(e.name, name)) return &e.value;
  }
  return nullptr;
}
Ref<Fields> Fields::copy(bool immutable) const {
  auto made = make<Fields>();
  made->entries = entries;
  made->is_immutable = immutable;
  return made;
}

namespace {

using Bytes = std::span<const u8>;
using Done = std::expected<void, std::monostate>;  // `result`
template <typename T>
using Given = std::expected<T, std::monostate>;
constexpr auto kRefused = std::unexpected(std::monostate());

std::string to_string(Bytes bytes) { return {bytes.begin(), bytes.end()}; }
Bytes to_bytes(const std::string& s) { return {reinterpret_cast<const u8*>(s.data()), s.size()}; }

// --- fields

template <typename T = void>
using Headers = std::expected<T, HeaderErrorValue>;

// The names and values of one message. More is a guest's mistake, for which there is no code.
constexpr size_t kMaxFieldBytes = size_t{128} << 10;
constexpr size_t kEntryBytes = 32;  // what each is counted as besides
wasi_p2::Outcome<void> check_size(const Fields& fields) {
  size_t bytes = 0;
  for (const Fields::Entry& e : fields.entries) bytes += e.name.size() + e.value.size() + kEntryBytes;
  if (bytes > kMaxFieldBytes) return wasi_p2::misuse("fields: more than 128 KiB of headers");
  return {};
}

std::unexpected<HeaderErrorValue> refuse(HeaderError e) {
  HeaderErrorValue v;
  switch (e) {
    case HeaderError::InvalidSyntax: v.value.emplace<0>(); break;
    case HeaderError::Forbidden: v.value.emplace<1>(); break;
    case HeaderError::Immutable: v.value.emplace<2>(); break;
  }
  return std::unexpected(v);
}

Own<Fields> new_fields(State& state) { return state.give(make<Fields>()); }

wasi_p2::Outcome<Headers<Own<Fields>>> fields_from_list(State& state,
                                                        std::vector<std::tuple<std::string_view, Bytes>> entries) {
  auto made = make<Fields>();
  size_t bytes = 0;
  for (const auto& [name, value] : entries) {
    if (auto ok = check_name(name); !ok) return Headers<Own<Fields>>(refuse(ok.error()));
    if (!is_value(value)) return Headers<Own<Fields>>(refuse(HeaderError::InvalidSyntax));
    bytes += name.size() + value.size() + kEntryBytes;
    if (bytes > kMaxFieldBytes) break;
    made->entries.push_back({std::string(name), to_string(value)});
  }
  if (bytes > kMaxFieldBytes) return wasi_p2::misuse("fields: more than 128 KiB of headers");
  return Headers<Own<Fields>>(state.give(made));
}
std::vector<Bytes> fields_get(State&, Borrow<Fields> self, std::string_view name) {
  std::vector<Bytes> out;
  for (const Fields::Entry& e : self->entries) {
    if (same_name(e.name, name)) out.push_back(to_bytes(e.value));
  }
  return out;
}
bool fields_has(State&, Borrow<Fields> self, std::string_view name) { return self->find(name) != nullptr; }

// Whether the fields may be changed at that name.
Headers<> check_change(const Fields& fields, std::string_view name) {
  if (fields.is_immutable) return refuse(HeaderError::Immutable);
  if (auto ok = check_name(name); !ok) return refuse(ok.error());
  return {};
}
void erase(Fields& fields, std::string_view name) {
  std::erase_if(fields.entries, [&](const Fields::Entry& e) { return same_name(e.name, name); });
}
wasi_p2::Outcome<Headers<>> fields_set(State&, Borrow<Fields> self, std::string_view name, std::vector<Bytes> values) {
  if (auto ok = check_change(*self, name); !ok) return ok;
  if (!std::ranges::all_of(values, is_value)) return Headers<>(refuse(HeaderError::InvalidSyntax));
  erase(*self, name);
  for (const Bytes value : values) {
    self->entries.push_back({std::string(name), to_string(value)});
    TRY(check_size(*self));
  }
  return Headers<>();
}
Headers<> fields_delete(State&, Borrow<Fields> self, std::string_view name) {
  TRY(check_change(*self, name));
  erase(*self, name);
  return {};
}
wasi_p2::Outcome<Headers<>> fields_append(State&, Borrow<Fields> self, std::string_view name, Bytes value) {
  if (auto ok = check_change(*self, name); !ok) return ok;
  if (!is_value(value)) return Headers<>(refuse(HeaderError::InvalidSyntax));
  self->entries.push_back({std::string(name), to_string(value)});
  TRY(check_size(*self));
  return Headers<>();
}
std::vector<std::tuple<std::string, Bytes>> fields_entries(State&, Borrow<Fields> self) {
  std::vector<std::tuple<std::string, Bytes>> out;
  for (const Fields::Entry& e : self->entries) out.emplace_back(e.name, to_bytes(e.value));
  return out;
}
Own<Fields> fields_clone(State& state, Borrow<Fields> self) { return state.give(self->copy(false)); }

// Headers of a message that has them for good.
Own<Fields> give_headers(State& state, const Ref<Fields>& headers) { return state.give(headers->copy(true)); }
Ref<Fields> take_headers(State& state, Own<Fields> headers) {
  const Ref<Fields> taken = headers.object->copy(true);
  state.held.drop(*headers.object);
  return taken;
}
std::optional<u64> content_length(const Fields& headers) {
  const std::string* text = headers.find("content-length");
  u64 length = 0;
  if (text == nullptr) return std::nullopt;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), length);
  if (error != std::errc() || end != text->data() + text->size()) return std::nullopt;
  return length;
}

// --- bodies

class BodyOutput final : public wasi_p2::OutputStream {
 public:
  explicit BodyOutput(Ref<OutgoingBody> body) : OutputStream(wasi_p2::Domain::Http), body_(std::move(body)) {}
  Wants wants() override {
    if (room() > 0 || body_->is_finished || body_->is_aborted) return Wants::ready();
    // Full, and nobody takes it: only others can change that.
    return body_->drain ? body_->drain->wants() : Wants();
  }
  bool woken() override {
    if (body_->drain) body_->drain->woken();
    return room() > 0 || body_->is_aborted;
  }

 private:
  u64 room() const { return OutgoingBody::kCapacity - std::min<u64>(OutgoingBody::kCapacity, body_->pending.size()); }
  bool is_over() const { return body_->is_finished || body_->is_aborted; }
  wasi_p2::Streamed<u64> capacity() override {
    if (is_over()) return wasi_p2::closed();
    if (body_->on_change) body_->on_change();
    return room();
  }
  wasi_p2::Streamed<> write_all(std::span<const u8> bytes) override {
    if (is_over()) return wasi_p2::closed();
    body_->written += bytes.size();
    if (body_->length && body_->written > *body_->length) return wasi_p2::failed(to_errno(HttpError::RequestBodySize));
    body_->pending.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    if (body_->on_change) body_->on_change();
    return {};
  }
  const Ref<OutgoingBody> body_;
};

Given<Own<wasi_p2::OutputStream>> outgoing_body_write(State& state, Borrow<OutgoingBody> self) {
  if (self->was_streamed) return kRefused;
  self->was_streamed = true;
  return state.give(Ref<wasi_p2::OutputStream>(new BodyOutput(Ref<OutgoingBody>(&*self))));
}
std::expected<void, HttpError> outgoing_body_finish(State& state, Own<OutgoingBody> self,
                                                    std::optional<Own<Fields>> trailers) {
  const Ref<OutgoingBody> body(self.object);
  state.held.drop(*self.object);
  if (trailers) body->trailers = take_headers(state, *trailers);
  if (body->length && body->written != *body->length) {
    body->is_aborted = true;
    if (body->on_change) body->on_change();
    return std::unexpected(HttpError::of<HttpError::RequestBodySize>(body->written));
  }
  body->is_finished = true;
  if (body->on_change) body->on_change();
  return {};
}
// Dropped and not finished: whoever reads must not take it for whole.
void drop_outgoing_body(void* host, OutgoingBody* body) {
  const Ref<OutgoingBody> kept(body);
  static_cast<State*>(host)->held.drop(*body);
  if (kept->is_finished) return;
  kept->is_aborted = true;
  if (kept->on_change) kept->on_change();
}

template <typename Message>
Given<Own<OutgoingBody>> make_body(State& state, Message& message) {
  if (message.body) return kRefused;
  message.body = make<OutgoingBody>();
  message.body->length = content_length(*message.headers);
  return state.give(message.body);
}

class BodyInput final : public wasi_p2::InputStream {
 public:
  explicit BodyInput(Ref<BodySource> source) : InputStream(wasi_p2::Domain::Http), source_(std::move(source)) {}
  Wants wants() override { return source_->wants(); }
  bool woken() override { return source_->woken(); }

 private:
  wasi_p2::Streamed<size_t> read_some(std::span<u8> out) override { return source_->read(out); }
  const Ref<BodySource> source_;
};

Given<Own<wasi_p2::InputStream>> incoming_body_stream(State& state, Borrow<IncomingBody> self) {
  if (self->was_streamed) return kRefused;
  self->was_streamed = true;
  return state.give(Ref<wasi_p2::InputStream>(new BodyInput(self->source)));
}

// Reads what the guest has not, and then has what follows the body.
class FutureTrailers final : public Waitable {
 public:
  explicit FutureTrailers(Ref<BodySource> source) : source_(std::move(source)) {}
  Wants wants() override { return drained() ? Wants::ready() : source_->wants(); }
  bool woken() override {
    source_->woken();
    return drained();
  }
  bool drained() {
    u8 ignored[4096];
    while (!has_ended_) {
      const auto n = source_->read(ignored);
      if (n && *n == 0) return false;
      has_ended_ = !n.has_value();
    }
    return true;
  }
  std::expected<Ref<Fields>, HttpError> trailers() { return source_->trailers(); }
  bool was_taken = false;

 private:
  const Ref<BodySource> source_;
  bool has_ended_ = false;
};

Own<FutureTrailers> incoming_body_finish(State& state, Own<IncomingBody> self) {
  const Ref<BodySource> source = self.object->source;
  state.held.drop(*self.object);
  return state.give(make<FutureTrailers>(source));
}
using Trailers = std::expected<std::optional<Own<Fields>>, HttpError>;
std::optional<Given<Trailers>> future_trailers_get(State& state, Borrow<FutureTrailers> self) {
  if (!self->drained()) return std::nullopt;
  if (self->was_taken) return Given<Trailers>(kRefused);
  self->was_taken = true;
  auto trailers = self->trailers();
  if (!trailers) return Given<Trailers>(Trailers(std::unexpected(std::move(trailers).error())));
  if (!*trailers) return Given<Trailers>(Trailers(std::nullopt));
  return Given<Trailers>(Trailers(state.give(*trailers)));
}

template <typename T>
Own<Pollable> subscribe(State& state, Borrow<T> self) {
  return state.give(make<Pollable>(Ref<Waitable>(&*self)));
}

// --- requests

bool is_method(const Method& m) {
  const auto* other = std::get_if<9>(&m.value);
  return other == nullptr || is_token(*other);
}
bool is_scheme(const Scheme& s) {
  const auto* other = std::get_if<2>(&s.value);
  if (other == nullptr) return true;
  return !other->empty() && std::ranges::all_of(*other, [](char c) {
    return (c >= '0' && c <= '9') || (lower(c) >= 'a' && lower(c) <= 'z') || c == '+' || c == '-' || c == '.';
  });
}
// What can be in a request's first line, or its host.
bool is_visible(std::string_view s) {
  return std::ranges::all_of(s, [](char c) { return c > 0x20 && c < 0x7F; });
}

Own<OutgoingRequest> new_outgoing_request(State& state, Own<Fields> headers) {
  auto made = make<OutgoingRequest>();
  made->headers = take_headers(state, headers);
  return state.give(made);
}
Given<Own<OutgoingBody>> outgoing_request_body(State& state, Borrow<OutgoingRequest> self) {
  return make_body(state, *self);
}
template <typename T>
Method get_method(State&, Borrow<T> self) {
  return self->method;
}
template <typename T>
std::optional<std::string> get_path(State&, Borrow<T> self) {
  return self->path;
}
template <typename T>
std::optional<Scheme> get_scheme(State&, Borrow<T> self) {
  return self->scheme;
}
template <typename T>
std::optional<std::string> get_authority(State&, Borrow<T> self) {
  return self->authority;
}
template <typename T>
Own<Fields> get_headers(State& state, Borrow<T> self) {
  return give_headers(state, self->headers);
}
Done set_method(State&, Borrow<OutgoingRequest> self, Method method) {
  if (!is_method(method)) return kRefused;
  self->method = std::move(method);
  return {};
}
Done set_path(State&, Borrow<OutgoingRequest> self, std::optional<std::string> path) {
  if (path &&
      (!is_visible(*path) || (!path->empty() && !path->starts_with('/') && !path->starts_with('?') && *path != "*")))
    return kRefused;
  self->path = std::move(path);
  return {};
}
Done set_scheme(State&, Borrow<OutgoingRequest> self, std::optional<Scheme> scheme) {
  if (scheme && !is_scheme(*scheme)) return kRefused;
  self->scheme = std::move(scheme);
  return {};
}
Done set_authority(State&, Borrow<OutgoingRequest> self, std::optional<std::string> authority) {
  if (authority && (!is_visible(*authority) || authority->find_first_of("/?#") != std::string::npos)) return kRefused;
  self->authority = std::move(authority);
  return {};
}

Own<RequestOptions> new_request_options(State& state) { return state.give(make<RequestOptions>()); }
template <std::optional<u64> RequestOptions::* kMember>
std::optional<u64> get_timeout(State&, Borrow<RequestOptions> self) {
  return (*self).*kMember;
}
template <std::optional<u64> RequestOptions::* kMember>
Done set_timeout(State&, Borrow<RequestOptions> self, std::optional<u64> duration) {
  (*self).*kMember = duration;
  return {};
}

template <typename T>
Given<Own<IncomingBody>> consume(State& state, Borrow<T> self) {
  if (!self->body) return kRefused;
  const Ref<BodySource> source = std::exchange(self->body, {});
  return state.give(make<IncomingBody>(source));
}

// --- responses

u16 incoming_status(State&, Borrow<IncomingResponse> self) { return self->status; }
Own<OutgoingResponse> new_outgoing_response(State& state, Own<Fields> headers) {
  auto made = make<OutgoingResponse>();
  made->headers = take_headers(state, headers);
  return state.give(made);
}
u16 outgoing_status(State&, Borrow<OutgoingResponse> self) { return self->status; }
Done set_status(State&, Borrow<OutgoingResponse> self, u16 status) {
  if (status < 100 || status > 999) return kRefused;
  self->status = status;
  return {};
}
Given<Own<OutgoingBody>> outgoing_response_body(State& state, Borrow<OutgoingResponse> self) {
  return make_body(state, *self);
}
std::expected<void, HttpError> response_outparam_inform(State& state, Borrow<ResponseOutparam> param, u16 status,
                                                        Own<Fields> headers) {
  const Ref<Fields> taken = take_headers(state, headers);
  // 101 would end HTTP on the connection.
  if (status < 100 || status > 199 || status == 101)
    return std::unexpected(HttpError::of<HttpError::InternalError>("not an informational status"));
  if (param->inform) param->inform(status, *taken);
  return {};
}
void response_outparam_set(State& state, Own<ResponseOutparam> param,
                           std::expected<Own<OutgoingResponse>, HttpError> response) {
  const Ref<ResponseOutparam> kept(param.object);
  state.held.drop(*param.object);
  if (!response) return kept->set(std::unexpected(std::move(response).error()));
  const Ref<OutgoingResponse> taken(response->object);
  state.held.drop(*response->object);
  kept->set(taken);
}

using Response = std::expected<Own<IncomingResponse>, HttpError>;
std::optional<Given<Response>> future_response_get(State& state, Borrow<FutureResponse> self) {
  if (self->was_taken) return Given<Response>(kRefused);
  auto response = self->take();
  if (!response) return std::nullopt;
  self->was_taken = true;
  if (!*response) return Given<Response>(Response(std::unexpected(std::move(*response).error())));
  return Given<Response>(Response(state.give(**response)));
}

std::optional<HttpError> http_error_code(State&, Borrow<IoError> error) {
  if (error->domain != wasi_p2::Domain::Http) return std::nullopt;
  return to_http_error(error->code);
}

struct Extension final : wasi_p2::Extension {
  explicit Extension(std::shared_ptr<const hostio::NetworkGrants> grants) : grants(std::move(grants)) {}
  std::unique_ptr<wasi_p2::Extension> copy() const override { return std::make_unique<Extension>(grants); }
  const std::shared_ptr<const hostio::NetworkGrants> grants;
};

std::expected<Own<FutureResponse>, HttpError> handle(State& state, Own<OutgoingRequest> request,
                                                     std::optional<Own<RequestOptions>> options) {
  const Ref<OutgoingRequest> taken(request.object);
  state.held.drop(*request.object);
  Ref<RequestOptions> chosen;
  if (options) {
    chosen = Ref<RequestOptions>(options->object);
    state.held.drop(*options->object);
  }
  auto sent = send_request(state, *static_cast<Extension&>(*state.http).grants, *taken, chosen.get());
  if (!sent) return std::unexpected(std::move(sent).error());
  return state.give(*sent);
}

constexpr HostResource kResources[] = {
    resource<Fields>("fields"),
    resource<IncomingRequest>("incoming-request"),
    resource<OutgoingRequest>("outgoing-request"),
    resource<RequestOptions>("request-options"),
    resource<ResponseOutparam>("response-outparam"),
    resource<IncomingResponse>("incoming-response"),
    resource<IncomingBody>("incoming-body"),
    resource<FutureTrailers>("future-trailers"),
    resource<OutgoingResponse>("outgoing-response"),
    component::host_resource<OutgoingBody, drop_outgoing_body>("outgoing-body"),
    resource<FutureResponse>("future-incoming-response"),
};
constexpr HostDefinition kTypes[] = {
    host_function<http_error_code>("http-error-code"),
    host_function<new_fields>("[constructor]fields"),
    host_function<fields_from_list>("[static]fields.from-list"),
    host_function<fields_get>("[method]fields.get"),
    host_function<fields_has>("[method]fields.has"),
    host_function<fields_set>("[method]fields.set"),
    host_function<fields_delete>("[method]fields.delete"),
    host_function<fields_append>("[method]fields.append"),
    host_function<fields_entries>("[method]fields.entries"),
    host_function<fields_clone>("[method]fields.clone"),
    host_function<get_method<IncomingRequest>>("[method]incoming-request.method"),
    host_function<get_path<IncomingRequest>>("[method]incoming-request.path-with-query"),
    host_function<get_scheme<IncomingRequest>>("[method]incoming-request.scheme"),
    host_function<get_authority<IncomingRequest>>("[method]incoming-request.authority"),
    host_function<get_headers<IncomingRequest>>("[method]incoming-request.headers"),
    host_function<consume<IncomingRequest>>("[method]incoming-request.consume"),
    host_function<new_outgoing_request>("[constructor]outgoing-request"),
    host_function<outgoing_request_body>("[method]outgoing-request.body"),
    host_function<get_method<OutgoingRequest>>("[method]outgoing-request.method"),
    host_function<set_method>("[method]outgoing-request.set-method"),
    host_function<get_path<OutgoingRequest>>("[method]outgoing-request.path-with-query"),
    host_function<set_path>("[method]outgoing-request.set-path-with-query"),
    host_function<get_scheme<OutgoingRequest>>("[method]outgoing-request.scheme"),
    host_function<set_scheme>("[method]outgoing-request.set-scheme"),
    host_function<get_authority<OutgoingRequest>>("[method]outgoing-request.authority"),
    host_function<set_authority>("[method]outgoing-request.set-authority"),
    host_function<get_headers<OutgoingRequest>>("[method]outgoing-request.headers"),
    host_function<new_request_options>("[constructor]request-options"),
    host_function<get_timeout<&RequestOptions::connect_timeout>>("[method]request-options.connect-timeout"),
    host_function<set_timeout<&RequestOptions::connect_timeout>>("[method]request-options.set-connect-timeout"),
    host_function<get_timeout<&RequestOptions::first_byte_timeout>>("[method]request-options.first-byte-timeout"),
    host_function<set_timeout<&RequestOptions::first_byte_timeout>>("[method]request-options.set-first-byte-timeout"),
    host_function<get_timeout<&RequestOptions::between_bytes_timeout>>("[method]request-options.between-bytes-timeout"),
    host_function<set_timeout<&RequestOptions::between_bytes_timeout>>(
        "[method]request-options.set-between-bytes-timeout"),
    host_function<response_outparam_inform>("[method]response-outparam.send-informational"),
    host_function<response_outparam_set>("[static]response-outparam.set"),
    host_function<incoming_status>("[method]incoming-response.status"),
    host_function<get_headers<IncomingResponse>>("[method]incoming-response.headers"),
    host_function<consume<IncomingResponse>>("[method]incoming-response.consume"),
    host_function<incoming_body_stream>("[method]incoming-body.stream"),
    host_function<incoming_body_finish>("[static]incoming-body.finish"),
    host_function<subscribe<FutureTrailers>>("[method]future-trailers.subscribe"),
    host_function<future_trailers_get>("[method]future-trailers.get"),
    host_function<new_outgoing_response>("[constructor]outgoing-response"),
    host_function<outgoing_status>("[method]outgoing-response.status-code"),
    host_function<set_status>("[method]outgoing-response.set-status-code"),
    host_function<get_headers<OutgoingResponse>>("[method]outgoing-response.headers"),
    host_function<outgoing_response_body>("[method]outgoing-response.body"),
    host_function<outgoing_body_write>("[method]outgoing-body.write"),
    host_function<outgoing_body_finish>("[static]outgoing-body.finish"),
    host_function<subscribe<FutureResponse>>("[method]future-incoming-response.subscribe"),
    host_function<future_response_get>("[method]future-incoming-response.get"),
};
constexpr HostDefinition kHandler[] = {host_function<handle>("handle")};
constexpr HostInterface kInterfaces[] = {
    {"wasi:http/types@0.2.12", kResources, kTypes},
    {"wasi:http/outgoing-handler@0.2.12", {}, kHandler},
};

}  // namespace

void add_to_linker(component::Linker& linker, wasi_p2::Context& context, hostio::NetworkGrants grants,
                   const component::cm::Component& component) {
  attach(context, std::move(grants));
  define_interfaces(linker, component);
}

void attach(wasi_p2::Context& context, hostio::NetworkGrants grants) {
  context.state().http = std::make_unique<Extension>(std::make_shared<const hostio::NetworkGrants>(std::move(grants)));
}

void define_interfaces(component::Linker& linker, const component::cm::Component& component) {
  wasi_p2::define_imported(linker, kInterfaces, component);
}

}  // namespace berth::wasi_http
