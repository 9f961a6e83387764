#include "http/request_parser.h"

// Beast asserts that a last chunk is longer than one without a chunk before it is; what follows does without (found by
// fuzzing). Clients must not be able to end a build with assertions.
#define BOOST_DISABLE_ASSERTS

#include <algorithm>
#include <boost/beast/http/basic_parser.hpp>
#include <limits>

namespace berth::http {

namespace {

namespace beast = boost::beast;
using beast::error_code;
using beast::string_view;

std::string_view view(string_view s) { return {s.data(), s.size()}; }

constexpr size_t kFieldOverhead = 4;  // ": " and the end of the line

// What Beast finds, noted.
class Grammar final : public beast::http::basic_parser<true> {
 public:
  explicit Grammar(size_t max_head) : max_head_(max_head) {
    // Not boost::none, which Boost 1.74 takes for less than any length.
    body_limit(std::numeric_limits<std::uint64_t>::max());
    header_limit(static_cast<u32>(std::min<size_t>(max_head, std::numeric_limits<u32>::max())));
  }

  RequestHead* head = nullptr;
  std::string* body = nullptr;
  Fields* trailers = nullptr;
  size_t room = 0;
  int version = 0;
  u32 hosts = 0, lengths = 0, codings = 0;
  bool is_chunked_only = true;
  bool expects_continue = false, expects_other = false;
  bool is_too_long = false;

