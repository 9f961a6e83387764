// The commands of the program. Each gets what was given to it and returns the process's exit code.
#pragma once

#include <string>

#include "cli/options.h"
#include "engine/engine.h"
#include "wasm/features.h"

namespace berth::cli {

// All commands, in the order in which help shows them.
std::span<const Command> commands();
const Command* find_command(std::string_view name);
// The page of `berth help`. Ends with a line end.
std::string help_page();
// The program that a command is the business of; empty: this one's.
std::string program_of(const Command& command);

int run_command(const Arguments& arguments);
int serve_command(const Arguments& arguments);
// Serves the component that `berth run` was given, as its options say. Ends the process.
int serve_component_at(const Arguments& arguments, std::string address);
int compile_command(const Arguments& arguments);
int image_command(const Arguments& arguments);
// Of another program (program_of).
int elsewhere_command(const Arguments& arguments);
int cache_command(const Arguments& arguments);
int wast_command(const Arguments& arguments);
int validate_command(const Arguments& arguments);
int compose_command(const Arguments& arguments);
int inspect_command(const Arguments& arguments);
int tool_command(const Arguments& arguments);
int completions_command(const Arguments& arguments);
int version_command(const Arguments& arguments);

// Applies --enable and --disable in their order; each takes names of features, separated by commas, or "all".
std::optional<UsageError> read_features(const Arguments& arguments, wasm::FeatureSet& features);
// Reads --tier.
std::optional<UsageError> read_tier(const Arguments& arguments, engine::Config& config);
// Prints why a module could not be loaded; kExitFailure.
int load_error(const engine::LoadFailure& failure);

}  // namespace berth::cli
