// What `berth run` is asked for, whatever it runs, and how it says that a run has ended. One thread.
#pragma once

#include <chrono>
#include <expected>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cli/options.h"
#include "engine/engine.h"
#include "hostio/grants.h"
#include "runtime/store.h"

namespace berth::cli {

// Ends the command with a message already printed.
struct Stop {
  int exit_code;
};
template <typename T = void>
using OrStop = std::expected<T, Stop>;

std::unexpected<Stop> stop(const UsageError& error);
std::unexpected<Stop> stop(std::string_view message, std::string_view hint = {});

std::string file_name(std::string_view path);

struct RunOptions {
  engine::Config config;
  runtime::StoreLimits limits;
  u64 fuel = 0;  // counts when config.fuel is set
  std::optional<std::chrono::nanoseconds> timeout;
  std::vector<std::pair<std::string, std::string>> preloads;  // name, file
};
OrStop<RunOptions> read_run_options(const Arguments& arguments);

struct RunGrants {
  std::vector<std::string> args;         // the program's name first
  std::vector<std::string> environment;  // "NAME=value"
  std::vector<hostio::DirectoryGrant> directories;
  std::vector<std::string> listening;  // "ADDRESS:PORT" of --tcp-listen
};
// `path` is what is run.
OrStop<RunGrants> read_run_grants(const Arguments& arguments, const std::string& path);

// What messages call a module; empty when it has no name.
using ModuleName = std::function<std::string(const wasm::Module&)>;
// Says how the guest ended when it did not return; the exit code that goes with it.
Stop report_end(const runtime::Unwind& unwind, const ModuleName& name);
// Says why `path` could not be instantiated or called.
std::unexpected<Stop> report_failure(const Arguments& arguments, const runtime::InstantiationFailure& failure,
                                     std::string_view path, const ModuleName& name);

// Runs wasi:cli/run of a component. `bytes` is what is at `path`.
OrStop<int> run_component(const Arguments& arguments, const RunOptions& options, RunGrants grants,
                          const std::string& path, std::vector<u8> bytes);

}  // namespace berth::cli
