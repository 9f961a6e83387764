// HTTP/2 on a connection (RFC 9113), by nghttp2: streams are exchanges.

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <charconv>
#include <unordered_map>

#include "http/connection.h"

namespace berth::http {

namespace {

// What all streams of a connection may have sent without its being read; each may have 64 KiB.
constexpr int kConnectionWindow = 1 << 20;
// After what a client is told that it has sent too much in its fields, it is not listened to any longer.
constexpr size_t kFieldOverhead = 32;

std::string_view text(const uint8_t* bytes, size_t length) { return {reinterpret_cast<const char*>(bytes), length}; }

class Http2;

class Stream final : public Exchange {
 public:
  Stream(Http2& session, int32_t id) : session_(session), id_(id) {}

  std::string_view peer() const override;
  size_t read(std::span<u8> out) override;
  Body body() const override {
    if (is_too_long_) return Body::TooLong;
    if (!body_.empty()) return Body::Open;
    return is_broken_ ? Body::Failed : has_ended_ ? Body::Over : Body::Open;
  }
  bool is_readable() const override { return !body_.empty() || body() != Body::Open; }
  void inform(u16 status, const Fields& fields) override;
  void respond(u16 status, const Fields& fields, std::optional<u64> length) override;
  size_t room() const override {
    const size_t held = out_.size() - out_at_;
    return is_broken_ || has_no_body_ ? kBodyBuffer : held < kBodyBuffer ? kBodyBuffer - held : 0;
  }
  void write(std::string_view bytes) override;
  void finish(const Fields& trailers) override;
  void abort() override;

 private:
  friend class Http2;
  void submit();
  void give_up() {
    is_broken_ = true;
    if (is_answered_) return;
    is_answered_ = true;
    if (ExchangeUser* const user = std::exchange(user_, nullptr)) user->on_gone();
  }

  Http2& session_;
  const int32_t id_;
  size_t field_bytes_ = 0;
  bool is_begun_ = false;     // the handler knows of it
  bool is_answered_ = false;  // or given up
  bool is_refused_ = false;
  bool has_ended_ = false;  // the request
  bool is_broken_ = false;
  bool is_too_long_ = false;
  bool was_full_ = false;
  bool has_waited_ = false;  // for the body
  u64 moved_at_ = 0;         // when bytes of the response's body were last taken
  std::string body_;
  size_t body_at_ = 0;
  u64 received_ = 0;

  Fields head_;  // of the response, until it is submitted
  std::optional<u64> length_;
  bool has_no_body_ = false;
  bool is_submitted_ = false;
  bool waits_for_body_ = false;  // nghttp2 was told that there is nothing to send now
  bool is_complete_ = false;     // nothing more will be written
  std::string out_;
  size_t out_at_ = 0;
  Fields out_trailers_;
};

class Http2 final : public Protocol {
 public:
  explicit Http2(Connection& connection);
  ~Http2() override { nghttp2_session_del(session_); }

  void on_input() override;
  void fill() override;
  void on_flushed() override;
  void on_late() override;
  void drain() override;
  void on_closed() override;
  bool wants_input() const override { return connection_.pending() < kBodyBuffer; }

 private:
  friend class Stream;
  Stream* find(int32_t id) { return static_cast<Stream*>(nghttp2_session_get_stream_user_data(session_, id)); }
  void begin(Stream& stream);
  void finish_head(Stream& stream);
  void refuse(Stream& stream, u16 status);
  void set_deadline();

  static Http2& of(void* data) { return *static_cast<Http2*>(data); }
  static nghttp2_session_callbacks* callbacks();
  static int on_begin_headers(nghttp2_session*, const nghttp2_frame* frame, void* data);
  static int on_header(nghttp2_session*, const nghttp2_frame* frame, const uint8_t* name, size_t name_length,
                       const uint8_t* value, size_t value_length, uint8_t, void* data);
  static int on_frame(nghttp2_session*, const nghttp2_frame* frame, void* data);
  static int on_data(nghttp2_session*, uint8_t, int32_t id, const uint8_t* bytes, size_t length, void* data);
  static int on_sent(nghttp2_session* session, const nghttp2_frame* frame, void* data);
  static int on_stream_close(nghttp2_session*, int32_t id, uint32_t, void* data);
  static ssize_t read_body(nghttp2_session*, int32_t id, uint8_t* out, size_t length, uint32_t* flags,
                           nghttp2_data_source* source, void* data);

