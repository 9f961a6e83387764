// berth serve

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstring>

#include "berth/commands.h"
#include "berth/serve_config.h"
#include "berth/serve_site.h"
#include "berth/serve_worker.h"
#include "cli/output.h"
#include "engine/demangle.h"
#include "hostio/clock.h"
#include "hostio/file.h"
#include "http/server.h"

namespace berth::cli {
namespace {

using engine::printable;

constexpr u64 kSlice = 5'000'000;

// Answers on the admin address.
class Admin final : public http::Handler {
 public:
  Admin(const Metrics& metrics, const http::Server& server) : metrics_(metrics), server_(server) {}
  void drain() { drains_.store(true); }

  void on_request(http::Exchange& exchange) override {
    const http::RequestHead& r = exchange.request();
    if (r.method != "GET" && r.method != "HEAD")
      return http::answer(exchange, 405, {{"allow", "GET, HEAD"}}, "Method Not Allowed\n");
    const std::string_view path = std::string_view(r.path).substr(0, r.path.find('?'));
    if (path == "/metrics") {
      const std::string text = metrics_.text(server_.connections(), server_.accepted());
      exchange.respond(200, {{"content-type", "text/plain; version=0.0.4; charset=utf-8"}}, text.size());
      exchange.write(text);
      exchange.finish({});
    } else if (path == "/healthz" || path == "/livez") {
      http::answer(exchange, 200, {}, "ok\n");
    } else if (path == "/readyz") {
      // While it drains it answers what it has, and should not be given more.
      drains_ ? http::answer(exchange, 503, {}, "draining\n") : http::answer(exchange, 200, {}, "ok\n");
    } else {
      http::answer(exchange, 404, {}, "there are /metrics, /healthz and /readyz\n");
    }
  }
  void on_refused(const http::RequestHead&, std::string_view, u16) override {}

 private:
  const Metrics& metrics_;
  const http::Server& server_;
  std::atomic<bool> drains_ = false;
};

class Serve {
 public:
  // `address` empty: as the arguments say.
  Serve(const Arguments& arguments, std::string address)
      : arguments_(arguments), path_(arguments.operands()[0]), address_(std::move(address)) {}
  int run();

 private:
  int fail_with(const UsageError& error, bool is_usage);
  bool open_server();
  void announce() const;
  void watch();
  void reload();
  // A signal that ends the server.
  int drain(int signal);
  bool was_changed();

