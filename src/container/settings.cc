#include "container/settings.h"

#include "cli/units.h"
#include "container/entry_point.h"
#include "container/text.h"

namespace berth::container {

namespace {

constexpr std::string_view kPrefix = "run.berth.";

struct Row {
  std::string_view name;
  std::string_view expects;
  bool (*set)(Settings&, std::string_view);
};

bool keep(std::optional<std::string>& to, std::string_view text) {
  to = text;
  return !text.empty();
}

constexpr Row kRows[] = {
    {"tcp-listen", "ADDRESS:PORT, several separated by commas",
     [](Settings& s, std::string_view text) {
       s.tcp_listen = split(text, ',');
       for (const std::string& address : s.tcp_listen)
         if (address.find(':') == std::string::npos) return false;
       return true;
     }},
    {"allow-net", "HOST[:PORT[-PORT]], several separated by commas",
     [](Settings& s, std::string_view text) {
       s.allow_net = split(text, ',');
       return true;
     }},
    {"udp-bind", "ADDRESS:PORT, several separated by commas",
     [](Settings& s, std::string_view text) {
       s.udp_bind = split(text, ',');
       for (const std::string& address : s.udp_bind)
         if (address.find(':') == std::string::npos) return false;
       return true;
     }},
    {"serve", "ADDRESS:PORT or PORT",
     [](Settings& s, std::string_view text) {
       if (text.find(':') == std::string_view::npos) {
         const auto port = cli::parse_count(text);
         if (!port || *port == 0 || *port > 65535) return false;
         s.serve = ":" + std::string(text);
         return true;
       }
       return keep(s.serve, text);
     }},
    {"drain", "true or false",
     [](Settings& s, std::string_view text) {
       s.drain = text == "true";
       return text == "true" || text == "false";
     }},
    {"root", "none, ro or rw",
     [](Settings& s, std::string_view text) {
       s.root = root_access(text);
       return s.root.has_value();
     }},
    {"max-memory", "a size, 64MiB, or none",
     [](Settings& s, std::string_view text) {
       return keep(s.max_memory, text) && (text == "none" || cli::parse_size(text));
     }},
    {"stack-size", "a size, 8MiB",
     [](Settings& s, std::string_view text) { return keep(s.stack_size, text) && cli::parse_size(text).has_value(); }},
    {"timeout", "a time, 30s",
     [](Settings& s, std::string_view text) { return keep(s.timeout, text) && cli::parse_duration(text).has_value(); }},
    {"keep", "snp, tdx or vm",
     [](Settings& s, std::string_view text) {
       return keep(s.keep, text) && (text == "snp" || text == "tdx" || text == "vm");
     }},
    {"broker", "a URL, https://…",
     [](Settings& s, std::string_view text) {
       return keep(s.broker, text) && (text.starts_with("https://") || text.starts_with("http://"));
     }},
    {"keep-config", "the name of a broker's resource, default/app/config",
     [](Settings& s, std::string_view text) {
       return keep(s.keep_config, text) && text.find('/') != std::string_view::npos && !text.starts_with('-');
     }},
    {"tier", "interp, native or auto",
     [](Settings& s, std::string_view text) {
       return keep(s.tier, text) && (text == "interp" || text == "native" || text == "auto");
     }},
};

// run.berth.tcp-listen is BERTH_TCP_LISTEN.
std::string variable_of(std::string_view name) {
  std::string out = "BERTH_";
  for (const char c : name) out += c == '-' ? '_' : c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  return out;
}

Result<> set(Settings& settings, const Row& row, const std::string& from, std::string_view text) {
  if (row.set(settings, text)) return {};
  return fail(ErrorCode::BadArgument, from + " is " + std::string(text) + ", but takes " + std::string(row.expects));
}

}  // namespace

std::string_view to_string(RootAccess access) {
  switch (access) {
    case RootAccess::None: return "none";
    case RootAccess::ReadOnly: return "ro";
    case RootAccess::ReadWrite: return "rw";
  }
  return {};
}

std::optional<RootAccess> root_access(std::string_view text) {
  for (const auto access : {RootAccess::None, RootAccess::ReadOnly, RootAccess::ReadWrite})
    if (text == to_string(access)) return access;
  return std::nullopt;
}

Result<Settings> read_settings(const json::Value& config) {
  Settings settings;
  const json::Value* annotations = config.find("annotations");
  const json::Value* process = config.find("process");
  const std::vector<std::string> environment = process ? texts(process->find("env")) : std::vector<std::string>();
  for (const Row& row : kRows) {
    const std::string annotation = std::string(kPrefix) + std::string(row.name);
    const std::string variable = variable_of(row.name);
    const json::Value* asked = annotations ? annotations->find(annotation) : nullptr;
    if (asked) {
      TRY(set(settings, row, "the annotation " + annotation, asked->string().value_or("")));
    } else if (const char* value = find_variable(environment, variable)) {
      TRY(set(settings, row, "the variable " + variable, value));
    }
  }
  if (!annotations) return settings;
  for (const json::Member& annotation : annotations->members()) {
    if (!annotation.name.starts_with(kPrefix)) continue;
    bool known = false;
    std::string names;
    for (const Row& row : kRows) {
      known |= annotation.name.substr(kPrefix.size()) == row.name;
      names += " " + std::string(kPrefix) + std::string(row.name);
    }
    if (!known) {
      return fail(ErrorCode::BadArgument, "there is no annotation " + annotation.name + "; there are:" + names);
    }
  }
  return settings;
}

}  // namespace berth::container
