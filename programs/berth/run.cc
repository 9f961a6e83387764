// berth run

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <map>

#include "berth/commands.h"
#include "berth/hand_over.h"
#include "berth/needs.h"
#include "berth/open_cache.h"
#include "berth/run_options.h"
#include "berth/termination.h"
#include "berth/values.h"
#include "cli/output.h"
#include "engine/demangle.h"
#include "hostio/socket.h"
#include "runtime/deadline.h"
#include "wasi_p1/wasi.h"

namespace berth::cli {
namespace {

using engine::printable;
using runtime::Instance;
using runtime::Unwind;
using Prepared = std::shared_ptr<const runtime::PreparedModule>;

bool is_wasi(std::string_view module) { return module == "wasi_snapshot_preview1" || module == "wasi_unstable"; }

// One run of a guest: what was asked for, and all that lives while it runs.
class Run {
 public:
  explicit Run(const Arguments& arguments) : arguments_(arguments), path_(arguments.operands()[0]) {}

  OrStop<int> run();
  void end();

 private:
  OrStop<Prepared> load(const std::string& path);
  OrStop<Prepared> prepare(std::shared_ptr<const wasm::Module> module);
  OrStop<> preload();
  OrStop<> open_listeners(wasi_p1::WasiConfig& config);
  OrStop<> define_wasi();
  OrStop<Instance*> instantiate(const Prepared& module, std::string_view path);
  OrStop<int> call_program(Instance& instance);
  OrStop<int> call_export(Instance& instance, std::string_view name);
  OrStop<> call(abi::FunctionInstance& function, std::span<const runtime::Value> args,
                std::vector<runtime::Value>* results);
  std::unexpected<Stop> report_missing(const wasm::Module& module, std::string_view path);
  std::unexpected<Stop> fail_with(const runtime::InstantiationFailure& failure, std::string_view path);

  const Arguments& arguments_;
  std::string path_;
  RunOptions options_;
  RunGrants grants_;

