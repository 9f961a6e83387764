// The program `berth-install`, which `berth install` and `berth uninstall` hand over to: has container engines find
// berth-oci, and takes that back.

#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstring>
#include <iostream>

#include "berth-install/kubernetes.h"
#include "berth-install/plan.h"
#include "berth-install/targets.h"
#include "cli/execute.h"
#include "cli/output.h"
#include "cli/streams.h"
#include "os/file.h"

namespace berth::install {
namespace {

using cli::Arguments;

constexpr std::string_view kTargets[] = {"podman", "docker", "containerd", "crio", "kubernetes"};
constexpr const char* kPrograms[] = {"berth-oci", "berth"};  // what containers need
constexpr const char* kFurther[] = {"berth-attest",  "berth-broker", "berth-compiler",  "berth-fetch", "berth-image",
                                    "berth-install", "berth-keep",   "berth-keep-init", "berth-play",  "berth-serve"};
constexpr char kPolicy[] = "/etc/berth/policy.toml";

constexpr cli::Option kInstallOptions[] = {
    {.name = "--yes", .help = "do not ask", .letter = 'y'},
    {.name = "--dry-run", .help = "show what would be changed, and change nothing"},
    {.name = "--undo", .help = "as berth uninstall"},
    {.name = "--root",
     .value = "DIR",
     .help = "change the file system in DIR instead of this machine's",
     .complete = cli::Complete::Folder},
    {.name = "--copy-to",
     .value = "DIR",
     .help = "copy Berth's programs there first, and use those",
     .complete = cli::Complete::Folder},
    {.name = "--config",
     .value = "FILE",
     .help = "the engine's settings, where they are not in the usual place",
     .complete = cli::Complete::File},
    {.name = "--policy",
     .value = "FILE",
     .help = "also copy this to /etc/berth/policy.toml, if there is such a file",
     .complete = cli::Complete::File},
    {.name = "--restart", .help = "restart the engine afterwards, by systemctl"},
    {.name = "--force", .help = "also where the engine is not installed"},
    {.name = "--apply", .help = "kubernetes: hand the manifests to kubectl instead of printing them"},
    {.name = "--image",
     .value = "NAME",
     .help = "kubernetes: image with Berth's programs, for a DaemonSet that installs\n"
             "them on nodes with the label run.berth/node=true"},
    {.name = "--engine", .value = "NAME", .help = "kubernetes: what the nodes have, containerd (default) or crio"},
};

int report(const Error& error) {
  if (error.kind() == ErrorKind::Usage) return cli::usage_error({error.detail(), {}});
  cli::print_error(error.detail().empty() ? error.to_string() : error.detail());
  return cli::kExitFailure;
}

std::string own_folder() {
  char self[PATH_MAX];
  const ssize_t n = readlink("/proc/self/exe", self, sizeof self);
  const std::string path(self, n > 0 ? static_cast<size_t>(n) : 0);
  return path.substr(0, path.rfind('/') + 1);
}

// Whoever can change what an engine starts as root is root.
Result<> need_safe(const Machine& machine, const std::string& program) {
  const std::string folder = program.substr(0, program.rfind('/'));
  for (const std::string& path : {program, folder}) {
    struct stat status{};
    if (stat(machine.at(path).c_str(), &status) != 0) return fail(os_error(errno, "cannot read " + machine.at(path)));
    if ((status.st_uid != 0 && status.st_uid != geteuid()) || (status.st_mode & 022) != 0) {
      return fail(ErrorCode::NotSupported, machine.at(path) +
                                               " can be changed by others than root, and engines would "
                                               "start it as root; --copy-to /usr/local/bin makes copies "
                                               "that cannot");
    }
  }
  return {};
}

// Changes that put copies of our programs to `folder`.
Result<std::vector<Change>> copies(const Machine& machine, const std::string& folder) {
  std::vector<Change> out;
  auto copy = [&](const char* name) -> Result<> {
    const auto bytes = TRY(os::read_file(own_folder() + name));
    Change change{folder + "/" + name, std::string(bytes.begin(), bytes.end())};
    change.before = TRY(machine.read(change.path));
    change.mode = 0755;
    change.is_program = true;
    if (change.before != change.after) out.push_back(std::move(change));
    return {};
  };
  for (const char* name : kPrograms) TRY(copy(name));
  for (const char* name : kFurther)
    if (access((own_folder() + name).c_str(), X_OK) == 0) TRY(copy(name));
  return out;
}

Result<bool> agreed(const Arguments& arguments) {
  if (arguments.has("--yes")) return true;
  if (isatty(STDIN_FILENO) == 0)
    return fail(ErrorCode::BadArgument, "nobody can be asked here: --yes makes the changes, --dry-run only shows them");
  cli::write_all(STDERR_FILENO, "Make these changes? [y/N] ");
  std::string answer;
  std::getline(std::cin, answer);
  return answer == "y" || answer == "Y" || answer == "yes";
}

// The exit code of a program, started with these words within `root`; `input` is what it reads.
Result<int> run(const std::string& root, std::vector<std::string> words, const std::string& input) {
  int ends[2];
  if (pipe(ends) != 0) return fail(os_error(errno, "cannot make a pipe"));
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  const pid_t child = fork();
  if (child < 0) return fail(os_error(errno, "cannot start a process"));
  if (child == 0) {
    dup2(ends[0], STDIN_FILENO);
    close(ends[0]);
    close(ends[1]);
    if (!root.empty() && (chroot(root.c_str()) != 0 || chdir("/") != 0)) _exit(127);
    execvp(argv[0], argv.data());
    _exit(127);
  }
  close(ends[0]);
  signal(SIGPIPE, SIG_IGN);
  cli::write_all(ends[1], input);
  close(ends[1]);
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
  const int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  if (code == 127) return fail(ErrorCode::NotSupported, "cannot run " + words[0]);
  return code;
}

Result<> restart(const Machine& machine, const std::string& target) {
  const std::string unit = unit_of(target);
  if (unit.empty()) return {};
  const int code = TRY(run(machine.root, {"systemctl", "restart", unit}, ""));
  if (code != 0) return fail(ErrorCode::System, "systemctl restart " + unit + " failed");
  return {};
}

Result<int> kubernetes(const Arguments& arguments, bool removes) {
  Cluster cluster;
  cluster.image = arguments.value("--image").value_or("");
  cluster.engine = arguments.value("--engine").value_or("containerd");
  if (cluster.engine != "containerd" && cluster.engine != "crio")
    return fail(ErrorCode::BadArgument, "--engine takes containerd or crio, not " + cluster.engine);
  if (const auto policy = arguments.value("--policy")) {
    const auto bytes = TRY(os::read_file(std::string(*policy), 1 << 20));
    cluster.policy.assign(bytes.begin(), bytes.end());
  }
  const std::string manifests = manifests_for(cluster);
  cli::Output out;
  if (!removes && !arguments.has("--apply")) {
    out << manifests;
    return out.finish(0);
  }
  cli::print_message("will be handed to `kubectl " + std::string(removes ? "delete" : "apply") + "`:\n" + manifests);
  if (!TRY(agreed(arguments))) return cli::kExitFailure;
  if (removes) return run("", {"kubectl", "delete", "--ignore-not-found", "-f", "-"}, manifests);
  return run("", {"kubectl", "apply", "-f", "-"}, manifests);
}

Machine machine_of(const Arguments& arguments, bool for_user) {
  Machine machine;
  machine.root = arguments.value("--root").value_or("");
  while (machine.root.ends_with('/')) machine.root.pop_back();
  if (for_user) {
    const char* home = std::getenv("HOME");
    machine.records = std::string(home ? home : "") + "/.local/share/berth/install";
  }
  return machine;
}

Result<int> uninstall(const Arguments& arguments, const std::string& target) {
  if (target == "kubernetes") return kubernetes(arguments, true);
  const Machine machine = machine_of(arguments, geteuid() != 0);
  const Undo back = TRY(plan_undo(machine, target, take_out_of(target)));
  cli::Output out;
  out << describe(machine, back);
  out.flush();
  if (arguments.has("--dry-run")) return out.finish(0);
  if (!TRY(agreed(arguments))) return cli::kExitFailure;
  TRY(undo(machine, target, back));
  if (arguments.has("--restart")) TRY(restart(machine, target));
  return out.finish(0);
}

Result<int> install(const Arguments& arguments, const std::string& target) {
  if (target == "kubernetes") return kubernetes(arguments, false);
  Request request;
  request.for_user = geteuid() != 0;
  request.even_if_absent = arguments.has("--force");
  request.config = arguments.value("--config").value_or("");
  const Machine machine = machine_of(arguments, request.for_user);
  std::string folder(arguments.value("--copy-to").value_or(""));
  while (folder.ends_with('/')) folder.pop_back();
  if (arguments.has("--copy-to") && !folder.starts_with('/'))
    return fail(ErrorCode::BadArgument, "--copy-to takes an absolute path");
  if (!machine.root.empty() && folder.empty())
    return fail(ErrorCode::BadArgument, "--root needs --copy-to, which says where in it Berth's programs are to be");
  request.runtime = (folder.empty() ? own_folder() : folder + "/") + "berth-oci";
  if (folder.empty() && !request.for_user) {
    for (const char* program : kPrograms) TRY(need_safe(machine, own_folder() + program));
  }
  Plan plan = TRY(plan_for(machine, target, request));
  plan.runtime = request.runtime;
  if (!folder.empty()) {
    std::vector<Change> first = TRY(copies(machine, folder));
    plan.changes.insert(plan.changes.begin(), std::make_move_iterator(first.begin()),
                        std::make_move_iterator(first.end()));
  }
  if (const auto policy = arguments.value("--policy"); policy && access(std::string(*policy).c_str(), F_OK) == 0) {
    const auto bytes = TRY(os::read_file(std::string(*policy), 1 << 20));
    Change change{kPolicy, std::string(bytes.begin(), bytes.end())};
    change.before = TRY(machine.read(kPolicy));
    if (change.before != change.after) plan.changes.push_back(std::move(change));
  }
  cli::Output out;
  if (plan.changes.empty()) {
    out << target << " is set up already\n";
    return out.finish(0);
  }
  out << describe(machine, plan);
  out.flush();
  if (arguments.has("--dry-run")) return out.finish(0);
  if (is_recorded(machine, target)) {
    // From what was there before the first time, so that undoing leads back to that.
    const Undo back = TRY(plan_undo(machine, target, take_out_of(target)));
    if (!TRY(agreed(arguments))) return cli::kExitFailure;
    TRY(undo(machine, target, back));
    for (Change& change : plan.changes) change.before = TRY(machine.read(change.path));
    for (const Undo::File& file : back.files) {
      const bool is_again = std::ranges::any_of(plan.changes, [&](const Change& c) { return c.path == file.path; });
      if (is_again || !file.now) continue;
      plan.changes.push_back({file.path, *file.now, file.after, file.mode, file.is_program});
    }
  } else if (!TRY(agreed(arguments))) {
    return cli::kExitFailure;
  }
  TRY(apply(machine, plan));
  if (arguments.has("--restart")) {
    TRY(restart(machine, target));
  } else if (const std::string unit = unit_of(target); !unit.empty()) {
    out << "to make it count: systemctl restart " << unit << "\n";
  }
  for (const std::string& note : plan.notes) out << "then: " << note << "\n";
  return out.finish(0);
}

int perform(const Arguments& arguments, bool removes) {
  const std::string target(arguments.operands()[0]);
  if (std::ranges::find(kTargets, target) == std::end(kTargets)) {
    const auto close = cli::nearest(target, kTargets);
    return cli::usage_error(
        {"there is no target " + target, close.empty() ? "there are podman, docker, containerd, crio and kubernetes"
                                                       : "did you mean " + std::string(close) + "?"});
  }
  const auto code = removes || arguments.has("--undo") ? uninstall(arguments, target) : install(arguments, target);
  return code ? *code : report(code.error());
}

int install_command(const Arguments& arguments) { return perform(arguments, false); }
int uninstall_command(const Arguments& arguments) { return perform(arguments, true); }

// Until it is told to end: what a DaemonSet's pod does once it has installed.
int wait_command(const Arguments&) {
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGTERM);
  sigaddset(&ends, SIGINT);
  sigprocmask(SIG_BLOCK, &ends, nullptr);
  int number = 0;
  sigwait(&ends, &number);
  return 0;
}

constexpr cli::Command kCommands[] = {
    {.name = "install",
     .usage = "[OPTION…] podman|docker|containerd|crio|kubernetes",
     .summary = "Have a container engine find Berth",
     .details =
         "Shows what it will change, asks, changes it, and keeps a record by which `berth uninstall` undoes it\n"
         "exactly. kubernetes prints manifests: a RuntimeClass and, with --image, a DaemonSet that installs Berth.",
     .options = kInstallOptions,
     .min_operands = 1,
     .max_operands = 1,
     .run = install_command},
    {.name = "uninstall",
     .usage = "[OPTION…] podman|docker|containerd|crio|kubernetes",
     .summary = "Undo what `berth install` did",
     .options = kInstallOptions,
     .min_operands = 1,
     .max_operands = 1,
     .run = uninstall_command},
    {.name = "wait", .usage = "", .summary = "Wait to be ended", .max_operands = 0, .run = wait_command},
};

int dispatch(std::span<char* const> words) {
  const cli::Command* command = words.empty() ? nullptr : cli::find_command(kCommands, words[0]);
  if (!command) return cli::usage_error({"berth-install needs install or uninstall, and a target", {}});
  return cli::execute(*command, words.subspan(1));
}

}  // namespace
}  // namespace berth::install

int main(int argc, char** argv) {
  berth::cli::reserve_standard_streams();
  berth::cli::set_program_name("berth");
  return berth::install::dispatch({argv + std::min(argc, 1), argv + argc});
}
