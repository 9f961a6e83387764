// berth run of a component

#include "berth/commands.h"
#include "berth/open_cache.h"
#include "berth/run_options.h"
#include "cli/output.h"
#include "component/store.h"
#include "engine/demangle.h"
#include "runtime/deadline.h"
#include "wasi_http/http.h"
#include "wasi_http/incoming.h"
#include "wasi_p2/wasi.h"
#include "wasm/names.h"

namespace berth::cli {
namespace {

using engine::printable;

// What only modules can be given.
OrStop<> refuse_module_options(const Arguments& arguments, const std::string& path) {
  static constexpr std::pair<std::string_view, std::string_view> kOptions[] = {
      {"--invoke", "it runs what the component exports as wasi:cli/run"},
      {"--preload", "a component brings its modules along"},
      {"--artifact", "native code of components is kept in the cache only"},
  };
  for (const auto& [option, why] : kOptions) {
    if (arguments.has(option))
      return stop(UsageError{std::string(option) + " is for modules, and " + printable(path) + " is a component",
                             std::string(why)});
  }
  return {};
}

class ComponentRun {
 public:
  ComponentRun(const Arguments& arguments, const RunOptions& options, const std::string& path)
      : arguments_(arguments), options_(options), path_(path) {}

  OrStop<int> run(RunGrants grants, std::vector<u8> bytes);
  // Ends what would otherwise go on beside the process or at its end.
  void end() {
    deadline_.reset();
    if (engine_) engine_->stop();
  }

 private:
  OrStop<> define_wasi(RunGrants grants);
  OrStop<int> call(std::shared_ptr<const component::PreparedComponent> component, const std::string& command);
  std::unexpected<Stop> fail_with(const runtime::InstantiationFailure& failure);
  std::unexpected<Stop> missing(const Error& error);

