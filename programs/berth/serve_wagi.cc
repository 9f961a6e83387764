// A request that a module of WASI 0.1 answers as a CGI program does (RFC 3875): what it is told is in its environment,
// the body is its standard input, and what it prints is the response.

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>

#include "berth/serve_worker.h"
#include "cli/output.h"
#include "engine/backtrace.h"
#include "engine/demangle.h"
#include "hostio/clock.h"
#include "hostio/handle.h"
#include "wasi_p1/wasi.h"
#include "wasm/names.h"

namespace berth::cli {
namespace {

using engine::printable;

constexpr size_t kMaxHead = size_t{64} << 10;
constexpr size_t kPart = size_t{64} << 10;

class CgiRequest final : private http::ExchangeUser {
 public:
  CgiRequest(Worker& worker, std::shared_ptr<RouteState> state, http::Exchange& exchange, std::string id)
      : worker_(worker),
        state_(std::move(state)),
        exchange_(&exchange),
        head_(exchange.request()),
        peer_(exchange.peer()),
        id_(std::move(id)),
        began_(hostio::monotonic_now()),
        input_(*this, &CgiRequest::send_body),
        output_(*this, &CgiRequest::take_output),
        guest_(worker.loop(), worker.turns(), [this] { run(); }, [this] { end_guest(); }) {
    exchange.set_user(this);
    exchange.limit_body(state_->route.config.max_body);
    counts().active.add(1);
    has_progressed();
    has_pipes_ = make_pipes();
    guest_.start();
    send_body();
    take_output();
  }
  ~CgiRequest() {
    input_.close();
    output_.close();
  }

 private:
  // Our end of a pipe to the guest.
  struct End final : http::Watcher {
    End(CgiRequest& r, void (CgiRequest::*w)()) : request(r), what(w) {}
    void on_ready(u32) override { (request.*what)(); }
    void close() {
      if (handle.fd() < 0) return;
      if (is_watched) request.worker_.loop().remove(handle.fd(), *this);
      is_watched = false;
      handle = {};
    }
    CgiRequest& request;
    void (CgiRequest::*what)();
    hostio::Handle handle;
    bool is_watched = false;
  };

  RouteCounts& counts() { return state_->counts(worker_.index()); }
  void has_progressed() {
    const u64 timeout = state_->route.config.timeout, now = worker_.loop().now();
    guest_.set_deadline(timeout > ~u64{0} - now ? http::Timer::kNever : now + timeout);
  }

  // On the guest's fiber.
  void run();
  void note_failure(const runtime::InstantiationFailure& failure);
  std::vector<std::string> environment() const;

  // http::ExchangeUser
  void on_readable() override {
    if (exchange_->body() == http::Exchange::Body::TooLong && !exchange_->has_responded()) return answer_plainly(413);
    send_body();
  }
  void on_writable() override { take_output(); }
  void on_gone() override {
    counts().gone.add(1);
    sent_ = exchange_->sent();
    end_exchange(499);
  }

  bool make_pipes();
  void send_body();
  void take_output();
  bool take_head();
  void answer_plainly(u16 status, std::string_view more = {});
  void end_exchange(u16 status);
  void end_guest();
  void complain(std::string what) {
    print_error("request " + id_ + ", route " + printable(state_->route.config.name) + ": " + std::move(what));
  }

