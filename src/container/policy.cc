#include "container/policy.h"

#include <fcntl.h>
#include <unistd.h>

#include <charconv>

#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
#define TOML_ENABLE_WINDOWS_COMPAT 0
#include <toml++/toml.h>

#include "cli/units.h"
#include "container/text.h"
#include "os/file.h"

namespace berth::container {

namespace {

constexpr u64 kMostBytes = 1 << 20;

// What engines call a pod's namespace.
constexpr std::string_view kNamespaceAnnotations[] = {"io.kubernetes.cri.sandbox-namespace",
                                                      "io.kubernetes.pod.namespace"};

std::string_view annotation_of(const json::Value& config, std::string_view name) {
  return config.text_at({"annotations", name});
}

// "*", "8080" or "8000-8999"
bool port_matches(std::string_view pattern, std::string_view port) {
  auto number = [](std::string_view text) -> std::optional<u32> {
    u32 value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || value > 65535) return std::nullopt;
    return value;
  };
  if (pattern == "*") return true;
  const size_t dash = pattern.find('-');
  const auto first = number(pattern.substr(0, dash));
  const auto last = dash == std::string_view::npos ? first : number(pattern.substr(dash + 1));
  const auto asked = number(port);
  return first && last && asked && *first <= *asked && *asked <= *last;
}

// The host and the ports of a rule of --allow-net; addresses of version 6 are in brackets where ports follow.
std::pair<std::string_view, std::string_view> parts_of(std::string_view rule) {
  const size_t colon = rule.rfind(':');
  const bool is_bare_v6 = !rule.starts_with('[') && colon != rule.find(':');
  if (colon == std::string_view::npos || is_bare_v6 || rule.ends_with(']')) return {rule, {}};
  return {rule.substr(0, colon), rule.substr(colon + 1)};
}

// First and last port; all where none is named.
std::optional<std::pair<u32, u32>> range_of(std::string_view ports) {
  if (ports.empty() || ports == "*") return std::pair<u32, u32>{0, 65535};
  const size_t dash = ports.find('-');
  std::pair<u32, u32> out{};
  for (const auto& [text, to] :
       {std::pair{ports.substr(0, dash), &out.first},
        std::pair{dash == std::string_view::npos ? ports : ports.substr(dash + 1), &out.second}}) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *to);
    if (error != std::errc() || end != text.data() + text.size() || *to > 65535) return std::nullopt;
  }
  return out;
}

// Reads the keys of one table.
class TableReader {
 public:
  TableReader(const std::string& path, const toml::table& table) : path_(path), table_(table) {}

  Result<> read(Grants& grants) const {
    for (const auto& [key, node] : table_) {
      const std::string_view name = key.str();
      if (name == "tcp-listen" || name == "udp-bind") {
        const toml::array* list = node.as_array();
        if (!list) return wrong(node, name, "takes a list of \"ADDRESS:PORT\"");
        for (const auto& item : *list) {
          const auto pattern = item.value<std::string>();
          if (!pattern || !is_pattern(*pattern))
            return wrong(item, name, "takes \"ADDRESS:PORT\"; either may be *, and a port a range, 8000-8999");
          (name == "tcp-listen" ? grants.tcp_listen : grants.udp_bind).push_back(*pattern);
        }
      } else if (name == "allow-net") {
        const toml::array* list = node.as_array();
        if (!list) return wrong(node, name, "takes a list of \"HOST[:PORT]\"");
        for (const auto& item : *list) {
          const auto rule = item.value<std::string>();
          if (!rule || rule->empty() || rule->find_first_of(", \t\n") != std::string::npos)
            return wrong(item, name, "takes \"HOST\" or \"HOST:PORT\": a name, *.name, an address, a network, or *");
          grants.allow_net.push_back(*rule);
        }
      } else if (name == "root") {
        const auto access = root_access(node.value<std::string>().value_or(""));
        if (!access) return wrong(node, name, "takes \"none\", \"ro\" or \"rw\"");
        grants.root = *access;
      } else if (name == "max-memory") {
        grants.max_memory = cli::parse_size(node.value<std::string>().value_or(""));
        if (!grants.max_memory) return wrong(node, name, "takes a size, \"64MiB\"");
      } else if (name != "rule" && name != "namespace" && name != "annotations") {
        return wrong(node, name, "is no key of a policy");
      }
    }
    return {};
  }

  std::unexpected<Error> wrong(const toml::node& node, std::string_view key, std::string_view what) const {
    return fail(ErrorCode::BadArgument, path_ + ", line " + std::to_string(node.source().begin.line) + ": " +
                                            std::string(key) + " " + std::string(what));
  }