  Connection& connection_;
  nghttp2_session* session_ = nullptr;
  std::unordered_map<int32_t, std::unique_ptr<Stream>> streams_;
  bool drains_ = false;
};

// --- streams

std::string_view Stream::peer() const { return session_.connection_.peer(); }

size_t Stream::read(std::span<u8> out) {
  const size_t n = std::min(out.size(), body_.size() - body_at_);
  std::copy_n(body_.data() + body_at_, n, out.data());
  body_at_ += n;
  if (body_at_ == body_.size()) {
    body_.clear();
    body_at_ = 0;
  } else if (body_at_ > kBodyBuffer / 2) {
    body_.erase(0, body_at_);
    body_at_ = 0;
  }
  if (n == 0) has_waited_ = true;
  if (n > 0 && !is_broken_) {
    // Once it has been read, as much more may come.
    nghttp2_session_consume(session_.session_, id_, n);
    session_.connection_.schedule_flush();
  }
  return n;
}

namespace {
nghttp2_nv to_nv(std::string_view name, std::string_view value) {
  return {reinterpret_cast<uint8_t*>(const_cast<char*>(name.data())),
          reinterpret_cast<uint8_t*>(const_cast<char*>(value.data())), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE};
}

std::string in_lower_case(std::string_view name) {
  std::string out(name);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

Fields to_http2(const Fields& fields) {
  Fields out;
  out.reserve(fields.size());
  for (const Field& f : fields) {
    if (!is_hop_by_hop(f.name)) out.push_back({in_lower_case(f.name), f.value});
  }
  return out;
}

std::vector<nghttp2_nv> to_nvs(const Fields& fields) {
  std::vector<nghttp2_nv> out;
  out.reserve(fields.size() + 1);
  for (const Field& f : fields) out.push_back(to_nv(f.name, f.value));
  return out;
}
}  // namespace

void Stream::inform(u16 status, const Fields& fields) {
  if (is_broken_ || has_responded()) return;
  Fields all = to_http2(fields);
  all.insert(all.begin(), {":status", std::to_string(status)});
  const auto nvs = to_nvs(all);
  nghttp2_submit_headers(session_.session_, NGHTTP2_FLAG_NONE, id_, nullptr, nvs.data(), nvs.size(), nullptr);
  session_.connection_.schedule_flush();
}

void Stream::respond(u16 status, const Fields& fields, std::optional<u64> length) {
  CHECK(!has_responded());
  status_ = status;
  length_ = length;
  has_no_body_ = request_.method == "HEAD" || is_bodiless(status);
  head_ = to_http2(fields);
  std::erase_if(head_, [](const Field& f) { return f.name == "content-length"; });
  if (std::ranges::none_of(head_, [](const Field& f) { return f.name == "date"; })) {
    static thread_local std::string date;
    static thread_local u64 of = 0;
    const u64 now = static_cast<u64>(::time(nullptr));
    if (now != of) {
      date = http_date(now);
      of = now;
    }
    head_.push_back({"date", date});
  }
  head_.insert(head_.begin(), {":status", std::to_string(status)});
  session_.connection_.schedule_flush();
}

void Stream::submit() {
  is_submitted_ = true;
  if (is_broken_) return;
  std::optional<u64> length = length_;
  if (!length && is_complete_ && !has_no_body_ && out_trailers_.empty()) length = sent_;
  if (length && !is_bodiless(status_)) head_.push_back({"content-length", std::to_string(*length)});
  const auto nvs = to_nvs(head_);
  nghttp2_data_provider provider{};
  provider.source.ptr = this;
  provider.read_callback = Http2::read_body;
  nghttp2_submit_response(session_.session_, id_, nvs.data(), nvs.size(), has_no_body_ ? nullptr : &provider);
  head_.clear();
}

void Stream::write(std::string_view bytes) {
  sent_ += bytes.size();
  if (is_broken_ || has_no_body_ || bytes.empty()) return;
  if (out_at_ > kBodyBuffer / 2) {
    out_.erase(0, out_at_);
    out_at_ = 0;
  }
  out_ += bytes;
  if (waits_for_body_) {
    waits_for_body_ = false;
    nghttp2_session_resume_data(session_.session_, id_);
  }
  session_.connection_.schedule_flush();
}

void Stream::finish(const Fields& trailers) {
  if (length_ && sent_ != *length_ && !has_no_body_) return abort();
  is_complete_ = true;
  is_answered_ = true;
  user_ = nullptr;
  out_trailers_ = to_http2(trailers);
  if (waits_for_body_) {
    waits_for_body_ = false;
    nghttp2_session_resume_data(session_.session_, id_);
  }
  session_.connection_.schedule_flush();
}

void Stream::abort() {
  is_answered_ = true;
  user_ = nullptr;
  if (!is_broken_) nghttp2_submit_rst_stream(session_.session_, NGHTTP2_FLAG_NONE, id_, NGHTTP2_INTERNAL_ERROR);
  is_broken_ = true;
  session_.connection_.schedule_flush();
}

// --- the session

nghttp2_session_callbacks* Http2::callbacks() {
  static nghttp2_session_callbacks* const made = [] {
    nghttp2_session_callbacks* c = nullptr;
    CHECK(nghttp2_session_callbacks_new(&c) == 0);
    nghttp2_session_callbacks_set_on_begin_headers_callback(c, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(c, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(c, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(c, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(c, on_stream_close);
    nghttp2_session_callbacks_set_on_frame_send_callback(c, on_sent);
    return c;
  }();
  return made;
}

Http2::Http2(Connection& connection) : connection_(connection) {
  nghttp2_option* option = nullptr;
  CHECK(nghttp2_option_new(&option) == 0);
  nghttp2_option_set_no_auto_window_update(option, 1);
  nghttp2_option_set_max_outbound_ack(option, 200);
  CHECK(nghttp2_session_server_new2(&session_, callbacks(), this, option) == 0);
  nghttp2_option_del(option);
  const Settings& s = connection.settings();
  const nghttp2_settings_entry entries[] = {
      {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, s.max_streams},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, static_cast<uint32_t>(std::min<size_t>(s.max_head, UINT32_MAX))},
  };
  nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, entries, std::size(entries));
  nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0, kConnectionWindow);
  connection.schedule_flush();
}

void Http2::on_input() {
  const std::string_view input = connection_.input();
  if (!input.empty()) {
    const ssize_t n = nghttp2_session_mem_recv(session_, reinterpret_cast<const uint8_t*>(input.data()), input.size());
    if (n < 0) {
      // What is to be said about it (GOAWAY) may still be said.
      connection_.consume(input.size());
      fill();
      connection_.close_after_flush();
      return;
    }
    if (connection_.is_closed()) return;
    connection_.consume(static_cast<size_t>(n));
  }
  if (connection_.has_ended() && streams_.empty()) connection_.close_after_flush();
  set_deadline();
  connection_.schedule_flush();
}

void Http2::set_deadline() {
  if (connection_.is_closed() || connection_.is_closing()) return;
  const Settings& s = connection_.settings();
  if (streams_.empty()) {
    connection_.set_read_deadline(connection_.loop().now() + s.idle_timeout);
  } else {
    connection_.set_read_deadline(connection_.loop().now() + s.io_timeout);
  }
}

void Http2::fill() {
  for (const auto& [id, stream] : streams_) {
    if (stream->has_responded() && !stream->is_submitted_) stream->submit();
  }
  std::string& out = connection_.out();
  while (connection_.pending() < kBodyBuffer) {
    const uint8_t* bytes = nullptr;
    const ssize_t n = nghttp2_session_mem_send(session_, &bytes);
    if (n <= 0) break;
    out.append(reinterpret_cast<const char*>(bytes), static_cast<size_t>(n));
  }
  if (connection_.is_closed()) return;
  connection_.resume_input();
  if (nghttp2_session_want_read(session_) == 0 && nghttp2_session_want_write(session_) == 0)
    connection_.close_after_flush();
}

void Http2::on_flushed() {
  // Users only schedule what they do, so the table stays as it is.
  for (const auto& [id, stream] : streams_) {
    if (!stream->was_full_ || stream->room() < kBodyBuffer / 2) continue;
    stream->was_full_ = false;
    if (stream->user_ != nullptr) stream->user_->on_writable();
  }
}

// Nothing has come for a while.
void Http2::on_late() {
  if (streams_.empty()) {
    nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(session_),
                          NGHTTP2_NO_ERROR, nullptr, 0);
    fill();
    connection_.close_after_flush();
    return;
  }
  const u64 now = connection_.loop().now();
  for (const auto& [id, stream] : streams_) {
    if (stream->is_broken_) continue;
    // A response that the client does not take.
    if (stream->is_complete_ && stream->moved_at_ + connection_.settings().io_timeout < now) {
      nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, id, NGHTTP2_CANCEL);
      continue;
    }
    if (stream->has_ended_) continue;
    if (!stream->is_begun_) {
      connection_.close();  // fields that do not come to an end
      return;
    }
    // Those who do not read the body hold the client back themselves.
    if (stream->has_waited_ && stream->body_.empty() && !stream->is_answered_) {
      stream->is_broken_ = true;
      nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, id, NGHTTP2_CANCEL);
      if (stream->user_ != nullptr) stream->user_->on_readable();
    }
  }
  connection_.schedule_flush();
  connection_.set_read_deadline(now + connection_.settings().io_timeout);
}

void Http2::drain() {
  if (drains_) return;
  drains_ = true;
  nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(session_),
                        NGHTTP2_NO_ERROR, nullptr, 0);
  fill();
  connection_.schedule_flush();
  if (streams_.empty()) connection_.close_after_flush();
}

