#include "berth-image/commands.h"

#include <algorithm>

#include "cli/units.h"
#include "oci/problem.h"

namespace berth::image {
namespace {

using cli::Command;
using cli::Complete;
using cli::Option;

#define BERTH_REGISTRY_OPTIONS                                                                                   \
  {.name = "--tls-verify",                                                                                       \
   .value = "true|false",                                                                                        \
   .help = "false: take any certificate, and plain HTTP where\nthere is no TLS (for networks of your own)"},     \
      {.name = "--ca-file", .value = "FILE", .help = "trust these authorities too", .complete = Complete::File}, \
      {.name = "--authfile",                                                                                     \
       .value = "FILE",                                                                                          \
       .help = "credentials (default: those of podman and docker)",                                              \
       .complete = Complete::File},                                                                              \
      {.name = "--creds", .value = "USER:PASSWORD", .help = "credentials, for this once"}

constexpr Option kBuildOptions[] = {
    {.name = "--tag", .value = "NAME", .help = "what to call it: registry.example/app:1", .letter = 't'},
    {.name = "--format",
     .value = "image|artifact",
     .help = "image (default) runs everywhere; artifact is the\nCNCF's artifact of one module"},
    {.name = "--manifest",
     .value = "FILE",
     .help = "take what follows from a file (docs/images.md)",
     .complete = Complete::File},
    {.name = "--file",
     .value = "SOURCE:PATH",
     .help = "add a file, or all files of a folder, at PATH",
     .complete = Complete::File},
    {.name = "--entrypoint", .value = "MODULE", .help = "which module is run (default: the first)"},
    {.name = "--arg", .value = "TEXT", .help = "an argument for when none are given; once for each"},
    {.name = "--env", .value = "NAME[=VALUE]", .help = "set an environment variable"},
    {.name = "--user", .value = "UID[:GID]", .help = "who runs it (default: root of the container)"},
    {.name = "--dir", .value = "PATH[:ro]", .help = "ask for a folder of the container (default: / and all\nbelow it)"},
    {.name = "--listen", .value = "ADDRESS:PORT", .help = "ask for a socket that listens there"},
    {.name = "--label", .value = "NAME=VALUE", .help = "label the image"},
    {.name = "--annotation", .value = "NAME=VALUE", .help = "annotate its manifests"},
    {.name = "--author", .value = "TEXT", .help = "who made it"},
    {.name = "--arch",
     .value = "ARCH[,…]",
     .help = "machines without Berth that it runs on: amd64, arm64\n(default: this one; none leaves only the module)"},
    {.name = "--launcher",
     .value = "ARCH=FILE",
     .help = "the static berth for another machine",
     .complete = Complete::File},
    {.name = "--cpu",
     .value = "NAME",
     .help = "what native code may use (default: x86-64-v3, or\ngeneric); generic runs on all of that machine's kind"},
    {.name = "--no-compile", .help = "no native code: it is interpreted, or compiled there"},
    {.name = "--compression", .value = "gzip|zstd", .help = "of layers (default: gzip, which everybody reads)"},
};

constexpr Option kPullOptions[] = {
    {.name = "--platform",
     .value = "OS/ARCH",
     .help = "which image of several (default: the module's own,\nelse this machine's)"},
    {.name = "--all-platforms", .help = "every image of several"},
    {.name = "--compile", .help = "compile its modules into the cache, too"},
    {.name = "--verify-key",
     .value = "FILE",
     .help = "only if it is signed with the key to this public key",
     .complete = Complete::File},
    {.name = "--policy",
     .value = "FILE",
     .help = "which images need signatures (default: policy.json\nin ~/.config/containers or /etc/containers)",
     .complete = Complete::File},
    {.name = "--quiet", .help = "print nothing but the name and digest", .letter = 'q'},
    BERTH_REGISTRY_OPTIONS,
};

constexpr Option kPushOptions[] = {
    {.name = "--chunk-size", .value = "SIZE", .help = "upload in pieces of 16MiB, … (default: in one)"},
    {.name = "--quiet", .help = "print nothing but the name and digest", .letter = 'q'},
    BERTH_REGISTRY_OPTIONS,
};

constexpr Option kListOptions[] = {
    {.name = "--json", .help = "as JSON"},
};
constexpr Option kInspectOptions[] = {
    {.name = "--json", .help = "as JSON"},
    {.name = "--platform", .value = "OS/ARCH", .help = "which image of several (default: the module's own)"},
};
constexpr Option kUnpackOptions[] = {
    {.name = "--json", .help = "print where its files are and what it starts, also of images that start no module"},
};

constexpr Option kSaveOptions[] = {
    {.name = "--output",
     .value = "FILE",
     .help = "where to write the archive",
     .complete = Complete::File,
     .letter = 'o'},
};
constexpr Option kLoadOptions[] = {
    {.name = "--input", .value = "FILE", .help = "the archive", .complete = Complete::File, .letter = 'i'},
};
constexpr Option kLoginOptions[] = {
    {.name = "--username", .value = "NAME", .help = "who you are", .letter = 'u'},
    {.name = "--password-stdin", .help = "read the password from standard input"},
    BERTH_REGISTRY_OPTIONS,
};
constexpr Option kLogoutOptions[] = {
    {.name = "--authfile", .value = "FILE", .help = "only in this file", .complete = Complete::File},
};

constexpr Option kEncryptOptions[] = {
    {.name = "--broker-key",
     .value = "RESOURCE=FILE",
     .help = "wrap layer keys with this key (32 bytes, or their\nhexadecimal digits), which the broker has "
             "as\nREPOSITORY/TYPE/TAG"},
    {.name = "--recipient",
     .value = "[jwe:]FILE",
     .help = "wrap them with this public key (RSA, PEM)",
     .complete = cli::Complete::File},
};

constexpr Command kCommands[] = {
    {.name = "build",
     .usage = "-t NAME [OPTION…] MODULE…",
     .summary = "Make an image of a module",
     .details =
         "The image has two faces under one name: an ordinary Linux image that carries Berth, the module and native\n"
         "code for it, so that any container engine runs it; and the module alone, for those who bring a runtime.\n"
         "The same input gives the same image; $SOURCE_DATE_EPOCH sets its time.",
     .options = kBuildOptions,
     .operands = Complete::File,
     .run = build_command},
    {.name = "pull",
     .usage = "[OPTION…] NAME",
     .summary = "Get an image from a registry",
     .details =
         "Everything is checked against its digest, and kept only when it is complete. What was interrupted goes on\n"
         "where it stopped.",
     .options = kPullOptions,
     .min_operands = 1,
     .max_operands = 1,
     .run = pull_command},
    {.name = "push",
     .usage = "[OPTION…] NAME [NEW-NAME]",
     .summary = "Put an image into a registry",
     .details = "NEW-NAME is what it is called there (default: NAME).",
     .options = kPushOptions,
     .min_operands = 1,
     .max_operands = 2,
     .run = push_command},
    {.name = "ls",
     .usage = "",
     .summary = "List images",
     .options = kListOptions,
     .max_operands = 0,
     .run = list_command},
    {.name = "inspect",
     .usage = "[OPTION…] NAME",
     .summary = "Say what an image holds, what it asks for, and what it needs",
     .options = kInspectOptions,
     .min_operands = 1,
     .max_operands = 1,
     .run = inspect_command},
    {.name = "tag",
     .usage = "NAME NEW-NAME",
     .summary = "Give an image another name",
     .min_operands = 2,
     .max_operands = 2,
     .run = tag_command},
    {.name = "rm",
     .usage = "NAME…",
     .summary = "Take names away from images, and remove what has none left",
     .min_operands = 1,
     .run = remove_command},
    {.name = "save",
     .usage = "-o FILE NAME…",
     .summary = "Write images into an archive",
     .details = "The archive is an OCI layout in a tar file, which podman, skopeo and `ctr image import` read.",
     .options = kSaveOptions,
     .min_operands = 1,
     .run = save_command},
    {.name = "load",
     .usage = "-i FILE",
     .summary = "Take images from such an archive",
     .options = kLoadOptions,
     .max_operands = 0,
     .run = load_command},
    {.name = "encrypt",
     .usage = "[OPTION…] NAME NEW-NAME",
     .summary = "Make an image whose layers only those can read who get a key",
     .details =
         "Layers are encrypted as ocicrypt defines it, one key each, which is wrapped for every recipient. With\n"
         "--broker-key, keeps decrypt it that prove themselves to the broker which has the key under that name; with\n"
         "--recipient, whoever has the private key (`skopeo copy --decryption-key`). The image's configuration, its\n"
         "command for one, stays readable.",
     .options = kEncryptOptions,
     .min_operands = 2,
     .max_operands = 2,
     .run = encrypt_command},
    {.name = "login",
     .usage = "[OPTION…] REGISTRY",
     .summary = "Keep credentials for a registry, where podman keeps them",
     .options = kLoginOptions,
     .min_operands = 1,
     .max_operands = 1,
     .run = login_command},
    {.name = "logout",
     .usage = "[OPTION…] REGISTRY",
     .summary = "Remove credentials for a registry",
     .options = kLogoutOptions,
     .min_operands = 1,
     .max_operands = 1,
     .run = logout_command},
    {.name = "unpack",
     .usage = "[OPTION…] NAME",
     .summary = "Unpack an image into the store, and print where its module is",
     .options = kUnpackOptions,
     .min_operands = 1,
     .max_operands = 1,
     .run = unpack_command},
    {.name = "warm",
     .usage = "NAME…",
     .summary = "Compile the modules of images into the cache",
     .min_operands = 1,
     .run = warm_command},
};

}  // namespace

std::span<const Command> commands() { return kCommands; }

std::string help_page() {
  std::string out =
      "usage: berth image COMMAND [OPTION…] …\n"
      "\n"
      "Images of WebAssembly: made, kept on this machine, and exchanged with registries.\n"
      "\n";
  std::vector<std::pair<std::string, std::string_view>> rows;
  for (const Command& command : commands()) rows.emplace_back(command.name, command.summary);
  return out + cli::term_table(rows) +
         "\nImages are kept in $BERTH_IMAGES, /var/lib/berth/images for root, or ~/.local/share/berth/images.\n"
         "`berth image help COMMAND` says more about one.\n";
}

int report(const Error& error) {
  if (error.kind() == ErrorKind::Usage) return cli::usage_error({error.detail(), {}});
  const std::string text = error.to_string();
  const size_t line = text.find('\n');
  cli::print_error(text.substr(0, line), line == std::string::npos ? "" : text.substr(line + 1));
  return cli::kExitFailure;
}

Result<oci::Store> open_store() { return oci::Store::open(TRY(oci::default_store_folder())); }

Result<oci::Descriptor> find_image(const oci::Store& store, const oci::Reference& reference) {
  if (auto found = TRY(store.find(reference))) return std::move(*found);
  std::vector<std::string> names;
  for (oci::Store::Entry& entry : TRY(store.entries())) names.push_back(std::move(entry.name));
  const std::vector<std::string_view> candidates(names.begin(), names.end());
  const std::string wanted = reference.to_string();
  const auto close = cli::nearest(wanted, candidates);
  return oci::problem("there is no image " + wanted + " here",
                      !close.empty()         ? "did you mean " + std::string(close) + "?"
                      : reference.is_local() ? "`berth image ls` lists those that are"
                                             : "`berth image pull " + wanted + "` gets it");
}

std::expected<oci::RegistryOptions, UsageError> read_registry_options(const Arguments& arguments) {
  oci::RegistryOptions out;
  if (const auto text = arguments.value("--tls-verify")) {
    if (*text != "true" && *text != "false") return std::unexpected(UsageError{"--tls-verify is true or false", {}});
    out.tls_verify = *text == "true";
  }
  out.ca_file = arguments.value("--ca-file").value_or("");
  out.auth_file = arguments.value("--authfile").value_or("");
  if (const auto text = arguments.value("--creds")) {
    const size_t colon = text->find(':');
    if (colon == std::string_view::npos || colon == 0)
      return std::unexpected(UsageError{"--creds takes USER:PASSWORD", {}});
    out.credentials = {std::string(text->substr(0, colon)), std::string(text->substr(colon + 1)), {}};
  }
  if (const auto text = arguments.value("--chunk-size")) {
    const auto size = cli::parse_size(*text);
    if (!size || *size < 64 * 1024)
      return std::unexpected(
          UsageError{"--chunk-size: cannot read " + std::string(*text), "it takes a size of 64KiB or more: 16MiB"});
    out.chunk_size = *size;
  }
  return out;
}

}  // namespace berth::image