 private:
  static bool is_pattern(std::string_view text) {
    const size_t colon = text.rfind(':');
    if (colon == std::string_view::npos || colon == 0) return false;
    const std::string_view port = text.substr(colon + 1);
    return port == "*" || port_matches(port, port.substr(0, port.find('-')));
  }

  const std::string& path_;
  const toml::table& table_;
};

}  // namespace

bool Grants::allows_binding(const std::vector<std::string>& patterns, std::string_view address) const {
  if (!is_policy) return true;
  const size_t colon = address.rfind(':');
  if (colon == std::string_view::npos) return false;
  for (const std::string_view pattern : patterns) {
    const size_t middle = pattern.rfind(':');
    if (matches(pattern.substr(0, middle), address.substr(0, colon)) &&
        port_matches(pattern.substr(middle + 1), address.substr(colon + 1)))
      return true;
  }
  return false;
}

bool Grants::allows_connecting(std::string_view destination) const {
  if (!is_policy) return true;
  const auto [host, ports] = parts_of(destination);
  const auto asked = range_of(ports);
  for (const std::string_view rule : allow_net) {
    const auto [pattern, granted_ports] = parts_of(rule);
    const auto granted = range_of(granted_ports);
    if (matches(pattern, host) && asked && granted && granted->first <= asked->first &&
        asked->second <= granted->second)
      return true;
  }
  return false;
}

Result<Policy> Policy::read(const std::string& path) {
  Policy policy;
  if (access(path.c_str(), F_OK) != 0 && errno == ENOENT) {
    policy.otherwise_.is_policy = false;
    policy.otherwise_.source = "no policy";
    return policy;
  }
  const std::vector<u8> bytes = TRY(os::read_file(path, kMostBytes));
  const toml::parse_result parsed =
      toml::parse(std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()), path);
  if (!parsed) {
    return fail(ErrorCode::BadArgument, path + ", line " + std::to_string(parsed.error().source().begin.line) + ": " +
                                            std::string(parsed.error().description()));
  }
  const toml::table& top = parsed.table();
  const TableReader reader(path, top);
  policy.otherwise_.source = "the policy " + path;
  for (const std::string_view key : {"namespace", "annotations"})
    if (const toml::node* node = top.get(key)) return reader.wrong(*node, key, "belongs to a [[rule]]");
  TRY(reader.read(policy.otherwise_));
  const toml::node* rules = top.get("rule");
  if (!rules) return policy;
  if (!rules->is_array_of_tables()) return reader.wrong(*rules, "rule", "is written [[rule]]");
  for (const auto& item : *rules->as_array()) {
    const toml::table& table = *item.as_table();
    const TableReader rule_reader(path, table);
    Rule rule;
    rule.grants.source = "rule " + std::to_string(policy.rules_.size() + 1) + " of the policy " + path;
    TRY(rule_reader.read(rule.grants));
    if (const toml::node* inner = table.get("rule")) return rule_reader.wrong(*inner, "rule", "cannot be in a rule");
    if (const toml::node* node = table.get("namespace")) {
      rule.name_space = node->value<std::string>().value_or("");
      if (rule.name_space.empty()) return rule_reader.wrong(*node, "namespace", "takes a name");
    }
    if (const toml::node* node = table.get("annotations")) {
      const toml::table* wanted = node->as_table();
      if (!wanted) return rule_reader.wrong(*node, "annotations", "takes { \"NAME\" = \"VALUE\" }");
      for (const auto& [key, value] : *wanted) {
        const auto text = value.value<std::string>();
        if (!text) return rule_reader.wrong(value, key.str(), "takes a text");
        rule.annotations.emplace_back(key.str(), *text);
      }
    }
    if (rule.name_space.empty() && rule.annotations.empty())
      return rule_reader.wrong(table, "rule", "needs a namespace or annotations to match");
    policy.rules_.push_back(std::move(rule));
  }
  return policy;
}

const Grants& Policy::grants_for(const json::Value& config) const {
  for (const Rule& rule : rules_) {
    bool fits = rule.name_space.empty();
    for (const std::string_view name : kNamespaceAnnotations) {
      const std::string_view value = annotation_of(config, name);
      fits |= !value.empty() && matches(rule.name_space, value);
    }
    for (const auto& [name, pattern] : rule.annotations) {
      const json::Value* annotations = config.find("annotations");
      const json::Value* value = annotations ? annotations->find(name) : nullptr;
      fits &= value && matches(pattern, value->string().value_or(""));
    }
    if (fits) return rule.grants;
  }
  return otherwise_;
}

}  // namespace berth::container
