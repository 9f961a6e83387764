// One request and its response, as whoever answers sees them, whatever version of HTTP carries them.
//
// Nothing here waits. Bytes of the request's body are kept until they are read, up to a limit at which the client is
// held back; bytes of the response until the client takes them, up to what `room` says. The loop's thread.
#pragma once

#include <span>

#include "http/message.h"

namespace berth::http {

// Told what happens to an exchange. Calls may come from within those that are made of the exchange.
class ExchangeUser {
 public:
  // More of the body can be read, or it has ended.
  virtual void on_readable() = 0;
  // There is room again, or nobody takes the response any more.
  virtual void on_writable() = 0;
  // The client has gone, or the response can no longer be sent. The exchange must not be used afterwards.
  virtual void on_gone() = 0;

 protected:
  ~ExchangeUser() = default;
};

class Exchange {
 public:
  enum class Body : u8 {
    Open,     // more may come
    Over,     // all of it was read, and trailers are there
    Failed,   // it will never be complete
    TooLong,  // it is longer than allowed
  };

  const RequestHead& request() const { return request_; }
  // "127.0.0.1:40000"; empty when it is not known.
  virtual std::string_view peer() const = 0;

  // Whom to tell; null: nobody, and what is not answered yet is given up.
  void set_user(ExchangeUser* user) { user_ = user; }

  // --- the request's body

  // Longer ones end as TooLong.
  void limit_body(u64 bytes) { max_body_ = bytes; }
  // Takes what is there; 0: nothing is. A client that waits for permission to send gets it.
  virtual size_t read(std::span<u8> out) = 0;
  // As far as it has been read.
  virtual Body body() const = 0;
  // Whether `read` would give something, or `body` is not Open.
  virtual bool is_readable() const = 0;
  const Fields& trailers() const { return trailers_; }

  // --- the response

  // An informational response, before `respond`; those who know none are not sent any.
  virtual void inform(u16 status, const Fields& fields) = 0;
  // Its head. Without a `length` there may be any number of bytes. A body that is not to be sent (of HEAD, 204, 304) is
  // taken and left aside.
  virtual void respond(u16 status, const Fields& fields, std::optional<u64> length) = 0;
  bool has_responded() const { return status_ != 0; }
  u16 status() const { return status_; }
  u64 sent() const { return sent_; }  // bytes of the body
  // How much may be written now.
  virtual size_t room() const = 0;
  virtual void write(std::string_view bytes) = 0;
  // No more is written. The exchange must not be used afterwards.
  virtual void finish(const Fields& trailers) = 0;
  // The client must not take what it has got for the whole. The exchange must not be used afterwards.
  virtual void abort() = 0;

 protected:
  ~Exchange() = default;
  RequestHead request_;
  Fields trailers_;
  ExchangeUser* user_ = nullptr;
  u64 max_body_ = ~u64{0};
  u16 status_ = 0;
  u64 sent_ = 0;
};

// Answers requests: the whole response at once.
void answer(Exchange& exchange, u16 status, Fields fields, std::string_view body);

// Takes requests.
class Handler {
 public:
  // The request's head is there. The handler answers now or later; it sets a user when that is later.
  virtual void on_request(Exchange& exchange) = 0;
  // A request that was refused before it became an exchange, for the log.
  virtual void on_refused(const RequestHead& request, std::string_view peer, u16 status) = 0;

 protected:
  ~Handler() = default;
};

}  // namespace berth::http
