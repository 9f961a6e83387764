#include <algorithm>

#include "berth/needs.h"
#include "component_model/names.h"
#include "engine/demangle.h"

namespace berth::cli {
namespace {

namespace cm = component::cm;

enum class Group : u8 {
  Streams,
  Clocks,
  Random,
  Exit,
  Arguments,
  Environment,
  Folders,
  Network,
  Listening,
  Udp,
  Requests,
  Http,
  None
};

struct GroupInfo {
  Group group;
  const char *what, *means, *grant;
};
constexpr GroupInfo kGroups[] = {
    {Group::Streams, "standard streams", "it reads or writes them", ""},
    {Group::Clocks, "clocks", "it tells or waits for the time", ""},
    {Group::Random, "randomness", "it asks for random numbers", ""},
    {Group::Exit, "an exit code", "it can end itself", ""},
    {Group::Arguments, "arguments", "it reads its command line", ""},
    {Group::Http, "HTTP", "it makes or reads HTTP messages", ""},
    {Group::Environment, "environment", "it reads environment variables", "--env NAME=VALUE"},
    {Group::Folders, "folders", "it works with files", "--dir HOST::GUEST, or --dir HOST::GUEST:ro"},
    {Group::Network, "network", "it looks up names or connects", "--allow-net HOST:PORT"},
    {Group::Listening, "listening", "it takes connections", "--tcp-listen ADDRESS:PORT"},
    {Group::Udp, "datagrams", "it binds UDP sockets", "--udp-bind ADDRESS:PORT"},
    {Group::Requests, "HTTP requests", "it sends HTTP requests", "--allow-http HOST"},
};

// The package of WASI 0.2 without its version, and the interface: "cli", "stdin". Nothing for others.
std::pair<std::string_view, std::string_view> wasi_interface(std::string_view name) {
  const auto parsed = cm::parse_name(name);
  if (!parsed || parsed->kind != cm::ParsedName::Kind::Interface || !parsed->interface.starts_with("wasi:")) return {};
  if (cm::compatible_version(parsed->version) != "0.2") return {};
  const std::string_view rest = parsed->interface.substr(5);
  const size_t slash = rest.find('/');
  return {rest.substr(0, slash), rest.substr(slash + 1)};
}

// What a function of an interface shows; Group::None: nothing by itself.
Group group_of(std::string_view package, std::string_view interface, std::string_view function) {
  if (package == "cli") {
    if (interface == "exit") return Group::Exit;
    if (interface != "environment") return Group::Streams;
    return function == "get-arguments"     ? Group::Arguments
           : function == "get-environment" ? Group::Environment
                                           : Group::None;
  }
  if (package == "clocks") return Group::Clocks;
  if (package == "random") return Group::Random;
  if (package == "filesystem") {
    // Adapters import more than a program uses; what goes by path, or reads folders, needs one.
    const bool goes_by_path = function.ends_with("-at") || function.ends_with("read-directory");
    return goes_by_path ? Group::Folders : Group::None;
  }
  if (package == "sockets") {
    if (function.ends_with("tcp-socket.start-connect") || function == "resolve-addresses") return Group::Network;
    if (function.ends_with("tcp-socket.start-listen")) return Group::Listening;
    if (function.ends_with("udp-socket.start-bind")) return Group::Udp;
    if (function.ends_with("udp-socket.stream")) return Group::Network;
    return Group::None;
  }
  if (package == "http") return interface == "outgoing-handler" ? Group::Requests : Group::Http;
  return Group::None;
}

bool is_known(std::string_view package) {
  constexpr std::string_view kPackages[] = {"cli", "clocks", "filesystem", "http", "io", "random", "sockets"};
  return std::ranges::find(kPackages, package) != std::end(kPackages);
}

}  // namespace

Needs needs_of(const cm::Component& component) {
  Needs needs;
  needs.entry = Needs::Entry::Plug;
  for (const cm::NamedExtern& e : component.type->exports) {
    const auto [package, interface] = wasi_interface(e.name);
    if (package == "cli" && interface == "run") needs.entry = Needs::Entry::Command;
    if (package == "http" && interface == "incoming-handler") needs.entry = Needs::Entry::Proxy;
  }
  std::vector<std::string> by_group[std::size(kGroups) + 1];
  for (const cm::NamedExtern& i : component.type->imports) {
    const auto [package, interface] = wasi_interface(i.name);
    if (i.type.sort == cm::Sort::Instance && is_known(package)) {
      for (const cm::NamedExtern& f : i.type.type.instance->exports) {
        if (f.type.sort != cm::Sort::Func) continue;
        const Group group = group_of(package, interface, f.name);
        if (group == Group::None) continue;
        // Of standard streams, clocks and their like nobody wants to know which function it is.
        const auto info = std::ranges::find(kGroups, group, &GroupInfo::group);
        auto& list = by_group[info - kGroups];
        const std::string shown = *info->grant ? engine::printable(f.name) : engine::printable(interface);
        if (std::ranges::find(list, shown) == list.end()) list.push_back(shown);
      }
      continue;
    }
    // Types alone need nobody.
    if (i.type.sort == cm::Sort::Type && i.type.type.kind != cm::AnyType::Kind::Resource) continue;
    if (i.type.sort == cm::Sort::Instance &&
        std::ranges::none_of(i.type.type.instance->exports, [](const cm::NamedExtern& e) {
          return e.type.sort != cm::Sort::Type || e.type.type.kind == cm::AnyType::Kind::Resource;
        })) {
      continue;
    }
    const std::string name = engine::printable(i.name);
    needs.foreign.push_back({name, "another component", "berth compose PLUG.wasm FILE -o OUT.wasm", {name}});
  }
  for (size_t g = 0; g < std::size(kGroups); ++g) {
    if (by_group[g].empty()) continue;
    const GroupInfo& info = kGroups[g];
    auto& list = *info.grant ? needs.asked : needs.granted;
    list.push_back({info.what, info.means, info.grant, std::move(by_group[g])});
  }
  return needs;
}

}  // namespace berth::cli
