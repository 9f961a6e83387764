// Runs one specification script: a store of its own, and the commands one after the other (reference
// interpreter, scripts). A ScriptRunner is used by one thread; threads of a script get runners of their
// own, which share the report.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "berth/wast_component.h"
#include "cli/output.h"
#include "engine/engine.h"
#include "runtime/store.h"
#include "text/script.h"

namespace berth::cli {

struct WastCounts {
  u64 passed = 0, failed = 0, skipped = 0;
};

// What comes of commands, counted and printed. Safe from several threads.
class WastReport {
 public:
  WastReport(Output& out, bool verbose) : out_(out), verbose_(verbose) {}
  enum class Result : u8 { Passed, Failed, Skipped };
  // `text` says why a command failed or was skipped; lines after the first are indented below it.
  void add(std::string_view file, text::LineColumn at, std::string_view command, Result result, std::string_view text);
  const WastCounts& counts() const { return counts_; }

 private:
  std::mutex mutex_;
  Output& out_;
  const bool verbose_;
  WastCounts counts_;
};

class ScriptRunner {
 public:
  using Prepared = std::shared_ptr<const runtime::PreparedModule>;

  // `spectest` is the module that scripts import from, prepared; `features` are what modules may use.
  ScriptRunner(engine::Engine& engine, wasm::FeatureSet features, WastReport& report, std::string file,
               std::string_view source, Prepared spectest);
  ~ScriptRunner();

  void run(const std::vector<text::Command>& commands);

 private:
  // What can be imported from under a name: an instance's exports, or those that a thread was given.
  struct Provider {
    runtime::Instance* instance = nullptr;
    std::map<std::string, runtime::Extern, std::less<>> exports;
    std::optional<runtime::Extern> find(std::string_view name) const;
  };
  // What came of an action or an instantiation.
  struct Outcome {
    std::vector<runtime::Value> values;
    std::unique_ptr<runtime::Unwind> unwind;
    std::optional<Error> error;
    std::optional<component::Value> component;  // what a component's function returned, of `type`
    const component::cm::ValType* type = nullptr;
    bool is_component = false;
    bool ok() const { return !unwind && !error; }
  };
  // Empty when the command passed.
  using Failure = std::string;

  Failure run(const text::ScriptModule& module);
  Failure run(const text::ScriptInstance& instance);
  Failure run(const text::Register& command);
  Failure run(const text::Action& action);
  Failure run(const text::AssertReturn& command);
  Failure run(const text::AssertTrap& command);
  Failure run(const text::AssertExhaustion& command);
  Failure run(const text::AssertException& command);
  Failure run(const text::AssertModule& command);
  Failure run(const text::Thread& command);
  Failure run(const text::Wait& command);
  Failure run(const text::SubScript& command);
  Failure run(const text::Input& command);

  // Parses, decodes and validates; `message` receives the error as text with its place. What is wrong in a
  // custom section does not make a module invalid, unless that is what the script is about.
  Result<Prepared> load(const text::ScriptModule& module, std::string* message = nullptr, bool check_customs = false);
  Outcome instantiate(const Prepared& module, runtime::Instance** instance);
  Outcome instantiate(const text::ScriptInstance& instance);
  Outcome instantiate(const text::ScriptModule& module);
  Outcome perform(const text::Action& action);
  Outcome instantiate_component(const text::ScriptModule& module);
  static Outcome from_component(ComponentRunner::Outcome outcome);
  Result<runtime::Value> constant(const text::Constant& c);
  std::optional<runtime::Extern> find_import(const wasm::Import& import) const;
  void define_hosts();
  Result<const Provider*> provider(const std::optional<std::string>& id) const;
  void name_instance(const std::optional<std::string>& id, runtime::Instance* instance);
  static std::string describe(const Outcome& outcome);
  static Failure expect_trap(const Outcome& outcome, std::string_view message);

  engine::Engine& engine_;
  engine::Config config_;
  WastReport& report_;
  const std::string file_;
  const std::string_view source_;
  const Prepared spectest_;
  runtime::Store store_;
  std::optional<ComponentRunner> components_;  // made when first needed
  ComponentRunner& components() {
    if (!components_) components_.emplace(engine_, store_);
    return *components_;
  }
  std::map<std::string, Provider, std::less<>> modules_;      // by identifier; "" is the last one
  std::map<std::string, Prepared, std::less<>> definitions_;  // likewise
  std::map<std::string, Provider, std::less<>> registered_;
  std::map<u64, abi::Ref> host_objects_;
  std::map<std::string, std::thread> threads_;
  u32 input_depth_ = 0;
};

}  // namespace berth::cli
