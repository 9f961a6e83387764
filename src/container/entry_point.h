// Which file a container's command names, and what that file is. Decided by its contents. Pure but for reading the
// container's files; any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "container/files.h"

namespace berth::container {

enum class ProgramKind : u8 {
  Missing,    // there is no such file
  Native,     // for the kernel to run, or to refuse
  Module,     // a WebAssembly module, binary
  Component,  // a WebAssembly component, binary, or as text in a file called .wat
  Text,       // a module as text, in a file called .wat
  Artifact,   // native code made by berth compile, with its module, in a file called .berth
};
constexpr bool is_wasm(ProgramKind kind) { return kind > ProgramKind::Native; }

struct EntryPoint {
  ProgramKind kind = ProgramKind::Missing;
  std::string path;  // absolute, in the container
  Fd file = {};      // open for reading, unless Missing
};

// What `file` is, called `name`.
ProgramKind kind_of(int file, std::string_view name);

// What running `command` would run, as execvp finds it: by its path, from `cwd`, or by its name in the folders of
// $PATH in `environment`. A name that is in none of them and is WebAssembly in `cwd` is that: images made from
// scratch have no $PATH.
EntryPoint find_entry_point(const ContainerFiles& files, std::string_view command, std::string_view cwd,
                            const std::vector<std::string>& environment);

// The value of a variable in "NAME=value" lines, the last one; null when it is not set.
const char* find_variable(const std::vector<std::string>& environment, std::string_view name);

}  // namespace berth::container
