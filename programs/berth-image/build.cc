// berth image build

#include <sys/stat.h>
#include <unistd.h>

#include <elf.h>
#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "berth-image/commands.h"
#include "berth-image/plan.h"
#include "berth-image/process.h"
#include "cli/units.h"
#include "oci/component_names.h"
#include "oci/problem.h"
#include "oci/transfer.h"
#include "os/file.h"
#include "text/component_parser.h"
#include "text/diagnostic.h"

namespace berth::image {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kArchitectures[] = {"amd64", "arm64"};
constexpr u64 kMostFile = u64{2} << 30;

Result<std::string> read_text(const std::string& path) {
  auto bytes = os::read_file(path, kMostFile);
  if (!bytes) return oci::problem(bytes.error().to_string());
  return std::string(bytes->begin(), bytes->end());
}

std::string file_name(const std::string& path) { return path.substr(path.rfind('/') + 1); }

// Whether a program runs where there are no libraries.
bool is_static(const std::string& program) {
  Elf64_Ehdr header;
  if (program.size() < sizeof header) return false;
  std::memcpy(&header, program.data(), sizeof header);
  if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0) return false;
  for (u32 i = 0; i < header.e_phnum; ++i) {
    const u64 at = header.e_phoff + u64{i} * header.e_phentsize;
    if (at > program.size() - sizeof(Elf64_Phdr)) return false;
    Elf64_Phdr segment;
    std::memcpy(&segment, program.data() + at, sizeof segment);
    if (segment.p_type == PT_INTERP) return false;
  }
  return true;
}

u16 machine_of(const std::string& program) {
  Elf64_Ehdr header;
  if (program.size() < sizeof header) return EM_NONE;
  std::memcpy(&header, program.data(), sizeof header);
  return std::memcmp(header.e_ident, ELFMAG, SELFMAG) == 0 ? header.e_machine : u16{EM_NONE};
}

class Build {
 public:
  explicit Build(const Arguments& arguments) : arguments_(arguments) {}

  std::optional<UsageError> read_options();
  Result<oci::Descriptor> run();
  const Plan& plan() const { return plan_; }

 private:
  std::optional<UsageError> read_pairs(const char* option, oci::Annotations& out) const;
  std::optional<UsageError> read_machines();
  Result<> read_inputs();
  Result<> add_launchers();
  Result<> compile();
  Result<std::string> compile_for(const std::string& architecture, const std::string& cpu);

  const Arguments& arguments_;
  Plan plan_;
  std::vector<std::string> machines_;
  std::vector<std::pair<std::string, std::string>> launchers_;
};

std::optional<UsageError> Build::read_pairs(const char* option, oci::Annotations& out) const {
  for (const std::string_view text : arguments_.values(option)) {
    const size_t equals = text.find('=');
    if (equals == std::string_view::npos || equals == 0)
      return UsageError{std::string(option) + " takes NAME=VALUE, not " + std::string(text), {}};
    out[std::string(text.substr(0, equals))] = text.substr(equals + 1);
  }
  return std::nullopt;
}

std::optional<UsageError> Build::read_machines() {
  auto known = [](std::string_view name) {
    return std::ranges::find(kArchitectures, name) != std::end(kArchitectures);
  };
  std::string_view list = arguments_.value("--arch").value_or("");
  if (!arguments_.has("--arch")) machines_ = {oci::host_platform().architecture};
  while (!list.empty()) {
    const std::string_view name = list.substr(0, list.find(','));
    list.remove_prefix(std::min(list.size(), name.size() + 1));
    if (name == "none") continue;
    if (!known(name)) return UsageError{"--arch: " + std::string(name) + " is neither amd64 nor arm64", {}};
    machines_.emplace_back(name);
  }
  for (const std::string_view text : arguments_.values("--launcher")) {
    const size_t equals = text.find('=');
    const std::string_view name = text.substr(0, equals);
    if (equals == std::string_view::npos || !known(name))
      return UsageError{"--launcher takes amd64=FILE or arm64=FILE, not " + std::string(text), {}};
    launchers_.emplace_back(name, text.substr(equals + 1));
    if (std::ranges::find(machines_, name) == machines_.end()) machines_.emplace_back(name);
  }
  return std::nullopt;
}

