#include "berth/serve_site.h"

#include <sys/stat.h>

#include <algorithm>

#include "berth/commands.h"
#include "berth/open_cache.h"
#include "cli/output.h"
#include "engine/demangle.h"
#include "wasi_http/http.h"
#include "wasi_http/incoming.h"
#include "wasi_p2/wasi.h"

namespace berth::cli {

namespace {

using engine::printable;
template <typename T>
using OrWrong = std::expected<T, UsageError>;
std::unexpected<UsageError> wrong(std::string message, std::string hint = {}) {
  return std::unexpected(UsageError{std::move(message), std::move(hint)});
}

std::string stamp_of(const std::string& path) {
  struct stat s{};
  if (::stat(path.c_str(), &s) != 0) return {};
  return std::to_string(s.st_dev) + ":" + std::to_string(s.st_ino) + ":" + std::to_string(s.st_size) + ":" +
         std::to_string(s.st_mtim.tv_sec) + "." + std::to_string(s.st_mtim.tv_nsec);
}

OrWrong<std::shared_ptr<const Unit>> load(const std::string& path, const ServeConfig& serve) {
  auto unit = std::make_shared<Unit>();
  unit->file = path;
  unit->stamp = stamp_of(path);
  engine::Config config = serve.engine;
  std::vector<u8> component;
  auto module = load_program(path, {}, false, config, &component);
  std::shared_ptr<const component::cm::Component> loaded;
  if (!component.empty()) {
    auto made = component::load_component(std::move(component), path, config);
    if (!made) return wrong(made.error().message, made.error().hint);
    loaded = std::move(*made);
    unit->handler = wasi_http::find_handler(*loaded);
    if (unit->handler.empty())
      return wrong(printable(path) + " does not answer requests: it does not export wasi:http/incoming-handler@0.2",
                   wasi_p2::find_command(*loaded).empty() ? "" : "it is a program: `berth run` runs it");
  } else if (!module) {
    return wrong(module.error().message, module.error().hint);
  }
  // Where nothing was asked for, serving slowly is better than not serving.
  for (const bool is_second : {false, true}) {
    auto made = engine::Engine::create(config);
    if (!made) return wrong(made.error().to_string());
    unit->engine = std::move(*made);
    std::string why;
    if (loaded != nullptr) {
      auto prepared = component::prepare(*unit->engine, loaded);
      if (prepared) {
        unit->component = std::move(*prepared);
      } else {
        why = prepared.error().to_string();
      }
    } else {
      auto prepared = unit->engine->prepare(*module);
      if (prepared) {
        unit->module = std::move(*prepared);
      } else {
        why = prepared.error().to_string();
      }
    }
    if (why.empty()) break;
    if (is_second || serve.is_tier_chosen || config.tier == engine::Tier::Interp)
      return wrong(printable(path) + ": " + why, "--tier interp needs no compiler");
    print_error("note: " + printable(path) + " is interpreted: " + why, "--tier interp says that this is meant");
    config.tier = engine::Tier::Interp;
  }
  unit->how = config.tier == engine::Tier::Interp   ? "interpreted"
              : config.tier == engine::Tier::Native ? "native code"
                                                    : "interpreted until there is native code";
  return unit;
}

std::string describe(const runtime::InstantiationFailure& failure) {
  if (const auto* error = std::get_if<Error>(&failure)) return error->to_string();
  return "trap while it was instantiated";
}

OrWrong<std::unique_ptr<Route>> make_route(const RouteConfig& config, std::shared_ptr<const Unit> unit,
                                           Metrics& metrics) {
  auto route = std::make_unique<Route>();
  route->config = config;
  route->unit = std::move(unit);
  route->counts = metrics.route(config.name);
  if (route->unit->component == nullptr) return route;
  runtime::StoreLimits limits;
  limits.memory_bytes = limits.heap_bytes = config.memory;
  limits.stack_bytes = config.stack;
  const component::cm::Component& component = *route->unit->component->component;
  const auto define = [&component](component::Linker& linker, component::Store&, runtime::Store&) {
    wasi_p2::define_interfaces(linker, component);
    wasi_http::define_interfaces(linker, component);
  };
  auto linked = component::Prelinked::make(route->unit->engine->executor(), route->unit->component, define, limits);
  if (!linked) {
    const auto* error = std::get_if<Error>(&linked.error());
    const bool is_missing = error != nullptr && error->code() == ErrorCode::UnknownImport;
    return wrong(printable(config.component) + ": " + describe(linked.error()),
                 is_missing ? "Berth provides wasi:cli, clocks, filesystem, http, io, random and sockets in their "
                              "versions 0.2"
                            : "");
  }
  route->linked = std::move(*linked);
  return route;
}

// Ranks of hosts: named, below a name, any.
int rank(const std::string& host) { return host.empty() ? 2 : host.starts_with("*.") ? 1 : 0; }

bool matches_host(const std::string& host, std::string_view given) {
  if (host.empty()) return true;
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  if (!host.starts_with("*.")) return std::ranges::equal(host, given, {}, {}, lower);
  const std::string_view end = std::string_view(host).substr(1);
  return given.size() > end.size() && std::ranges::equal(end, given.substr(given.size() - end.size()), {}, {}, lower);
}

bool matches_path(const RouteConfig& route, std::string_view path) {
  if (route.is_exact) return path == route.path;
  if (!path.starts_with(route.path)) return path == "*";
  // Whole segments only.
  return route.path.ends_with('/') || path.size() == route.path.size() || path[route.path.size()] == '/';
}

}  // namespace

OrWrong<std::shared_ptr<const Site>> Site::make(const ServeConfig& config, Metrics& metrics, const Site* previous) {
  auto site = std::make_shared<Site>();
  std::unordered_map<std::string, std::shared_ptr<const Unit>> units;
  if (previous != nullptr) {
    for (const auto& route : previous->routes_) {
      if (!route->unit->stamp.empty() && stamp_of(route->unit->file) == route->unit->stamp)
        units[route->unit->file] = route->unit;
    }
  }
  for (const RouteConfig& r : config.routes) {
    auto& unit = units[r.component];
    if (unit == nullptr) unit = TRY(load(r.component, config));
    site->routes_.push_back(TRY(make_route(r, unit, metrics)));
  }
  std::ranges::sort(site->routes_, [](const auto& a, const auto& b) {
    const RouteConfig &x = a->config, &y = b->config;
    if (rank(x.host) != rank(y.host)) return rank(x.host) < rank(y.host);
    if (x.host.size() != y.host.size()) return x.host.size() > y.host.size();
    if (x.is_exact != y.is_exact) return x.is_exact;
    return x.path.size() > y.path.size();
  });
  for (size_t i = 0; i < site->routes_.size(); ++i) site->routes_[i]->index = i;
  return std::shared_ptr<const Site>(std::move(site));
}

const Route* Site::find(std::string_view authority, std::string_view path) const {
  if (!authority.ends_with(']')) {
    const size_t colon = authority.rfind(':');
    if (colon != std::string_view::npos) authority = authority.substr(0, colon);
  }
  path = path.substr(0, path.find('?'));
  for (const auto& route : routes_) {
    if (matches_host(route->config.host, authority) && matches_path(route->config, path)) return route.get();
  }
  return nullptr;
}

}  // namespace berth::cli
