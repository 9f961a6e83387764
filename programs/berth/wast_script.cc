#include "berth/wast_script.h"

#include <algorithm>
#include <cstring>

#include "berth/files.h"
#include "berth/wast_match.h"
#include "runtime/global.h"
#include "runtime/memory.h"
#include "text/diagnostic.h"
#include "text/parser.h"
#include "wasm/names.h"

namespace berth::cli {
namespace {

constexpr u32 kMaxInputDepth = 16;

std::string_view kind_name(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::Malformed: return "malformed";
    case ErrorKind::Invalid: return "invalid";
    case ErrorKind::Unlinkable: return "unlinkable";
    case ErrorKind::Limit: return "beyond a limit";
    case ErrorKind::Unsupported: return "not supported";
    case ErrorKind::Io: return "not readable";
    case ErrorKind::Usage: return "not usable";
  }
  return {};
}

runtime::Value value_of(const runtime::Global& global) {
  runtime::Value value;
  value.kind = global.type().type.kind;
  std::memcpy(&value.v128, global.cell().value, sizeof value.v128);
  return value;
}

std::string show_all(const std::vector<runtime::Value>& values, const std::vector<text::Pattern>* like = nullptr) {
  if (values.empty()) return "nothing";
  std::string out;
  for (size_t i = 0; i < values.size(); ++i) {
    out += (i ? " " : "") + show(values[i], like && i < like->size() ? &(*like)[i] : nullptr);
  }
  return out;
}

// Whether a script means `trap`. It may say less than the trap does, or more (the index of a table's element);
// scripts of other projects have words of their own for some.
bool says(std::string_view message, abi::TrapCode trap) {
  using abi::TrapCode;
  const std::string_view text = abi::trap_text(trap);
  if (text.starts_with(message) || message.starts_with(text)) return true;
  static constexpr struct {
    std::string_view message;
    TrapCode trap;
  } kOthers[] = {
      {"out of bounds", TrapCode::UndefinedElement},
      {"call type mismatch", TrapCode::IndirectCallTypeMismatch},
      {"divide by zero", TrapCode::IntegerDivideByZero},
      {"null reference", TrapCode::NullFunctionReference},
      {"null reference", TrapCode::NullStructureReference},
      {"null reference", TrapCode::NullArrayReference},
      {"null reference", TrapCode::NullI31Reference},
      {"null reference", TrapCode::NullExceptionReference},
      {"atomic wait on non-shared memory", TrapCode::ExpectedSharedMemory},
  };
  return std::ranges::any_of(kOthers, [&](const auto& o) { return o.message == message && o.trap == trap; });
}

// What goes wrong between components is told in the trap's message.
bool says(std::string_view message, const runtime::Unwind& unwind) {
  if (unwind.trap != abi::TrapCode::CanonicalAbi) {
    constexpr std::string_view kOther = "wasm `unreachable` instruction executed";
    return says(message == kOther ? "unreachable" : message, unwind.trap);
  }
  constexpr std::string_view kPrefix = "wasm trap: ";
  if (message.starts_with(kPrefix)) message.remove_prefix(kPrefix.size());
  return unwind.message.find(message) != std::string::npos;
}

Error missing(const char* what, const std::optional<std::string>& id) {
  return Error(ErrorCode::BadArgument,
               id ? std::string("there is no ") + what + " $" + *id : std::string("there is no ") + what);
}

}  // namespace

void WastReport::add(std::string_view file, text::LineColumn at, std::string_view command, Result result,
                     std::string_view text) {
  const std::lock_guard lock(mutex_);
  ++(result == Result::Passed ? counts_.passed : result == Result::Failed ? counts_.failed : counts_.skipped);
  if (result == Result::Passed && !verbose_) return;
  static constexpr std::string_view kWords[] = {"passed", "FAILED", "skipped"};
  std::string line = std::string(file) + ":" + std::to_string(at.line) + ":" + std::to_string(at.column) + ": " +
                     std::string(command) + ": " + std::string(kWords[static_cast<size_t>(result)]);
  if (!text.empty()) line += ": ";
  for (char c : text) {
    line += c;
    if (c == '\n') line += "    ";
  }
  while (line.ends_with(' ') || line.ends_with('\n')) line.pop_back();
  out_ << line << "\n";
}

std::optional<runtime::Extern> ScriptRunner::Provider::find(std::string_view name) const {
  if (instance) return instance->find_export(name);
  const auto it = exports.find(name);
  if (it == exports.end()) return std::nullopt;
  return it->second;
}

