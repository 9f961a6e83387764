// A request that a component answers: wasi:http/incoming-handler over an exchange.

#include <algorithm>

#include "berth/serve_worker.h"
#include "cli/output.h"
#include "engine/backtrace.h"
#include "engine/demangle.h"
#include "hostio/clock.h"
#include "wasi_http/incoming.h"
#include "wasm/names.h"

namespace berth::cli {
namespace {

using engine::printable;
using wasi_http::HttpError;
using wasi_p2::Wants;
using Lease = component::InstancePool::Lease;

class Request final : private http::ExchangeUser, private wasi_http::Responder {
 public:
  Request(Worker& worker, std::shared_ptr<RouteState> state, http::Exchange& exchange, std::string id)
      : worker_(worker),
        state_(std::move(state)),
        exchange_(&exchange),
        head_(exchange.request()),
        peer_(exchange.peer()),
        id_(std::move(id)),
        began_(hostio::monotonic_now()),
        guest_(worker.loop(), worker.turns(), [this] { answer(); }, [this] { end_guest(); }) {
    exchange.set_user(this);
    exchange.limit_body(state_->route.config.max_body);
    counts().active.add(1);
    has_progressed();
    guest_.start();
  }

 private:
  // What the guest reads of the request's body.
  class Body final : public wasi_http::BodySource {
   public:
    explicit Body(Request& request) : request_(request) {}
    Wants wants() override {
      const http::Exchange* const e = request_.exchange_;
      return e == nullptr || e->is_readable() ? Wants::ready() : Wants();
    }
    bool woken() override { return wants().is_ready; }
    wasi_p2::Streamed<size_t> read(std::span<u8> out) override { return request_.read_body(out); }
    std::expected<wasi_http::Ref<wasi_http::Fields>, HttpError> trailers() override { return request_.trailers(); }

   private:
    Request& request_;  // the guest's context ends before it
  };
  // What the guest waits for when there is no room for more of its response.
  class Drain final : public wasi_p2::Waitable {
   public:
    Wants wants() override { return {}; }
    bool woken() override { return false; }
  };

  RouteCounts& counts() { return state_->counts(worker_.index()); }
  void has_progressed() {
    const u64 timeout = state_->route.config.timeout, now = worker_.loop().now();
    guest_.set_deadline(timeout > ~u64{0} - now ? http::Timer::kNever : now + timeout);
  }

  // On the guest's fiber.
  void answer();
  std::expected<void, runtime::InstantiationFailure> call(RouteState::Used& used);
  wasi_http::Ref<wasi_http::IncomingRequest> make_request();
  void note_failure(const runtime::InstantiationFailure& failure);
  wasi_p2::Streamed<size_t> read_body(std::span<u8> out);
  std::expected<wasi_http::Ref<wasi_http::Fields>, HttpError> trailers();

  // wasi_http::Responder
  void inform(u16 status, const wasi_http::Fields& fields) override;
  void respond(std::expected<wasi_http::Ref<wasi_http::OutgoingResponse>, HttpError> response) override;

  // http::ExchangeUser
  void on_readable() override;
  void on_writable() override;
  void on_gone() override;

  void pump();
  void answer_plainly(u16 status, std::string_view more = {});
  void let_body_go();
  void end_exchange(u16 status);
  void end_guest();
  void complain(std::string what);

