#include "berth/commands.h"

#include <algorithm>

#include "berth/hand_over.h"
#include "cli/execute.h"
#include "cli/output.h"
#include "cli/units.h"

namespace berth::cli {
namespace {

#define BERTH_FEATURE_OPTIONS                                                                                          \
  {.name = "--enable", .value = "FEATURE[,…]", .help = "switch features on, or all", .complete = Complete::Feature}, { \
    .name = "--disable", .value = "FEATURE[,…]",                                                                       \
    .help = "switch features off, or all: modules that use them are refused", .complete = Complete::Feature            \
  }

constexpr Option kRunOptions[] = {
    {.name = "--dir",
     .value = "HOST[::GUEST][:ro]",
     .help = "grant a folder and all below it; the guest sees it as GUEST\n(default: as HOST); :ro for reading only",
     .complete = Complete::Folder},
    {.name = "--env",
     .value = "NAME[=VALUE]",
     .help = "grant an environment variable; without a value, pass on our own"},
    {.name = "--inherit-env", .help = "grant all of our own environment variables"},
    {.name = "--tcp-listen",
     .value = "ADDRESS:PORT",
     .help = "grant a socket that listens there; $BERTH_LISTEN_FD is the\nfirst one's number in a module; components "
             "may listen there"},
    {.name = "--allow-net",
     .value = "HOST[:PORT[-PORT]]",
     .help = "let a component look HOST up, connect and send there: a name,\n*.name, an address, a network as "
             "10.0.0.0/8, or *"},
    {.name = "--allow-http", .value = "HOST[:PORT[-PORT]]", .help = "let a component send requests there"},
    {.name = "--udp-bind", .value = "ADDRESS:PORT", .help = "let a component bind UDP sockets there, and answer"},
    {.name = "--serve",
     .value = "ADDRESS:PORT",
     .help = "where a component listens that answers requests and is no\nprogram: for containers; see `berth serve`"},
    {.name = "--invoke",
     .value = "FUNCTION",
     .help = "call this export instead of the program; the arguments are\nits parameters, its results are printed"},
    {.name = "--fuel", .value = "N", .help = "stop with a trap after N units of work (about one an instruction)"},
    {.name = "--timeout", .value = "TIME", .help = "stop with a trap after 500ms, 30s, 5m, …"},
    {.name = "--max-memory",
     .value = "SIZE",
     .help = "linear memories together, and the garbage-collected heap,\ngrow to at most 64MiB, 2GiB, …"},
    {.name = "--stack-size", .value = "SIZE", .help = "how much calls may nest (default: 8MiB)"},
    {.name = "--drain",
     .help =
         "on SIGTERM let the guest finish: its standard input ends and its\nsockets take no more connections; a second "
         "one ends it"},
    {.name = "--preload",
     .value = "NAME=FILE",
     .help = "instantiate a module first and offer its exports as NAME",
     .complete = Complete::File},
    {.name = "--argv0", .value = "NAME", .help = "what the guest is told its own name is (default: FILE)"},
    {.name = "--deterministic", .help = "relaxed vector instructions give the same results on every machine"},
    {.name = "--artifact",
     .value = "ARTIFACT",
     .help = "take native code of FILE from there, whoever compiled\nit: name what you trust as you trust a program",
     .complete = Complete::File},
    {.name = "--code",
     .value = "ARTIFACT",
     .help =
         "the same for code that another process is still making: until\nit is there, FILE is interpreted; then FILE "
         "is not read at all",
     .complete = Complete::File},
    {.name = "--tier",
     .value = "TIER",
     .help = "how to execute: auto (default) starts in the interpreter and\ncompiles meanwhile, interp never compiles, "
             "native does first",
     .complete = Complete::Tier},
    BERTH_FEATURE_OPTIONS,
};

constexpr Option kServeOptions[] = {
    {.name = "--addr",
     .value = "ADDRESS:PORT",
     .help = "listen there for HTTP/1.1 and HTTP/2 in the clear (default:\n127.0.0.1:8080); :8080 is every address"},
    {.name = "--tls-addr", .value = "ADDRESS:PORT", .help = "listen there with TLS"},
    {.name = "--tls-cert", .value = "FILE", .help = "the certificate with its chain (PEM)", .complete = Complete::File},
    {.name = "--tls-key", .value = "FILE", .help = "its key (PEM)", .complete = Complete::File},
    {.name = "--admin", .value = "ADDRESS:PORT", .help = "/metrics for Prometheus, /healthz and /readyz there"},
    {.name = "--threads", .value = "N", .help = "event loops (default: one a core)"},
    {.name = "--dir",
     .value = "HOST[::GUEST][:ro]",
     .help = "grant a folder and all below it; the guest sees it as GUEST\n(default: as HOST); :ro for reading only",
     .complete = Complete::Folder},
    {.name = "--env",
     .value = "NAME[=VALUE]",
     .help = "grant an environment variable; without a value, pass on our own"},
    {.name = "--inherit-env", .help = "grant all of our own environment variables"},
    {.name = "--allow-net",
     .value = "HOST[:PORT[-PORT]]",
     .help = "let it look HOST up, connect and send there: a name, *.name,\nan address, a network as 10.0.0.0/8, or *"},
    {.name = "--allow-http", .value = "HOST[:PORT[-PORT]]", .help = "let it send requests there"},
    {.name = "--timeout",
     .value = "TIME",
     .help = "stop an instance after so long without progress (default: 30s;\n0: never)"},
    {.name = "--max-memory", .value = "SIZE", .help = "memory of an instance (default: 1GiB)"},
    {.name = "--stack-size", .value = "SIZE", .help = "how much calls may nest (default: 1MiB)"},
    {.name = "--max-body", .value = "SIZE", .help = "refuse longer bodies of requests (default: none is too long)"},
    {.name = "--max-headers", .value = "SIZE", .help = "refuse longer heads of requests (default: 32KiB)"},
    {.name = "--concurrency", .value = "N", .help = "requests at once; more are refused (default: 1000)"},
    {.name = "--max-connections", .value = "N", .help = "connections at once; more wait (default: what may be open)"},
    {.name = "--reuse", .value = "N", .help = "requests that an instance answers before it goes (default: 1)"},
    {.name = "--access-log",
     .value = "FILE",
     .help = "a line for each request, - for standard output (default: off)",
     .complete = Complete::File},
    {.name = "--log-format", .value = "common|json", .help = "what the lines look like (default: common)"},
    {.name = "--drain", .value = "TIME", .help = "on SIGTERM finish what is under way for so long (default: 30s)"},
    {.name = "--tier",
     .value = "TIER",
     .help = "how to execute: native (default) compiles before it serves,\nauto meanwhile, interp never",
     .complete = Complete::Tier},
    BERTH_FEATURE_OPTIONS,
};

constexpr Option kWastOptions[] = {
    {.name = "--verbose", .help = "show every command and what came of it", .letter = 'v'},
    {.name = "--deterministic", .help = "relaxed vector instructions as the deterministic profile has them"},
    {.name = "--tier",
     .value = "TIER",
     .help = "how to execute: interp (default) is the interpreter, native\ncompiles first, auto compiles meanwhile",
     .complete = Complete::Tier},
    BERTH_FEATURE_OPTIONS,
};

constexpr Option kCompileOptions[] = {
    {.name = "--output",
     .value = "FILE",
     .help = "write the artifact there (default: into the cache, where\n`berth run` finds it)",
     .complete = Complete::File,
     .letter = 'o'},
    {.name = "--opt", .value = "0|1|2|3", .help = "how hard to try (default: 2)", .letter = 'O'},
    {.name = "--target", .value = "NAME", .help = "x86_64-linux or aarch64-linux (default: this machine's)"},
    {.name = "--cpu",
     .value = "NAME",
     .help = "CPU to make code for: native is this machine's (default),\ngeneric any of the target's (default for "
             "another's)"},
    {.name = "--fuel", .help = "make code for runs with --fuel"},
    {.name = "--deterministic", .help = "make code for runs with --deterministic"},
    {.name = "--debug-info", .help = "keep debug information in the artifact, for debuggers"},
    {.name = "--jobs", .value = "N", .help = "threads to use (default: one a core)", .letter = 'j'},
    {.name = "--max-memory", .value = "SIZE", .help = "what the compiler may take (default: 4GiB)"},
    {.name = "--progress", .help = "say how far it is"},
    BERTH_FEATURE_OPTIONS,
};

constexpr Option kCacheOptions[] = {
    {.name = "--size", .value = "SIZE", .help = "prune: leave this much (default: what the cache may hold)"},
    {.name = "--all", .help = "prune: leave nothing, nor what vouches for artifacts elsewhere"},
};

constexpr Option kValidateOptions[] = {
    {.name = "--quiet", .help = "say nothing about valid modules", .letter = 'q'},
    BERTH_FEATURE_OPTIONS,
};

constexpr Option kComposeOptions[] = {
    {.name = "--output",
     .value = "FILE",
     .help = "write the component there; - is standard output",
     .complete = Complete::File,
     .letter = 'o'},
    {.name = "--quiet", .help = "do not say what was given to what", .letter = 'q'},
    BERTH_FEATURE_OPTIONS,
};

constexpr Option kInspectOptions[] = {
    {.name = "--wat", .help = "print the module or component as text"},
    {.name = "--wit", .help = "print all that a component imports and exports, as WIT"},
    {.name = "--json", .help = "print what is found as JSON"},
    BERTH_FEATURE_OPTIONS,
};

constexpr Command kCommands[] = {
    {.name = "run",
     .usage = "[OPTION…] FILE [ARG…]",
     .summary = "Run a program",
     .details =
         "FILE is a module or a component (wasi:cli/run of WASI 0.2), .wasm or .wat, or - for standard input, or the\n"
         "name of an image that is kept here (`berth image ls`), as registry/app:1. What follows it belongs to the\n"
         "guest. The guest gets standard streams, clocks and randomness, and nothing else unless granted. The exit "
         "code\n"
         "is the guest's; 134 after a trap, 2 for wrong usage, 1 for anything else.",
     .options = kRunOptions,
     .min_operands = 1,
     .first_operand_ends_options = true,
     .operands = Complete::File,
     .run = run_command},
    {.name = "serve",
     .usage = "[OPTION…] FILE",
     .summary = "Answer HTTP requests with components",
     .details = "FILE is a component that exports wasi:http/incoming-handler of WASI 0.2, a module of WASI 0.1 that\n"
                "answers as a CGI program does, or a file of routes (.toml) to several of them. Each request gets an\n"
                "instance of its own. SIGHUP reloads, SIGTERM finishes what is under way. docs/serve.md has all of it.",
     .options = kServeOptions,
     .min_operands = 1,
     .max_operands = 1,
     .operands = Complete::File,
     .run = serve_command},
    {.name = "compile",
     .usage = "[OPTION…] FILE",
     .summary = "Compile a module to native code",
     .details =
         "FILE is a module or a component, .wasm or .wat. The artifact brings the module along; of a component the\n"
         "modules inside are compiled, into the cache. `berth run` takes native code\n"
         "from it only if this user compiled it; for anybody else it is the module. The compiler is a program\n"
         "of its own, berth-compiler: beside this one, in $PATH, or what $BERTH_COMPILER names.",
     .options = kCompileOptions,
     .min_operands = 1,
     .max_operands = 1,
     .operands = Complete::File,
     .run = compile_command},
    {.name = "cache",
     .usage = "[OPTION…] ls|verify|prune|warm IMAGE…",
     .summary = "Look after the native code that is kept",
     .details =
         "ls lists it, the last used first. verify reads all of it and removes what is damaged; the exit code\n"
         "is 1 if anything was. prune removes what was not used for longest. warm compiles the modules of images.\n"
         "The cache is the folder $BERTH_CACHE_DIR, $XDG_CACHE_HOME/berth or ~/.cache/berth, and holds up to\n"
         "$BERTH_CACHE_SIZE (default: 2GiB).",
     .options = kCacheOptions,
     .min_operands = 1,
     .operands = Complete::CacheAction,
     .run = cache_command},
    {.name = "attest",
     .usage = "COMMAND [OPTION…] …",
     .summary = "Show and verify evidence of confidential machines",
     .details = "`berth attest help` says more. It is a program of its own, berth-attest: beside this one or in $PATH.",
     .options = {},
     .first_operand_ends_options = true,
     .run = elsewhere_command},
    {.name = "broker",
     .usage = "COMMAND [OPTION…] …",
     .summary = "Release secrets to keeps that prove what they are",
     .details =
         "`berth broker help` says more. It is a program of its own, berth-broker: beside this one or in $PATH.",
     .options = {},
     .first_operand_ends_options = true,
     .run = elsewhere_command},
    {.name = "image",
     .usage = "COMMAND [OPTION…] …",
     .summary = "Make images of modules, keep them, and exchange them with registries",
     .details = "`berth image help` says more. It is a program of its own, berth-image: beside this one or in $PATH.",
     .options = {},
     .first_operand_ends_options = true,
     .run = image_command},
    {.name = "install",
     .usage = "[OPTION…] podman|docker|containerd|crio|kubernetes",
     .summary = "Have a container engine find Berth",
     .details =
         "`berth install --help` says more. It is a program of its own, berth-install: beside this one or in $PATH.",
     .options = {},
     .first_operand_ends_options = true,
     .run = elsewhere_command},
    {.name = "uninstall",
     .usage = "[OPTION…] podman|docker|containerd|crio|kubernetes",
     .summary = "Undo what `berth install` did",
     .options = {},
     .first_operand_ends_options = true,
     .run = elsewhere_command},
    {.name = "play",
     .usage = "[OPTION…] FILE…",
     .summary = "Run Kubernetes manifests on this machine, without a cluster",
     .details = "`berth play --help` says more. It is a program of its own, berth-play: beside this one or in $PATH.",
     .options = {},
     .first_operand_ends_options = true,
     .run = elsewhere_command},
    {.name = "ps",
     .usage = "[OPTION…] [APPLICATION…]",
     .summary = "List what is being played",
     .options = {},
     .run = elsewhere_command},
    {.name = "logs",
     .usage = "[OPTION…] POD",
     .summary = "Print what a container of a pod that is played has written",
     .options = {},
     .run = elsewhere_command},
    {.name = "stop",
     .usage = "[APPLICATION…]",
     .summary = "End what is being played",
     .options = {},
     .run = elsewhere_command},
    {.name = "top",
     .usage = "[OPTION…] [APPLICATION…]",
     .summary = "Show what containers that are played take of the machine, live",
     .options = {},
     .run = elsewhere_command},
    {.name = "keep",
     .usage = "COMMAND [OPTION…] …",
     .summary = "Run workloads in machines that prove what they are",
     .details = "`berth keep help` says more. It is a program of its own, berth-keep: beside this one or in $PATH.",
     .options = {},
     .first_operand_ends_options = true,
     .run = elsewhere_command},
    {.name = "measure",
     .usage = "[OPTION…] --ovmf FILE",
     .summary = "Compute what the launch of a keep will be measured as",
     .details =
         "`berth measure --help` says more. It is a program of its own, berth-keep: beside this one or in $PATH.",
     .options = {},
     .first_operand_ends_options = true,
     .run = elsewhere_command},
    {.name = "validate",
     .usage = "[OPTION…] FILE…",
     .summary = "Check modules and components",
     .details =
         "Reads each module or component, .wasm or .wat, and says whether it is valid or what is wrong and where.\n"
         "The exit code is 0 when all are valid, else 1.",
     .options = kValidateOptions,
     .min_operands = 1,
     .operands = Complete::File,
     .run = validate_command},
    {.name = "inspect",
     .usage = "[OPTION…] FILE",
     .summary = "Say what a module or component consists of, and what it needs to be granted",
     .details =
         "FILE is a module or component, .wasm or .wat, or the name of an image that is kept here. Of a component\n"
         "the world is shown as WIT; --wit adds the packages of WASI that it uses.",
     .options = kInspectOptions,
     .min_operands = 1,
     .max_operands = 1,
     .operands = Complete::File,
     .run = inspect_command},
    {.name = "compose",
     .usage = "[OPTION…] PLUG… FILE -o OUT",
     .summary = "Put components together into one",
     .details =
         "FILE's imports are given what the PLUGs export, and so are those of a PLUG what PLUGs before it do; the\n"
         "nearest one counts, also in another version that is compatible. What nobody provides is imported by\n"
         "OUT, which exports what FILE exports.",
     .options = kComposeOptions,
     .min_operands = 1,
     .operands = Complete::File,
     .run = compose_command},
    {.name = "tool",
     .usage = "cat|env|ls|ps|stat [ARG…]",
     .summary = "Look around in a container that has no programs of its own",
     .details = "cat FILE…, env, ls [-a] [-l] [FILE…], ps, stat FILE…; berth-oci runs them when one of these is "
                "executed in a\n"
                "container of berth's that has no such program.",
     .options = {},
     .min_operands = 1,
     .first_operand_ends_options = true,
     .run = tool_command},
    {.name = "wast",
     .usage = "[OPTION…] FILE…",
     .summary = "Run specification scripts",
     .details = "Runs .wast files, those of a folder for a folder, and counts their commands. The exit code is 0 when\n"
                "none failed, else 1.",
     .options = kWastOptions,
     .min_operands = 1,
     .operands = Complete::File,
     .run = wast_command},
    {.name = "completions",
     .usage = "bash|zsh|fish",
     .summary = "Print a script of completions for a shell",
     .details = "bash:  berth completions bash > ~/.local/share/bash-completion/completions/berth\n"
                "zsh:   berth completions zsh > \"${fpath[1]}/_berth\"\n"
                "fish:  berth completions fish > ~/.config/fish/completions/berth.fish",
     .options = {},
     .min_operands = 1,
     .max_operands = 1,
     .operands = Complete::Shell,
     .run = completions_command},
    {.name = "version",
     .usage = "",
     .summary = "Print the version",
     .options = {},
     .max_operands = 0,
     .run = version_command},
};

}  // namespace

std::span<const Command> commands() { return kCommands; }

const Command* find_command(std::string_view name) { return find_command(commands(), name); }

std::string help_page() {
  std::string out =
      "usage: berth COMMAND [OPTION…] …\n"
      "       berth [OPTION…] FILE [ARG…]   short for berth run\n"
      "\n"
      "Runs WebAssembly. A program can do only what it was granted.\n"
      "\n";
  std::vector<std::pair<std::string, std::string_view>> rows;
  for (const Command& c : commands()) rows.emplace_back(c.name, c.summary);
  return out + term_table(rows) + "\n`berth help COMMAND` says more about one.\n";
}

std::optional<UsageError> read_features(const Arguments& arguments, wasm::FeatureSet& features) {
  for (auto [option, list] : arguments.given()) {
    const bool enable = option->name == "--enable";
    if (!enable && option->name != "--disable") continue;
    while (!list.empty()) {
      const std::string_view name = list.substr(0, list.find(','));
      list.remove_prefix(std::min(list.size(), name.size() + 1));
      auto set = [&](wasm::Feature f) { enable ? features.enable(f) : features.disable(f); };
      if (name == "all") {
        for (const auto& f : wasm::all_features()) set(f.feature);
      } else if (const auto feature = wasm::feature_by_name(name)) {
        set(*feature);
      } else {
        std::vector<std::string_view> names;
        std::string all = "the features are:";
        for (const auto& f : wasm::all_features()) {
          names.push_back(f.name);
          all += " " + std::string(f.name);
        }
        const auto close = nearest(name, names);
        return UsageError{"there is no feature " + std::string(name),
                          close.empty() ? all : "did you mean " + std::string(close) + "?"};
      }
    }
  }
  return std::nullopt;
}

std::optional<UsageError> read_tier(const Arguments& arguments, engine::Config& config) {
  const auto tier = arguments.value("--tier");
  constexpr std::string_view kMixed = "mixed:";  // for tests, with a seed
  if (!tier) return std::nullopt;
  if (*tier == "interp") {
    config.tier = engine::Tier::Interp;
  } else if (*tier == "native") {
    config.tier = engine::Tier::Native;
  } else if (*tier == "auto") {
    config.tier = engine::Tier::Auto;
  } else if (tier->starts_with(kMixed) && parse_count(tier->substr(kMixed.size()))) {
    config.tier = engine::Tier::Native;
    config.mixing_seed = *parse_count(tier->substr(kMixed.size()));
  } else {
    return UsageError{"there is no tier " + std::string(*tier), "there are: interp, native and auto"};
  }
  return std::nullopt;
}

int load_error(const engine::LoadFailure& failure) {
  if (failure.error.kind() == ErrorKind::Io) {
    print_error(failure.message, failure.hint);
  } else {
    // The form of compilers, "app.wat:3:14: error: …", which editors find their way by.
    print_message(failure.message, failure.hint);
  }
  return kExitFailure;
}

int image_command(const Arguments& arguments) {
  std::vector<std::string> words;
  for (const std::string_view word : arguments.operands()) words.emplace_back(word);
  return hand_over_to_image(words);
}

std::string program_of(const Command& command) {
  if (command.name == "attest") return "berth-attest";
  if (command.name == "broker") return "berth-broker";
  if (command.name == "install" || command.name == "uninstall") return "berth-install";
  if (command.name == "measure" || command.name == "keep") return "berth-keep";
  for (const std::string_view name : {"play", "ps", "logs", "stop", "top"})
    if (command.name == name) return "berth-play";
  return {};
}

int elsewhere_command(const Arguments& arguments) {
  std::vector<std::string> words = {std::string(arguments.command().name)};
  for (const std::string_view word : arguments.operands()) words.emplace_back(word);
  return hand_over_to(program_of(arguments.command()), words);
}

int version_command(const Arguments&) {
  Output out;
  out << "berth " BERTH_VERSION "\n";
  return out.finish(0);
}

}  // namespace berth::cli