ScriptRunner::ScriptRunner(engine::Engine& engine, wasm::FeatureSet features, WastReport& report, std::string file,
                           std::string_view source, Prepared spectest)
    : engine_(engine),
      config_(engine.config()),
      report_(report),
      file_(std::move(file)),
      source_(source),
      spectest_(std::move(spectest)),
      store_(engine.executor()) {
  config_.features = features;
  define_hosts();
}

void ScriptRunner::define_hosts() {
  runtime::Instance* instance = nullptr;
  if (instantiate(spectest_, &instance).ok()) registered_["spectest"].instance = instance;
  // What wasmtime's scripts ask their host for.
  registered_["wasmtime"].exports["gc"] =
      store_.make_function({}, [](runtime::Caller& caller, abi::Slot*) -> runtime::Outcome<void> {
        caller.store().collect_garbage();
        return {};
      });
}

ScriptRunner::~ScriptRunner() {
  for (auto& [id, thread] : threads_) thread.join();
}

void ScriptRunner::run(const std::vector<text::Command>& commands) {
  for (const text::Command& command : commands) {
    auto result = WastReport::Result::Passed;
    std::string text;
    if (std::holds_alternative<text::Output>(command.body)) {
      result = WastReport::Result::Skipped;
      text = "Berth does not write modules out";
    } else {
      text = std::visit(
          [&](const auto& body) -> Failure {
            if constexpr (requires { this->run(body); }) return this->run(body);
            return {};
          },
          command.body);
      if (!text.empty()) result = WastReport::Result::Failed;
    }
    report_.add(file_, command.at, text::command_name(command), result, text);
  }
}

// --- modules

Result<ScriptRunner::Prepared> ScriptRunner::load(const text::ScriptModule& module, std::string* message,
                                                  bool check_customs) {
  text::ParseOptions options;
  options.features = config_.features;
  auto parsed = module.parse(source_, options);
  if (!parsed) {
    if (message) *message = text::render(file_, source_, parsed.error());
    return std::unexpected(std::move(parsed).error());
  }
  auto compiled = engine::compile_binary(std::move(parsed->binary), config_);
  if (!compiled) {
    if (message) *message = text::render(file_, source_, compiled.error(), &parsed->map);
    return std::unexpected(std::move(compiled).error());
  }
  if (check_customs) {
    if (parsed->custom_error) return std::unexpected(std::move(*parsed->custom_error));
    TRY(wasm::check_branch_hints(**compiled));
  }
  auto prepared = engine_.prepare(std::move(*compiled));
  if (!prepared && message) *message = "the module failed: " + prepared.error().to_string();
  return prepared;
}

std::optional<runtime::Extern> ScriptRunner::find_import(const wasm::Import& import) const {
  if (const auto from = registered_.find(import.module); from != registered_.end())
    return from->second.find(import.name);
  // Scripts of other projects import from modules by their identifiers.
  if (import.module.empty()) return std::nullopt;
  const auto from = modules_.find(import.module);
  return from == modules_.end() ? std::nullopt : from->second.find(import.name);
}

ScriptRunner::Outcome ScriptRunner::instantiate(const Prepared& module, runtime::Instance** instance) {
  Outcome outcome;
  std::vector<runtime::Extern> imports;
  for (const wasm::Import& import : module->module().imports) {
    const auto found = find_import(import);
    if (!found) {
      outcome.error.emplace(ErrorCode::UnknownImport, import.module + "." + import.name);
      return outcome;
    }
    imports.push_back(*found);
  }
  auto made = store_.instantiate(module, imports);
  if (made) {
    if (instance) *instance = *made;
  } else if (auto* error = std::get_if<Error>(&made.error())) {
    outcome.error = std::move(*error);
  } else {
    outcome.unwind = std::move(std::get<std::unique_ptr<runtime::Unwind>>(made.error()));
  }
  return outcome;
}

ScriptRunner::Outcome ScriptRunner::from_component(ComponentRunner::Outcome outcome) {
  Outcome out;
  out.is_component = true;
  out.unwind = std::move(outcome.unwind);
  out.error = std::move(outcome.error);
  out.component = std::move(outcome.value);
  out.type = outcome.type;
  return out;
}

