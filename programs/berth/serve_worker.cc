#include "berth/serve_worker.h"

#include <time.h>

#include <cstdio>
#include <cstring>

#include "cli/output.h"
#include "engine/demangle.h"
#include "hostio/clock.h"
#include "wasi_http/http.h"

namespace berth::cli {

namespace {
constexpr size_t kFlushLogAt = size_t{16} << 10;
constexpr u32 kIdleInstances = 64;
}  // namespace

Worker::Worker(http::Loop& loop, u32 index, Turns::Clock& clock, Log* log)
    : Task(loop), loop_(loop), index_(index), turns_(clock), log_(log) {
  u8 key[sizeof id_key_];
  if (hostio::fill_random(key)) std::memcpy(&id_key_, key, sizeof key);
}

Worker::~Worker() { run(); }

void Worker::set_site(std::shared_ptr<const Site> site) {
  states_.clear();
  states_.resize(site->routes().size());
  site_ = std::move(site);
}

std::string Worker::make_id() {
  // A bijection of a counter: no two are the same, and none tells how many there were.
  u64 x = (id_key_ + ++next_id_) * 0x9E3779B97F4A7C15u;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  x ^= x >> 31;
  char text[24];
  std::snprintf(text, sizeof text, "%016lx", x);
  return text;
}

std::shared_ptr<RouteState> Worker::state_of(const Route& route) {
  std::shared_ptr<RouteState>& state = states_[route.index];
  if (state != nullptr) return state;
  auto made = std::make_shared<RouteState>(site_, route);
  const RouteConfig& c = route.config;
  if (route.linked != nullptr) {
    wasi_p2::Config config;
    config.args = {c.component.substr(c.component.rfind('/') + 1)};
    config.environment = c.environment;
    config.directories = c.directories;
    config.input.kind = hostio::StandardStream::Null;
    // What guests print goes where our own messages go.
    config.output.fd = config.error_output.fd = 2;
    hostio::NetworkGrants http;
    // Rules that do not parse were refused when they were read.
    for (const std::string& rule : c.allow_net) static_cast<void>(config.network.allow(rule));
    for (const std::string& rule : c.allow_http) static_cast<void>(http.allow(rule));
    auto context = wasi_p2::Context::create(std::move(config));
    if (!context) {
      print_error("route " + engine::printable(c.name) + ": " + context.error().to_string(),
                  "a folder must exist and be readable before it can be granted");
      return nullptr;
    }
    made->grants = std::move(*context);
    wasi_http::attach(*made->grants, std::move(http));
    component::PoolConfig pool;
    pool.max_instances = c.concurrency;
    pool.max_idle = std::min(kIdleInstances, c.concurrency);
    made->pool = std::make_unique<component::InstancePool>(route.linked, pool);
  }
  state = std::move(made);
  return state;
}

void Worker::on_request(http::Exchange& exchange) {
  const http::RequestHead& request = exchange.request();
  std::string id = make_id();
  const auto refuse = [&](u16 status, std::string_view route, std::string body) {
    http::answer(exchange, status, {{"x-request-id", id}}, body);
    log({request, exchange.peer(), route, id, status, body.size(), 0, loop_.now()});
  };
  const Route* const route = site_ == nullptr ? nullptr : site_->find(request.authority, request.path);
  if (route == nullptr) return refuse(404, {}, "Not Found\n");
  auto state = state_of(*route);
  RouteCounts& counts = (*route->counts)[index_];
  if (state == nullptr) {
    counts.note(500, 0, 0, 0);
    return refuse(500, route->config.name, "Internal Server Error\nrequest " + id + "\n");
  }
  if (request.content_length && *request.content_length > route->config.max_body) {
    counts.note(413, 0, 0, 0);
    return refuse(413, route->config.name, "Content Too Large\n");
  }
  if (route->active.fetch_add(1, std::memory_order_relaxed) >= route->config.concurrency) {
    route->active.fetch_sub(1, std::memory_order_relaxed);
    counts.refused.add(1);
    counts.note(503, 0, 0, 0);
    return refuse(503, route->config.name, "Service Unavailable\n");
  }
  if (route->linked != nullptr) {
    serve_component(*this, std::move(state), exchange, std::move(id));
  } else {
    serve_module(*this, std::move(state), exchange, std::move(id));
  }
}

void Worker::on_refused(const http::RequestHead& request, std::string_view peer, u16 status) {
  log({request, peer, {}, {}, status, 0, 0, loop_.now()});
}

void Worker::log(const Over& over) {
  if (log_ == nullptr) return;
  LogRecord r;
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  r.unix_ns = static_cast<u64>(now.tv_sec) * 1'000'000'000 + static_cast<u64>(now.tv_nsec);
  const http::RequestHead& q = over.request;
  r.peer = over.peer;
  r.method = q.method.empty() ? std::string_view("-") : q.method;
  r.path = q.path.empty() ? std::string_view("-") : q.path;
  r.version = http::to_string(q.version);
  r.authority = q.authority;
  if (const auto* text = q.find("referer")) r.referer = *text;
  if (const auto* text = q.find("user-agent")) r.user_agent = *text;
  r.route = over.route;
  r.id = over.id;
  r.status = over.status;
  r.sent = over.sent;
  r.received = over.received;
  r.duration_ns = hostio::monotonic_now() - std::min(hostio::monotonic_now(), over.began);
  append_record(lines_, log_->format(), r);
  if (lines_.size() >= kFlushLogAt) return run();
  schedule();
}

void Worker::run() {
  if (!lines_.empty()) log_->submit(std::exchange(lines_, {}));
}

}  // namespace berth::cli
