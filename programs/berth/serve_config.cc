#include "berth/serve_config.h"

#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
#define TOML_ENABLE_WINDOWS_COMPAT 0
#include <toml++/toml.h>

#include <algorithm>
#include <cstdlib>
#include <set>

#include "berth/commands.h"
#include "cli/units.h"
#include "hostio/network.h"

namespace berth::cli {

namespace {

using Wrong = UsageError;
template <typename T = void>
using OrWrong = std::expected<T, Wrong>;
std::unexpected<Wrong> wrong(std::string message, std::string hint = {}) {
  return std::unexpected(Wrong{std::move(message), std::move(hint)});
}

constexpr std::string_view kTimeHint = "it takes a time with its unit: 500ms, 1.5s, 2m; 0 for none";
constexpr std::string_view kSizeHint = "it takes a size with its unit: 512KiB, 64MiB, 2GiB";

OrWrong<u64> to_time(std::string_view where, std::string_view text) {
  const auto time = parse_duration(text);
  if (!time || time->count() < 0)
    return wrong(std::string(where) + ": cannot read " + std::string(text), std::string(kTimeHint));
  return time->count() == 0 ? ~u64{0} : static_cast<u64>(time->count());
}
OrWrong<u64> to_size(std::string_view where, std::string_view text) {
  const auto size = parse_size(text);
  if (!size) return wrong(std::string(where) + ": cannot read " + std::string(text), std::string(kSizeHint));
  return *size;
}
OrWrong<u32> to_count(std::string_view where, std::string_view text, u32 least) {
  const auto count = parse_count(text);
  if (!count || *count < least || *count > 1'000'000'000)
    return wrong(std::string(where) + ": cannot read " + std::string(text),
                 "it takes a number, at least " + std::to_string(least));
  return static_cast<u32>(*count);
}

OrWrong<> add_variable(std::vector<std::string>& environment, std::string_view where, std::string_view text) {
  if (text.empty() || text[0] == '=')
    return wrong(std::string(where) + ": a variable has no name", "NAME=VALUE, or NAME for the value it has here");
  std::string variable(text);
  if (variable.find('=') == std::string::npos) {
    const char* value = std::getenv(variable.c_str());
    if (value == nullptr) return {};  // not set here, so not set there
    variable += std::string("=") + value;
  }
  const std::string_view name = std::string_view(variable).substr(0, variable.find('=') + 1);
  std::erase_if(environment, [&](const std::string& v) { return v.starts_with(name); });
  environment.push_back(std::move(variable));
  return {};
}

OrWrong<> check_rules(std::string_view where, const std::vector<std::string>& rules) {
  hostio::NetworkGrants grants;
  for (const std::string& rule : rules) {
    if (auto ok = grants.allow(rule); !ok) return wrong(std::string(where) + ": " + ok.error().detail());
  }
  return {};
}

OrWrong<> add_directory(RouteConfig& route, std::string_view where, const std::string& text) {
  auto grant = hostio::parse_directory_grant(text);
  if (!grant) return wrong(std::string(where) + ": " + grant.error().detail());
  route.directories.push_back(std::move(*grant));
  return {};
}

OrWrong<> set_format(ServeConfig& config, std::string_view where, std::string_view text) {
  if (text == "common") {
    config.log_format = LogFormat::Common;
  } else if (text == "json") {
    config.log_format = LogFormat::Json;
  } else {
    return wrong(std::string(where) + ": there is no format " + std::string(text), "there are: common and json");
  }
  return {};
}

OrWrong<> read_route_options(const Arguments& a, RouteConfig& route) {
  if (a.has("--inherit-env")) {
    for (char** variable = environ; *variable; ++variable) {
      if (**variable != '=' && **variable != 0) route.environment.emplace_back(*variable);
    }
  }
  for (const auto text : a.values("--env")) TRY(add_variable(route.environment, "--env", text));
  for (const auto text : a.values("--dir")) TRY(add_directory(route, "--dir", std::string(text)));
  for (const auto text : a.values("--allow-net")) route.allow_net.emplace_back(text);
  for (const auto text : a.values("--allow-http")) route.allow_http.emplace_back(text);
  TRY(check_rules("--allow-net", route.allow_net));
  TRY(check_rules("--allow-http", route.allow_http));
  if (const auto text = a.value("--timeout")) route.timeout = TRY(to_time("--timeout", *text));
  if (const auto text = a.value("--max-memory")) route.memory = TRY(to_size("--max-memory", *text));
  if (const auto text = a.value("--stack-size")) route.stack = TRY(to_size("--stack-size", *text));
  if (const auto text = a.value("--max-body")) route.max_body = TRY(to_size("--max-body", *text));
  if (const auto text = a.value("--concurrency")) route.concurrency = TRY(to_count("--concurrency", *text, 1));
  if (const auto text = a.value("--reuse")) route.reuse = TRY(to_count("--reuse", *text, 1));
  return {};
}

OrWrong<> read_server_options(const Arguments& a, ServeConfig& config) {
  if (a.has("--addr")) config.addresses.clear();
  for (const auto text : a.values("--addr")) config.addresses.emplace_back(text);
  if (a.has("--tls-addr")) config.tls_addresses.clear();
  for (const auto text : a.values("--tls-addr")) config.tls_addresses.emplace_back(text);
  if (const auto text = a.value("--tls-cert")) config.certificate = *text;
  if (const auto text = a.value("--tls-key")) config.key = *text;
  if (const auto text = a.value("--admin")) config.admin = *text;
  if (const auto text = a.value("--threads")) config.threads = TRY(to_count("--threads", *text, 1));
  if (const auto text = a.value("--max-connections"))
    config.max_connections = TRY(to_count("--max-connections", *text, 1));
  if (const auto text = a.value("--access-log")) config.access_log = *text == "off" ? "" : std::string(*text);
  if (const auto text = a.value("--log-format")) TRY(set_format(config, "--log-format", *text));
  if (const auto text = a.value("--drain")) config.drain = TRY(to_time("--drain", *text));
  if (const auto text = a.value("--max-headers")) config.settings.max_head = TRY(to_size("--max-headers", *text));
  if (auto bad = read_features(a, config.engine.features)) return std::unexpected(*bad);
  config.engine.tier = engine::Tier::Native;
  config.is_tier_chosen = a.has("--tier");
  if (auto bad = read_tier(a, config.engine)) return std::unexpected(*bad);
  return {};
}

OrWrong<> finish(ServeConfig& config) {
  if (!config.tls_addresses.empty() && (config.certificate.empty() || config.key.empty()))
    return wrong("TLS needs a certificate and its key", "--tls-cert and --tls-key, or certificate and key in [tls]");
  if (config.tls_addresses.empty() && !config.certificate.empty()) {
    // A certificate and one address: that one.
    config.tls_addresses = std::exchange(config.addresses, {});
    if (config.tls_addresses.empty()) config.tls_addresses = {"127.0.0.1:8443"};
  }
  if (config.addresses.empty() && config.tls_addresses.empty()) config.addresses = {"127.0.0.1:8080"};
  config.settings.max_head = std::clamp<size_t>(config.settings.max_head, 1024, size_t{60} << 10);
  return {};
}

// Reads a table's entries, and says which it does not know.
class Table {
 public:
  Table(const toml::table& table, std::string where) : table_(table), where_(std::move(where)) {}

  std::string place(std::string_view key) const { return where_ + std::string(key); }
  OrWrong<> text(std::string_view key, std::string& out) {
    known_.insert(std::string(key));
    const toml::node* node = table_.get(key);
    if (node == nullptr) return {};
    const auto value = node->value_exact<std::string>();
    if (!value) return wrong(place(key) + " is not a text");
    out = *value;
    return {};
  }
  // One text or several.
  OrWrong<> texts(std::string_view key, std::vector<std::string>& out) {
    known_.insert(std::string(key));
    const toml::node* node = table_.get(key);
    if (node == nullptr) return {};
    if (const auto one = node->value_exact<std::string>()) {
      out = {*one};
      return {};
    }
    const toml::array* list = node->as_array();
    if (list == nullptr) return wrong(place(key) + " is neither a text nor a list of texts");
    out.clear();
    for (const toml::node& entry : *list) {
      const auto value = entry.value_exact<std::string>();
      if (!value) return wrong(place(key) + ": one of its entries is not a text");
      out.push_back(*value);
    }
    return {};
  }
  OrWrong<> time(std::string_view key, u64& out) {
    std::string value;
    TRY(text(key, value));
    if (!value.empty()) out = TRY(to_time(place(key), value));
    return {};
  }
  OrWrong<> size(std::string_view key, u64& out) {
    known_.insert(std::string(key));
    const toml::node* node = table_.get(key);
    if (node == nullptr) return {};
    if (const auto number = node->value_exact<int64_t>(); number && *number > 0) {
      out = static_cast<u64>(*number);
      return {};
    }
    const auto value = node->value_exact<std::string>();
    if (!value) return wrong(place(key) + " is not a size", std::string(kSizeHint));
    out = TRY(to_size(place(key), *value));
    return {};
  }
  OrWrong<> count(std::string_view key, u32& out, u32 least) {
    known_.insert(std::string(key));
    const toml::node* node = table_.get(key);
    if (node == nullptr) return {};
    const auto number = node->value_exact<int64_t>();
    if (!number || *number < least || *number > 1'000'000'000)
      return wrong(place(key) + " is not a number, at least " + std::to_string(least));
    out = static_cast<u32>(*number);
    return {};
  }
  const toml::table* table(std::string_view key) {
    known_.insert(std::string(key));
    return table_[key].as_table();
  }
  const toml::array* tables(std::string_view key) {
    known_.insert(std::string(key));
    return table_[key].as_array();
  }
  bool has(std::string_view key) const { return table_.contains(key); }
  // After everything has been read.
  OrWrong<> finish() const {
    for (const auto& [key, value] : table_) {
      if (known_.contains(std::string(key.str()))) continue;
      const std::vector<std::string_view> names(known_.begin(), known_.end());
      const auto close = nearest(key.str(), names);
      std::string all;
      for (const auto name : names) all += (all.empty() ? "" : ", ") + std::string(name);
      return wrong(place(key.str()) + " is not known here",
                   close.empty() ? "there are: " + all : "did you mean " + std::string(close) + "?");
    }
    return {};
  }

 private:
  const toml::table& table_;
  const std::string where_;
  std::set<std::string> known_;
};

OrWrong<RouteConfig> read_route(const toml::table& table, const std::string& where, const RouteConfig& defaults,
                                const std::string& folder) {
  RouteConfig route = defaults;
  Table t(table, where);
  TRY(t.text("name", route.name));
  TRY(t.text("component", route.component));
  TRY(t.text("host", route.host));
  std::string exact;
  TRY(t.text("path", route.path));
  TRY(t.text("exact", exact));
  if (!exact.empty()) {
    if (t.has("path")) return wrong(where + "path and exact: one of them");
    route.path = exact;
    route.is_exact = true;
  }
  std::vector<std::string> directories, environment;
  TRY(t.texts("dir", directories));
  TRY(t.texts("env", environment));
  for (const auto& text : environment) TRY(add_variable(route.environment, t.place("env"), text));
  for (std::string text : directories) {
    if (!text.starts_with('/')) {
      // As seen from the file; without a name of its own the guest sees it as it is written.
      if (text.find("::") == std::string::npos) {
        const bool is_read_only = text.ends_with(":ro");
        const std::string plain = is_read_only ? text.substr(0, text.size() - 3) : text;
        text = plain + "::" + plain + (is_read_only ? ":ro" : "");
      }
      text = folder + text;
    }
    TRY(add_directory(route, t.place("dir"), text));
  }
  TRY(t.texts("allow_net", route.allow_net));
  TRY(t.texts("allow_http", route.allow_http));
  TRY(check_rules(t.place("allow_net"), route.allow_net));
  TRY(check_rules(t.place("allow_http"), route.allow_http));
  TRY(t.size("memory", route.memory));
  TRY(t.size("stack", route.stack));
  TRY(t.time("timeout", route.timeout));
  TRY(t.size("max_body", route.max_body));
  TRY(t.count("concurrency", route.concurrency, 1));
  TRY(t.count("reuse", route.reuse, 1));
  TRY(t.finish());
  if (route.component.empty()) return wrong(where + "component is missing", "component = \"app.wasm\"");
  if (!route.component.starts_with('/')) route.component = folder + route.component;
  if (!route.path.starts_with('/')) return wrong(t.place(route.is_exact ? "exact" : "path") + " does not start with /");
  if (route.host.find_first_of("/: ") != std::string::npos)
    return wrong(t.place("host") + " is a name without a port, example.org or *.example.org");
  std::ranges::transform(route.host, route.host.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  if (route.name.empty()) route.name = route.host + route.path;
  return route;
}

}  // namespace

bool is_routes_file(std::string_view path) { return path.ends_with(".toml"); }

static OrWrong<ServeConfig> read_routes_file(const Arguments& arguments, const std::string& path) {
  ServeConfig config;
  const toml::parse_result parsed = toml::parse_file(path);
  if (!parsed) {
    const auto& error = parsed.error();
    std::string where = path;
    if (error.source().begin.line > 0)
      where += ":" + std::to_string(error.source().begin.line) + ":" + std::to_string(error.source().begin.column);
    return wrong(where + ": " + std::string(error.description()));
  }
  const std::string folder = path.substr(0, path.rfind('/') + 1);
  const std::string before = path + ": ";
  Table top(parsed.table(), before);
  TRY(top.texts("addr", config.addresses));
  TRY(top.text("admin", config.admin));
  TRY(top.count("threads", config.threads, 1));
  TRY(top.count("max_connections", config.max_connections, 1));
  TRY(top.text("access_log", config.access_log));
  if (config.access_log == "off") config.access_log.clear();
  std::string format;
  TRY(top.text("log_format", format));
  if (!format.empty()) TRY(set_format(config, top.place("log_format"), format));
  TRY(top.time("drain", config.drain));
  if (const toml::table* tls = top.table("tls")) {
    Table t(*tls, before + "tls.");
    TRY(t.texts("addr", config.tls_addresses));
    TRY(t.text("certificate", config.certificate));
    TRY(t.text("key", config.key));
    TRY(t.finish());
    for (std::string* file : {&config.certificate, &config.key}) {
      if (!file->empty() && !file->starts_with('/')) *file = folder + *file;
    }
  }
  if (const toml::table* limits = top.table("limits")) {
    Table t(*limits, before + "limits.");
    u64 head = config.settings.max_head;
    TRY(t.size("max_headers", head));
    config.settings.max_head = head;
    TRY(t.time("head_timeout", config.settings.head_timeout));
    TRY(t.time("idle_timeout", config.settings.idle_timeout));
    TRY(t.time("io_timeout", config.settings.io_timeout));
    TRY(t.count("max_streams", config.settings.max_streams, 1));
    TRY(t.finish());
  }
  RouteConfig defaults;
  TRY(read_route_options(arguments, defaults));
  const toml::array* routes = top.tables("route");
  TRY(top.finish());
  if (routes == nullptr || routes->empty())
    return wrong(before + "there is no route", "[[route]] with path = \"/\" and component = \"app.wasm\" is one");
  size_t number = 0;
  for (const toml::node& node : *routes) {
    const toml::table* table = node.as_table();
    if (table == nullptr) return wrong(before + "route is not a list of tables", "each begins with [[route]]");
    RouteConfig route = TRY(read_route(*table, before + "route " + std::to_string(++number) + ": ", defaults, folder));
    for (const RouteConfig& other : config.routes) {
      if (other.host == route.host && other.path == route.path && other.is_exact == route.is_exact)
        return wrong(before + "two routes have the same host and path: " + route.host + route.path);
      if (other.name == route.name) return wrong(before + "two routes are called " + route.name);
    }
    config.routes.push_back(std::move(route));
  }
  TRY(read_server_options(arguments, config));
  TRY(finish(config));
  return config;
}

OrWrong<ServeConfig> read_serve_config(const Arguments& arguments, const std::string& address) {
  const std::string path(arguments.operands()[0]);
  if (address.empty() && is_routes_file(path)) return read_routes_file(arguments, path);
  ServeConfig config;
  RouteConfig route;
  route.component = path;
  route.name = path.substr(path.rfind('/') + 1);
  TRY(read_route_options(arguments, route));
  config.routes.push_back(std::move(route));
  TRY(read_server_options(arguments, config));
  if (!address.empty()) config.addresses = {address};
  TRY(finish(config));
  return config;
}

}  // namespace berth::cli