ScriptRunner::Outcome ScriptRunner::instantiate_component(const text::ScriptModule& module) {
  auto prepared = components().load(module, source_, file_, config_, nullptr);
  if (prepared) return from_component(components().instantiate(*prepared, {}, false));
  Outcome outcome;
  outcome.error = std::move(prepared).error();
  return outcome;
}

ScriptRunner::Outcome ScriptRunner::instantiate(const text::ScriptModule& module) {
  if (module.is_component) return instantiate_component(module);
  auto prepared = load(module);
  if (prepared) return instantiate(*prepared, nullptr);
  Outcome outcome;
  outcome.error = std::move(prepared).error();
  return outcome;
}

ScriptRunner::Outcome ScriptRunner::instantiate(const text::ScriptInstance& command) {
  if (command.is_component) return from_component(components().instantiate(command));
  Outcome outcome;
  const auto definition = definitions_.find(command.definition.value_or(""));
  if (definition == definitions_.end()) {
    outcome.error = missing("module definition", command.definition);
    return outcome;
  }
  runtime::Instance* instance = nullptr;
  outcome = instantiate(definition->second, &instance);
  if (instance) name_instance(command.id, instance);
  return outcome;
}

void ScriptRunner::name_instance(const std::optional<std::string>& id, runtime::Instance* instance) {
  if (components_) components_->forget_last();
  modules_[""] = {instance, {}};
  if (id) modules_[*id] = {instance, {}};
}

ScriptRunner::Failure ScriptRunner::run(const text::ScriptModule& module) {
  std::string message;
  if (module.is_component) {
    auto prepared = components().load(module, source_, file_, config_, &message);
    if (!prepared) return message.empty() ? prepared.error().to_string() : message;
    components().define(module.id, *prepared);
    if (module.is_definition) return {};
    const Outcome outcome = from_component(components().instantiate(*prepared, module.id));
    return outcome.ok() ? Failure() : "the component " + describe(outcome);
  }
  auto prepared = load(module, &message);
  if (!prepared) return message;
  definitions_[""] = *prepared;
  if (module.id) definitions_[*module.id] = *prepared;
  if (module.is_definition) return {};
  runtime::Instance* instance = nullptr;
  const Outcome outcome = instantiate(*prepared, &instance);
  if (!instance) return "the module " + describe(outcome);
  name_instance(module.id, instance);
  return {};
}

ScriptRunner::Failure ScriptRunner::run(const text::ScriptInstance& instance) {
  const Outcome outcome = instantiate(instance);
  return outcome.ok() ? Failure() : "the instance " + describe(outcome);
}

Result<const ScriptRunner::Provider*> ScriptRunner::provider(const std::optional<std::string>& id) const {
  const auto it = modules_.find(id.value_or(""));
  if (it == modules_.end()) return fail(missing("module", id));
  return &it->second;
}

ScriptRunner::Failure ScriptRunner::run(const text::Register& command) {
  auto from = provider(command.module);
  if (!from) return from.error().to_string();
  registered_[command.name] = **from;
  return {};
}

// --- actions

Result<runtime::Value> ScriptRunner::constant(const text::Constant& c) {
  using Kind = text::Constant::Kind;
  switch (c.kind) {
    case Kind::I32: return runtime::Value::of_i32(static_cast<i32>(c.bits));
    case Kind::I64: return runtime::Value::of_i64(static_cast<i64>(c.bits));
    case Kind::F32: return runtime::Value::of_f32_bits(static_cast<u32>(c.bits));
    case Kind::F64: return runtime::Value::of_f64_bits(c.bits);
    case Kind::V128: return runtime::Value::of_v128(c.vector);
    case Kind::RefNull: return runtime::Value::of_ref(abi::kNull);
    case Kind::Component: return fail(ErrorCode::BadArgument, "a core function takes no component values");
    case Kind::RefExtern:
    case Kind::RefHost: break;
  }
  auto it = host_objects_.find(c.bits);
  if (it == host_objects_.end()) {
    const abi::Ref ref = TRY(store_.make_host_object(c.bits));
    store_.root(ref);
    it = host_objects_.emplace(c.bits, ref).first;
  }
  return runtime::Value::of_ref(it->second);
}

