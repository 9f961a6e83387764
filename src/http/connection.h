// A connection of a client: bytes in and out, in the clear or over TLS, and how long each may take. What the bytes mean
// is the business of a Protocol. The loop's thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "http/exchange.h"
#include "http/loop.h"
#include "http/tls.h"

namespace berth::http {

struct Settings {
  size_t max_head = size_t{32} << 10;  // bytes of a request's fields
  u32 max_streams = 128;               // requests at once on a connection of HTTP/2
  u64 head_timeout = u64{10} * 1'000'000'000;
  u64 idle_timeout = u64{75} * 1'000'000'000;
  u64 io_timeout = u64{30} * 1'000'000'000;  // without any byte of a body going either way
};

// What is kept of a body in each direction.
inline constexpr size_t kBodyBuffer = size_t{64} << 10;

class Connection;

class Protocol {
 public:
  virtual ~Protocol() = default;
  // There is more input, or it has ended.
  virtual void on_input() = 0;
  // Puts what there is to send into Connection::out().
  virtual void fill() = 0;
  // Output has gone out.
  virtual void on_flushed() = 0;
  // The moment set with Connection::set_read_deadline.
  virtual void on_late() = 0;
  // No more requests are taken.
  virtual void drain() = 0;
  // The connection has ended; everybody is told.
  virtual void on_closed() = 0;
  // More input is of use now.
  virtual bool wants_input() const = 0;
};

class ConnectionOwner {
 public:
  virtual void on_connection_closed(Connection& connection) = 0;

 protected:
  ~ConnectionOwner() = default;
};

class Connection final : private Watcher, private Task {
 public:
  // Takes the descriptor, which does not block. `tls` null: in the clear.
  Connection(Loop& loop, int fd, std::string peer, std::unique_ptr<TlsSession> tls, const Settings& settings,
             Handler& handler, ConnectionOwner& owner);
  ~Connection();
  void start();

  Loop& loop() const { return loop_; }
  const Settings& settings() const { return settings_; }
  Handler& handler() const { return handler_; }
  const std::string& peer() const { return peer_; }
  bool is_secure() const { return tls_ != nullptr; }

  // Input that nobody has taken.
  std::string_view input() const { return std::string_view(in_).substr(in_at_); }
  void consume(size_t bytes);
  bool has_ended() const { return has_ended_; }

  // What is to be sent; `schedule_flush` after adding to it.
  std::string& out() { return out_; }
  size_t pending() const { return out_.size() - out_at_; }
  void schedule_flush() { schedule(); }
  // Sends what can be sent, without telling anybody.
  void push();
  // Asks for input again, after there was no use for it.
  void resume_input();
  // The connection ends once everything has been sent; input is left aside.
  void close_after_flush();
  void close();
  bool is_closed() const { return fd_ < 0; }
  bool is_closing() const { return closes_; }

  void drain();
  // Protocol::on_late is called then.
  void set_read_deadline(u64 when) { read_timer_.set(when); }
  void clear_read_deadline() { read_timer_.cancel(); }
  // Lets go of what is kept for speed.
  void shrink();

 private:
  void on_ready(u32 events) override;
  void run() override;
  void choose_protocol();
  void receive();
  bool flush();
  void linger();

  Loop& loop_;
  int fd_;
  const std::string peer_;
  std::unique_ptr<TlsSession> tls_;
  const Settings& settings_;
  Handler& handler_;
  ConnectionOwner& owner_;
  std::unique_ptr<Protocol> protocol_;
  std::string in_;
  size_t in_at_ = 0;
  std::string out_;
  size_t out_at_ = 0;
  bool may_read_ = false;
  bool sees_end_ = false;  // no event will tell of it again
  bool has_ended_ = false;
  bool closes_ = false;
  bool lingers_ = false;
  bool drains_ = false;
  Timer read_timer_, write_timer_;
};

std::unique_ptr<Protocol> make_http1(Connection& connection);
std::unique_ptr<Protocol> make_http2(Connection& connection);

}  // namespace berth::http
