#include "berth/needs.h"

#include <algorithm>

#include "engine/demangle.h"
#include "wasi_p1/wasi.h"

namespace berth::cli {
namespace {

enum class Group : u8 { Streams, Clocks, Random, Exit, Arguments, Environment, Folders, Sockets, None };

struct GroupInfo {
  Group group;
  const char *what, *means, *grant;
};
constexpr GroupInfo kGroups[] = {
    {Group::Streams, "standard streams", "it reads or writes through descriptors", ""},
    {Group::Clocks, "clocks", "it tells or waits for the time", ""},
    {Group::Random, "randomness", "it asks for random numbers", ""},
    {Group::Exit, "an exit code", "it can end itself", ""},
    {Group::Arguments, "arguments", "it reads its command line", ""},
    {Group::Environment, "environment", "it reads environment variables", "--env NAME=VALUE"},
    {Group::Folders, "folders", "it works with files", "--dir HOST::GUEST, or --dir HOST::GUEST:ro"},
    {Group::Sockets, "network", "it serves connections on a socket it is given", "--tcp-listen ADDRESS:PORT"},
};

Group group_of(std::string_view name) {
  if (name.starts_with("args_")) return Group::Arguments;
  if (name.starts_with("environ_")) return Group::Environment;
  if (name.starts_with("clock_") || name == "poll_oneoff" || name == "sched_yield") return Group::Clocks;
  if (name == "random_get") return Group::Random;
  if (name.starts_with("proc_")) return Group::Exit;
  if (name.starts_with("sock_")) return Group::Sockets;
  if (name.starts_with("path_") || name == "fd_readdir" || name == "fd_prestat_get" || name == "fd_prestat_dir_name" ||
      name == "fd_allocate" || name == "fd_filestat_set_size" || name == "fd_filestat_set_times") {
    return Group::Folders;
  }
  if (name.starts_with("fd_")) return Group::Streams;
  return Group::None;
}

// What is known about imports of other worlds.
std::pair<std::string, std::string> foreign(std::string_view module) {
  if (module == "wasi_snapshot_preview1" || module == "wasi_unstable") {
    return {"WASI 0.1, which has no such function", "build it anew"};
  }
  if (module.starts_with("wasi:")) return {"WASI 0.2 or later", "build it as a module for WASI 0.1"};
  if (module == "wasi") return {"threads of WASI", "which Berth does not have"};
  if (module == "wbg" || module.starts_with("__wbindgen") || module.starts_with("./") || module == "go" ||
      module == "gojs") {
    return {"a JavaScript host", "build it for WASI 0.1 instead of for browsers"};
  }
  return {"another module or its own host", "--preload " + engine::printable(module) + "=FILE"};
}

}  // namespace

Needs needs_of(const wasm::Module& module) {
  Needs needs;
  for (const auto& e : module.exports) {
    if (e.kind != wasm::ExternKind::Func) continue;
    if (e.name == "_start") needs.entry = Needs::Entry::Program;
    if (e.name == "_initialize" && needs.entry == Needs::Entry::Library) needs.entry = Needs::Entry::Reactor;
  }
  if (needs.entry == Needs::Entry::Library && module.start) needs.entry = Needs::Entry::Start;

  std::vector<std::string> by_group[std::size(kGroups) + 1];
  for (const auto& i : module.imports) {
    const std::string shown = engine::printable(i.name);
    if (wasi_p1::is_wasi_function(i.module, i.name)) {
      if (const Group g = group_of(i.name); g != Group::None) {
        by_group[static_cast<size_t>(g)].push_back(shown);
        continue;
      }
    }
    const std::string from = engine::printable(i.module);
    auto known = std::ranges::find_if(needs.foreign, [&](const Need& n) { return n.what == from; });
    if (known == needs.foreign.end()) {
      auto [means, grant] = foreign(i.module);
      needs.foreign.push_back({from, std::move(means), std::move(grant), {}});
      known = std::prev(needs.foreign.end());
    }
    known->shown_by.push_back(shown);
  }
  // The C library looks for folders in every program that could open a file; opening is what counts.
  auto& folders = by_group[static_cast<size_t>(Group::Folders)];
  if (std::ranges::all_of(folders, [](const std::string& n) { return n.starts_with("fd_prestat"); })) folders.clear();

  for (const GroupInfo& g : kGroups) {
    auto& shown_by = by_group[static_cast<size_t>(g.group)];
    if (shown_by.empty()) continue;
    auto& list = *g.grant ? needs.asked : needs.granted;
    list.push_back({g.what, g.means, g.grant, std::move(shown_by)});
  }
  return needs;
}

}  // namespace berth::cli