 private:
  void on_request_impl(beast::http::verb, string_view method, string_view target, int v, error_code&) override {
    head->method = view(method);
    head->path = view(target);
    version = v;
    size_ = method.size() + target.size();
  }
  void on_response_impl(int, string_view, int, error_code&) override {}
  void on_field_impl(beast::http::field field, string_view name, string_view value, error_code& ec) override {
    size_ += name.size() + value.size() + kFieldOverhead;
    if (size_ > max_head_) {
      is_too_long = true;
      ec = beast::http::error::header_limit;
      return;
    }
    Field made;
    made.name.resize(name.size());
    std::ranges::transform(name, made.name.begin(),
                           [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    made.value = view(value);
    if (!is_field_value(made.value)) {
      ec = beast::http::error::bad_value;
      return;
    }
    if (is_header_over_) {
      if (!is_hop_by_hop(made.name)) trailers->push_back(std::move(made));
      return;
    }
    using beast::http::field;
    switch (field) {
      case field::host:
        ++hosts;
        head->authority = std::move(made.value);
        return;
      case field::transfer_encoding:
        ++codings;
        if (!same_name(made.value, "chunked")) is_chunked_only = false;
        return;
      case field::expect: (same_name(made.value, "100-continue") ? expects_continue : expects_other) = true; return;
      case field::content_length: ++lengths; break;
      default: break;
    }
    if (!is_hop_by_hop(made.name)) head->fields.push_back(std::move(made));
  }
  void on_header_impl(error_code&) override {
    is_header_over_ = true;
    size_ = 0;
  }
  void on_body_init_impl(const boost::optional<std::uint64_t>&, error_code&) override {}
  size_t take(string_view bytes) {
    const size_t n = std::min(room, bytes.size());
    body->append(bytes.data(), n);
    room -= n;
    return n;
  }
  size_t on_body_impl(string_view bytes, error_code&) override { return take(bytes); }
  void on_chunk_header_impl(std::uint64_t, string_view, error_code&) override {}
  size_t on_chunk_body_impl(std::uint64_t, string_view bytes, error_code&) override { return take(bytes); }
  void on_finish_impl(error_code&) override {}

  const size_t max_head_;
  size_t size_ = 0;
  bool is_header_over_ = false;
};

// `authority` or nothing; what stands before a path in the absolute form.
bool is_authority(std::string_view text) {
  return std::ranges::all_of(text, [](char c) {
    return c > 0x20 && c < 0x7F && std::string_view("/?#\\@\"<>^`{|}").find(c) == std::string_view::npos;
  });
}

bool is_target(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c > 0x20 && c < 0x7F && c != '#'; });
}

}  // namespace

struct RequestParser::Impl {
  std::optional<Grammar> grammar;
};

RequestParser::RequestParser(size_t max_head) : max_head_(max_head), impl_(std::make_unique<Impl>()) { reset(); }
RequestParser::~RequestParser() = default;

void RequestParser::reset() {
  impl_->grammar.emplace(max_head_);
  state_ = State::Head;
  refusal_ = 0;
  keeps_alive_ = expects_continue_ = has_begun_ = false;
}

void RequestParser::refuse(u16 status) {
  state_ = State::Refused;
  refusal_ = status;
  keeps_alive_ = false;
}

void RequestParser::finish_head(RequestHead& head) {
  Grammar& g = *impl_->grammar;
  if (g.version != 10 && g.version != 11) return refuse(505);
  head.version = g.version == 10 ? Version::Http10 : Version::Http11;
  // Anything that two readers could take for two messages is refused (RFC 9112, 6.3).
  if (g.codings > 1 || (g.codings == 1 && (g.lengths > 0 || g.version == 10))) return refuse(400);
  if (g.codings == 1 && !g.is_chunked_only) return refuse(501);
  if (g.lengths > 1) return refuse(400);
  if (g.hosts > 1 || (g.hosts == 0 && g.version == 11)) return refuse(400);
  if (!is_authority(head.authority) || !is_target(head.path)) return refuse(400);
  if (head.method == "CONNECT") return refuse(501);
  if (g.expects_other) return refuse(417);
  if (!head.path.starts_with('/') && !(head.path == "*" && head.method == "OPTIONS")) {
    // The absolute form: what it names counts, not the field.
    const size_t end = head.path.find("://");
    if (end == std::string::npos) return refuse(400);
    const std::string scheme = head.path.substr(0, end);
    if (!same_name(scheme, "http") && !same_name(scheme, "https")) return refuse(400);
    std::string rest = head.path.substr(end + 3);
    const size_t slash = rest.find_first_of("/?");
    head.authority = rest.substr(0, slash);
    head.path = slash == std::string::npos ? "/" : rest.substr(slash);
    if (head.path.starts_with('?')) head.path.insert(0, "/");
    if (head.authority.empty() || !is_authority(head.authority)) return refuse(400);
  }
  const auto length = g.content_length();
  if (length) head.content_length = *length;
  head.has_body = g.chunked() || (length && *length > 0);
  keeps_alive_ = g.keep_alive();
  expects_continue_ = g.expects_continue && g.version == 11 && head.has_body;
  state_ = g.is_done() ? State::Over : State::Body;
}

size_t RequestParser::feed(std::string_view input, RequestHead& head, std::string& body, size_t room,
                           Fields& trailers) {
  Grammar& g = *impl_->grammar;
  g.head = &head;
  g.body = &body;
  g.trailers = &trailers;
  g.room = room;
  size_t taken = 0;
  if (!has_begun_) {
    // Empty lines before a request are to be ignored (RFC 9112, 2.2).
    while (input.substr(taken).starts_with("\r\n")) taken += 2;
    if (taken == input.size() || input.substr(taken) == "\r") return taken;
    has_begun_ = true;
  }
  while (state_ == State::Head || state_ == State::Body) {
    const std::string_view rest = input.substr(taken);
    if (state_ == State::Body && rest.empty()) break;
    error_code ec;
    const size_t room_before = g.room;
    const size_t n = g.put({rest.data(), rest.size()}, ec);
    taken += n;
    if (ec == beast::http::error::need_more) break;
    if (ec) {
      const bool is_long = g.is_too_long || ec == beast::http::error::header_limit;
      const bool is_version = ec == beast::http::error::bad_version;
      refuse(is_long ? 431 : is_version ? 505 : 400);
      break;
    }
    if (state_ == State::Head) {
      if (!g.is_header_done()) break;
      finish_head(head);
      return taken;
    }
    if (g.is_done()) {
      state_ = State::Over;
      break;
    }
    if (n == 0 && room_before == g.room) break;  // no room
  }
  return taken;
}

}  // namespace berth::http