ScriptRunner::Outcome ScriptRunner::perform(const text::Action& action) {
  if (components_ && components_->owns(action.module)) return from_component(components_->invoke(action));
  Outcome outcome;
  auto from = provider(action.module);
  if (!from) {
    outcome.error = std::move(from).error();
    return outcome;
  }
  const auto found = (*from)->find(action.name);
  if (action.kind == text::Action::Kind::Get) {
    auto* const* global = found ? std::get_if<runtime::Global*>(&*found) : nullptr;
    if (global) {
      outcome.values.push_back(value_of(**global));
    } else {
      outcome.error.emplace(ErrorCode::UnknownExport, "global " + action.name);
    }
    return outcome;
  }
  auto* const* function = found ? std::get_if<abi::FunctionInstance*>(&*found) : nullptr;
  if (!function) {
    outcome.error.emplace(ErrorCode::UnknownExport, "function " + action.name);
    return outcome;
  }
  std::vector<runtime::Value> arguments;
  for (const text::Constant& c : action.arguments) {
    auto value = constant(c);
    if (!value) {
      outcome.error = std::move(value).error();
      return outcome;
    }
    arguments.push_back(*value);
  }
  auto results = store_.call(**function, arguments);
  if (results) {
    outcome.values = std::move(*results);
  } else if (auto* error = std::get_if<Error>(&results.error())) {
    outcome.error = std::move(*error);
  } else {
    outcome.unwind = std::move(std::get<std::unique_ptr<runtime::Unwind>>(results.error()));
  }
  return outcome;
}

std::string ScriptRunner::describe(const Outcome& outcome) {
  if (outcome.error) {
    return "failed as " + std::string(kind_name(outcome.error->kind())) + ": " + outcome.error->to_string();
  }
  if (outcome.unwind) return "ended with " + outcome.unwind->to_string();
  if (outcome.component) return "returned " + component::to_string(*outcome.component, *outcome.type);
  return "returned " + show_all(outcome.values);
}

ScriptRunner::Failure ScriptRunner::run(const text::Action& action) {
  const Outcome outcome = perform(action);
  return outcome.ok() ? Failure() : "it " + describe(outcome);
}

ScriptRunner::Failure ScriptRunner::run(const text::AssertReturn& command) {
  const Outcome outcome = perform(command.action);
  if (outcome.is_component && outcome.ok()) {
    const size_t count = outcome.component ? 1 : 0;
    std::string wrong;
    if (command.results.size() != count) {
      wrong = "actual   " + describe(outcome);
    } else if (count == 1) {
      wrong = mismatch(*outcome.component, *outcome.type, command.results[0]);
    }
    return wrong.empty() ? wrong : command.action.name + "\n" + wrong;
  }
  bool same = outcome.ok() && outcome.values.size() == command.results.size();
  for (size_t i = 0; same && i < command.results.size(); ++i) same = matches(outcome.values[i], command.results[i]);
  if (same) return {};
  std::string expected;
  for (const text::Pattern& p : command.results) expected += (expected.empty() ? "" : " ") + show(p);
  if (expected.empty()) expected = "nothing";
  const std::string actual = outcome.ok() ? show_all(outcome.values, &command.results) : "it " + describe(outcome);
  return command.action.name + "\nexpected " + expected + "\nactual   " + actual;
}

ScriptRunner::Failure ScriptRunner::expect_trap(const Outcome& outcome, std::string_view message) {
  if (outcome.unwind && outcome.unwind->kind == runtime::UnwindKind::Trap && says(message, *outcome.unwind)) return {};
  return "expected trap: " + std::string(message) + "\nactual   it " + describe(outcome);
}

ScriptRunner::Failure ScriptRunner::run(const text::AssertTrap& command) {
  if (const auto* action = std::get_if<text::Action>(&command.target)) {
    return expect_trap(perform(*action), command.message);
  }
  if (const auto* instance = std::get_if<text::ScriptInstance>(&command.target)) {
    return expect_trap(instantiate(*instance), command.message);
  }
  return expect_trap(instantiate(std::get<text::ScriptModule>(command.target)), command.message);
}

ScriptRunner::Failure ScriptRunner::run(const text::AssertExhaustion& command) {
  return expect_trap(perform(command.action), command.message);
}

ScriptRunner::Failure ScriptRunner::run(const text::AssertException& command) {
  const Outcome outcome = perform(command.action);
  if (outcome.unwind && outcome.unwind->kind == runtime::UnwindKind::Exception) return {};
  return "expected an exception\nactual   it " + describe(outcome);
}