std::optional<UsageError> Build::read_options() {
  const std::string_view format = arguments_.value("--format").value_or("image");
  if (format != "image" && format != "artifact")
    return UsageError{"--format is image or artifact, not " + std::string(format), {}};
  plan_.is_artifact = format == "artifact";
  for (const std::string_view name : arguments_.values("--tag")) {
    auto reference = oci::parse_reference(name);
    if (!reference) return UsageError{reference.error().detail(), {}};
    if (reference->digest) return UsageError{"--tag: an image cannot be given a digest", {}};
    plan_.names.push_back(reference->to_string());
  }
  if (plan_.names.empty()) return UsageError{"the image has no name", "-t registry.example/app:1 gives it one"};
  if (const auto text = arguments_.value("--compression")) {
    if (*text != "gzip" && *text != "zstd") return UsageError{"--compression is gzip or zstd", {}};
    if (*text == "zstd") plan_.compression = oci::Compression::Zstd;
  }
  if (const char* epoch = std::getenv("SOURCE_DATE_EPOCH"); epoch && *epoch) {
    const std::string_view text = epoch;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), plan_.time);
    if (error != std::errc() || end != text.data() + text.size() || plan_.time > 253402300799)
      return UsageError{"$SOURCE_DATE_EPOCH is " + std::string(text) + ", which is no number of seconds since 1970",
                        {}};
  }
  return read_machines();
}

Result<> Build::read_inputs() {
  if (const auto manifest = arguments_.value("--manifest")) TRY(read_manifest_file(std::string(*manifest), plan_));
  for (const std::string_view module : arguments_.operands()) TRY(add_module(std::string(module), plan_));
  if (plan_.modules.empty())
    return fail(ErrorCode::BadArgument, "no module was named: berth image build -t NAME app.wasm");
  for (const std::string_view text : arguments_.values("--file")) {
    const size_t colon = text.rfind(':');
    if (colon == std::string_view::npos)
      return fail(ErrorCode::BadArgument, "--file takes SOURCE:PATH, not " + std::string(text));
    TRY(add_files(std::string(text.substr(0, colon)), std::string(text.substr(colon + 1)), plan_));
  }
  auto append = [&](const char* option, std::vector<std::string>& out, bool replace) {
    const auto values = arguments_.values(option);
    if (replace && !values.empty()) out.clear();
    out.insert(out.end(), values.begin(), values.end());
  };
  append("--arg", plan_.arguments, true);
  append("--dir", plan_.folders, true);
  append("--listen", plan_.listen, true);
  for (const std::string_view text : arguments_.values("--env")) {
    std::string variable(text);
    if (variable.find('=') == std::string::npos) {
      const char* value = std::getenv(variable.c_str());
      if (!value) continue;
      variable += std::string("=") + value;
    }
    const std::string name = variable.substr(0, variable.find('=') + 1);
    std::erase_if(plan_.environment, [&](const std::string& other) { return other.starts_with(name); });
    plan_.environment.push_back(std::move(variable));
  }
  if (const auto entry = arguments_.value("--entrypoint")) plan_.entry = "/" + file_name(std::string(*entry));
  if (plan_.entry.ends_with(".wat")) plan_.entry.replace(plan_.entry.size() - 3, 3, "wasm");
  if (plan_.entry.empty()) plan_.entry = plan_.modules.front().path;
  const auto entry = std::ranges::find(plan_.modules, plan_.entry, &oci::LayerFile::path);
  if (entry == plan_.modules.end())
    return fail(ErrorCode::BadArgument, "the entry point " + plan_.entry.substr(1) + " is none of the modules");
  std::rotate(plan_.modules.begin(), entry, entry + 1);
  if (const auto user = arguments_.value("--user")) plan_.user = *user;
  const bool numeric = plan_.user.find_first_not_of("0123456789:") == std::string::npos;
  if (!numeric)
    return fail(ErrorCode::BadArgument, "--user takes numbers, since the image knows no names: 1000 or 1000:1000");
  if (const auto author = arguments_.value("--author")) plan_.author = *author;
  for (const std::string& folder : plan_.folders) {
    if (!folder.starts_with('/'))
      return fail(ErrorCode::BadArgument, "--dir takes an absolute path of the container, not " + folder);
  }
  for (const std::string& address : plan_.listen) {
    const size_t colon = address.rfind(':');
    if (colon == std::string::npos || colon + 1 == address.size())
      return fail(ErrorCode::BadArgument, "--listen takes ADDRESS:PORT, not " + address);
  }
  return {};
}

