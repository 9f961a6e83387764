// What a server serves: components made ready, and which of them answers what. A Site does not change; a reload makes
// another. Any thread, once made.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "berth/serve_config.h"
#include "berth/serve_metrics.h"
#include "component/instance_pool.h"
#include "component/store.h"
#include "engine/engine.h"

namespace berth::cli {

// A file that answers, loaded, and compiled where that was asked for.
struct Unit {
  std::unique_ptr<engine::Engine> engine;
  std::shared_ptr<const component::PreparedComponent> component;  // or
  std::shared_ptr<const runtime::PreparedModule> module;          // a module of WASI 0.1, the CGI way
  std::string handler;                                            // the name of the component's export
  std::string file;                                               // as it was named
  std::string stamp;                                              // tells whether the file is still the same
  std::string how;                                                // "native code", "interpreted"
};

struct Route {
  RouteConfig config;
  std::shared_ptr<const Unit> unit;
  std::shared_ptr<const component::Prelinked> linked;  // of a component
  std::shared_ptr<std::vector<RouteCounts>> counts;
  size_t index = 0;
  mutable std::atomic<u32> active = 0;  // in this site
};

class Site {
 public:
  // Loads what `config` names; files that `previous` has and that are the same are taken from there. Fails with what is
  // wrong, ready to be shown.
  static std::expected<std::shared_ptr<const Site>, UsageError> make(const ServeConfig& config, Metrics& metrics,
                                                                     const Site* previous);

  // Who answers that host (with or without a port) and path; null: nobody.
  const Route* find(std::string_view authority, std::string_view path) const;
  const std::vector<std::unique_ptr<Route>>& routes() const { return routes_; }

 private:
  std::vector<std::unique_ptr<Route>> routes_;  // the most particular first
};

}  // namespace berth::cli