  const Arguments& arguments_;
  const std::string path_, address_;
  ServeConfig config_;
  std::unique_ptr<Metrics> metrics_;
  std::shared_ptr<const Site> site_;
  std::unique_ptr<Turns::Clock> clock_;
  std::unique_ptr<Log> log_;
  std::unique_ptr<http::Server> server_, admin_server_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::unique_ptr<Admin> admin_;
  int signals_ = -1, changes_ = -1, drained_ = -1;
};

int Serve::fail_with(const UsageError& error, bool is_usage) {
  if (is_usage) return usage_error(error);
  print_error(error.message, error.hint);
  return kExitFailure;
}

bool Serve::open_server() {
  http::ServerConfig c;
  c.settings = config_.settings;
  c.threads = config_.threads > 0 ? config_.threads : std::max(1u, std::thread::hardware_concurrency());
  c.max_connections = config_.max_connections;
  for (const std::string& address : config_.addresses) c.listen.push_back({address, nullptr});
  if (!config_.tls_addresses.empty()) {
    auto tls = http::TlsContext::load(config_.certificate, config_.key);
    if (!tls) {
      print_error(tls.error().detail(),
                  "--tls-cert takes a certificate with its chain, --tls-key its key, as PEM files");
      return false;
    }
    for (const std::string& address : config_.tls_addresses) c.listen.push_back({address, *tls});
  }
  auto server = http::Server::create(std::move(c));
  if (!server) {
    print_error(server.error().kind() == ErrorKind::Io ? server.error().to_string() : server.error().detail(),
                "--addr says where to listen");
    return false;
  }
  server_ = std::move(*server);
  if (config_.admin.empty()) return true;
  http::ServerConfig a;
  a.listen.push_back({config_.admin, nullptr});
  auto admin = http::Server::create(std::move(a));
  if (!admin) {
    print_error(admin.error().kind() == ErrorKind::Io ? admin.error().to_string() : admin.error().detail(),
                "--admin says where /metrics and /healthz are");
    return false;
  }
  admin_server_ = std::move(*admin);
  return true;
}

void Serve::announce() const {
  for (const auto& route : site_->routes()) {
    const RouteConfig& c = route->config;
    print_message("route " + printable(c.name) + ": " + printable(c.component) + ", " + route->unit->how);
  }
  const size_t plain = config_.addresses.size();
  for (size_t i = 0; i < server_->addresses().size(); ++i)
    print_message(std::string("serving on ") + (i < plain ? "http://" : "https://") + server_->addresses()[i] + "/");
  if (admin_server_ != nullptr) print_message("metrics on http://" + admin_server_->addresses()[0] + "/metrics");
}

void Serve::watch() {
  if (!is_routes_file(path_)) return;
  changes_ = ::inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
  const size_t slash = path_.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : path_.substr(0, slash + 1);
  // Of the folder, since editors put another file in the place of the old one; links of ConfigMaps, too.
  if (changes_ < 0 ||
      ::inotify_add_watch(changes_, folder.c_str(), IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE | IN_ONLYDIR) < 0) {
    print_error("changes of " + printable(path_) + " are not noticed: " + std::strerror(errno),
                "SIGHUP has it read again");
  }
}

bool Serve::was_changed() {
  alignas(inotify_event) char buffer[4096];
  const std::string name = path_.substr(path_.rfind('/') + 1);
  bool was = false;
  for (;;) {
    const ssize_t n = ::read(changes_, buffer, sizeof buffer);
    if (n <= 0) return was;
    for (ssize_t at = 0; at < n;) {
      const auto* event = reinterpret_cast<const inotify_event*>(buffer + at);
      if (event->len > 0) {
        const std::string_view changed = event->name;
        if ((changed == name && (event->mask & (IN_CLOSE_WRITE | IN_MOVED_TO)) != 0) || changed == "..data") was = true;
      }
      at += static_cast<ssize_t>(sizeof(inotify_event) + event->len);
    }
  }
}

void Serve::reload() {
  auto config = read_serve_config(arguments_, address_);
  std::expected<std::shared_ptr<const Site>, UsageError> site =
      config ? Site::make(*config, *metrics_, site_.get()) : std::unexpected(config.error());
  if (!site) {
    ++metrics_->failed_reloads;
    print_error(site.error().message, site.error().hint);
    print_message("what was served before is served on");
    return;
  }
  if (config->addresses != config_.addresses || config->tls_addresses != config_.tls_addresses ||
      config->admin != config_.admin || config->threads != config_.threads ||
      config->certificate != config_.certificate)
    print_message("note: addresses, threads and certificates change with the next start only");
  site_ = std::move(*site);
  for (const auto& worker : workers_) worker->loop().post([w = worker.get(), s = site_] { w->set_site(s); });
  ++metrics_->reloads;
  print_message("reloaded: " + std::to_string(site_->routes().size()) +
                (site_->routes().size() == 1 ? " route" : " routes"));
}

int Serve::drain(int signal) {
  print_message("draining: requests under way are finished; once more ends them");
  if (admin_ != nullptr) admin_->drain();
  server_->drain([this] {
    const u64 one = 1;
    [[maybe_unused]] const ssize_t ignored = ::write(drained_, &one, sizeof one);
  });
  const u64 now = hostio::monotonic_now();
  const u64 deadline = config_.drain > ~u64{0} - now ? ~u64{0} : now + config_.drain;
  int code = 0;
  for (;;) {
    pollfd fds[] = {{signals_, POLLIN, 0}, {drained_, POLLIN, 0}};
    const u64 at = hostio::monotonic_now();
    if (at >= deadline) {
      print_error("some requests were not finished in time and are cut off", "--drain says how long they may take");
      code = kExitFailure;
      break;
    }
    const u64 left = std::min<u64>((deadline - at) / 1'000'000 + 1, 1'000'000);
    if (::poll(fds, 2, static_cast<int>(left)) <= 0) continue;
    if (fds[1].revents != 0) break;
    if (fds[0].revents == 0) continue;
    signalfd_siginfo info{};
    if (::read(signals_, &info, sizeof info) != sizeof info) continue;
    signal = static_cast<int>(info.ssi_signo);
    if (signal == SIGTERM || signal == SIGINT) {
      code = 128 + signal;
      break;
    }
  }
  log_.reset();
  return code;
}

int Serve::run() {
  auto config = read_serve_config(arguments_, address_);
  if (!config) return fail_with(config.error(), true);
  config_ = std::move(*config);
  hostio::ignore_io_signals();
  // Before there is any other thread.
  sigset_t ours;
  sigemptyset(&ours);
  for (const int s : {SIGTERM, SIGINT, SIGHUP, SIGUSR1}) sigaddset(&ours, s);
  pthread_sigmask(SIG_BLOCK, &ours, nullptr);
  signals_ = ::signalfd(-1, &ours, SFD_CLOEXEC | SFD_NONBLOCK);
  drained_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (signals_ < 0 || drained_ < 0) {
    print_error(std::string("cannot wait for signals: ") + std::strerror(errno));
    return kExitFailure;
  }
  // Sockets first: an address that is taken is known before anything is compiled.
  if (!open_server()) return kExitFailure;
  metrics_ = std::make_unique<Metrics>(server_->threads());
  auto site = Site::make(config_, *metrics_, nullptr);
  if (!site) return fail_with(site.error(), false);
  site_ = std::move(*site);
  if (!config_.access_log.empty()) {
    auto log = Log::open(config_.access_log, config_.log_format);
    if (!log) {
      print_error(log.error().to_string(), "--access-log takes a file, or - for standard output");
      return kExitFailure;
    }
    log_ = std::move(*log);
  }
  clock_ = std::make_unique<Turns::Clock>(kSlice);
  std::vector<http::Handler*> handlers;
  for (u32 i = 0; i < server_->threads(); ++i) {
    workers_.push_back(std::make_unique<Worker>(server_->loop(i), i, *clock_, log_.get()));
    workers_.back()->set_site(site_);
    handlers.push_back(workers_.back().get());
  }
  server_->start(handlers);
  if (admin_server_ != nullptr) {
    admin_ = std::make_unique<Admin>(*metrics_, *server_);
    admin_server_->start({admin_.get()});
  }
  watch();
  announce();
  for (;;) {
    pollfd fds[] = {{signals_, POLLIN, 0}, {changes_, POLLIN, 0}};
    if (::poll(fds, 2, -1) < 0) continue;
    if (fds[1].revents != 0 && was_changed()) reload();
    signalfd_siginfo info{};
    if (fds[0].revents == 0 || ::read(signals_, &info, sizeof info) != sizeof info) continue;
    switch (info.ssi_signo) {
      case SIGHUP: reload(); break;
      case SIGUSR1:
        if (log_ != nullptr) log_->reopen();
        break;
      default: return drain(static_cast<int>(info.ssi_signo));
    }
  }
}

}  // namespace

int serve_component_at(const Arguments& arguments, std::string address) {
  // The process ends with it, and with whatever still runs.
  static Serve* serve = new Serve(arguments, std::move(address));
  const int code = serve->run();
  std::fflush(nullptr);
  ::_exit(code);
}

int serve_command(const Arguments& arguments) { return serve_component_at(arguments, {}); }

}  // namespace berth::cli
