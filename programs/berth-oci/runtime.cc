#include "berth-oci/runtime.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <climits>
#include <cstdlib>
#include <filesystem>

#include "berth-oci/listing.h"
#include "cli/output.h"
#include "container/cgroup.h"
#include "container/files.h"
#include "container/keep.h"
#include "container/process.h"
#include "container/text.h"
#include "container/tools.h"
#include "os/file.h"

namespace berth::oci_runtime {

using container::ContainerFiles;
using container::ContainerFolder;
using container::EntryPoint;
using container::ProgramKind;
using container::Record;
using container::texts;

namespace {

constexpr u64 kMostConfigBytes = 64 << 20;
// How long a delete waits for a create that goes on although its caller has gone.
constexpr std::chrono::seconds kPatience{30};

std::string absolute(const std::string& path) {
  char cwd[PATH_MAX];
  return container::absolute_path(getcwd(cwd, sizeof cwd) ? cwd : "/", path);
}

std::string base_name(const std::string& path) { return path.substr(path.rfind('/') + 1); }

Result<json::Value> read_json(const std::string& path) {
  const auto bytes = TRY(os::read_file(path, kMostConfigBytes));
  auto value = json::parse({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  if (!value) return fail(std::move(value).error().with_context("in " + path));
  return value;
}

bool exists(const std::string& path) { return access(path.c_str(), F_OK) == 0; }

Error does_not_exist(const std::string& id) { return Error(ErrorCode::System, "container " + id + " does not exist"); }

}  // namespace

// A container to be made from a configuration of ours.
struct Runtime::Planned {
  std::string bundle;
  json::Value config;
  Record record;
  // Where its module's native code is or will be; the module, open.
  std::optional<container::ModuleCode> code;
  container::Fd module;
};

int Runtime::run() {
  Result<int> code = dispatch();
  if (code) return *code;
  report(code.error());
  return cli::kExitFailure;
}

Result<> Runtime::read_setup() {
  if (const auto root = line_.global("--root")) {
    root_ = absolute(*root);
  } else if (const char* folder = std::getenv("XDG_RUNTIME_DIR"); geteuid() != 0 && folder && *folder) {
    root_ = std::string(folder) + "/berth";
  } else {
    root_ = "/run/berth";
  }
  node_ = TRY(container::read_node());
  return {};
}

Result<int> Runtime::dispatch() {
  TRY(read_setup());
  struct Row {
    std::string_view name;
    Result<int> (Runtime::*run)();
  };
  static constexpr Row kRows[] = {{"create", &Runtime::create},     {"run", &Runtime::create},
                                  {"delete", &Runtime::erase},      {"state", &Runtime::state},
                                  {"list", &Runtime::list},         {"exec", &Runtime::exec},
                                  {"features", &Runtime::features}, {"compile", &Runtime::compile}};
  for (const Row& row : kRows)
    if (line_.command == row.name) return (this->*row.run)();
  return forward();
}

Result<std::string> Runtime::container_id() const {
  if (line_.operands.empty()) return fail(ErrorCode::BadArgument, line_.command + " needs the name of a container");
  const std::string& id = line_.operands[0];
  if (!container::is_container_id(id)) return fail(ErrorCode::BadArgument, "invalid container id: " + id);
  return id;
}

std::string Runtime::root_of(const std::string& runtime) const { return root_ + "/" + base_name(runtime); }

Result<std::string> Runtime::runtime_of(const std::string& id) const {
  if (const auto record = ContainerFolder::read(root_, id); record && !record->runtime.empty()) return record->runtime;
  // The node's setting may have changed since the container was made.
  if (!id.empty() && !node_.runtime.empty() && !exists(root_of(node_.runtime) + "/" + id)) {
    for (const char* name : {"crun", "runc", "youki"}) {
      if (!exists(root_ + "/" + name + "/" + id)) continue;
      if (std::string path = container::find_program(name); !path.empty()) return path;
    }
  }
  if (node_.runtime.empty()) {
    return fail(ErrorCode::NotSupported,
                std::string("no OCI runtime is installed to do the work: install crun or runc, or name one in ") +
                    container::kNodeFile);
  }
  return node_.runtime;
}

Result<int> Runtime::forward() {
  // Commands without a container, such as spec, are the default runtime's.
  const std::string id = line_.operands.empty() ? "" : line_.operands[0];
  const std::string runtime = TRY(runtime_of(id));
  // Runtimes say this each in their own way, and callers look for these words.
  constexpr std::string_view kOfContainers[] = {"start", "state", "kill",   "pause",  "resume",
                                                "exec",  "ps",    "update", "events", "delete"};
  const bool needs_container = std::ranges::find(kOfContainers, line_.command) != std::end(kOfContainers);
  if (needs_container && !(line_.command == "delete" && line_.has("--force")) &&
      !exists(root_of(runtime) + "/" + TRY(container_id())))
    return fail(does_not_exist(id));
  return fail(container::replace_process(line_.words_for(runtime, root_of(runtime))));
}

Result<std::optional<Runtime::Planned>> Runtime::plan() {
  Planned planned;
  planned.bundle = absolute(line_.option("--bundle").value_or("."));
  const std::string file = planned.bundle + "/" + line_.option("--config").value_or("config.json");
  planned.config = TRY(read_json(file));
  json::Value& config = planned.config;
  planned.record.bundle = planned.bundle;
  planned.record.runtime = TRY(runtime_of(line_.operands[0]));
  planned.record.cgroup = config.text_at({"linux", "cgroupsPath"});

  EntryPoint entry;
  json::Value* process = config.find("process");
  const std::vector<std::string> args =
      container::without_image_launcher(process ? texts(process->find("args")) : std::vector<std::string>());
  if (!args.empty()) {
    // What is wrong with a root filesystem is for the runtime to say.
    if (const auto files = ContainerFiles::planned(config, planned.bundle)) {
      entry = container::find_entry_point(*files, args[container::command_position(args)], process->text_at({"cwd"}),
                                          texts(process->find("env")));
    }
  }
  if (!is_wasm(entry.kind)) {
    if (!container::is_later_than_1_0(config) || !is_old(planned.record.runtime)) return std::nullopt;
    container::make_movable(config, planned.bundle);
    container::declare_1_0(config);
    return planned;
  }
  process->set("args", container::array_of(args));
  if (node_.berth.empty()) {
    return fail(ErrorCode::NotSupported,
                entry.path +
                    " is WebAssembly, and there is no berth to run it: install it beside berth-oci, or name it in " +
                    container::kNodeFile);
  }
  const container::Settings settings = TRY(container::read_settings(config));
  const container::Policy policy = TRY(container::Policy::read(node_.policy));
  const container::Grants& grants = policy.grants_for(config);
  if (const auto kind = TRY(container::keep_for(keep_, settings))) {
    planned.config = TRY(container::rewrite_for_keep(std::move(config), planned.bundle, entry, settings, node_, *kind));
    return planned;
  }
  planned.code = find_code(entry, settings);
  container::Rewritten rewritten = TRY(container::rewrite(
      std::move(config), planned.bundle, entry, settings, grants,
      entry.kind == container::ProgramKind::Component ? node_.berth_serve : node_.berth, planned.code));
  planned.module = std::move(entry.file);
  planned.config = std::move(rewritten.config);
  planned.record.launcher = std::move(rewritten.launcher);
  planned.record.is_wasm = true;
  return planned;
}

// Where native code of the entry is or will be. Without any a container runs all the same, so errors are notes.
std::optional<container::ModuleCode> Runtime::find_code(const EntryPoint& entry, const container::Settings& settings) {
  if (entry.kind != ProgramKind::Module || node_.code.empty() || settings.tier == "interp") return std::nullopt;
  auto code = container::CodeFolder(node_.code, node_.berth).find(entry.file.get());
  if (code) return std::move(*code);
  log("warning", "no native code is kept: " + code.error().detail());
  return std::nullopt;
}

void Runtime::begin_to_compile(const Planned& planned) {
  if (!planned.code || planned.code->is_there) return;
  const auto begun = container::CodeFolder(node_.code, node_.berth).compile_later(*planned.code, planned.module.get());
  if (!begun) log("warning", "no native code is made: " + begun.error().detail());
}

Result<int> Runtime::create() {
  const std::string id = TRY(container_id());
  std::optional<Planned> planned = TRY(plan());
  const std::string runtime = planned ? planned->record.runtime : TRY(runtime_of(id));
  // The runtime makes its own folder, but not what that is in.
  std::error_code failed;
  std::filesystem::create_directories(root_of(runtime), failed);
  if (failed) return fail(os_error(failed.value(), "cannot make " + root_of(runtime)));
  if (!planned) return forward();
  return create_rewritten(std::move(*planned));
}

Result<int> Runtime::create_rewritten(Planned planned) {
  const std::string& id = line_.operands[0];
  const std::string& runtime = planned.record.runtime;
  if (exists(root_of(runtime) + "/" + id)) return fail(ErrorCode::BadArgument, "container with id exists: " + id);
  ContainerFolder folder = TRY(ContainerFolder::create(root_, id, root_of(runtime) + "/" + id));
  planned.record.pid_file = absolute(line_.option("--pid-file").value_or(folder.path() + "/pid"));
  if (const auto written = folder.write(planned.record, planned.config); !written) {
    folder.remove();
    return fail(Error(ErrorCode::System, written.error().to_string()));
  }
  begin_to_compile(planned);
  CommandLine line = line_;
  std::erase_if(line.options, [](const GivenOption& o) { return o.name == "--config"; });
  line.set_option("--bundle", folder.path());
  line.set_option("--pid-file", planned.record.pid_file);
  // In the foreground the container may run for long, and be deleted by others meanwhile.
  const bool to_its_end = line_.command == "run" && !line_.has("--detach");
  const std::vector<std::string> words = line.words_for(runtime, root_of(runtime));
  if (to_its_end) {
    // In our place: one process less to wait for.
    TRY(folder.remove_after_us(root_of(runtime) + "/" + id));
    return fail(container::replace_process(words));
  }
  Result<int> code = folder.run(words);
  if (!code || *code != 0) {
    if (!exists(root_of(runtime) + "/" + id)) folder.remove();
  }
  return code;
}

Result<int> Runtime::erase() {
  const std::string id = TRY(container_id());
  if (!exists(ContainerFolder::path_of(root_, id))) {
    const std::string runtime = TRY(runtime_of(id));
    if (line_.has("--force") && !exists(root_of(runtime) + "/" + id)) return 0;
    return forward();
  }
  return erase_rewritten();
}

Result<int> Runtime::erase_rewritten() {
  const std::string& id = line_.operands[0];
  const bool force = line_.has("--force");
  const auto folder = TRY(ContainerFolder::lock(root_, id, kPatience));
  if (!folder) {
    if (force) return 0;
    return fail(does_not_exist(id));
  }
  const auto record = ContainerFolder::read(root_, id);
  const std::string runtime = TRY(runtime_of(id));
  const std::string below = root_of(runtime) + "/" + id;
  int code = 0;
  if (exists(below)) {
    code = TRY(folder->run(line_.words_for(runtime, root_of(runtime))));
  } else if (!force) {
    return fail(does_not_exist(id));
  }
  if (!exists(below) || (force && code != 0)) {
    // What a runtime leaves that was killed while it made the container.
    if (force && record && !record->cgroup.empty() && !container::remove_cgroup(record->cgroup, id)) {
      return fail(ErrorCode::System, "cannot remove the cgroup " + record->cgroup + " of container " + id);
    }
    if (force) {
      std::error_code ignored;
      std::filesystem::remove_all(below, ignored);
    }
    folder->remove();
    return force ? 0 : code;
  }
  return code;
}

json::Value Runtime::with_our_names(json::Value state) const {
  // The folder that the runtime was given is ours; the caller knows its own.
  if (const auto record = ContainerFolder::read(root_, std::string(state.text_at({"id"})))) {
    if (state.find("bundle") != nullptr) state.set("bundle", record->bundle);
    if (state.find("bundlePath") != nullptr) state.set("bundlePath", record->bundle);
  }
  return state;
}

Result<int> Runtime::state() {
  const std::string id = TRY(container_id());
  if (!exists(ContainerFolder::path_of(root_, id))) return forward();
  const std::string runtime = TRY(runtime_of(id));
  if (!exists(root_of(runtime) + "/" + id)) return fail(does_not_exist(id));
  container::Captured captured = TRY(container::capture_process(line_.words_for(runtime, root_of(runtime))));
  cli::write_all(STDERR_FILENO, captured.errors);
  if (captured.exit_code != 0) return captured.exit_code;
  cli::Output out;
  if (auto state = json::parse(captured.output)) {
    out << json::to_text(with_our_names(std::move(*state)), 2) << "\n";
  } else {
    out << captured.output;
  }
  return out.finish(0);
}

Result<int> Runtime::list() {
  std::vector<json::Value> containers;
  for (const char* name : {"crun", "runc", "youki"}) {
    if (!exists(root_ + "/" + name)) continue;
    const std::string runtime = base_name(node_.runtime) == name ? node_.runtime : container::find_program(name);
    if (runtime.empty()) continue;
    CommandLine line;
    line.command = "list";
    line.set_option("--format", "json");
    const container::Captured captured = TRY(container::capture_process(line.words_for(runtime, root_of(runtime))));
    cli::write_all(STDERR_FILENO, captured.errors);
    auto found = json::parse(captured.output);
    if (!found) continue;
    for (json::Value& state : found->edit_items()) containers.push_back(with_our_names(std::move(state)));
  }
  cli::Output out;
  out << render_list(containers, line_.option("--format").value_or("table"), line_.has("--quiet"));
  return out.finish(0);
}

// Makes the command of `process` what it means in a container of ours; whether anything changed.
Result<bool> Runtime::rewrite_exec(json::Value& process, const Record& record) {
  std::vector<std::string> args = texts(process.find("args"));
  if (args.empty()) return false;
  const auto files = [&]() -> Result<ContainerFiles> {
    pid_t pid = 0;
    if (const auto bytes = os::read_file(record.pid_file)) {
      const char* text = reinterpret_cast<const char*>(bytes->data());
      std::from_chars(text, text + bytes->size(), pid);
    }
    if (pid > 0) {
      if (auto running = ContainerFiles::of_process(pid)) return running;
    }
    return ContainerFiles::planned(TRY(read_json(ContainerFolder::path_of(root_, line_.operands[0]) + "/config.json")),
                                   "/");
  }();
  // A container that does not run is for the runtime to report.
  if (!files) return false;
  const std::string cwd(process.text_at({"cwd"}));
  const std::vector<std::string> environment = texts(process.find("env"));
  const EntryPoint entry = container::find_entry_point(*files, args[0], cwd, environment);
  if (is_wasm(entry.kind)) {
    args = container::wasm_command(record.launcher, entry, cwd, environment, std::move(args));
  } else if (entry.kind == ProgramKind::Missing && container::is_tool(args[0])) {
    args[0] = base_name(args[0]);
    args.insert(args.begin(), {record.launcher.berth, "tool"});
  } else {
    return false;
  }
  process.set("args", container::array_of(args));
  return true;
}

Result<int> Runtime::exec() {
  const std::string id = TRY(container_id());
  const auto record = ContainerFolder::read(root_, id);
  if (!record || !record->is_wasm) return forward();
  if (const auto file = line_.option("--process")) {
    json::Value process = TRY(read_json(*file));
    if (TRY(rewrite_exec(process, *record))) {
      const int changed = TRY(container::make_memory_file("process.json", json::to_text(process)));
      line_.set_option("--process", "/proc/self/fd/" + std::to_string(changed));
    }
    return forward();
  }
  // The command is on the command line; what is not said there is as in the container.
  size_t at = 1;
  if (at < line_.operands.size() && line_.operands[at] == "--") ++at;
  const std::vector<std::string> args(
      line_.operands.begin() + static_cast<std::ptrdiff_t>(std::min(at, line_.operands.size())), line_.operands.end());
  json::Value config = TRY(read_json(ContainerFolder::path_of(root_, id) + "/config.json"));
  json::Value process = config.find("process") ? *config.find("process") : json::Value();
  process.set("args", container::array_of(args));
  if (const auto cwd = line_.option("--cwd")) process.set("cwd", *cwd);
  std::vector<std::string> environment = texts(process.find("env"));
  for (const GivenOption& o : line_.options)
    if (o.name == "--env" && o.value) environment.push_back(*o.value);
  process.set("env", container::array_of(environment));
  if (TRY(rewrite_exec(process, *record))) {
    line_.operands = {id};
    for (std::string& word : texts(process.find("args"))) line_.operands.push_back(std::move(word));
  }
  return forward();
}

Result<int> Runtime::compile() {
  if (line_.operands.empty()) return fail(ErrorCode::BadArgument, "compile needs the name of a module's file");
  if (node_.code.empty()) return 0;  // it was told to keep none
  const container::CodeFolder folder(node_.code, node_.berth);
  for (const std::string& path : line_.operands) {
    const container::Fd module(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!module) return fail(os_error(errno, "cannot open " + path));
    const auto code = TRY(folder.find(module.get()));
    if (!code) {
      return fail(ErrorCode::NotSupported, "there is no berth-compiler beside " + node_.berth +
                                               ", or it has failed with " + path + " within the last ten minutes");
    }
    if (!code->is_there) {
      if (auto done = folder.compile_now(*code, module.get()); !done)
        return fail(std::move(done).error().with_context("of " + path));
    }
  }
  return 0;
}

Result<int> Runtime::features() {
  const std::string runtime = TRY(runtime_of(""));
  const container::Captured captured = TRY(container::capture_process(line_.words_for(runtime, root_of(runtime))));
  // Runtimes older than the command do not say what they can.
  auto known = captured.exit_code == 0 ? json::parse(captured.output) : json::Value();
  json::Value out = known ? std::move(*known) : json::Value();
  if (out.text_at({"ociVersionMin"}).empty()) out.set("ociVersionMin", "1.0.0");
  out.set("ociVersionMax", "1.2.0");
  // containerd 2.1 takes these to be there.
  json::Value& on_linux = out.object_at("linux");
  if (on_linux.find("namespaces") == nullptr) {
    on_linux.set("namespaces", container::array_of({"cgroup", "ipc", "mount", "network", "pid", "user", "uts"}));
  }
  json::Value& mapping = on_linux.object_at("mountExtensions").object_at("idmap");
  if (mapping.find("enabled") == nullptr) mapping.set("enabled", false);
  out.object_at("annotations").set("run.berth.version", BERTH_VERSION);
  cli::Output output;
  output << json::to_text(out, 2) << "\n";
  return output.finish(0);
}

void Runtime::report(const Error& error) const {
  const std::string message =
      error.detail().empty() || error.kind() == ErrorKind::Malformed ? error.to_string() : error.detail();
  cli::print_error(message);
  log("error", message);
}

void Runtime::log(const char* level, const std::string& message) const {
  std::string path = line_.global("--log").value_or("");
  if (path.starts_with("file:")) path.erase(0, 5);
  if (path.empty() || path.starts_with("syslog:") || path.starts_with("journald:")) return;
  const container::Fd file(open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
  if (!file) return;  // standard error has it
  const time_t now = time(nullptr);
  struct tm parts{};
  gmtime_r(&now, &parts);
  char when[32];
  strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", &parts);
  json::Value line;
  line.set("level", level);
  line.set("msg", message);
  line.set("time", when);
  const bool as_json = line_.global("--log-format") == "json";
  cli::write_all(file.get(), (as_json ? json::to_text(line)
                                      : "time=\"" + std::string(when) + "\" level=" + level +
                                            " msg=" + json::to_text(json::Value(message))) +
                                 "\n");
}

}  // namespace berth::oci_runtime
