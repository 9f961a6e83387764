// The commands of berth-oci. One value serves one process.
#pragma once

#include <string>
#include <vector>

#include "berth-oci/command_line.h"
#include "container/node.h"
#include "container/record.h"

namespace berth::oci_runtime {

class Runtime {
 public:
  // `keep`: the kind of machine that WebAssembly runs in, if this program's name says so.
  Runtime(CommandLine line, std::optional<std::string> keep) : line_(std::move(line)), keep_(std::move(keep)) {}

  // Does what was asked for; the exit code. Errors have been reported then.
  int run();

 private:
  struct Planned;

  Result<int> dispatch();
  Result<int> create();
  Result<int> erase();
  Result<int> state();
  Result<int> list();
  Result<int> exec();
  Result<int> features();
  // Native code of modules, for the containers of this node.
  Result<int> compile();
  // Has the runtime below do it.
  Result<int> forward();

  Result<std::optional<Planned>> plan();
  std::optional<container::ModuleCode> find_code(const container::EntryPoint& entry,
                                                 const container::Settings& settings);
  void begin_to_compile(const Planned& planned);
  Result<int> create_rewritten(Planned planned);
  Result<int> erase_rewritten();
  Result<bool> rewrite_exec(json::Value& process, const container::Record& record);
  json::Value with_our_names(json::Value state) const;

  Result<> read_setup();
  Result<std::string> container_id() const;
  // The runtime that has the container, or is to have it.
  Result<std::string> runtime_of(const std::string& id) const;
  std::string root_of(const std::string& runtime) const;
  void report(const Error& error) const;
  // To --log, where engines look.
  void log(const char* level, const std::string& message) const;

  CommandLine line_;
  std::optional<std::string> keep_;
  std::string root_;
  container::Node node_;
};

}  // namespace berth::oci_runtime