  Worker& worker_;
  const std::shared_ptr<RouteState> state_;
  http::Exchange* exchange_;  // null: over
  const http::RequestHead head_;
  const std::string peer_;
  const std::string id_;
  const u64 began_;
  u64 received_ = 0, sent_ = 0;
  bool has_failed_ = false, has_timed_out_ = false;
  wasi_http::Ref<wasi_http::OutgoingBody> body_;  // of the response, until all of it is with the exchange
  Guest guest_;
};

// --- on the guest's fiber

wasi_http::Ref<wasi_http::IncomingRequest> Request::make_request() {
  auto made = wasi_p2::make<wasi_http::IncomingRequest>();
  made->method = wasi_http::parse_method(head_.method);
  made->path = head_.path;
  made->scheme.emplace();
  if (head_.scheme == "https") made->scheme->value.emplace<1>();
  made->authority = head_.authority;
  made->headers = wasi_p2::make<wasi_http::Fields>();
  made->headers->is_immutable = true;
  made->headers->entries.reserve(head_.fields.size() + 1);
  for (const http::Field& f : head_.fields) {
    if (f.name != "x-request-id") made->headers->entries.push_back({f.name, f.value});
  }
  made->headers->entries.push_back({"x-request-id", id_});
  made->body = wasi_http::Ref<wasi_http::BodySource>(new Body(*this));
  return made;
}

void Request::answer() {
  const RouteConfig& config = state_->route.config;
  std::optional<RouteState::Used> used;
  if (!state_->kept.empty()) {
    used.emplace(std::move(state_->kept.back()));
    state_->kept.pop_back();
    used->context = state_->grants->copy(&guest_);
    used->context->attach(used->lease.store(), used->lease.core_store());
    guest_.set_store(&used->lease.core_store());
  } else {
    auto context = state_->grants->copy(&guest_);
    auto lease = state_->pool->take([&](component::Store& store, runtime::Store& core) {
      context->attach(store, core);
      guest_.set_store(&core);
    });
    if (!lease) {
      guest_.set_store(nullptr);
      return note_failure(lease.error());
    }
    counts().instances.add(1);
    used.emplace(std::move(*lease), std::move(context));
  }
  const u64 memory = used->lease.core_store().memory_bytes_in_use();
  counts().memory.add(memory);
  const auto done = call(*used);
  counts().memory.subtract(memory);
  guest_.set_store(nullptr);
  if (!done) note_failure(done.error());
  if (done && ++used->requests < config.reuse && !guest_.is_stopped()) {
    used->context.reset();
    state_->kept.push_back(std::move(*used));
  }
}

std::expected<void, runtime::InstantiationFailure> Request::call(RouteState::Used& used) {
  component::Function* const handler = used.lease.instance().find_function(state_->route.unit->handler, "handle");
  if (handler == nullptr)
    return std::unexpected(Error(ErrorCode::BadArgument, state_->route.unit->handler + " has no function handle"));
  return wasi_http::handle(*used.context, used.lease.store(), *handler, make_request(), *this);
}

void Request::note_failure(const runtime::InstantiationFailure& failure) {
  has_failed_ = true;
  if (const auto* error = std::get_if<Error>(&failure)) {
    complain("cannot start: " + error->to_string());
    return;
  }
  const runtime::Unwind& unwind = *std::get<std::unique_ptr<runtime::Unwind>>(failure);
  if (unwind.kind == runtime::UnwindKind::Exit) {
    complain("the guest exited with code " + std::to_string(unwind.exit_code) + " instead of returning");
    return;
  }
  counts().traps.add(1);
  std::string what;
  if (unwind.kind == runtime::UnwindKind::Exception) {
    what = "uncaught exception";
  } else if (unwind.trap == abi::TrapCode::Interrupted) {
    // Nothing else interrupts it.
    has_timed_out_ = true;
    counts().timeouts.add(1);
    what = "stopped: no progress within the route's timeout";
  } else {
    what = "trap: " + std::string(abi::trap_text(unwind.trap));
  }
  if (!unwind.message.empty()) what += ": " + printable(unwind.message, 1000);
  what += "\n" + engine::render_backtrace(unwind.backtrace, [&](const wasm::Module& module) {
            const auto names = wasm::Names::parse(module);
            return names.module() ? printable(*names.module()) : printable(state_->route.config.name);
          });
  while (what.ends_with('\n')) what.pop_back();
  complain(std::move(what));
}

void Request::complain(std::string what) {
  print_error("request " + id_ + ", route " + printable(state_->route.config.name) + ": " + std::move(what));
}

wasi_p2::Streamed<size_t> Request::read_body(std::span<u8> out) {
  if (exchange_ == nullptr) return wasi_p2::failed(wasi_http::to_errno(HttpError::ConnectionTerminated));
  const size_t n = exchange_->read(out);
  received_ += n;
  if (n > 0) {
    has_progressed();
    return n;
  }
  switch (exchange_->body()) {
    case http::Exchange::Body::Open: return size_t{0};
    case http::Exchange::Body::Over: return wasi_p2::closed();
    case http::Exchange::Body::TooLong: return wasi_p2::failed(wasi_http::to_errno(HttpError::RequestBodySize));
    case http::Exchange::Body::Failed: break;
  }
  return wasi_p2::failed(wasi_http::to_errno(HttpError::ConnectionTerminated));
}

std::expected<wasi_http::Ref<wasi_http::Fields>, HttpError> Request::trailers() {
  if (exchange_ == nullptr || exchange_->body() != http::Exchange::Body::Over)
    return std::unexpected(HttpError::of<HttpError::ConnectionTerminated>());
  wasi_http::Ref<wasi_http::Fields> made;
  if (exchange_->trailers().empty()) return made;
  made = wasi_p2::make<wasi_http::Fields>();
  for (const http::Field& f : exchange_->trailers()) made->entries.push_back({f.name, f.value});
  return made;
}

namespace {
http::Fields to_fields(const wasi_http::Fields& fields) {
  http::Fields out;
  out.reserve(fields.entries.size() + 1);
  for (const auto& e : fields.entries) out.push_back({e.name, e.value});
  return out;
}

// What a guest's failure is to the client: a gateway's, where it comes from others.
u16 status_of(const HttpError& error) {
  switch (error.value.index()) {
    case HttpError::DnsTimeout:
    case HttpError::ConnectionTimeout:
    case HttpError::ConnectionReadTimeout:
    case HttpError::ResponseTimeout: return 504;
    case HttpError::RequestBodySize: return 413;
    case HttpError::InternalError:
    case HttpError::RequestDenied: return 500;
    default: return 502;
  }
}
}  // namespace

void Request::inform(u16 status, const wasi_http::Fields& fields) {
  if (exchange_ != nullptr && !exchange_->has_responded()) exchange_->inform(status, to_fields(fields));
}

void Request::respond(std::expected<wasi_http::Ref<wasi_http::OutgoingResponse>, HttpError> response) {
  has_progressed();
  if (!response) {
    has_failed_ = true;
    complain("the guest answers with the error " + std::string(wasi_http::describe(response.error())));
    if (exchange_ != nullptr && !exchange_->has_responded()) answer_plainly(status_of(response.error()));
    return;
  }
  const wasi_http::OutgoingResponse& r = **response;
  if (exchange_ == nullptr || exchange_->has_responded()) {
    if (r.body) r.body->is_aborted = true;
    return;
  }
  http::Fields fields = to_fields(*r.headers);
  std::erase_if(fields, [](const http::Field& f) { return http::same_name(f.name, "x-request-id"); });
  fields.push_back({"x-request-id", id_});
  std::optional<u64> length = r.body ? r.body->length : std::nullopt;
  if (!r.body && head_.method != "HEAD") length = 0;
  exchange_->respond(r.status, fields, length);
  if (!r.body) {
    const u16 status = exchange_->status();
    exchange_->finish({});
    return end_exchange(status);
  }
  body_ = r.body;
  body_->on_change = [this] { pump(); };
  body_->drain = wasi_http::Ref<wasi_p2::Waitable>(new Drain);
  pump();
}

// --- what comes in between

// Moves what the guest has written to the exchange.
void Request::pump() {
  if (!body_ || exchange_ == nullptr) return;
  std::string& pending = body_->pending;
  while (!pending.empty()) {
    const size_t n = std::min(pending.size(), exchange_->room());
    if (n == 0) return;
    exchange_->write(std::string_view(pending).substr(0, n));
    n == pending.size() ? pending.clear() : static_cast<void>(pending.erase(0, n));
    has_progressed();
  }
  if (body_->is_aborted) {
    const u16 status = exchange_->status();
    exchange_->abort();
    return end_exchange(status);
  }
  if (!body_->is_finished) return;
  const u16 status = exchange_->status();
  http::Fields trailers;
  if (body_->trailers) trailers = to_fields(*body_->trailers);
  sent_ = exchange_->sent();
  exchange_->finish(trailers);
  end_exchange(status);
}

void Request::on_readable() {
  guest_.wake();
  if (exchange_ != nullptr && exchange_->body() == http::Exchange::Body::TooLong && !exchange_->has_responded())
    answer_plainly(413);
}

void Request::on_writable() {
  guest_.wake();
  pump();  // may be the end
}

void Request::on_gone() {
  counts().gone.add(1);
  sent_ = exchange_->sent();
  end_exchange(499);
}

void Request::answer_plainly(u16 status, std::string_view more) {
  if (exchange_ == nullptr) return;
  std::string body = std::string(http::reason(status)) + "\n";
  body += more;
  sent_ = body.size();
  http::answer(*exchange_, status, {{"x-request-id", id_}}, body);
  end_exchange(status);
}

// The guest, if it still writes, finds that nobody reads.
void Request::let_body_go() {
  if (!body_) return;
  body_->on_change = nullptr;
  body_->drain = {};
  if (!body_->is_finished) body_->is_aborted = true;
  body_->pending.clear();
  body_ = {};
}

// The exchange must not be used any more.
void Request::end_exchange(u16 status) {
  exchange_ = nullptr;
  let_body_go();
  counts().note(status, hostio::monotonic_now() - began_, received_, sent_);
  worker_.log({head_, peer_, state_->route.config.name, id_, status, sent_, received_, began_});
  if (guest_.has_ended()) {
    delete this;
  } else {
    guest_.wake();
  }
}

void Request::end_guest() {
  counts().active.subtract(1);
  state_->route.active.fetch_sub(1, std::memory_order_relaxed);
  if (exchange_ == nullptr) {
    delete this;
    return;
  }
  if (!exchange_->has_responded()) {
    if (!has_failed_) complain("the guest returned without a response");
    return answer_plainly(has_timed_out_ ? 504 : 500, "request " + id_ + "\n");
  }
  // What it has not finished it never will.
  if (body_ && !body_->is_finished) {
    if (!body_->is_aborted) body_->is_aborted = true;
    sent_ = exchange_->sent();
  }
  pump();
}

}  // namespace

void serve_component(Worker& worker, std::shared_ptr<RouteState> state, http::Exchange& exchange, std::string id) {
  new Request(worker, std::move(state), exchange, std::move(id));
}

}  // namespace berth::cli
