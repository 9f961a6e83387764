// HTTP/1.1 and 1.0 on a connection: one request after the other (RFC 9112).

#include <algorithm>
#include <charconv>
#include <ctime>

#include "http/connection.h"
#include "http/request_parser.h"

namespace berth::http {

namespace {

// A response whose end is known by then is sent with its length.
constexpr size_t kMaxEarly = size_t{16} << 10;
// What is read of a body that nobody wants, so that the connection can be kept.
constexpr size_t kMaxSkipped = size_t{256} << 10;

// The date field's value; made once a second.
std::string_view date_now() {
  static thread_local std::string text;
  static thread_local u64 of = 0;
  timespec t{};
  clock_gettime(CLOCK_REALTIME_COARSE, &t);
  const u64 now = static_cast<u64>(t.tv_sec);
  if (now != of || text.empty()) {
    text = http_date(now);
    of = now;
  }
  return text;
}

void append_number(std::string& out, u64 number, int base = 10) {
  char digits[24];
  out.append(digits, std::to_chars(digits, digits + sizeof digits, number, base).ptr);
}

class Http1 final : public Protocol, public Exchange {
 public:
  explicit Http1(Connection& connection) : connection_(connection), parser_(connection.settings().max_head) {}

  // Protocol
  void on_input() override { go_on(); }
  void fill() override;
  void on_flushed() override;
  void on_late() override;
  void drain() override;
  void on_closed() override { give_up(); }
  bool wants_input() const override {
    return !reads_body() || body_.size() < kBodyBuffer || (is_answered_ && skipped_ <= kMaxSkipped);
  }

  // Exchange
  std::string_view peer() const override { return connection_.peer(); }
  size_t read(std::span<u8> out) override;
  Body body() const override;
  bool is_readable() const override { return !body_.empty() || body() != Body::Open; }
  void inform(u16 status, const Fields& fields) override;
  void respond(u16 status, const Fields& fields, std::optional<u64> length) override;
  size_t room() const override {
    const size_t held = connection_.pending() + early_.size();
    return is_gone_ ? kBodyBuffer : held < kBodyBuffer ? kBodyBuffer - held : 0;
  }
  void write(std::string_view bytes) override;
  void finish(const Fields& trailers) override;
  void abort() override;

 private:
  enum class Framing : u8 { None, Length, Chunks, UntilClose };

  bool reads_body() const { return is_open_ && parser_.state() == RequestParser::State::Body; }
  void go_on();
  bool take_head();
  bool take_body();
  void begin();
  void end_exchange();
  void refuse(u16 status);
  void give_up();
  void set_body_deadline();
  void send_head(std::optional<u64> length);
  void append(std::string_view bytes);

  Connection& connection_;
  RequestParser parser_;
  bool is_open_ = false;      // an exchange is under way
  bool is_answered_ = false;  // its response is complete
  bool is_working_ = false;
  bool drains_ = false;
  bool is_gone_ = false;      // the connection has ended
  bool is_cut_ = false;       // the request's body will not be complete
  bool closes_ = false;       // after this exchange
  bool needs_input_ = false;  // there is room for more of it

  std::string body_;  // read and not taken
  size_t body_at_ = 0;
  u64 received_ = 0;
  size_t skipped_ = 0;
  bool has_waited_ = false;  // for the body
  bool is_too_long_ = false;
  bool awaits_permission_ = false;  // the client sends no body before it has got a 100