  const Arguments& arguments_;
  const RunOptions& options_;
  const std::string& path_;
  hostio::NetworkGrants http_grants_;
  std::unique_ptr<engine::Engine> engine_;
  std::unique_ptr<wasi_p2::Context> wasi_;  // outlives the store
  std::unique_ptr<runtime::Store> core_store_;
  std::optional<component::Store> store_;
  std::optional<runtime::Deadline> deadline_;
};

OrStop<> ComponentRun::define_wasi(RunGrants grants) {
  wasi_p2::Config config;
  config.args = std::move(grants.args);
  config.environment = std::move(grants.environment);
  config.directories = std::move(grants.directories);
  const auto allow = [&](std::string_view option, hostio::NetworkGrants& to,
                         Result<> (hostio::NetworkGrants::*how)(std::string_view)) -> OrStop<> {
    for (const std::string_view rule : arguments_.values(option)) {
      if (auto allowed = (to.*how)(rule); !allowed)
        return stop(UsageError{std::string(option) + ": " + allowed.error().detail(), {}});
    }
    return {};
  };
  TRY(allow("--allow-net", config.network, &hostio::NetworkGrants::allow));
  TRY(allow("--tcp-listen", config.network, &hostio::NetworkGrants::allow_listening));
  TRY(allow("--udp-bind", config.network, &hostio::NetworkGrants::allow_udp_binding));
  TRY(allow("--allow-http", http_grants_, &hostio::NetworkGrants::allow));
  auto context = wasi_p2::Context::create(std::move(config));
  if (context) {
    wasi_ = std::move(*context);
    return {};
  }
  const Error& error = context.error();
  if (error.kind() == ErrorKind::Usage) return stop(UsageError{error.detail(), {}});
  return stop(error.to_string(),
              arguments_.has("--dir") ? "a folder must exist and be readable before it can be granted" : "");
}

std::unexpected<Stop> ComponentRun::missing(const Error& error) {
  std::string message = printable(path_) + " needs what nothing here provides:";
  // Of each interface its name and the first things that lack.
  constexpr size_t kShown = 3;
  std::string_view rest = error.detail(), interface;
  size_t count = 0;
  const auto end_of_interface = [&] {
    if (count > kShown) message += ", and " + std::to_string(count - kShown) + " more";
  };
  while (!rest.empty()) {
    const size_t comma = rest.find(", ");
    const std::string_view name = rest.substr(0, comma);
    rest.remove_prefix(comma == std::string_view::npos ? rest.size() : comma + 2);
    const size_t hash = name.find('#');
    if (count == 0 || name.substr(0, hash) != interface) {
      end_of_interface();
      count = 0;
      interface = name.substr(0, hash);
      message += "\n  " + printable(interface) + (hash == std::string_view::npos ? "" : ":");
    }
    if (++count <= kShown && hash != std::string_view::npos)
      message += (count == 1 ? " " : ", ") + printable(name.substr(hash + 1));
  }
  end_of_interface();
  return stop(message,
              "Berth provides wasi:cli, clocks, filesystem, http, io, random and sockets in their versions 0.2");
}

std::unexpected<Stop> ComponentRun::fail_with(const runtime::InstantiationFailure& failure) {
  if (const auto* error = std::get_if<Error>(&failure); error && error->code() == ErrorCode::UnknownImport)
    return missing(*error);
  // Of several modules the one that it was.
  return report_failure(arguments_, failure, path_, [&](const wasm::Module& module) {
    const auto names = wasm::Names::parse(module);
    return names.module() ? printable(*names.module()) : printable(file_name(path_));
  });
}

OrStop<int> ComponentRun::call(std::shared_ptr<const component::PreparedComponent> component,
                               const std::string& command) {
  component::Linker linker(*store_);
  wasi_p2::add_to_linker(linker, *store_, *core_store_, *wasi_, *component->component);
  wasi_http::add_to_linker(linker, *wasi_, std::move(http_grants_), *component->component);
  auto instance = linker.instantiate(std::move(component));
  if (!instance) return fail_with(instance.error());
  component::Function* run = instance->find_function(command, "run");
  if (run == nullptr) return stop(printable(path_) + ": its " + printable(command) + " has no function run");
  auto result = store_->call(*run, {});
  if (!result) return fail_with(result.error());
  const bool is_error = *result && (*result)->kind == component::cm::TypeKind::Result && (*result)->bits != 0;
  return is_error ? 1 : 0;
}

OrStop<int> ComponentRun::run(RunGrants grants, std::vector<u8> bytes) {
  TRY(refuse_module_options(arguments_, path_));
  auto loaded = component::load_component(std::move(bytes), path_ == "-" ? "standard input" : path_, options_.config);
  if (!loaded) return std::unexpected(Stop{load_error(loaded.error())});
  const std::string command = wasi_p2::find_command(**loaded);
  if (command.empty() && !wasi_http::find_handler(**loaded).empty()) {
    if (const auto address = arguments_.value("--serve")) return serve_component_at(arguments_, std::string(*address));
    return stop(UsageError{printable(path_) + " is not a program: it answers requests", "`berth serve` serves it"});
  }
  if (command.empty())
    return stop(UsageError{printable(path_) + " is not a program: it does not export wasi:cli/run@0.2",
                           "build it as a command component, not as a library"});
  engine::Config config = options_.config;
  take_native_code(component::core_modules(**loaded), config);
  auto engine = engine::Engine::create(config);
  if (!engine) return stop(engine.error().to_string());
  engine_ = std::move(*engine);
  auto prepared = component::prepare(*engine_, std::move(*loaded));
  if (!prepared) return stop(printable(path_) + ": " + prepared.error().to_string(), "--tier interp needs no compiler");
  TRY(define_wasi(std::move(grants)));
  core_store_ = std::make_unique<runtime::Store>(engine_->executor(), options_.limits);
  store_.emplace(*core_store_);
  if (options_.config.fuel) core_store_->set_fuel(static_cast<i64>(options_.fuel));
  if (options_.timeout) deadline_.emplace(*core_store_, *options_.timeout);
  const auto code = call(std::move(*prepared), command);
  wasi_->finish();
  return code;
}

}  // namespace

OrStop<int> run_component(const Arguments& arguments, const RunOptions& options, RunGrants grants,
                          const std::string& path, std::vector<u8> bytes) {
  // The process ends with it: what it holds the kernel takes back sooner than destructors would.
  static ComponentRun* run = new ComponentRun(arguments, options, path);
  const auto code = run->run(std::move(grants), std::move(bytes));
  run->end();
  return code;
}

}  // namespace berth::cli
