// `berth broker serve`.

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <ctime>
#include <mutex>
#include <thread>

#include "berth-broker/commands.h"
#include "broker/service.h"
#include "cli/output.h"
#include "cli/units.h"
#include "http/server.h"
#include "os/file.h"

namespace berth::broker {
namespace {

constexpr std::string_view kBuild = "berth 0.1.0";
constexpr std::chrono::seconds kDrain{10};

// The body of one request, until there is an answer.
class Question final : private http::ExchangeUser {
 public:
  Question(Service& service, http::Exchange& exchange) : service_(service), exchange_(exchange) {
    exchange_.set_user(this);
    exchange_.limit_body(kMostRequestBody);
  }
  // Deletes itself when it is done.
  void go() { on_readable(); }

 private:
  ~Question() = default;

  void on_readable() override {
    u8 bytes[16384];
    while (const size_t n = exchange_.read(bytes)) body_.append(reinterpret_cast<const char*>(bytes), n);
    switch (exchange_.body()) {
      case http::Exchange::Body::Open: return;
      case http::Exchange::Body::Over: answer(); break;
      case http::Exchange::Body::TooLong:
        exchange_.set_user(nullptr);
        http::answer(exchange_, 413, {}, "a request has at most 6 MiB\n");
        break;
      case http::Exchange::Body::Failed:
        exchange_.set_user(nullptr);
        exchange_.abort();
        break;
    }
    delete this;
  }
  void on_writable() override {}
  void on_gone() override { delete this; }

  void answer() {
    const http::RequestHead& head = exchange_.request();
    const auto field = [&](std::string_view name) {
      const std::string* const value = head.find(name);
      return value ? std::string_view(*value) : std::string_view();
    };
    std::string_view path = head.path, peer = exchange_.peer();
    path = path.substr(0, path.find('?'));
    peer = peer.substr(0, peer.rfind(':'));
    const Reply reply = service_.handle(
        {head.method, path, peer, field("cookie"), field("authorization"), field("content-type"), body_});
    http::Fields fields = {{"content-type", reply.content_type}, {"cache-control", "no-store"}};
    if (!reply.set_cookie.empty()) fields.push_back({"set-cookie", reply.set_cookie});
    if (reply.retry_after) fields.push_back({"retry-after", std::to_string(reply.retry_after)});
    exchange_.set_user(nullptr);
    exchange_.respond(static_cast<u16>(reply.status), fields, reply.body.size());
    exchange_.write(reply.body);
    exchange_.finish({});
  }

  Service& service_;
  http::Exchange& exchange_;
  std::string body_;
};

class Answerer final : public http::Handler {
 public:
  explicit Answerer(Service& service) : service_(service) {}
  void on_request(http::Exchange& exchange) override { (new Question(service_, exchange))->go(); }
  void on_refused(const http::RequestHead&, std::string_view, u16) override {}

