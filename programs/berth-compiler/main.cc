// The program `berth-compiler`: a module in, native code for it out. Apart from what it is asked to read and write it
// touches nothing.

#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <optional>
#include <string>
#include <thread>

#include "abi/artifact.h"
#include "berth-compiler/progress.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/streams.h"
#include "compiler/artifact_writer.h"
#include "compiler/compiler.h"
#include "compiler/cpu_features.h"
#include "decode/decoder.h"
#include "os/file.h"
#include "validate/validate.h"

namespace berth::compiler_program {
namespace {

using cli::Arguments;
using cli::Complete;
using cli::UsageError;

constexpr cli::Option kOptions[] = {
    {.name = "--output",
     .value = "FILE",
     .help = "where to write the artifact (default: INPUT with .berth for .wasm)",
     .complete = Complete::File,
     .letter = 'o'},
    {.name = "--opt", .value = "0|1|2|3", .help = "how hard to try (default: 2)", .letter = 'O'},
    {.name = "--target", .value = "NAME", .help = "x86_64-linux or aarch64-linux (default: this machine's)"},
    {.name = "--cpu",
     .value = "NAME",
     .help = "CPU to make code for: native is this machine's (default),\ngeneric any of the target's (default for "
             "another's)"},
    {.name = "--fuel", .help = "make code that counts fuel"},
    {.name = "--deterministic", .help = "make code whose results are the same on every machine"},
    {.name = "--functions", .value = "LIST", .help = "functions to compile, by index: 3,17,20 (default: all)"},
    {.name = "--loops",
     .value = "LIST",
     .help = "loops to make entries for, by function and byte in its body: 3:120,17:5"},
    {.name = "--debug-info", .help = "keep debug information in the artifact, for debuggers"},
    {.name = "--no-module", .help = "leave the module out of the artifact"},
    {.name = "--jobs", .value = "N", .help = "threads to use (default: one a core)", .letter = 'j'},
    {.name = "--progress", .help = "say how far it is"},
    {.name = "--attached", .help = "stop when the program that started it ends"},
    {.name = "--version", .help = "print the version of Berth and of the compiler"},
    {.name = "--help", .help = "print this page", .letter = 'h'},
};

int compile_command(const Arguments& arguments);

constexpr cli::Command kProgram{.usage = "[OPTION…] INPUT",
                                .summary = "Compile a WebAssembly module to native code",
                                .details =
                                    "INPUT is a .wasm file, or - for standard input. The artifact is an ELF file "
                                    "that Berth runs; it appears\nunder its name when it is complete. The exit "
                                    "code is 0, 2 for wrong usage, 1 for anything else.",
                                .options = kOptions,
                                .max_operands = 1,
                                .operands = Complete::File,
                                .run = compile_command};

std::optional<u32> parse_number(std::string_view text, u32 most) {
  u32 value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value > most) return std::nullopt;
  return value;
}

// Numbers with commas between, each a u32.
std::optional<std::vector<u32>> parse_numbers(std::string_view text, char between) {
  std::vector<u32> numbers;
  while (true) {
    const size_t end = text.find(between);
    const auto number = parse_number(text.substr(0, end), ~u32{0});
    if (!number) return std::nullopt;
    numbers.push_back(*number);
    if (end == std::string_view::npos) return numbers;
    text.remove_prefix(end + 1);
  }
}

std::optional<std::vector<compiler::LoopRef>> parse_loops(std::string_view text) {
  std::vector<compiler::LoopRef> loops;
  while (true) {
    const size_t end = text.find(',');
    const auto one = parse_numbers(text.substr(0, end), ':');
    if (!one || one->size() != 2) return std::nullopt;
    loops.push_back({(*one)[0], (*one)[1]});
    if (end == std::string_view::npos) return loops;
    text.remove_prefix(end + 1);
  }
}

std::optional<UsageError> read_options(const Arguments& arguments, compiler::Options& options) {
  if (const auto text = arguments.value("--opt")) {
    const auto level = parse_number(*text, 3);
    if (!level) return UsageError{"--opt takes a number from 0 to 3, not " + std::string(*text), {}};
    options.optimization = *level;
  }
  if (const auto text = arguments.value("--jobs")) {
    const auto jobs = parse_number(*text, 4096);
    if (!jobs || *jobs == 0) return UsageError{"--jobs takes a number from 1 to 4096, not " + std::string(*text), {}};
    options.jobs = *jobs;
  }
  if (const auto text = arguments.value("--functions")) {
    auto functions = parse_numbers(*text, ',');
    if (!functions) return UsageError{"--functions takes indices with commas between, not " + std::string(*text), {}};
    options.functions = std::move(*functions);
  }
  if (const auto text = arguments.value("--loops")) {
    auto loops = parse_loops(*text);
    if (!loops) return UsageError{"--loops takes pairs like 3:120 with commas between, not " + std::string(*text), {}};
    options.loops = std::move(*loops);
  }
  if (const auto text = arguments.value("--target")) options.target = *text;
  if (const auto text = arguments.value("--cpu")) options.cpu = *text;
  options.fuel = arguments.has("--fuel");
  options.deterministic_nan = arguments.has("--deterministic");
  return std::nullopt;
}

Result<wasm::Module> read_module(const std::string& input, u32 jobs) {
  const auto bytes = std::make_shared<const std::vector<u8>>(
      TRY(input == "-" ? os::read_descriptor(STDIN_FILENO, "standard input") : os::read_file(input)));
  if (!decode::has_wasm_magic(*bytes) || decode::is_component(*bytes)) {
    return fail(ErrorCode::NotSupported, "files other than modules in binary form");
  }
  validate::Options options;
  options.threads = jobs != 0 ? jobs : std::max(1u, std::thread::hardware_concurrency());
  auto read = [&](const wasm::FeatureSet& features) -> Result<wasm::Module> {
    auto module = TRY(decode::decode_module(Bytes(*bytes, bytes), features, {}));
    TRY(validate::validate_module(module, options));
    return module;
  };
  // Whoever runs the module decides what it may use; the artifact says whether that is more than is usual.
  if (auto usual = read({})) return usual;
  wasm::FeatureSet features;
  for (const auto& feature : wasm::all_features()) features.enable(feature.feature);
  return read(features);
}

Result<> compile(const Arguments& arguments, compiler::Options& options, const std::string& input,
                 const std::string& output) {
  compiler::Target target = TRY(compiler::resolve_target(options));
  compiler::ArtifactOptions artifact;
  artifact.target = target.name;
  artifact.cpu = TRY(compiler::needed_cpu(target));
  artifact.compiler = compiler::compiler_version();
  artifact.options = (options.fuel ? abi::kCountsFuel : 0u) |
                     (options.deterministic_nan ? abi::kDeterministicNan : 0u) |
                     (options.deterministic_relaxed ? abi::kDeterministicRelaxed : 0u) |
                     (options.functions.empty() ? 0u : abi::kPartial);
  artifact.debug_info = arguments.has("--debug-info");
  artifact.embed_module = !arguments.has("--no-module");

  // Better now than after minutes.
  const size_t slash = output.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : output.substr(0, slash + 1);
  if (access(folder.c_str(), W_OK | X_OK) != 0) return fail(os_error(errno, "cannot write " + output));
  const wasm::Module module = TRY(read_module(input, options.jobs));
  u64 code_bytes = 0;
  for (const wasm::Function& function : module.functions) code_bytes += function.body.size;
  Progress progress(arguments.has("--progress"), static_cast<u32>(module.functions.size()) - module.imported_functions,
                    code_bytes);
  options.progress = [&](u32 functions, u64 bytes) { progress.add(functions, bytes); };
  const auto objects = TRY(compiler::compile_objects(module, options));
  progress.phase("linking");
  const auto file = TRY(compiler::make_artifact(objects, module, artifact));
  progress.phase("writing");
  return os::replace_file(output, file);
}

int compile_command(const Arguments& arguments) {
  if (arguments.has("--help")) {
    cli::Output out;
    out << cli::help_page(kProgram);
    return out.finish(0);
  }
  if (arguments.has("--version")) {
    cli::Output out;
    out << "berth-compiler " BERTH_VERSION " (" << compiler::compiler_version() << ")\n";
    return out.finish(0);
  }
  if (arguments.operands().empty()) return cli::usage_error({"no file was named", "berth-compiler --help says more"});
  compiler::Options options;
  if (const auto wrong = read_options(arguments, options)) return cli::usage_error(*wrong);
  if (arguments.has("--attached")) prctl(PR_SET_PDEATHSIG, SIGKILL);
  const std::string input(arguments.operands()[0]);
  std::string output(arguments.value("--output").value_or(""));
  if (output.empty()) {
    if (input == "-") return cli::usage_error({"no output file was named", "-o FILE names it"});
    output = (input.ends_with(".wasm") ? input.substr(0, input.size() - 5) : input) + ".berth";
  }
  const auto done = compile(arguments, options, input, output);
  if (done) return 0;
  const Error& error = done.error();
  if (error.kind() == ErrorKind::Usage) return cli::usage_error({error.to_string(), {}});
  if (error.kind() == ErrorKind::Io) {
    cli::print_error(error.to_string());
  } else {
    cli::print_error((input == "-" ? "standard input" : input) + ": " + error.to_string());
  }
  return cli::kExitFailure;
}

}  // namespace
}  // namespace berth::compiler_program

int main(int argc, char** argv) {
  using namespace berth;
  cli::reserve_standard_streams();
  // Writing to what nobody reads, and past a limit of size, are errors like others.
  signal(SIGPIPE, SIG_IGN);
  signal(SIGXFSZ, SIG_IGN);
  cli::set_program_name("berth-compiler");
  const auto arguments =
      cli::Arguments::parse(compiler_program::kProgram, std::span(argv + std::min(argc, 1), argv + argc));
  if (!arguments) return cli::usage_error(arguments.error());
  return compiler_program::kProgram.run(*arguments);
}
