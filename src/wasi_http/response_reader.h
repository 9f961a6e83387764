// Reads the response of an HTTP/1.1 exchange from its bytes as they arrive (RFC 9112). No connection, no state shared.
#pragma once

#include "wasi_http/types.h"

namespace berth::wasi_http {

class ResponseReader {
 public:
  // `is_head`: the request was one that has no body in its answer.
  explicit ResponseReader(bool is_head) : is_head_(is_head) {}

  // The next bytes, or that there are no more.
  void add(std::string_view bytes) { buffer_.append(bytes); }
  void end() { has_ended_ = true; }
  // Bytes that were added and nobody has taken.
  size_t held() const { return buffer_.size() - at_; }

  // Goes on as far as it can. Fails for what is no response; again and again then.
  std::expected<void, HttpError> advance();
  bool has_head() const { return state_ > State::Head; }
  u16 status() const { return status_; }
  const Ref<Fields>& headers() const { return headers_; }
  const Ref<Fields>& trailers() const { return trailers_; }  // null: none

  // Takes what is there of the body; 0 when nothing is. `is_over` when all has been taken.
  std::expected<size_t, HttpError> read(std::span<u8> out);
  bool is_over() const { return state_ == State::Over; }
  // Whether `read` would give something, or the end.
  bool is_readable() const;

 private:
  enum class State : u8 { Head, Length, UntilClose, ChunkSize, ChunkData, ChunkEnd, Trailers, Over };

  std::expected<void, HttpError> go_on();
  std::expected<void, HttpError> take_head();
  // A line without its end; nothing while it is not there.
  std::expected<std::optional<std::string_view>, HttpError> take_line();
  static std::expected<Ref<Fields>, HttpError> parse_fields(std::string_view lines);
  std::expected<void, HttpError> choose_framing();
  void compact();

  const bool is_head_;
  std::string buffer_;
  size_t at_ = 0;
  bool has_ended_ = false;
  State state_ = State::Head;
  u16 status_ = 0;
  Ref<Fields> headers_, trailers_;
  u64 remaining_ = 0;  // of the body, or of a chunk
  std::string trailer_lines_;
  std::optional<HttpError> failure_;
};

}  // namespace berth::wasi_http
