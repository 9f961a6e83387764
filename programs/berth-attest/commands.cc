#include "berth-attest/commands.h"

#include <unistd.h>

#include "os/file.h"

namespace berth::attest {
namespace {

using cli::Complete;
using cli::Option;

constexpr Option kShowOptions[] = {
    {.name = "--json", .help = "as JSON"},
};

constexpr Option kVerifyOptions[] = {
    {.name = "--policy",
     .value = "FILE",
     .help = "what to accept (docs/keeps.md; default: any genuine\nhardware, no debugging, TCB up to date)",
     .complete = Complete::File},
    {.name = "--collateral",
     .value = "PATH",
     .help = "certificates, revocation lists and Intel's documents:\na folder or a file; several times",
     .complete = Complete::File},
    {.name = "--pccs", .value = "URL", .help = "fetch Intel's collateral there (http://localhost:8081)"},
    {.name = "--kds", .value = "URL", .help = "fetch AMD's certificates there"},
    {.name = "--time",
     .value = "TIME",
     .help = "verify as of then: 2025-07-01T00:00:00Z, or seconds\nsince 1970 (default: now)"},
    {.name = "--nonce",
     .value = "HEX",
     .help = "report data must be this, and zeros behind it; the\ntoken has it as eat_nonce"},
    {.name = "--token",
     .value = "FILE",
     .help = "write the result as a signed token (- for standard\noutput)",
     .complete = Complete::File},
    {.name = "--signing-key",
     .value = "FILE",
     .help = "sign it with this private key: P-256, PEM (default:\none made up now)",
     .complete = Complete::File},
    {.name = "--ca-file",
     .value = "FILE",
     .help = "trust these authorities for --pccs and --kds, too",
     .complete = Complete::File},
    {.name = "--tls-verify",
     .value = "true|false",
     .help = "false: any certificate will do for --pccs and --kds;\nwhat is fetched is signed itself"},
    {.name = "--json", .help = "print the result as JSON"},
    {.name = "--quiet", .help = "print nothing but reasons for refusal", .letter = 'q'},
};

constexpr Option kEvidenceOptions[] = {
    {.name = "--nonce",
     .value = "HEX",
     .help = "what the evidence is to have in it, up to 64 bytes: a\nverifier's nonce, or what a key digests to"},
    {.name = "--provider",
     .value = "NAME",
     .help = "ask tsm (configfs-tsm), sev-guest, tdx-guest or gramine\n(default: the one that is there); simulated is "
             "INSECURE,\nand proves nothing"},
    {.name = "--output",
     .value = "FILE",
     .help = "write it there (default: standard output, in hexadecimal\non a terminal)",
     .complete = Complete::File,
     .letter = 'o'},
    {.name = "--measurement", .value = "HEX", .help = "simulated: claim that this was started, 48 bytes"},
    {.name = "--host-data", .value = "HEX", .help = "simulated: claim that the host said this, 32 bytes"},
    {.name = "--root", .value = "FOLDER", .help = "look for drivers below this folder", .complete = Complete::Folder},
};

constexpr cli::Command kCommands[] = {
    {.name = "evidence",
     .usage = "[OPTION…]",
     .summary = "Collect evidence of the machine that this runs on",
     .details =
         "The report or quote as the hardware gives it, for `berth attest show` and `verify`; a report of SEV-SNP has\n"
         "the host's certificates behind it where there are any.",
     .options = kEvidenceOptions,
     .max_operands = 0,
     .run = evidence_command},
    {.name = "show",
     .usage = "[OPTION…] FILE",
     .summary = "Say what evidence is, field by field",
     .details = "FILE is a report of AMD SEV-SNP, a quote of Intel SGX or TDX, simulated evidence, or a certificate "
                "request with\n"
                "one of them: raw, in hexadecimal, base64, PEM or DER; - for standard input. Nothing is verified.",
     .options = kShowOptions,
     .min_operands = 1,
     .max_operands = 1,
     .operands = Complete::File,
     .run = show_command},
    {.name = "verify",
     .usage = "[OPTION…] FILE",
     .summary = "Verify evidence, and judge it by a policy",
     .details = "Exit codes: 0 accepted, 1 refused (or it could not be read), 2 used wrongly. FILE is as for `berth "
                "attest show`.",
     .options = kVerifyOptions,
     .min_operands = 1,
     .max_operands = 1,
     .operands = Complete::File,
     .run = verify_command},
};

}  // namespace

std::span<const cli::Command> commands() { return kCommands; }

std::string help_page() {
  std::vector<std::pair<std::string, std::string_view>> rows;
  for (const cli::Command& command : kCommands) rows.emplace_back(std::string(command.name), command.summary);
  return "usage: berth attest COMMAND [OPTION…] FILE\n\nEvidence of confidential machines: collected, read, verified, "
         "judged.\n\n" +
         cli::term_table(rows) +
         "\n`berth attest help COMMAND` says more about one. docs/keeps.md has policies, collateral, and whom one "
         "trusts.\n";
}

int report(const Error& error, std::string_view hint) {
  cli::print_error(printable(error.to_string()), hint);
  return cli::kExitFailure;
}

Result<Evidence> read_evidence_file(std::string_view path) {
  const std::string name(path == "-" ? "standard input" : path);
  const auto bytes = path == "-" ? os::read_descriptor(STDIN_FILENO, name, kMostEvidence)
                                 : os::read_file(std::string(path), kMostEvidence);
  if (!bytes) return std::unexpected(Error(bytes.error().code(), bytes.error().detail()));
  auto evidence = read_evidence(*bytes);
  if (!evidence) return fail(evidence.error().code(), name + ": " + evidence.error().detail());
  return evidence;
}

std::string printable(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool is_control = (static_cast<unsigned char>(c) < 0x20 && c != '\n') || c == 0x7F;
    out += is_control ? '?' : c;
  }
  return out;
}

}  // namespace berth::attest