void Http2::on_closed() {
  for (const auto& [id, stream] : streams_) stream->give_up();
}

void Http2::begin(Stream& stream) {
  stream.is_begun_ = true;
  connection_.handler().on_request(stream);
}

void Http2::refuse(Stream& stream, u16 status) {
  if (stream.is_refused_) return;
  stream.is_refused_ = true;
  stream.is_begun_ = true;
  connection_.handler().on_refused(stream.request_, connection_.peer(), status);
  answer(stream, status, {}, std::string(reason(status)) + "\n");
}

void Http2::finish_head(Stream& stream) {
  RequestHead& r = stream.request_;
  r.version = Version::Http2;
  r.has_body = !stream.has_ended_;
  if (const std::string* length = r.find("content-length")) {
    u64 value = 0;
    const auto [end, error] = std::from_chars(length->data(), length->data() + length->size(), value);
    if (error == std::errc() && end == length->data() + length->size()) r.content_length = value;
  }
  if (r.authority.empty()) {
    if (const std::string* host = r.find("host")) r.authority = *host;
  }
  std::erase_if(r.fields, [](const Field& f) { return f.name == "host" || is_hop_by_hop(f.name); });
  if (r.method == "CONNECT") return refuse(stream, 501);
  if (!r.path.starts_with('/') && r.path != "*") return refuse(stream, 400);
  if (std::ranges::any_of(r.path, [](char c) { return c <= 0x20 || c >= 0x7F || c == '#'; }))
    return refuse(stream, 400);
  // Cookies may come in pieces (RFC 9113, 8.2.3).
  std::string cookies;
  u32 count = 0;
  for (const Field& f : r.fields) {
    if (f.name != "cookie") continue;
    cookies += (count++ > 0 ? "; " : "") + f.value;
  }
  if (count > 1) {
    std::erase_if(r.fields, [](const Field& f) { return f.name == "cookie"; });
    r.fields.push_back({"cookie", std::move(cookies)});
  }
  begin(stream);
}