Result<> Build::add_launchers() {
  for (const std::string_view architecture : kArchitectures) {
    Machine machine{std::string(architecture), {}, {}, {}};
    if (std::ranges::find(machines_, architecture) != machines_.end()) {
      const auto named = std::ranges::find(launchers_, architecture, &std::pair<std::string, std::string>::first);
      std::string path;
      if (named != launchers_.end()) {
        path = named->second;
      } else if (architecture == oci::host_platform().architecture) {
        path = TRY(find_program("berth", "BERTH"));
        // Components may be asked to serve, and may send requests by TLS.
        const bool has_component =
            std::ranges::any_of(plan_.modules, [](const auto& module) { return oci::is_component(module.contents); });
        if (has_component && access((path + "-serve").c_str(), X_OK) == 0) path += "-serve";
      } else {
        return oci::problem("there is no berth for " + std::string(architecture) + " here",
                            "--launcher " + std::string(architecture) + "=FILE names one");
      }
      machine.launcher = TRY(read_text(path));
      if (machine_of(machine.launcher) != (architecture == "amd64" ? EM_X86_64 : EM_AARCH64))
        return oci::problem(path + " is no program for " + std::string(architecture));
      if (!is_static(machine.launcher))
        cli::print_error("note: " + path + " needs shared libraries, which the image does not have",
                         "--launcher " + std::string(architecture) + "=FILE names a static one, as releases are");
    }
    plan_.machines.push_back(std::move(machine));
  }
  return {};
}

Result<std::string> Build::compile_for(const std::string& architecture, const std::string& cpu) {
  const std::string compiler = TRY(find_program("berth-compiler", "BERTH_COMPILER"));
  const ScratchFolder scratch = TRY(ScratchFolder::make());
  const std::string input = scratch.path() + "/module.wasm", output = scratch.path() + "/native.berth";
  const std::string& module = plan_.modules.front().contents;
  TRY(os::replace_file(input, {reinterpret_cast<const u8*>(module.data()), module.size()}));
  const std::string target = architecture == "amd64" ? "x86_64-linux" : "aarch64-linux";
  const Outcome outcome = TRY(run_program(
      {compiler, input, "--output", output, "--no-module", "--attached", "--target", target, "--cpu", cpu}));
  if (outcome.exit_code != 0)
    return oci::problem("cannot compile " + plan_.entry.substr(1) + " for " + architecture + ": " + outcome.errors,
                        "--no-compile leaves native code out");
  return read_text(output);
}

Result<> Build::compile() {
  const bool is_component = oci::is_component(plan_.modules.front().contents);
  if (arguments_.has("--no-compile") || is_component) return {};
  for (Machine& machine : plan_.machines) {
    if (machine.launcher.empty()) continue;
    const std::string usual = machine.architecture == "amd64" ? "x86-64-v3" : "generic";
    const std::string cpu(arguments_.value("--cpu").value_or(usual));
    machine.native_code = TRY(compile_for(machine.architecture, cpu));
    machine.native_for = (machine.architecture == "amd64" ? "x86_64-linux " : "aarch64-linux ") + cpu;
  }
  return {};
}