 private:
  Service& service_;
};

Result<Trust> read_trust(const cli::Arguments& arguments) {
  Trust out;
  for (const std::string_view given : arguments.values("--policy")) {
    const size_t equals = given.find('=');
    const std::string pattern(equals == std::string_view::npos ? "*" : given.substr(0, equals));
    const std::string file(equals == std::string_view::npos ? given : given.substr(equals + 1));
    const auto bytes = TRY(os::read_file(file, u64{1} << 20));
    out.rules.push_back(TRY(Rule::make(pattern, std::string(attest::text_of(bytes)), file)));
  }
  for (const std::string_view path : arguments.values("--collateral")) {
    auto more = TRY(attest::Collateral::load(std::string(path)));
    const auto append = [](auto& to, auto& from) {
      to.insert(to.end(), std::make_move_iterator(from.begin()), std::make_move_iterator(from.end()));
    };
    append(out.collateral.certificates, more.certificates);
    append(out.collateral.revocation_lists, more.revocation_lists);
    append(out.collateral.tcb_infos, more.tcb_infos);
    append(out.collateral.identities, more.identities);
  }
  return out;
}

// Keys of the broker's own are made once and then kept with the resources, so that tokens and certificates outlive it.
Result<attest::Key> token_key(const Store& store) {
  const std::string made = TRY(attest::Key::generate(attest::Curve::P256)).to_private_pem();
  const auto kept = TRY(store.own_secret("token-key", {made.begin(), made.end()}));
  return attest::Key::from_private_pem(attest::text_of(kept));
}

Result<Authority> authority(const Store& store) {
  const std::string made = TRY(Authority::generate("Berth broker", time(nullptr))).to_pem();
  const auto kept = TRY(store.own_secret("authority", {made.begin(), made.end()}));
  return Authority::from_pem(attest::text_of(kept));
}

bool is_local(std::string_view address) {
  return address.starts_with("127.") || address.starts_with("[::1]:") || address.starts_with("localhost:");
}

struct Started {
  std::unique_ptr<Store> store;
  std::unique_ptr<AuditLog> audit;
  std::unique_ptr<Service> service;
  std::unique_ptr<http::Server> server;
};

Result<Started> start(const cli::Arguments& arguments) {
  Started out;
  Trust trust = TRY(read_trust(arguments));
  out.store = std::make_unique<Store>(TRY(open_store(arguments, false)));
  // Before anybody is told that all is well.
  TRY(out.store->list());
  const auto log = arguments.value("--audit");
  out.audit = TRY(AuditLog::open(log ? std::string(*log) : out.store->folder() + ".audit"));
  std::vector<std::string> names;
  for (const std::string_view name : arguments.values("--name")) names.emplace_back(name);
  Limits limits;
  if (const auto rate = arguments.value("--rate"))
    limits.requests_per_second = static_cast<double>(cli::parse_count(*rate).value_or(0));
  attest::Key key = TRY(token_key(*out.store));
  Authority issuer = TRY(authority(*out.store));
  out.service = std::make_unique<Service>(*out.store, *out.audit, std::move(key), std::move(issuer), std::move(names),
                                          std::string(kBuild), limits);
  out.service->set_trust(std::move(trust));
  http::ServerConfig config;
  config.threads = std::max(1u, std::thread::hardware_concurrency());
  http::ListenAddress listen{std::string(arguments.value("--addr").value_or("127.0.0.1:8080")), nullptr};
  if (const auto certificate = arguments.value("--tls-cert"))
    listen.tls = TRY(http::TlsContext::load(std::string(*certificate), std::string(*arguments.value("--tls-key"))));
  config.listen.push_back(std::move(listen));
  out.server = TRY(http::Server::create(std::move(config)));
  return out;
}

std::optional<cli::UsageError> check(const cli::Arguments& arguments) {
  if (!arguments.has("--policy"))
    return cli::UsageError{"there is no policy, so nothing could be released", "name one with --policy FILE"};
  if (arguments.has("--tls-cert") != arguments.has("--tls-key"))
    return cli::UsageError{"--tls-cert and --tls-key go together", "name the other one, too"};
  if (!arguments.has("--tls-cert") && !arguments.has("--insecure-http") &&
      !is_local(arguments.value("--addr").value_or("127.0.0.1:8080")))
    return cli::UsageError{
        "without TLS a broker listens on this machine only",
        "name --tls-cert and --tls-key, or say --insecure-http: keeps cannot tell then whom they talk to"};
  if (const auto rate = arguments.value("--rate"); rate && !cli::parse_count(*rate))
    return cli::UsageError{"--rate " + std::string(*rate) + " is no number", "for example --rate 50"};
  return std::nullopt;
}

void read_anew(const cli::Arguments& arguments, Started& started) {
  if (const auto opened = started.audit->reopen(); !opened) report(opened.error());
  auto trust = read_trust(arguments);
  if (!trust) {
    report(Error(std::move(trust).error()).with_context("policies and collateral stay as they were"));
    return;
  }
  started.service->set_trust(std::move(*trust));
  cli::print_message("read policies and collateral anew");
}

// Ends what is under way, for a while.
void drain(http::Server& server) {
  std::mutex mutex;
  std::condition_variable changed;
  bool is_over = false;
  server.drain([&] {
    const std::scoped_lock lock(mutex);
    is_over = true;
    changed.notify_all();
  });
  {
    std::unique_lock lock(mutex);
    changed.wait_for(lock, kDrain, [&] { return is_over; });
  }
  server.stop();
}

}  // namespace

int serve_command(const cli::Arguments& arguments) {
  if (const auto wrong = check(arguments)) return cli::usage_error(*wrong);
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGHUP, SIGTERM, SIGINT}) sigaddset(&signals, signal);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);  // before there are threads
  auto started = start(arguments);
  if (!started) return report(started.error());
  Answerer answerer(*started->service);
  started->server->start(std::vector<http::Handler*>(started->server->threads(), &answerer));
  const bool has_tls = arguments.has("--tls-cert");
  cli::print_message("listening on " + std::string(has_tls ? "https://" : "http://") + started->server->addresses()[0]);
  for (const std::string_view given : arguments.values("--policy")) cli::print_message("policy " + std::string(given));
  for (;;) {
    int signal = 0;
    if (sigwait(&signals, &signal) != 0) continue;
    if (signal != SIGHUP) break;
    read_anew(arguments, *started);
  }
  drain(*started->server);
  return 0;
}

}  // namespace berth::broker