  std::map<const wasm::Module*, std::string> names_;
  std::unique_ptr<engine::Engine> engine_;
  std::unique_ptr<wasi_p1::WasiContext> wasi_;  // outlives the store
  std::unique_ptr<runtime::Store> store_;
  std::optional<runtime::Linker> linker_;
  std::optional<runtime::Deadline> deadline_;
};

OrStop<Prepared> Run::load(const std::string& path) {
  auto module = engine_->load_file(path);
  if (!module) return std::unexpected(Stop{load_error(module.error())});
  names_[&(*module)->module()] = path == "-" ? "stdin" : printable(file_name(path));
  return std::move(*module);
}

OrStop<Prepared> Run::prepare(std::shared_ptr<const wasm::Module> module) {
  auto prepared = engine_->prepare(std::move(module));
  if (!prepared) return stop(printable(path_) + ": " + prepared.error().to_string(), "--tier interp needs no compiler");
  names_[&(*prepared)->module()] = path_ == "-" ? "stdin" : printable(file_name(path_));
  return std::move(*prepared);
}

OrStop<> Run::open_listeners(wasi_p1::WasiConfig& config) {
  for (const std::string& address : grants_.listening) {
    auto listener = hostio::listen_tcp(address);
    if (!listener) {
      if (listener.error().kind() == ErrorKind::Usage) {
        return stop(
            UsageError{"--tcp-listen: " + listener.error().detail(), "for example --tcp-listen 127.0.0.1:8080"});
      }
      return stop("--tcp-listen: " + listener.error().to_string());
    }
    if (arguments_.has("--drain")) termination::close_at_drain(listener->fd());
    config.listeners.push_back(std::move(*listener));
  }
  // The specification gives sockets no names to be found by.
  if (!config.listeners.empty())
    config.environment.push_back("BERTH_LISTEN_FD=" + std::to_string(3 + config.directories.size()));
  return {};
}

OrStop<> Run::define_wasi() {
  wasi_p1::WasiConfig config;
  config.args = std::move(grants_.args);
  config.environment = std::move(grants_.environment);
  config.directories = std::move(grants_.directories);
  TRY(open_listeners(config));
  auto context = wasi_p1::WasiContext::create(std::move(config));
  if (context) {
    wasi_ = std::move(*context);
    return {};
  }
  const Error& error = context.error();
  if (error.kind() == ErrorKind::Usage) return stop(UsageError{error.detail(), {}});
  return stop(error.to_string(),
              arguments_.has("--dir") ? "a folder must exist and be readable before it can be granted" : "");
}

std::unexpected<Stop> Run::report_missing(const wasm::Module& module, std::string_view path) {
  std::string message = printable(path) + " needs what nothing here provides:";
  std::vector<std::string> lacking;
  for (const auto& import : module.imports) {
    if (linker_->find(import.module, import.name)) continue;
    lacking.push_back(printable(import.module));
    message += "\n  " + printable(import.module) + " " + printable(import.name) + "  " + wasm::to_string(import.kind);
    if (import.kind == wasm::ExternKind::Func)
      message += " " + wasm::to_string(module.func_type(wasm::FuncIdx(import.index)));
  }
  const Needs needs = needs_of(module);
  std::string hint;
  for (const Need& need : needs.foreign) {
    if (std::ranges::find(lacking, need.what) == lacking.end()) continue;
    if (!hint.empty()) hint += "\n  ";
    hint += need.what + ": " +
            (is_wasi(need.what) ? "Berth provides it, but it has no such function" : need.means + "; " + need.grant);
  }
  return stop(message, hint);
}

std::unexpected<Stop> Run::fail_with(const runtime::InstantiationFailure& failure, std::string_view path) {
  return report_failure(arguments_, failure, path, [&](const wasm::Module& module) {
    const auto it = names_.find(&module);
    return it == names_.end() ? std::string() : it->second;
  });
}

OrStop<Instance*> Run::instantiate(const Prepared& module, std::string_view path) {
  for (const auto& import : module->module().imports) {
    if (!linker_->find(import.module, import.name)) return report_missing(module->module(), path);
  }
  auto instance = linker_->instantiate(module);
  if (instance) return *instance;
  if (auto* unwind = std::get_if<std::unique_ptr<Unwind>>(&instance.error()); unwind && (*unwind)->backtrace.empty()) {
    (*unwind)->message = "while " + printable(path) + " was instantiated" +
                         ((*unwind)->message.empty() ? "" : ": " + (*unwind)->message);
  }
  return fail_with(instance.error(), path);
}

OrStop<> Run::preload() {
  for (const auto& [name, path] : options_.preloads) {
    const Prepared module = TRY(load(path));
    Instance* instance = TRY(instantiate(module, path));
    if (auto* initialize = instance->find_function("_initialize")) TRY(call(*initialize, {}, nullptr));
    if (auto defined = linker_->define_instance(name, *instance); !defined) {
      return stop("--preload " + name + ": " + defined.error().to_string());
    }
  }
  return {};
}

OrStop<> Run::call(abi::FunctionInstance& function, std::span<const runtime::Value> args,
                   std::vector<runtime::Value>* results) {
  auto called = store_->call(function, args);
  if (!called) return fail_with(called.error(), path_);
  if (results) *results = std::move(*called);
  return {};
}

OrStop<int> Run::call_program(Instance& instance) {
  const wasm::Module& module = instance.module().module();
  if (abi::FunctionInstance* start = instance.find_function("_start")) {
    TRY(call(*start, {}, nullptr));
    return 0;
  }
  if (abi::FunctionInstance* initialize = instance.find_function("_initialize")) {
    TRY(call(*initialize, {}, nullptr));
    return 0;
  }
  if (module.start) return 0;
  std::string functions;
  size_t count = 0;
  for (const auto& e : module.exports) {
    if (e.kind != wasm::ExternKind::Func) continue;
    if (++count <= 8) functions += (count == 1 ? "" : ", ") + printable(e.name);
  }
  if (count > 8) functions += ", and " + std::to_string(count - 8) + " more";
  return stop(UsageError{
      printable(path_) + " is not a program: it exports no _start",
      functions.empty() ? "it exports no function at all" : "--invoke NAME calls one of its exports: " + functions});
}

OrStop<int> Run::call_export(Instance& instance, std::string_view name) {
  const wasm::Module& module = instance.module().module();
  abi::FunctionInstance* function = instance.find_function(name);
  if (!function) {
    std::vector<std::string_view> names;
    std::string all;
    for (const auto& e : module.exports) {
      if (e.kind != wasm::ExternKind::Func) continue;
      names.push_back(e.name);
      if (names.size() <= 8) all += (all.empty() ? "" : ", ") + printable(e.name);
    }
    const auto close = nearest(name, names);
    return stop(UsageError{printable(path_) + " exports no function " + printable(name),
                           !close.empty()   ? "did you mean " + printable(close) + "?"
                           : !names.empty() ? "it exports " + all + (names.size() > 8 ? ", …" : "")
                                            : "it exports no function at all"});
  }
  const wasm::FuncType& type = function->type->definition->func;
  const auto words = std::span(arguments_.operands()).subspan(1);
  if (words.size() != type.params.size()) {
    return stop(UsageError{printable(name) + " takes " + std::to_string(type.params.size()) +
                               (type.params.size() == 1 ? " argument, " : " arguments, ") +
                               std::to_string(words.size()) + (words.size() == 1 ? " was given" : " were given"),
                           "its type is " + wasm::to_string(type)});
  }
  std::vector<runtime::Value> values;
  for (size_t i = 0; i < words.size(); ++i) {
    auto value = parse_value(words[i], type.params[i]);
    if (!value)
      return stop(UsageError{"argument " + std::to_string(i + 1) + ": " + value.error(),
                             "its type is " + wasm::to_string(type)});
    values.push_back(*value);
  }
  if (abi::FunctionInstance* initialize = instance.find_function("_initialize"); initialize && initialize != function) {
    TRY(call(*initialize, {}, nullptr));
  }
  std::vector<runtime::Value> results;
  TRY(call(*function, values, &results));
  Output out;
  for (const auto& result : results) out << format_value(result) << "\n";
  return out.finish(0);
}

// Ends what would otherwise go on beside the process or at its end.
void Run::end() {
  deadline_.reset();
  if (engine_) engine_->stop();
}

OrStop<int> Run::run() {
  if (auto arranged = termination::arrange(arguments_.has("--drain")); !arranged)
    return stop(arranged.error().to_string());
  options_ = TRY(read_run_options(arguments_));
  if (may_name_image(path_) && access(path_.c_str(), F_OK) != 0) {
    auto module = module_of_image(path_);
    if (!module) return std::unexpected(Stop{kExitFailure});
    path_ = std::move(*module);
  }
  grants_ = TRY(read_run_grants(arguments_, path_));
  const bool has_grants = !grants_.directories.empty() || !grants_.listening.empty();
  if (std::getenv("BERTH_VERBOSE") != nullptr)
    options_.config.background_note = [](const std::string& note) { print_message("berth: " + note, ""); };
  std::vector<u8> component;
  auto decoded = load_program(path_, {arguments_.value("--artifact"), arguments_.value("--code")},
                              !arguments_.has("--tier"), options_.config, &component);
  if (!component.empty()) return run_component(arguments_, options_, std::move(grants_), path_, std::move(component));
  if (!decoded) return std::unexpected(Stop{load_error(decoded.error())});
  for (const std::string_view option : {"--allow-http", "--allow-net", "--udp-bind"}) {
    if (arguments_.has(option))
      return stop(UsageError{std::string(option) + " is for components, and " + printable(path_) + " is a module",
                             "modules get sockets that listen already: --tcp-listen ADDRESS:PORT"});
  }
  auto engine = engine::Engine::create(options_.config);
  if (!engine) return stop(engine.error().to_string());
  engine_ = std::move(*engine);
  const Prepared module = TRY(prepare(std::move(*decoded)));

  const bool wants_wasi = has_grants || !options_.preloads.empty() ||
                          std::ranges::any_of(module->module().imports, is_wasi, &wasm::Import::module);
  if (wants_wasi) TRY(define_wasi());
  store_ = std::make_unique<runtime::Store>(engine_->executor(), options_.limits);
  linker_.emplace(*store_);
  if (options_.config.fuel) store_->set_fuel(static_cast<i64>(options_.fuel));
  if (options_.timeout) deadline_.emplace(*store_, *options_.timeout);
  if (wants_wasi) {
    const wasm::Module* only_for = options_.preloads.empty() ? &module->module() : nullptr;
    if (auto added = wasi_p1::add_to_linker(*linker_, *store_, *wasi_, only_for); !added) {
      return stop(added.error().to_string());
    }
  }
  TRY(preload());
  Instance* instance = TRY(instantiate(module, path_));
  if (const auto name = arguments_.value("--invoke")) return call_export(*instance, *name);
  return call_program(*instance);
}

}  // namespace

int run_command(const Arguments& arguments) {
  // The process ends with it: what it holds the kernel takes back sooner than destructors would.
  static Run* run = new Run(arguments);
  const auto code = run->run();
  run->end();
  return termination::exit_code(code ? *code : code.error().exit_code);
}

}  // namespace berth::cli