  Worker& worker_;
  const std::shared_ptr<RouteState> state_;
  http::Exchange* exchange_;  // null: over
  const http::RequestHead head_;
  const std::string peer_, id_;
  const u64 began_;
  u64 received_ = 0, sent_ = 0;
  bool has_failed_ = false, has_timed_out_ = false;
  bool has_pipes_ = false;
  hostio::Handle guest_input_, guest_output_;
  End input_, output_;
  std::string unsent_;     // of the body, that the pipe has not taken
  std::string head_text_;  // what the guest has printed before the response's body
  Guest guest_;
};

bool CgiRequest::make_pipes() {
  int in[2], out[2];
  if (::pipe2(out, O_CLOEXEC | O_NONBLOCK) != 0) return false;
  output_.handle = hostio::Handle(out[0]);
  guest_output_ = hostio::Handle(out[1]);
  if (!head_.has_body) return true;
  if (::pipe2(in, O_CLOEXEC | O_NONBLOCK) != 0) return false;
  guest_input_ = hostio::Handle(in[0]);
  input_.handle = hostio::Handle(in[1]);
  return true;
}

std::vector<std::string> CgiRequest::environment() const {
  const RouteConfig& c = state_->route.config;
  std::vector<std::string> out = c.environment;
  const auto set = [&](const std::string& name, std::string_view value) {
    out.push_back(name + "=" + std::string(value));
  };
  const std::string_view target = head_.path;
  const size_t question = target.find('?');
  const std::string_view path = target.substr(0, question);
  const std::string_view script = c.path == "/" ? std::string_view() : std::string_view(c.path);
  const size_t colon = head_.authority.ends_with(']') ? std::string::npos : head_.authority.rfind(':');
  set("GATEWAY_INTERFACE", "CGI/1.1");
  set("SERVER_SOFTWARE", "berth/" BERTH_VERSION);
  set("SERVER_PROTOCOL", http::to_string(head_.version));
  set("SERVER_NAME", std::string_view(head_.authority).substr(0, colon));
  set("SERVER_PORT", colon == std::string::npos ? (head_.scheme == "https" ? "443" : "80")
                                                : std::string_view(head_.authority).substr(colon + 1));
  set("REQUEST_METHOD", head_.method);
  set("REQUEST_URI", target);
  set("SCRIPT_NAME", script);
  set("PATH_INFO", path.substr(std::min(path.size(), script.size())));
  set("QUERY_STRING", question == std::string_view::npos ? std::string_view() : target.substr(question + 1));
  set("REMOTE_ADDR", std::string_view(peer_).substr(0, peer_.rfind(':')));
  set("REMOTE_PORT", std::string_view(peer_).substr(peer_.rfind(':') + 1));
  set("HTTP_HOST", head_.authority);
  set("HTTP_X_REQUEST_ID", id_);
  if (head_.scheme == "https") set("HTTPS", "on");
  if (head_.content_length) set("CONTENT_LENGTH", std::to_string(*head_.content_length));
  for (const http::Field& f : head_.fields) {
    if (f.name == "content-length" || f.name == "x-request-id") continue;
    // Never to be given by a client (it would become HTTP_PROXY, which programs believe).
    if (f.name == "proxy") continue;
    // Names with an underscore could be taken for others.
    if (f.name.find('_') != std::string::npos) continue;
    std::string name = f.name == "content-type" ? "" : "HTTP_";
    for (const char ch : f.name)
      name += ch == '-' ? '_' : ch >= 'a' && ch <= 'z' ? static_cast<char>(ch - 'a' + 'A') : ch;
    set(name, f.value);
  }
  return out;
}

void CgiRequest::run() {
  const RouteConfig& c = state_->route.config;
  if (!has_pipes_) {
    has_failed_ = true;
    return complain("cannot make a pipe");
  }
  wasi_p1::WasiConfig config;
  config.args = {c.component.substr(c.component.rfind('/') + 1)};
  config.environment = environment();
  config.directories = c.directories;
  config.waiter = &guest_;
  if (guest_input_.fd() >= 0) {
    config.input.fd = guest_input_.fd();
  } else {
    config.input.kind = hostio::StandardStream::Null;
  }
  config.output.fd = guest_output_.fd();
  config.error_output.fd = 2;
  const auto context = wasi_p1::WasiContext::create(std::move(config));
  if (!context) {
    has_failed_ = true;
    return complain(context.error().to_string());
  }
  runtime::StoreLimits limits;
  limits.memory_bytes = limits.heap_bytes = c.memory;
  limits.stack_bytes = c.stack;
  runtime::Store store(state_->route.unit->engine->executor(), limits);
  runtime::Linker linker(store);
  const auto& module = state_->route.unit->module;
  if (auto added = wasi_p1::add_to_linker(linker, store, **context, &module->module()); !added) {
    has_failed_ = true;
    return complain(added.error().to_string());
  }
  guest_.set_store(&store);
  counts().instances.add(1);
  const auto finish = [&](const auto& done) {
    if (!done) note_failure(done.error());
    guest_.set_store(nullptr);
  };
  auto instance = linker.instantiate(module);
  if (!instance) return finish(instance);
  abi::FunctionInstance* const start = (*instance)->find_function("_start");
  if (start == nullptr) {
    has_failed_ = true;
    complain("it exports no _start");
    return guest_.set_store(nullptr);
  }
  finish(store.call(*start, {}));
}

void CgiRequest::note_failure(const runtime::InstantiationFailure& failure) {
  if (const auto* error = std::get_if<Error>(&failure)) {
    has_failed_ = true;
    return complain("cannot start: " + error->to_string());
  }
  const runtime::Unwind& unwind = *std::get<std::unique_ptr<runtime::Unwind>>(failure);
  if (unwind.kind == runtime::UnwindKind::Exit) {
    if (unwind.exit_code == 0) return;
    has_failed_ = true;
    return complain("the guest exited with code " + std::to_string(unwind.exit_code));
  }
  has_failed_ = true;
  counts().traps.add(1);
  std::string what = "trap: " + std::string(abi::trap_text(unwind.trap));
  if (unwind.kind == runtime::UnwindKind::Exception) what = "uncaught exception";
  if (unwind.trap == abi::TrapCode::Interrupted) {
    has_timed_out_ = true;
    counts().timeouts.add(1);
    what = "stopped: no progress within the route's timeout";
  }
  if (!unwind.message.empty()) what += ": " + printable(unwind.message, 1000);
  what += "\n" + engine::render_backtrace(unwind.backtrace, [&](const wasm::Module& module) {
            const auto names = wasm::Names::parse(module);
            return names.module() ? printable(*names.module()) : printable(state_->route.config.name);
          });
  while (what.ends_with('\n')) what.pop_back();
  complain(std::move(what));
}

// Moves the request's body into the guest's standard input.
void CgiRequest::send_body() {
  while (input_.handle.fd() >= 0) {
    if (unsent_.empty() && exchange_ != nullptr) {
      unsent_.resize(kPart);
      const size_t n = exchange_->read({reinterpret_cast<u8*>(unsent_.data()), unsent_.size()});
      unsent_.resize(n);
      received_ += n;
      if (n > 0) has_progressed();
    }
    if (unsent_.empty()) {
      // A body that was cut off ends, too: how long it should have been the guest knows.
      if (exchange_ == nullptr || exchange_->body() != http::Exchange::Body::Open) input_.close();
      return;
    }
    const ssize_t n = ::write(input_.handle.fd(), unsent_.data(), unsent_.size());
    if (n < 0 && errno == EAGAIN) {
      if (!input_.is_watched) input_.is_watched = worker_.loop().add(input_.handle.fd(), EPOLLOUT | EPOLLET, input_);
      return;
    }
    if (n < 0) return input_.close();  // nobody reads any more
    unsent_.erase(0, static_cast<size_t>(n));
  }
}

// The head of what the guest has printed, once it is there. False: it is none.
bool CgiRequest::take_head() {
  size_t end = head_text_.find("\n\n"), after = 2;
  if (const size_t other = head_text_.find("\r\n\r\n"); other < end) {
    end = other;
    after = 4;
  }
  if (end == std::string::npos) {
    // A head without a body, or nothing at all.
    if (output_.handle.fd() >= 0) return head_text_.size() < kMaxHead;
    if (head_text_.empty()) return false;
    end = head_text_.size();
    after = 0;
  }
  std::string_view rest = std::string_view(head_text_).substr(0, end);
  const std::string body = head_text_.substr(end + after);
  http::Fields fields;
  u16 status = 0;
  std::optional<u64> length;
  while (!rest.empty()) {
    std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    while (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty()) continue;
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos) return false;
    const std::string_view name = line.substr(0, colon);
    std::string_view value = line.substr(colon + 1);
    while (value.starts_with(' ') || value.starts_with('\t')) value.remove_prefix(1);
    if (!http::is_token(name) || !http::is_field_value(value)) return false;
    if (http::same_name(name, "status")) {
      const auto [at, error] = std::from_chars(value.data(), value.data() + value.size(), status);
      if (error != std::errc() || status < 200 || status > 599) return false;
    } else if (http::same_name(name, "content-length")) {
      u64 number = 0;
      const auto [at, error] = std::from_chars(value.data(), value.data() + value.size(), number);
      if (error != std::errc() || at != value.data() + value.size()) return false;
      length = number;
    } else if (!http::same_name(name, "x-request-id")) {
      fields.push_back({std::string(name), std::string(value)});
    }
  }
  if (status == 0) {
    const bool moves = std::ranges::any_of(fields, [](const auto& f) { return http::same_name(f.name, "location"); });
    status = moves ? 302 : 200;
  }
  fields.push_back({"x-request-id", id_});
  head_text_.clear();
  exchange_->respond(status, fields, length);
  if (!body.empty()) exchange_->write(body);
  return true;
}

// Moves what the guest has printed to the client.
void CgiRequest::take_output() {
  static thread_local std::array<char, kPart> buffer;
  while (exchange_ != nullptr && output_.handle.fd() >= 0) {
    const size_t room = exchange_->has_responded() ? exchange_->room() : kPart;
    if (room == 0) return;  // on_writable comes back here
    const ssize_t n = ::read(output_.handle.fd(), buffer.data(), std::min(room, buffer.size()));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) {
      if (!output_.is_watched) output_.is_watched = worker_.loop().add(output_.handle.fd(), EPOLLIN | EPOLLET, output_);
      return;
    }
    if (n <= 0) output_.close();
    const std::string_view bytes(buffer.data(), n > 0 ? static_cast<size_t>(n) : 0);
    if (!bytes.empty()) has_progressed();
    if (!exchange_->has_responded()) {
      head_text_ += bytes;
      if (has_failed_ || !take_head()) {
        if (!has_failed_) complain("what it prints is no CGI response: fields, an empty line, and a body");
        return answer_plainly(has_timed_out_ ? 504 : 500, "request " + id_ + "\n");
      }
    } else if (!bytes.empty()) {
      exchange_->write(bytes);
    }
  }
  if (exchange_ == nullptr || !exchange_->has_responded() || output_.handle.fd() >= 0) return;
  const u16 status = exchange_->status();
  sent_ = exchange_->sent();
  // A body that a trap has cut short must not look whole.
  has_failed_ ? exchange_->abort() : exchange_->finish({});
  end_exchange(status);
}

void CgiRequest::answer_plainly(u16 status, std::string_view more) {
  std::string body = std::string(http::reason(status)) + "\n";
  body += more;
  sent_ = body.size();
  http::answer(*exchange_, status, {{"x-request-id", id_}}, body);
  end_exchange(status);
}

void CgiRequest::end_exchange(u16 status) {
  exchange_ = nullptr;
  input_.close();
  output_.close();
  counts().note(status, hostio::monotonic_now() - began_, received_, sent_);
  worker_.log({head_, peer_, state_->route.config.name, id_, status, sent_, received_, began_});
  if (guest_.has_ended()) delete this;
}

void CgiRequest::end_guest() {
  counts().active.subtract(1);
  state_->route.active.fetch_sub(1, std::memory_order_relaxed);
  guest_input_ = {};
  guest_output_ = {};
  if (exchange_ == nullptr) {
    delete this;
    return;
  }
  if (output_.handle.fd() < 0) return answer_plainly(500, "request " + id_ + "\n");
  take_output();
}

}  // namespace

void serve_module(Worker& worker, std::shared_ptr<RouteState> state, http::Exchange& exchange, std::string id) {
  new CgiRequest(worker, std::move(state), exchange, std::move(id));
}

}  // namespace berth::cli
