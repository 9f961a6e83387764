// What a program would have to be granted, read off its imports. Pure.
#pragma once

#include <string>
#include <vector>

#include "component/store.h"
#include "wasm/module.h"

namespace berth::cli {

struct Need {
  std::string what;                   // "folders"
  std::string means;                  // "it opens files"
  std::string grant;                  // "--dir HOST::GUEST"; empty when nothing has to be said, or can be
  std::vector<std::string> shown_by;  // the imports that show it
};

struct Needs {
  // Of modules, and of components: Command (wasi:cli/run), Proxy (wasi:http/incoming-handler), Plug.
  enum class Entry : u8 { Program, Reactor, Start, Library, Command, Proxy, Plug } entry = Entry::Library;
  std::vector<Need> granted;  // what every guest has
  std::vector<Need> asked;    // what has to be granted
  std::vector<Need> foreign;  // what Berth itself does not provide
};

Needs needs_of(const wasm::Module& module);
// `component` is validated.
Needs needs_of(const component::cm::Component& component);

}  // namespace berth::cli