int Http2::on_begin_headers(nghttp2_session* session, const nghttp2_frame* frame, void* data) {
  if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST) return 0;
  Http2& self = of(data);
  auto stream = std::make_unique<Stream>(self, frame->hd.stream_id);
  stream->request_.scheme = self.connection_.is_secure() ? "https" : "http";
  nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, stream.get());
  self.streams_[frame->hd.stream_id] = std::move(stream);
  return 0;
}

int Http2::on_header(nghttp2_session*, const nghttp2_frame* frame, const uint8_t* name, size_t name_length,
                     const uint8_t* value, size_t value_length, uint8_t, void* data) {
  Http2& self = of(data);
  Stream* const stream = self.find(frame->hd.stream_id);
  if (stream == nullptr || frame->hd.type != NGHTTP2_HEADERS) return 0;
  stream->field_bytes_ += name_length + value_length + kFieldOverhead;
  if (stream->field_bytes_ > self.connection_.settings().max_head) return 0;  // answered when they are over
  const std::string_view n = text(name, name_length), v = text(value, value_length);
  RequestHead& r = stream->request_;
  if (stream->is_begun_) {
    stream->trailers_.push_back({std::string(n), std::string(v)});
  } else if (n == ":method") {
    r.method = v;
  } else if (n == ":path") {
    r.path = v;
  } else if (n == ":authority") {
    r.authority = v;
  } else if (!n.starts_with(':')) {
    r.fields.push_back({std::string(n), std::string(v)});
  }
  return 0;
}

