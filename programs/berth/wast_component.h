// Components in scripts: what the commands of `berth wast` do with them. One thread.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "component/store.h"
#include "text/script.h"

namespace berth::cli {

class ComponentRunner {
 public:
  // What came of an action or an instantiation.
  struct Outcome {
    std::optional<component::Value> value;
    const component::cm::ValType* type = nullptr;  // of the value
    std::unique_ptr<runtime::Unwind> unwind;
    std::optional<Error> error;
    bool ok() const { return !unwind && !error; }
  };

  ComponentRunner(engine::Engine& engine, runtime::Store& store);

  // Parses, decodes and validates; `message` receives the error as text with its place.
  Result<std::shared_ptr<const component::PreparedComponent>> load(const text::ScriptModule& module,
                                                                   std::string_view source, const std::string& file,
                                                                   const engine::Config& config, std::string* message);
  Outcome instantiate(std::shared_ptr<const component::PreparedComponent> component,
                      const std::optional<std::string>& id, bool is_named = true);
  Outcome instantiate(const text::ScriptInstance& command);
  void define(const std::optional<std::string>& id, std::shared_ptr<const component::PreparedComponent> component);
  Outcome invoke(const text::Action& action);
  // Whether an action is about a component rather than a module: the one it names, or the last thing made.
  bool owns(const std::optional<std::string>& id) const;
  void forget_last() { is_last_ = false; }

 private:
  void define_hosts();
  engine::Engine& engine_;
  component::Store store_;
  component::Linker linker_;
  std::map<std::string, std::shared_ptr<const component::PreparedComponent>, std::less<>> definitions_;
  std::map<std::string, component::Instance, std::less<>> instances_;
  bool is_last_ = false;
  u32 drops_ = 0;
  u64 last_drop_ = 0;
};

// Whether a value is what a script says; empty if so, else why not.
std::string mismatch(const component::Value& value, const component::cm::ValType& type, const text::Pattern& wanted);
// A script's value as one of `type`; BadArgument when it is none.
Result<component::Value> to_value(const text::ComponentValue& value, const component::cm::ValType& type);

}  // namespace berth::cli
