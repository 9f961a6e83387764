// Requests of HTTP/1.1 and 1.0 from their bytes as they arrive (RFC 9112). The grammar is Boost.Beast's; what is
// refused beyond it, and what a request turns out to be, is said here. One thread at a time; no descriptors.
#pragma once

#include <memory>

#include "http/message.h"

namespace berth::http {

class RequestParser {
 public:
  enum class State : u8 { Head, Body, Over, Refused };

  // `max_head`: bytes of the first line and all fields, and of the trailers.
  explicit RequestParser(size_t max_head);
  ~RequestParser();

  // For the next request.
  void reset();

  // Takes bytes from the start of `input` and returns how many; those that are not taken are given again, with more
  // behind them. Of a body at most `room` bytes are appended to `body`. Stops after the head.
  size_t feed(std::string_view input, RequestHead& head, std::string& body, size_t room, Fields& trailers);

  State state() const { return state_; }
  // The code to answer with when it is Refused.
  u16 refusal() const { return refusal_; }
  // Once the head is there: whether another request may follow, and whether the client waits for a 100.
  bool keeps_alive() const { return keeps_alive_; }
  bool expects_continue() const { return expects_continue_; }
  // Whether some of a request has been read.
  bool has_begun() const { return has_begun_; }

 private:
  struct Impl;
  void refuse(u16 status);
  void finish_head(RequestHead& head);

  const size_t max_head_;
  std::unique_ptr<Impl> impl_;
  State state_ = State::Head;
  u16 refusal_ = 0;
  bool keeps_alive_ = false;
  bool expects_continue_ = false;
  bool has_begun_ = false;
};

}  // namespace berth::http