ScriptRunner::Failure ScriptRunner::run(const text::AssertModule& command) {
  using Kind = text::AssertModule::Kind;
  static constexpr struct {
    ErrorKind kind;
    bool custom;
  } kExpected[] = {{ErrorKind::Malformed, false},
                   {ErrorKind::Invalid, false},
                   {ErrorKind::Unlinkable, false},
                   {ErrorKind::Malformed, true},
                   {ErrorKind::Invalid, true}};
  const auto expected = kExpected[static_cast<size_t>(command.kind)];
  const std::string wanted =
      "expected " + std::string(kind_name(expected.kind)) + ": " + command.message + "\nactual   ";

  std::optional<Error> error;
  const auto* module = std::get_if<text::ScriptModule>(&command.target);
  if (command.kind == Kind::Unlinkable || !module) {
    Outcome outcome = module ? instantiate(*module) : instantiate(std::get<text::ScriptInstance>(command.target));
    if (outcome.error && outcome.error->kind() == expected.kind) return {};
    // Segments were part of linking once.
    if (outcome.unwind && says(command.message, *outcome.unwind)) return {};
    return wanted + "the module " + (outcome.ok() ? "was instantiated" : describe(outcome));
  }
  if (module->is_component) {
    auto loaded = components().load(*module, source_, file_, config_, nullptr);
    if (loaded) return wanted + "the component is valid";
    if (loaded.error().kind() == expected.kind) return {};
    // Where names are resolved is a matter of taste: the text that does not say what it means may be invalid.
    if (expected.kind == ErrorKind::Invalid && loaded.error().kind() == ErrorKind::Malformed) return {};
    return wanted + std::string(kind_name(loaded.error().kind())) + ": " + loaded.error().to_string();
  }
  auto loaded = load(*module, nullptr, expected.custom);
  if (loaded) return wanted + "the module is valid";
  if (loaded.error().kind() == expected.kind) return {};
  // What is malformed in a custom section shows in its text, or when it is held against the module.
  if (expected.custom && loaded.error().code() == ErrorCode::TextCustom) return {};
  return wanted + std::string(kind_name(loaded.error().kind())) + ": " + loaded.error().to_string();
}

// --- threads and nested scripts

ScriptRunner::Failure ScriptRunner::run(const text::Thread& command) {
  if (threads_.contains(command.id)) return "there is a thread $" + command.id + " already";
  auto runner = std::make_unique<ScriptRunner>(engine_, config_.features, report_, file_, source_, spectest_);
  for (const std::string& id : command.shared) {
    auto from = provider(id);
    if (!from) return from.error().to_string();
    // What threads can share are shared memories; the thread's store gets its own view of each.
    Provider& to = runner->modules_[id];
    if (!(*from)->instance) return "$" + id + " is shared from another thread";
    for (const wasm::Export& e : (*from)->instance->module().module().exports) {
      const auto found = (*from)->instance->find_export(e.name);
      if (auto* const* memory = found ? std::get_if<runtime::Memory*>(&*found) : nullptr) {
        if ((*memory)->shared()) to.exports.emplace(e.name, runner->store_.adopt_memory((*memory)->shared()));
      }
    }
  }
  // The commands are the script's, which outlives its threads.
  threads_.emplace(command.id,
                   std::thread([runner = std::move(runner), &commands = command.commands] { runner->run(commands); }));
  return {};
}

ScriptRunner::Failure ScriptRunner::run(const text::Wait& command) {
  const auto it = threads_.find(command.thread);
  if (it == threads_.end()) return "there is no thread $" + command.thread;
  it->second.join();
  threads_.erase(it);
  return {};
}

ScriptRunner::Failure ScriptRunner::run(const text::SubScript& command) {
  run(command.commands);
  return {};
}

ScriptRunner::Failure ScriptRunner::run(const text::Input& command) {
  if (input_depth_ >= kMaxInputDepth) return "scripts nested too deeply";
  // Relative to this script.
  std::string path = command.file;
  if (const size_t slash = file_.rfind('/'); !path.starts_with('/') && slash != std::string::npos) {
    path = file_.substr(0, slash + 1) + path;
  }
  std::string source;
  if (const int error = read_file(path, source)) return "cannot read " + path + ": " + std::strerror(error);
  auto script = text::parse_script(source);
  if (!script) return text::render(path, source, script.error());
  ScriptRunner runner(engine_, config_.features, report_, path, source, spectest_);
  runner.input_depth_ = input_depth_ + 1;
  runner.run(script->commands);
  return {};
}

}  // namespace berth::cli
