#include "keep/config.h"

#include <algorithm>

#include "json/json.h"
#include "keep/launch.h"

namespace berth::keep {
namespace {

std::unexpected<Error> bad(std::string what) {
  return fail(ErrorCode::BadArgument, "the workload's configuration: " + std::move(what));
}

bool is_digest(std::string_view text) {
  return text.size() == 71 && text.starts_with("sha256:") &&
         std::ranges::all_of(text.substr(7), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

// No zero bytes: they end an argument early.
bool is_text(const json::Value& value) {
  return value.string() && value.string()->find('\0') == std::string_view::npos;
}

Result<> read_list(const json::Value& value, std::string_view name, std::vector<std::string>& into) {
  if (!value.is(json::Kind::Array)) return bad("\"" + std::string(name) + "\" is no list");
  for (const json::Value& item : value.items()) {
    if (!is_text(item)) return bad("\"" + std::string(name) + "\" has something in it that is no text");
    into.emplace_back(*item.string());
  }
  return {};
}

Result<> read_pairs(const json::Value& value, std::string_view name,
                    std::vector<std::pair<std::string, std::string>>& into) {
  if (!value.is(json::Kind::Object)) return bad("\"" + std::string(name) + "\" is no object");
  for (const json::Member& member : value.members()) {
    if (!is_text(member.value)) return bad("\"" + std::string(name) + "\" has something in it that is no text");
    into.emplace_back(member.name, *member.value.string());
  }
  return {};
}

Result<> read_image(const json::Value& value, Config& config) {
  config.kind = Config::Kind::Image;
  for (const json::Member& member : value.members()) {
    if (member.name == "digest" && is_digest(member.value.string().value_or(""))) {
      config.digest = *member.value.string();
    } else if (member.name == "key" && is_resource_name(member.value.string().value_or(""))) {
      config.key = *member.value.string();
    } else {
      return bad("\"image\": \"" + member.name + "\" is not known, or not of the right kind");
    }
  }
  if (config.digest.empty() && config.key.empty())
    return bad("\"image\" has neither a digest nor a key: the host could have any other run");
  return {};
}

Result<> read_module(const json::Value& value, Config& config) {
  if (value.members().size() != 1) return bad("\"module\" has one of \"resource\", \"digest\", \"image\"");
  const auto& [name, what] = value.members()[0];
  if (name == "image") return read_image(what, config);
  if (name == "resource" && is_resource_name(what.string().value_or(""))) {
    config.kind = Config::Kind::Resource;
    config.resource = *what.string();
  } else if (name == "digest" && is_digest(what.string().value_or(""))) {
    config.kind = Config::Kind::File;
    config.digest = *what.string();
  } else {
    return bad("\"module\": \"" + name + "\" is not known, or no name of a resource, or no digest (sha256:…)");
  }
  return {};
}

}  // namespace

Result<Config> parse_config(std::string_view text) {
  const json::Value value = TRY(json::parse(text));
  if (!value.is(json::Kind::Object)) return bad("it is no JSON object");
  Config config;
  bool module = false;
  for (const auto& [name, member] : value.members()) {
    if (name == "module") {
      module = true;
      TRY(read_module(member, config));
    } else if (name == "native" && member.boolean()) {
      config.native = *member.boolean();
    } else if (name == "args") {
      TRY(read_list(member, name, config.args));
    } else if (name == "env") {
      TRY(read_pairs(member, name, config.env));
    } else if (name == "secrets") {
      TRY(read_pairs(member, name, config.secrets));
    } else if (name == "allow_net") {
      TRY(read_list(member, name, config.allow_net));
    } else if (name == "allow_http") {
      TRY(read_list(member, name, config.allow_http));
    } else if (name == "tcp_listen") {
      TRY(read_list(member, name, config.tcp_listen));
    } else if (name == "udp_bind") {
      TRY(read_list(member, name, config.udp_bind));
    } else if (name == "max_memory" && is_text(member)) {
      config.max_memory = *member.string();
    } else {
      return bad("\"" + name + "\" is not known, or not of the right kind");
    }
  }
  if (!module) return bad("\"module\", which says what runs, is missing");
  for (const auto& [name, resource] : config.secrets) {
    if (name.empty() || name[0] == '.' || name.find('/') != std::string::npos || name.find('\0') != std::string::npos)
      return bad("\"" + name + "\" is no name for a file of /secrets");
    if (!is_resource_name(resource)) return bad("\"" + resource + "\" is no name of a resource");
  }
  for (const auto& [name, text_of] : config.env)
    if (name.empty() || name.find('=') != std::string::npos || name.find('\0') != std::string::npos)
      return bad("\"" + name + "\" is no name of an environment variable");
  return config;
}

}  // namespace berth::keep
