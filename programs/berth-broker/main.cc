// The program `berth-broker`, which `berth broker` hands over to: releases secrets to keeps that prove themselves.

#include <unistd.h>

#include <algorithm>
#include <csignal>

#include "berth-broker/commands.h"
#include "cli/execute.h"
#include "cli/output.h"
#include "cli/streams.h"

namespace berth::broker {
namespace {

constexpr cli::Option kResources = {.name = "--resources",
                                    .value = "FOLDER",
                                    .help = "where they are, encrypted (default: ./resources)",
                                    .complete = cli::Complete::Folder};
constexpr cli::Option kKey = {
    .name = "--key",
    .value = "FILE",
    .help = "what they are encrypted with (default: FOLDER.key);\nkeep it elsewhere than copies of the folder",
    .complete = cli::Complete::File};

constexpr cli::Option kServeOptions[] = {
    {.name = "--policy",
     .value = "[PATTERN=]FILE",
     .help = "who gets what: a policy (`berth attest help` has more) and\nthe resources that it is for, \"*\" being "
             "any text;\n"
             "the first that fits decides. May be given often",
     .complete = cli::Complete::File},
    kResources,
    kKey,
    {.name = "--addr", .value = "ADDRESS:PORT", .help = "where to listen (default: 127.0.0.1:8080)"},
    {.name = "--tls-cert",
     .value = "FILE",
     .help = "serve https with this certificate and its chain (PEM)",
     .complete = cli::Complete::File},
    {.name = "--tls-key", .value = "FILE", .help = "the certificate's key (PEM)", .complete = cli::Complete::File},
    {.name = "--insecure-http", .help = "listen without TLS on other addresses than those of\nthis machine, too"},
    {.name = "--collateral",
     .value = "PATH",
     .help = "a folder or file of certificates, revocation lists and TCB\ninformation; may be given often",
     .complete = cli::Complete::File},
    {.name = "--audit",
     .value = "FILE",
     .help = "what was asked and released, a line of JSON each\n(default: FOLDER.audit; \"-\": standard error)",
     .complete = cli::Complete::File},
    {.name = "--name",
     .value = "DNS",
     .help = "what certificates are issued for, to keeps that ask for\none; may be given often"},
    {.name = "--rate", .value = "N", .help = "requests a second of one address (default: 200; 0: any)"},
};

constexpr cli::Option kStoreOptions[] = {kResources, kKey};

constexpr cli::Command kCommands[] = {
    {.name = "serve",
     .usage = "--policy FILE [OPTION…]",
     .summary = "Release resources to keeps that prove themselves",
     .details =
         "Speaks the key-broker protocol of Confidential Containers under /kbs/v0, and answers requests for "
         "certificates\n"
         "with evidence in them (POST /, application/pkcs10). Resources are encrypted to the key that the proof is\n"
         "bound to. SIGHUP reads policies and collateral anew, and opens the audit log anew; what was proved under\n"
         "policies that are gone counts no more. SIGTERM ends it, after what is under way.",
     .options = kServeOptions,
     .max_operands = 0,
     .run = serve_command},
    {.name = "put",
     .usage = "[OPTION…] REPOSITORY/TYPE/TAG FILE",
     .summary = "Add a resource, or replace it; FILE \"-\" is standard input",
     .details = "Makes the folder and its key where they are missing. A broker that runs releases it at once.",
     .options = kStoreOptions,
     .min_operands = 2,
     .max_operands = 2,
     .run = put_command},
    {.name = "get",
     .usage = "[OPTION…] REPOSITORY/TYPE/TAG",
     .summary = "Print a resource, decrypted",
     .options = kStoreOptions,
     .min_operands = 1,
     .max_operands = 1,
     .run = get_command},
    {.name = "ls",
     .usage = "[OPTION…]",
     .summary = "List resources",
     .options = kStoreOptions,
     .max_operands = 0,
     .run = ls_command},
    {.name = "rm",
     .usage = "[OPTION…] REPOSITORY/TYPE/TAG…",
     .summary = "Remove resources",
     .options = kStoreOptions,
     .min_operands = 1,
     .run = rm_command},
    {.name = "audit",
     .usage = "FILE",
     .summary = "Check that no line of an audit log was changed or removed",
     .min_operands = 1,
     .max_operands = 1,
     .operands = cli::Complete::File,
     .run = audit_command},
};

std::string help_page() {
  std::vector<std::pair<std::string, std::string_view>> rows;
  for (const cli::Command& command : kCommands) rows.emplace_back(command.name, command.summary);
  return "usage: berth broker COMMAND [OPTION…] …\n\nReleases secrets to keeps that prove what they are.\n\n" +
         cli::term_table(rows) + "\n`berth broker COMMAND --help` says more about one.\n";
}

int dispatch(std::span<char* const> words) {
  if (words.empty()) {
    cli::write_all(STDERR_FILENO, help_page());
    return cli::kExitUsage;
  }
  const std::string_view first = words[0];
  if (const cli::Command* command = cli::find_command(kCommands, first))
    return cli::execute(*command, words.subspan(1));
  if (first == "help" || first == "--help" || first == "-h") {
    const cli::Command* about = words.size() > 1 ? cli::find_command(kCommands, words[1]) : nullptr;
    cli::Output out;
    out << (about ? cli::help_page(*about) : help_page());
    return out.finish(0);
  }
  return cli::usage_error({"there is no command " + std::string(first), "`berth broker help` lists all commands"});
}

}  // namespace
}  // namespace berth::broker

int main(int argc, char** argv) {
  berth::cli::reserve_standard_streams();
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
  berth::cli::set_program_name("berth broker");
  return berth::broker::dispatch({argv + std::min(argc, 1), argv + argc});
}