int Http2::on_frame(nghttp2_session*, const nghttp2_frame* frame, void* data) {
  if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA) return 0;
  Http2& self = of(data);
  Stream* const stream = self.find(frame->hd.stream_id);
  if (stream == nullptr) return 0;
  if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) stream->has_ended_ = true;
  if (frame->hd.type == NGHTTP2_HEADERS && !stream->is_begun_) {
    if (stream->field_bytes_ > self.connection_.settings().max_head) {
      self.refuse(*stream, 431);
    } else {
      self.finish_head(*stream);
    }
    return 0;
  }
  if (stream->has_ended_ && stream->user_ != nullptr) stream->user_->on_readable();
  return 0;
}

int Http2::on_data(nghttp2_session* session, uint8_t, int32_t id, const uint8_t* bytes, size_t length, void* data) {
  Http2& self = of(data);
  Stream* const stream = self.find(id);
  if (stream == nullptr || stream->is_answered_ || stream->is_broken_) {
    // Nobody reads it, but it counts.
    nghttp2_session_consume_connection(session, length);
    return 0;
  }
  stream->body_.append(reinterpret_cast<const char*>(bytes), length);
  stream->received_ += length;
  if (stream->received_ > stream->max_body_) stream->is_too_long_ = true;
  if (stream->user_ != nullptr) stream->user_->on_readable();
  return 0;
}

// A client that is still sending need not go on once it has its answer (RFC 9113, 8.1).
int Http2::on_sent(nghttp2_session* session, const nghttp2_frame* frame, void* data) {
  const bool may_end = frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS;
  if (!may_end || (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0) return 0;
  const Stream* const stream = of(data).find(frame->hd.stream_id);
  if (stream != nullptr && !stream->has_ended_)
    nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id, NGHTTP2_NO_ERROR);
  return 0;
}

int Http2::on_stream_close(nghttp2_session* session, int32_t id, uint32_t, void* data) {
  Http2& self = of(data);
  const auto found = self.streams_.find(id);
  if (found == self.streams_.end()) return 0;
  Stream& stream = *found->second;
  if (!stream.body_.empty()) nghttp2_session_consume_connection(session, stream.body_.size() - stream.body_at_);
  stream.give_up();
  nghttp2_session_set_stream_user_data(session, id, nullptr);
  self.streams_.erase(found);
  if (self.drains_ && self.streams_.empty()) self.connection_.close_after_flush();
  if (self.connection_.has_ended() && self.streams_.empty()) self.connection_.close_after_flush();
  self.set_deadline();
  return 0;
}

ssize_t Http2::read_body(nghttp2_session* session, int32_t id, uint8_t* out, size_t length, uint32_t* flags,
                         nghttp2_data_source* source, void*) {
  Stream& stream = *static_cast<Stream*>(source->ptr);
  const size_t n = std::min(length, stream.out_.size() - stream.out_at_);
  std::copy_n(stream.out_.data() + stream.out_at_, n, out);
  stream.out_at_ += n;
  stream.was_full_ = true;
  stream.moved_at_ = stream.session_.connection_.loop().now();
  if (stream.out_at_ == stream.out_.size()) {
    stream.out_.clear();
    stream.out_at_ = 0;
    if (stream.is_complete_) {
      *flags |= NGHTTP2_DATA_FLAG_EOF;
      if (!stream.out_trailers_.empty()) {
        const auto nvs = to_nvs(stream.out_trailers_);
        if (nghttp2_submit_trailer(session, id, nvs.data(), nvs.size()) == 0) *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
      }
      return static_cast<ssize_t>(n);
    }
    if (n == 0) {
      stream.waits_for_body_ = true;
      return NGHTTP2_ERR_DEFERRED;
    }
  }
  return static_cast<ssize_t>(n);
}

}  // namespace

std::unique_ptr<Protocol> make_http2(Connection& connection) { return std::make_unique<Http2>(connection); }

}  // namespace berth::http
