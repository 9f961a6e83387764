// Answers requests in the thread of one event loop, each with an instance of its own.
#pragma once

#include <memory>
#include <vector>

#include "berth/serve_guest.h"
#include "berth/serve_log.h"
#include "berth/serve_site.h"
#include "http/exchange.h"
#include "wasi_p2/wasi.h"

namespace berth::cli {

// What one thread has for a route: its grants, opened, and instances that wait to be used. Kept by the requests that
// use it, also after a reload.
struct RouteState {
  std::shared_ptr<const Site> site;
  const Route& route;
  std::unique_ptr<wasi_p2::Context> grants;
  std::unique_ptr<component::InstancePool> pool;
  // Instances that answer more than one request, and how many each has answered.
  struct Used {
    component::InstancePool::Lease lease;
    std::unique_ptr<wasi_p2::Context> context;
    u32 requests = 0;
  };
  std::vector<Used> kept;

  RouteCounts& counts(u32 thread) const { return (*route.counts)[thread]; }
};

class Worker final : public http::Handler, private http::Task {
 public:
  // `log` null: none is kept.
  Worker(http::Loop& loop, u32 index, Turns::Clock& clock, Log* log);
  ~Worker();

  // In the loop's thread, once it runs: what is served from now on.
  void set_site(std::shared_ptr<const Site> site);

  void on_request(http::Exchange& exchange) override;
  void on_refused(const http::RequestHead& request, std::string_view peer, u16 status) override;

  http::Loop& loop() const { return loop_; }
  Turns& turns() { return turns_; }
  u32 index() const { return index_; }

  struct Over {
    const http::RequestHead& request;
    std::string_view peer, route, id;
    u16 status;
    u64 sent, received, began;
  };
  void log(const Over& over);
  std::string make_id();

 private:
  void run() override;
  std::shared_ptr<RouteState> state_of(const Route& route);

  http::Loop& loop_;
  const u32 index_;
  Turns turns_;
  Log* const log_;
  std::shared_ptr<const Site> site_;
  std::vector<std::shared_ptr<RouteState>> states_;  // by Route::index
  std::string lines_;
  u64 next_id_ = 0;
  u64 id_key_ = 0;
};

// Answers one request (serve_request.cc, serve_wagi.cc); deletes itself once that is done.
void serve_component(Worker& worker, std::shared_ptr<RouteState> state, http::Exchange& exchange, std::string id);
void serve_module(Worker& worker, std::shared_ptr<RouteState> state, http::Exchange& exchange, std::string id);

}  // namespace berth::cli