  std::string head_;   // of the response, without what frames the body; empty: sent
  std::string early_;  // of the body, before the head was sent
  std::optional<u64> length_;
  Framing framing_ = Framing::None;
  bool has_no_body_ = false;
};

// --- requests

void Http1::go_on() {
  if (is_working_) return;
  is_working_ = true;
  while (!connection_.is_closed() && !connection_.is_closing()) {
    if (!is_open_) {
      if (!take_head()) break;
    } else if (reads_body()) {
      if (!take_body()) break;
    } else if (is_answered_) {
      end_exchange();
    } else {
      break;
    }
  }
  is_working_ = false;
}

bool Http1::take_head() {
  if (drains_ && !parser_.has_begun()) {
    connection_.close_after_flush();
    return false;
  }
  const u64 now = connection_.loop().now();
  const bool had_begun = parser_.has_begun();
  connection_.consume(parser_.feed(connection_.input(), request_, body_, 0, trailers_));
  switch (parser_.state()) {
    case RequestParser::State::Refused: refuse(parser_.refusal()); return false;
    case RequestParser::State::Head:
      if (connection_.has_ended()) {
        connection_.close_after_flush();
      } else if (!parser_.has_begun()) {
        connection_.set_read_deadline(now + connection_.settings().idle_timeout);
        connection_.shrink();
      } else if (!had_begun) {
        // For all of it, however it trickles in.
        connection_.set_read_deadline(now + connection_.settings().head_timeout);
      }
      return false;
    default: begin(); return true;
  }
}

void Http1::begin() {
  is_open_ = true;
  request_.scheme = connection_.is_secure() ? "https" : "http";
  closes_ = !parser_.keeps_alive() || drains_;
  awaits_permission_ = parser_.expects_continue();
  connection_.clear_read_deadline();
  connection_.handler().on_request(*this);
}

bool Http1::take_body() {
  if (is_answered_) {
    body_.clear();
    body_at_ = 0;
  }
  if (body_.size() - body_at_ >= kBodyBuffer) {
    connection_.clear_read_deadline();
    return false;
  }
  if (body_at_ > 0) {
    body_.erase(0, body_at_);
    body_at_ = 0;
  }
  const size_t before = body_.size();
  connection_.consume(parser_.feed(connection_.input(), request_, body_, kBodyBuffer - before, trailers_));
  const size_t more = body_.size() - before;
  received_ += more;
  if (more > 0) awaits_permission_ = false;
  if (received_ > max_body_) is_too_long_ = true;
  const bool is_refused = parser_.state() == RequestParser::State::Refused;
  const bool is_cut = !is_refused && reads_body() && connection_.has_ended() && connection_.input().empty();
  if (is_cut || is_refused) {
    closes_ = true;
    is_cut_ = true;
  }
  if (is_answered_) {
    skipped_ += more;
    if (skipped_ > kMaxSkipped || is_cut || is_refused || awaits_permission_) {
      connection_.close_after_flush();
      return false;
    }
  }
  if (reads_body()) set_body_deadline();
  if (!is_answered_ && user_ != nullptr && (more > 0 || !reads_body() || is_cut_)) user_->on_readable();
  return more > 0 && !is_cut_ ? true : !reads_body();
}

// Only while somebody wants the body: those who do not read it keep the client waiting themselves.
void Http1::set_body_deadline() {
  const bool is_waited_for = has_waited_ || is_answered_;
  if (is_waited_for && !awaits_permission_) {
    connection_.set_read_deadline(connection_.loop().now() + connection_.settings().io_timeout);
  } else {
    connection_.clear_read_deadline();
  }
}

void Http1::end_exchange() {
  is_open_ = is_answered_ = false;
  if (closes_ || parser_.state() != RequestParser::State::Over) {
    connection_.close_after_flush();
    return;
  }
  request_.clear();
  trailers_.clear();
  parser_.reset();
  user_ = nullptr;
  max_body_ = ~u64{0};
  status_ = 0;
  sent_ = 0;
  body_.clear();
  body_at_ = 0;
  received_ = 0;
  skipped_ = 0;
  has_waited_ = is_too_long_ = awaits_permission_ = false;
  length_.reset();
  framing_ = Framing::None;
  has_no_body_ = false;
}

void Http1::refuse(u16 status) {
  connection_.handler().on_refused(request_, connection_.peer(), status);
  std::string& out = connection_.out();
  out += "HTTP/1.1 ";
  append_number(out, status);
  out += " ";
  out += reason(status);
  out += "\r\ndate: ";
  out += date_now();
  out += "\r\nconnection: close\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: ";
  append_number(out, reason(status).size() + 1);
  out += "\r\n\r\n";
  out += reason(status);
  out += "\n";
  connection_.close_after_flush();
}

void Http1::give_up() {
  is_gone_ = true;
  if (!is_open_ || is_answered_) return;
  is_open_ = false;
  if (ExchangeUser* const user = std::exchange(user_, nullptr)) user->on_gone();
}

void Http1::on_late() {
  if (!is_open_) {
    if (!parser_.has_begun()) return connection_.close_after_flush();
    refuse(408);
    return;
  }
  if (is_answered_) return connection_.close();
  // The body does not come: whoever reads it decides what to answer.
  is_cut_ = true;
  closes_ = true;
  if (user_ != nullptr) user_->on_readable();
}

void Http1::drain() {
  drains_ = true;
  closes_ = true;
  if (!is_open_ && !parser_.has_begun()) connection_.close_after_flush();
}

// --- the body of a request

size_t Http1::read(std::span<u8> out) {
  if (awaits_permission_ && body_.empty() && (!has_responded() || !head_.empty())) {
    awaits_permission_ = false;
    connection_.out() += "HTTP/1.1 100 Continue\r\n\r\n";
    connection_.schedule_flush();
  }
  const size_t n = std::min(out.size(), body_.size() - body_at_);
  std::copy_n(body_.data() + body_at_, n, out.data());
  body_at_ += n;
  if (body_at_ == body_.size()) {
    body_.clear();
    body_at_ = 0;
  }
  if (n == 0 && reads_body()) {
    has_waited_ = true;
    if (!is_cut_) set_body_deadline();
  }
  if (reads_body() && body_.size() - body_at_ < kBodyBuffer / 2) {
    // Later, since whoever reads is told of more.
    connection_.schedule_flush();
    needs_input_ = true;
  }
  return n;
}

Exchange::Body Http1::body() const {
  if (is_too_long_) return Body::TooLong;
  if (!body_.empty()) return Body::Open;
  if (parser_.state() == RequestParser::State::Over) return Body::Over;
  return is_cut_ || is_gone_ || parser_.state() == RequestParser::State::Refused ? Body::Failed : Body::Open;
}

// --- responses

namespace {
void append_fields(std::string& out, const Fields& fields) {
  for (const Field& f : fields) {
    out += f.name;
    out += ": ";
    out += f.value;
    out += "\r\n";
  }
}
}  // namespace

void Http1::inform(u16 status, const Fields& fields) {
  if (request_.version == Version::Http10 || has_responded()) return;
  std::string& out = connection_.out();
  out += "HTTP/1.1 ";
  append_number(out, status);
  out += " ";
  out += reason(status);
  out += "\r\n";
  append_fields(out, fields);
  out += "\r\n";
  connection_.schedule_flush();
}

void Http1::respond(u16 status, const Fields& fields, std::optional<u64> length) {
  CHECK(!has_responded());
  status_ = status;
  length_ = length;
  has_no_body_ = request_.method == "HEAD" || is_bodiless(status);
  head_ = "HTTP/1.1 ";
  append_number(head_, status);
  head_ += " ";
  head_ += reason(status);
  head_ += "\r\n";
  bool has_date = false;
  for (const Field& f : fields) {
    if (is_hop_by_hop(f.name) || same_name(f.name, "content-length")) continue;
    if (same_name(f.name, "date")) has_date = true;
    head_ += f.name;
    head_ += ": ";
    head_ += f.value;
    head_ += "\r\n";
  }
  if (!has_date) {
    head_ += "date: ";
    head_ += date_now();
    head_ += "\r\n";
  }
  connection_.schedule_flush();
}

void Http1::send_head(std::optional<u64> length) {
  std::string& out = connection_.out();
  // A client that was not let send its body may send it or not: what comes next cannot be told.
  if (awaits_permission_) closes_ = true;
  if (has_no_body_) {
    framing_ = Framing::None;
  } else if (length) {
    framing_ = Framing::Length;
  } else if (request_.version == Version::Http10) {
    framing_ = Framing::UntilClose;
    closes_ = true;
  } else {
    framing_ = Framing::Chunks;
  }
  out += head_;
  head_.clear();
  if (length && !is_bodiless(status_)) {
    out += "content-length: ";
    append_number(out, *length);
    out += "\r\n";
  } else if (framing_ == Framing::Chunks) {
    out += "transfer-encoding: chunked\r\n";
  }
  if (closes_) {
    out += "connection: close\r\n";
  } else if (request_.version == Version::Http10) {
    out += "connection: keep-alive\r\n";
  }
  out += "\r\n";
  if (!early_.empty()) append(early_);
  early_.clear();
}

void Http1::append(std::string_view bytes) {
  std::string& out = connection_.out();
  switch (framing_) {
    case Framing::None: return;
    case Framing::Chunks:
      append_number(out, bytes.size(), 16);
      out += "\r\n";
      out += bytes;
      out += "\r\n";
      break;
    default: out += bytes;
  }
}

void Http1::write(std::string_view bytes) {
  sent_ += bytes.size();
  if (is_gone_ || bytes.empty()) return;
  if (!head_.empty()) {
    early_ += bytes;
    if (early_.size() >= kMaxEarly) send_head(length_);
  } else {
    append(bytes);
  }
  if (connection_.pending() >= kBodyBuffer / 2) connection_.push();
  connection_.schedule_flush();
}

void Http1::fill() {
  if (is_open_ && !is_answered_ && has_responded() && !head_.empty()) send_head(length_);
  if (std::exchange(needs_input_, false)) {
    connection_.resume_input();
    go_on();
  }
}

void Http1::on_flushed() {
  if (is_open_ && !is_answered_ && has_responded() && user_ != nullptr) user_->on_writable();
}

void Http1::finish(const Fields& trailers) {
  if (length_ && sent_ != *length_ && !has_no_body_) return abort();
  if (!head_.empty())
    send_head(length_ ? length_ : has_no_body_ || !trailers.empty() ? std::nullopt : std::optional(sent_));
  if (framing_ == Framing::Chunks) {
    std::string& out = connection_.out();
    out += "0\r\n";
    append_fields(out, trailers);
    out += "\r\n";
  }
  is_answered_ = true;
  user_ = nullptr;
  connection_.schedule_flush();
  needs_input_ = true;  // the next request, once there is nobody above us
}

void Http1::abort() {
  is_answered_ = true;
  user_ = nullptr;
  closes_ = true;
  connection_.close();
}

}  // namespace

std::unique_ptr<Protocol> make_http1(Connection& connection) { return std::make_unique<Http1>(connection); }

}  // namespace berth::http
