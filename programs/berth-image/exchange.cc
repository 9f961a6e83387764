// berth image pull, push, login, logout

#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <iostream>

#include "berth-image/commands.h"
#include "berth-image/progress.h"
#include "berth-image/unpacked.h"
#include "cli/units.h"
#include "oci/problem.h"
#include "oci/transfer.h"

namespace berth::image {
namespace {

void say_moved(const char* verb, const oci::Transferred& done, bool quiet) {
  if (quiet) return;
  std::string text = std::string(verb) + " " + cli::format_size(done.moved);
  if (done.there != 0) text += "; " + cli::format_size(done.there) + " were there already";
  cli::print_message(text);
}

// A line from the terminal, without showing it if it is secret.
Result<std::string> ask(const char* question, bool secret) {
  if (isatty(STDIN_FILENO) != 1)
    return oci::problem("there is no terminal to ask for credentials on",
                        "--username NAME --password-stdin takes them from a pipe");
  termios before{};
  const bool hide = secret && tcgetattr(STDIN_FILENO, &before) == 0;
  if (hide) {
    termios hidden = before;
    hidden.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden);
  }
  // Only now: an answer that comes at once is neither shown nor flushed.
  cli::write_all(STDERR_FILENO, question);
  std::string line;
  std::getline(std::cin, line);
  if (hide) {
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
    cli::write_all(STDERR_FILENO, "\n");
  }
  return line;
}

Result<oci::Credentials> read_credentials(const Arguments& arguments, const oci::RegistryOptions& options) {
  if (options.credentials) return *options.credentials;
  oci::Credentials out;
  out.user = arguments.has("--username") ? std::string(*arguments.value("--username")) : TRY(ask("User: ", false));
  if (out.user.empty() || out.user.find(':') != std::string::npos)
    return fail(ErrorCode::BadArgument, "a user's name is not empty and has no colon");
  if (arguments.has("--password-stdin")) {
    std::getline(std::cin, out.password);
    if (out.password.ends_with('\r')) out.password.pop_back();
  } else {
    out.password = TRY(ask("Password: ", true));
  }
  return out;
}

// The registry of "HOST" or "HOST/PREFIX", as a reference to anything in it.
Result<oci::Reference> registry_of(std::string_view text) {
  const bool has_path = text.find('/') != std::string_view::npos;
  auto reference = oci::parse_reference(std::string(text) + (has_path ? "" : "/any"));
  if (!reference || (reference->is_local() && !text.starts_with(oci::kLocal)))
    return fail(ErrorCode::BadArgument, "\"" + std::string(text) + "\" is no name of a registry");
  return reference;
}

Result<std::string> log_in(const Arguments& arguments, oci::RegistryOptions options) {
  const std::string name(arguments.operands()[0]);
  const oci::Reference reference = TRY(registry_of(name));
  options.credentials = TRY(read_credentials(arguments, options));
  const auto registry = TRY(oci::Registry::open(reference, oci::Registry::Access::Pull, options));
  TRY(registry->check_login());
  const bool has_path = name.find('/') != std::string::npos;
  return oci::keep_credentials(has_path ? reference.name() : reference.registry, *options.credentials,
                               options.auth_file);
}

Result<oci::PullOptions> read_pull_options(const Arguments& arguments, const oci::RegistryOptions& registry) {
  oci::PullOptions options;
  options.registry = registry;
  options.selection.all = arguments.has("--all-platforms");
  if (const auto text = arguments.value("--platform")) options.selection.platform = TRY(oci::parse_platform(*text));
  if (const auto key = arguments.value("--verify-key")) options.key = TRY(oci::require_key(std::string(*key)));
  options.policy_file = arguments.value("--policy").value_or("");
  return options;
}

Result<> pull(const Arguments& arguments, const oci::RegistryOptions& registry) {
  const bool quiet = arguments.has("--quiet");
  const oci::Reference reference = TRY(oci::parse_reference(arguments.operands()[0]));
  const oci::PullOptions options = TRY(read_pull_options(arguments, registry));
  const oci::Store store = TRY(open_store());
  Result<oci::Transferred> done = [&] {
    ProgressBar bar("pulling", quiet);
    return oci::pull(store, reference, options, bar);
  }();
  const oci::Transferred transferred = TRY(std::move(done));
  say_moved("pulled", transferred, quiet);
  cli::Output out;
  oci::Reference named = reference;
  named.digest = transferred.descriptor.digest;
  out << named.to_string() << "\n";
  out.finish(0);
  if (arguments.has("--compile")) TRY(compile_modules(store, reference));
  return {};
}

Result<> push(const Arguments& arguments, const oci::RegistryOptions& registry) {
  const bool quiet = arguments.has("--quiet");
  const oci::Reference from = TRY(oci::parse_reference(arguments.operands()[0]));
  const oci::Reference to = TRY(oci::parse_reference(arguments.operands().back()));
  const oci::Store store = TRY(open_store());
  const oci::Descriptor image = TRY(find_image(store, from));
  Result<oci::Transferred> done = [&] {
    ProgressBar bar("pushing", quiet);
    return oci::push(store, image, to, registry, bar);
  }();
  const oci::Transferred transferred = TRY(std::move(done));
  say_moved("pushed", transferred, quiet);
  cli::Output out;
  oci::Reference named = to;
  named.digest = image.digest;
  out << named.to_string() << "\n";
  out.finish(0);
  return {};
}

}  // namespace

int pull_command(const Arguments& arguments) {
  const auto registry = read_registry_options(arguments);
  if (!registry) return cli::usage_error(registry.error());
  const auto done = pull(arguments, *registry);
  return done ? 0 : report(done.error());
}

int push_command(const Arguments& arguments) {
  const auto registry = read_registry_options(arguments);
  if (!registry) return cli::usage_error(registry.error());
  const auto done = push(arguments, *registry);
  return done ? 0 : report(done.error());
}

int login_command(const Arguments& arguments) {
  const auto registry = read_registry_options(arguments);
  if (!registry) return cli::usage_error(registry.error());
  const auto file = log_in(arguments, *registry);
  if (!file) return report(file.error());
  cli::Output out;
  out << "logged in; the credentials are in " << *file << "\n";
  return out.finish(0);
}

int logout_command(const Arguments& arguments) {
  const std::string registry(arguments.operands()[0]);
  const auto files = oci::forget_credentials(registry, std::string(arguments.value("--authfile").value_or("")));
  if (!files) return report(files.error());
  if (files->empty()) {
    cli::print_error("there are no credentials for " + registry);
    return cli::kExitFailure;
  }
  cli::Output out;
  for (const std::string& file : *files) out << "removed from " << file << "\n";
  return out.finish(0);
}

}  // namespace berth::image
