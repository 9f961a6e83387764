#include "wasi_http/response_reader.h"

#include <algorithm>
#include <charconv>

namespace berth::wasi_http {

namespace {

constexpr size_t kMaxHead = size_t{64} << 10;
constexpr size_t kMaxChunkLine = 4096;

std::unexpected<HttpError> malformed() { return std::unexpected(HttpError::of<HttpError::ProtocolError>()); }
std::unexpected<HttpError> incomplete() { return std::unexpected(HttpError::of<HttpError::ResponseIncomplete>()); }

std::string_view trim(std::string_view s) {
  while (!s.empty() && (s.front() == ' ' || s.front() == '\t')) s.remove_prefix(1);
  while (!s.empty() && (s.back() == ' ' || s.back() == '\t')) s.remove_suffix(1);
  return s;
}

std::optional<u64> number(std::string_view s, int base) {
  u64 value = 0;
  if (s.empty()) return std::nullopt;
  const auto [end, error] = std::from_chars(s.data(), s.data() + s.size(), value, base);
  if (error != std::errc() || end != s.data() + s.size()) return std::nullopt;
  return value;
}

}  // namespace

std::expected<Ref<Fields>, HttpError> ResponseReader::parse_fields(std::string_view lines) {
  auto fields = make<Fields>();
  fields->is_immutable = true;
  while (!lines.empty()) {
    const size_t end = lines.find("\r\n");
    if (end == std::string_view::npos) return malformed();
    const std::string_view line = lines.substr(0, end);
    lines.remove_prefix(end + 2);
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos) return malformed();
    const std::string_view name = line.substr(0, colon), value = trim(line.substr(colon + 1));
    const auto ok = check_name(name);
    if (!ok && ok.error() == HeaderError::InvalidSyntax) return malformed();
    if (!is_value({reinterpret_cast<const u8*>(value.data()), value.size()})) return malformed();
    fields->entries.push_back({std::string(name), std::string(value)});
  }
  return fields;
}

std::expected<void, HttpError> ResponseReader::choose_framing() {
  const bool has_none = is_head_ || status_ == 204 || status_ == 304;
  if (has_none) {
    state_ = State::Over;
    return {};
  }
  if (const std::string* coding = headers_->find("transfer-encoding")) {
    if (!same_name(trim(*coding), "chunked"))
      return std::unexpected(HttpError::of<HttpError::ResponseTransferCoding>(*coding));
    state_ = State::ChunkSize;
    return {};
  }
  std::optional<u64> length;
  for (const Fields::Entry& e : headers_->entries) {
    if (!same_name(e.name, "content-length")) continue;
    const auto n = number(e.value, 10);
    if (!n || (length && *length != *n)) return malformed();
    length = n;
  }
  if (!length) {
    state_ = State::UntilClose;
    return {};
  }
  remaining_ = *length;
  state_ = remaining_ == 0 ? State::Over : State::Length;
  return {};
}

std::expected<void, HttpError> ResponseReader::take_head() {
  const std::string_view rest = std::string_view(buffer_).substr(at_);
  const size_t end = rest.find("\r\n\r\n");
  if (end == std::string_view::npos) {
    if (rest.size() > kMaxHead)
      return std::unexpected(HttpError::of<HttpError::ResponseHeaderSectionSize>(static_cast<u32>(rest.size())));
    return has_ended_ ? incomplete() : std::expected<void, HttpError>();
  }
  if (end > kMaxHead)
    return std::unexpected(HttpError::of<HttpError::ResponseHeaderSectionSize>(static_cast<u32>(end)));
  const std::string_view head = rest.substr(0, end + 2);
  const size_t line_end = head.find("\r\n");
  const std::string_view line = head.substr(0, line_end);
  if (line.size() < 12 || !(line.starts_with("HTTP/1.1 ") || line.starts_with("HTTP/1.0 "))) return malformed();
  const auto status = number(line.substr(9, 3), 10);
  if (!status || *status < 100 || (line.size() > 12 && line[12] != ' ')) return malformed();
  headers_ = TRY(parse_fields(head.substr(line_end + 2)));
  status_ = static_cast<u16>(*status);
  at_ += end + 4;
  compact();
  // What only announces the response is passed over; nobody asked for another protocol.
  if (status_ == 101) return malformed();
  if (status_ < 200) return take_head();
  return choose_framing();
}

std::expected<std::optional<std::string_view>, HttpError> ResponseReader::take_line() {
  const std::string_view rest = std::string_view(buffer_).substr(at_);
  const size_t end = rest.find("\r\n");
  if (end == std::string_view::npos) {
    if (rest.size() > kMaxChunkLine) return malformed();
    if (has_ended_) return incomplete();
    return std::nullopt;
  }
  at_ += end + 2;
  return rest.substr(0, end);
}

std::expected<void, HttpError> ResponseReader::advance() {
  if (failure_) return std::unexpected(*failure_);
  auto ok = go_on();
  if (!ok) failure_ = ok.error();
  return ok;
}

std::expected<void, HttpError> ResponseReader::go_on() {
  for (;;) {
    switch (state_) {
      case State::Head:
        TRY(take_head());
        if (state_ == State::Head) return {};
        break;
      case State::ChunkSize: {
        const auto line = TRY(take_line());
        if (!line) return {};
        const auto size = number(trim(line->substr(0, line->find(';'))), 16);
        if (!size) return malformed();
        remaining_ = *size;
        state_ = *size == 0 ? State::Trailers : State::ChunkData;
        break;
      }
      case State::ChunkEnd: {
        const auto line = TRY(take_line());
        if (!line) return {};
        if (!line->empty()) return malformed();
        state_ = State::ChunkSize;
        break;
      }
      case State::Trailers: {
        const auto line = TRY(take_line());
        if (!line) return {};
        if (!line->empty()) {
          trailer_lines_ += std::string(*line) + "\r\n";
          if (trailer_lines_.size() > kMaxHead) return malformed();
          break;
        }
        if (!trailer_lines_.empty()) trailers_ = TRY(parse_fields(trailer_lines_));
        state_ = State::Over;
        break;
      }
      case State::Length:
      case State::ChunkData:
        if (has_ended_ && held() == 0) return incomplete();
        return {};
      case State::UntilClose:
        if (has_ended_ && held() == 0) state_ = State::Over;
        return {};
      case State::Over: return {};
    }
  }
}

bool ResponseReader::is_readable() const {
  switch (state_) {
    case State::Length:
    case State::ChunkData:
    case State::UntilClose: return held() > 0;
    case State::Over: return true;
    default: return false;
  }
}

std::expected<size_t, HttpError> ResponseReader::read(std::span<u8> out) {
  TRY(advance());
  if (state_ != State::Length && state_ != State::ChunkData && state_ != State::UntilClose) return size_t{0};
  size_t n = std::min(out.size(), held());
  if (state_ != State::UntilClose) n = static_cast<size_t>(std::min<u64>(n, remaining_));
  std::copy_n(buffer_.begin() + static_cast<ptrdiff_t>(at_), n, out.begin());
  at_ += n;
  if (state_ != State::UntilClose) {
    remaining_ -= n;
    if (remaining_ == 0) state_ = state_ == State::Length ? State::Over : State::ChunkEnd;
  }
  compact();
  return n;
}

// What was taken goes, when it is most of what is there.
void ResponseReader::compact() {
  if (at_ < 4096 || at_ * 2 < buffer_.size()) return;
  buffer_.erase(0, at_);
  at_ = 0;
}

}  // namespace berth::wasi_http