Result<oci::Descriptor> Build::run() {
  TRY(read_inputs());
  if (auto wrong = read_pairs("--label", plan_.labels)) return fail(ErrorCode::BadArgument, wrong->message);
  if (auto wrong = read_pairs("--annotation", plan_.annotations)) return fail(ErrorCode::BadArgument, wrong->message);
  if (plan_.is_artifact) {
    if (plan_.modules.size() != 1 || !plan_.files.empty())
      return fail(ErrorCode::BadArgument, "an artifact holds one module and nothing else; --format image holds more");
  } else {
    TRY(add_launchers());
    TRY(compile());
  }
  return assemble(TRY(open_store()), plan_);
}

}  // namespace

namespace {

// The binary form of text, a module's or a component's. Fails with a message that shows where it is wrong.
Result<std::string> binary_of(const std::string& path, const std::string& source) {
  std::vector<u8> binary;
  if (auto module = text::parse_module(source)) {
    binary = std::move(module->binary);
  } else if (auto component = text::parse_component(source)) {
    binary = std::move(component->binary);
  } else {
    const bool means_component = source.find("(component") != std::string::npos;
    std::string message = text::render(path, source, means_component ? component.error() : module.error());
    while (message.ends_with('\n')) message.pop_back();
    return oci::problem(std::move(message));
  }
  return std::string(binary.begin(), binary.end());
}

}  // namespace

Result<> add_module(const std::string& path, Plan& plan) {
  std::string contents = TRY(read_text(path));
  std::string name = file_name(path);
  const bool is_binary = oci::is_module(contents) || oci::is_component(contents);
  if (!is_binary && name.ends_with(".wat")) {
    // Other engines run the binary form alone.
    contents = TRY(binary_of(path, contents));
    name.replace(name.size() - 3, 3, "wasm");
  } else if (!is_binary) {
    return oci::problem(path + " is no WebAssembly module or component",
                        "their text form is taken from files named .wat");
  }
  // Components are the engine's matter where they are run.
  if (oci::is_module(contents)) {
    const std::string berth = TRY(find_program("berth", "BERTH"));
    const Outcome outcome = TRY(run_program({berth, "validate", "--quiet", path}));
    if (outcome.exit_code != 0) return oci::problem(outcome.errors);
  }
  plan.modules.push_back({"/" + name, std::move(contents), 0755, {}});
  return {};
}

Result<> add_files(const std::string& source, const std::string& target, Plan& plan) {
  std::error_code error;
  const fs::file_status status = fs::symlink_status(source, error);
  auto add = [&](const fs::path& path, const std::string& at) -> Result<> {
    const fs::file_status kind = fs::symlink_status(path, error);
    if (fs::is_symlink(kind)) {
      plan.files.push_back({at, {}, 0777, fs::read_symlink(path, error).string()});
    } else if (fs::is_regular_file(kind)) {
      const bool executable = (kind.permissions() & fs::perms::owner_exec) != fs::perms::none;
      plan.files.push_back({at, TRY(read_text(path.string())), executable ? 0755u : 0644u, {}});
    } else if (!fs::is_directory(kind)) {
      return oci::problem("cannot put " + path.string() + " into an image: it is no file, folder or symbolic link");
    }
    return {};
  };
  if (!fs::is_directory(status)) {
    if (!fs::exists(status)) return oci::problem("cannot open " + source + ": " + std::strerror(ENOENT));
    const bool into = target.ends_with('/');
    return add(source, into ? target + file_name(source) : target);
  }
  std::string at = target;
  while (at.ends_with('/')) at.pop_back();
  for (auto it = fs::recursive_directory_iterator(source, error); it != fs::recursive_directory_iterator();
       it.increment(error)) {
    if (error) break;
    TRY(add(it->path(), at + "/" + fs::relative(it->path(), source, error).string()));
  }
  if (error) return oci::problem("cannot read " + source + ": " + error.message());
  return {};
}

int build_command(const Arguments& arguments) {
  Build build(arguments);
  if (const auto wrong = build.read_options()) return cli::usage_error(*wrong);
  const auto descriptor = build.run();
  if (!descriptor) return report(descriptor.error());
  cli::Output out;
  for (const std::string& name : build.plan().names) out << name << "@" << descriptor->digest.to_string() << "\n";
  return out.finish(0);
}

}  // namespace berth::image
