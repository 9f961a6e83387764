// berth play

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <filesystem>

#include "berth-play/commands.h"
#include "berth-play/player.h"
#include "berth-play/state.h"
#include "cli/units.h"
#include "container/node.h"
#include "container/process.h"
#include "container/text.h"
#include "os/file.h"

namespace berth::play {
namespace {

namespace fs = std::filesystem;

Result<std::vector<kube::Document>> read_documents(const Arguments& arguments) {
  std::vector<kube::Document> out;
  for (const std::string_view operand : arguments.operands()) {
    const std::string path(operand);
    const auto bytes = path == "-" ? TRY(os::read_descriptor(STDIN_FILENO, "standard input"))
                                   : TRY(os::read_file(path, u64{64} << 20));
    auto documents = TRY(kube::parse_yaml({bytes.begin(), bytes.end()}, path == "-" ? "stdin" : path));
    std::ranges::move(documents, std::back_inserter(out));
  }
  return out;
}

Result<std::string> name_of(const Arguments& arguments) {
  std::string name(arguments.value("--name").value_or(""));
  if (name.empty()) {
    name = fs::path(std::string(arguments.operands()[0])).stem();
    if (name == "-") name = "app";
    for (char& c : name) c = std::isalnum(static_cast<unsigned char>(c)) ? static_cast<char>(std::tolower(c)) : '-';
  }
  if (name.empty() || name.size() > 40 || name.find_first_of("/. \n") != std::string::npos)
    return fail(ErrorCode::BadArgument, "\"" + name + "\" is no name for an application; --name gives it another");
  return name;
}

Result<u16> read_port(const std::string& text, std::string_view whole) {
  u32 port = 0;
  const auto [at, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || at != text.data() + text.size() || port == 0 || port > 65535)
    return fail(ErrorCode::BadArgument,
                "--publish: cannot read " + std::string(whole) + ": it takes 8080:NAME, or 0.0.0.0:8080:NAME:80");
  return static_cast<u16>(port);
}

Result<Publication> read_publication(std::string_view text) {
  std::vector<std::string> parts = container::split(text, ':');
  Publication out;
  if (!parts.empty() && parts[0].find('.') != std::string::npos) {
    out.address = parts[0];
    parts.erase(parts.begin());
  }
  if (parts.size() < 2 || parts.size() > 3) parts = {"", ""};
  out.port = TRY(read_port(parts[0], text));
  out.name = parts[1];
  if (parts.size() == 3) out.target = TRY(read_port(parts[2], text));
  return out;
}

// Every image that is named, so that what is missing is known before anything starts.
Result<std::map<std::string, Image>> get_images(const kube::Application& app) {
  std::map<std::string, Image> out;
  auto of_pod = [&](const kube::PodSpec& spec) -> Result<> {
    for (const auto* containers : {&spec.init_containers, &spec.containers}) {
      for (const kube::Container& c : *containers)
        if (!out.contains(c.image)) out[c.image] = TRY(get_image(c.image, c.pull));
    }
    return {};
  };
  for (const kube::Pod& pod : app.pods) TRY(of_pod(pod.spec));
  for (const kube::Deployment& deployment : app.deployments) TRY(of_pod(deployment.pod.spec));
  for (const kube::Job& job : app.jobs) TRY(of_pod(job.pod.spec));
  for (const kube::CronJob& cron : app.cron_jobs) TRY(of_pod(cron.job.pod.spec));
  return out;
}

Result<> write_text(const char* path, const std::string& text) {
  const container::Fd file(open(path, O_WRONLY | O_CLOEXEC));
  if (!file || write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()))
    return fail(os_error(errno, std::string("cannot write ") + path));
  return {};
}

// Makes what is mounted here this process's own, and gives users who are not root the right to make networks for
// their pods. Without that, pods use this machine's network.
void enter_namespaces() {
  const std::string user = std::to_string(geteuid()), group = std::to_string(getegid());
  if (user == "0") {
    if (unshare(CLONE_NEWNS) == 0) mount(nullptr, "/", nullptr, MS_SLAVE | MS_REC, nullptr);
    return;
  }
  if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return;
  // The kernel wants them in this order.
  for (const auto& [path, text] :
       {std::pair{"/proc/self/setgroups", std::string("deny")}, std::pair{"/proc/self/uid_map", "0 " + user + " 1"},
        std::pair{"/proc/self/gid_map", "0 " + group + " 1"}}) {
    if (auto done = write_text(path, text); !done) cli::print_error("note: " + done.error().to_string());
  }
}

// Goes on in a process of nobody's. Returns where to say that all is well, or does not return: in the parent, which
// waits for that.
int detach(const std::string& name) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return -1;
  const pid_t child = fork();
  if (child > 0) {
    close(ends[1]);
    char answer = 0;
    const bool is_well = read(ends[0], &answer, 1) == 1;
    if (is_well) {
      cli::Output out;
      out << name << "\n";
      _exit(out.finish(0));
    }
    int status = 0;
    waitpid(child, &status, 0);
    _exit(container::exit_code_of(status));
  }
  close(ends[0]);
  setsid();
  return ends[1];
}

Result<int> play(const Arguments& arguments) {
  const std::vector<kube::Document> documents = TRY(read_documents(arguments));
  const kube::Application app = TRY(kube::read_application(documents));
  for (const std::string& warning : app.warnings) cli::print_message("warning: " + warning);
  if (arguments.has("--check")) return 0;
  const std::string name = TRY(name_of(arguments));
  PlayOptions options;
  for (const std::string_view text : arguments.values("--publish"))
    options.publications.push_back(TRY(read_publication(text)));
  if (const auto text = arguments.value("--back-off")) {
    const auto time = cli::parse_duration(*text);
    if (!time || time->count() <= 0)
      return fail(ErrorCode::BadArgument, "--back-off takes a time with its unit, not " + std::string(*text));
    options.first_back_off = std::chrono::duration_cast<std::chrono::milliseconds>(*time);
  }
  if (app.pods.empty() && app.deployments.empty() && app.jobs.empty() && app.cron_jobs.empty())
    return fail(ErrorCode::BadArgument,
                "there is nothing to run in " + std::string(arguments.operands()[0]) + ": no Pod, Deployment or Job");
  options.images = TRY(get_images(app));
  // Said where it is before the user's number changes.
  setenv("BERTH_PLAY_DIR", state_root().c_str(), 0);
  const bool detached = arguments.has("--detach");
  options.prints_logs = !detached;
  int ready = -1;
  if (detached) ready = detach(name);
  const container::Fd lock = TRY(lock_app(name, options.folder));
  const std::string folder = options.folder;
  clean_left_behind(folder);
  enter_namespaces();
  int code = 0;
  {
    Player player(app, std::move(options));
    if (auto done = player.set_up(); !done) {
      remove_folder(folder);
      return fail(std::move(done).error());
    }
    if (ready >= 0) {
      const container::Fd log(open((folder + "/play.log").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
      const container::Fd nothing(open("/dev/null", O_RDWR | O_CLOEXEC));
      dup2(nothing.get(), STDIN_FILENO);
      dup2(log ? log.get() : nothing.get(), STDOUT_FILENO);
      dup2(log ? log.get() : nothing.get(), STDERR_FILENO);
      [[maybe_unused]] const ssize_t written = write(ready, "y", 1);
      close(ready);
    }
    code = player.run();
  }
  remove_folder(folder);
  return code;
}

}  // namespace

int play_command(const Arguments& arguments) {
  const auto code = play(arguments);
  return code ? *code : report(code.error());
}

}  // namespace berth::play
