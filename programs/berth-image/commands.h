// The commands of the program. Each gets what was given to it and returns the process's exit code. One thread.
#pragma once

#include "cli/options.h"
#include "cli/output.h"
#include "oci/reference.h"
#include "oci/registry.h"
#include "oci/store.h"

namespace berth::image {

using cli::Arguments;
using cli::UsageError;

std::span<const cli::Command> commands();
std::string help_page();

int build_command(const Arguments& arguments);
int encrypt_command(const Arguments& arguments);
int pull_command(const Arguments& arguments);
int push_command(const Arguments& arguments);
int list_command(const Arguments& arguments);
int inspect_command(const Arguments& arguments);
int tag_command(const Arguments& arguments);
int remove_command(const Arguments& arguments);
int save_command(const Arguments& arguments);
int load_command(const Arguments& arguments);
int login_command(const Arguments& arguments);
int logout_command(const Arguments& arguments);
int unpack_command(const Arguments& arguments);
int warm_command(const Arguments& arguments);

// Says what went wrong and, in a second line, what to do; the exit code.
int report(const Error& error);
// The store that the environment names.
Result<oci::Store> open_store();
// The named image, or what to do about it not being there.
Result<oci::Descriptor> find_image(const oci::Store& store, const oci::Reference& reference);
// Reads --tls-verify, --ca-file, --authfile, --creds and --chunk-size.
std::expected<oci::RegistryOptions, UsageError> read_registry_options(const Arguments& arguments);

}  // namespace berth::image
