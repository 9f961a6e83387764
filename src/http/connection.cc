#include "http/connection.h"

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace berth::http {

namespace {
constexpr size_t kReadAtOnce = size_t{64} << 10;
constexpr size_t kMaxInput = size_t{64} << 10;
constexpr size_t kKeptForSpeed = size_t{4} << 10;
// How long a client may take to read what was said last, so that it is not lost to a reset.
constexpr u64 kLingerTime = u64{2} * 1'000'000'000;
constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
}  // namespace

Connection::Connection(Loop& loop, int fd, std::string peer, std::unique_ptr<TlsSession> tls, const Settings& settings,
                       Handler& handler, ConnectionOwner& owner)
    : Task(loop),
      loop_(loop),
      fd_(fd),
      peer_(std::move(peer)),
      tls_(std::move(tls)),
      settings_(settings),
      handler_(handler),
      owner_(owner),
      read_timer_(loop,
                  [this] {
                    if (lingers_ || protocol_ == nullptr) return close();
                    protocol_->on_late();
                  }),
      write_timer_(loop, [this] { close(); }) {}

Connection::~Connection() { close(); }

void Connection::start() {
  if (!loop_.add(fd_, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, *this)) return close();
  set_read_deadline(loop_.now() + settings_.head_timeout);
  // What was sent with the connection is often there already.
  may_read_ = true;
  schedule();
}

void Connection::consume(size_t bytes) {
  in_at_ += bytes;
  if (in_at_ == in_.size()) {
    in_.clear();
    in_at_ = 0;
  } else if (in_at_ >= kMaxInput / 2) {
    in_.erase(0, in_at_);
    in_at_ = 0;
  }
}

void Connection::shrink() {
  if (in_.empty() && in_.capacity() > kKeptForSpeed) in_.shrink_to_fit();
  if (out_.empty() && out_.capacity() > kKeptForSpeed) out_.shrink_to_fit();
}

void Connection::close() {
  if (fd_ < 0) return;
  if (tls_ != nullptr) tls_->shut_down();
  loop_.remove(fd_, *this);
  ::close(fd_);
  fd_ = -1;
  read_timer_.cancel();
  write_timer_.cancel();
  if (protocol_ != nullptr) protocol_->on_closed();
  schedule();  // to be taken away
}

void Connection::close_after_flush() {
  if (closes_ || fd_ < 0) return;
  closes_ = true;
  schedule();
}

// Closing while input is unread would have the kernel send a reset, which may overtake the response.
void Connection::linger() {
  if (lingers_) return;
  if (has_ended_) return close();
  lingers_ = true;
  if (tls_ != nullptr) tls_->shut_down();
  ::shutdown(fd_, SHUT_WR);
  set_read_deadline(loop_.now() + kLingerTime);
  may_read_ = true;
  receive();
}

void Connection::drain() {
  drains_ = true;
  if (protocol_ != nullptr) {
    protocol_->drain();
  } else {
    close();
  }
}

void Connection::resume_input() {
  if (may_read_) schedule();
}

// Tells the two versions apart by the first bytes, or by what TLS has agreed on.
void Connection::choose_protocol() {
  bool is_http2 = false;
  if (tls_ != nullptr) {
    if (!tls_->has_shaken_hands()) return;
    is_http2 = tls_->is_http2();
  } else {
    const std::string_view start = input();
    if (start.size() < kPreface.size() && kPreface.starts_with(start) && !has_ended_) return;
    is_http2 = start.starts_with(kPreface);
  }
  protocol_ = is_http2 ? make_http2(*this) : make_http1(*this);
  if (drains_) protocol_->drain();
}

void Connection::receive() {
  static thread_local std::array<char, kReadAtOnce> buffer;
  while (fd_ >= 0 && may_read_ && !has_ended_) {
    const bool wants = lingers_ || protocol_ == nullptr || (!closes_ && protocol_->wants_input());
    if (!wants || (in_.size() - in_at_ >= kMaxInput && !lingers_)) return;
    size_t moved = 0;
    Moved how = Moved::Some;
    if (tls_ != nullptr && !lingers_) {
      how = tls_->read(buffer, &moved);
    } else {
      const ssize_t n = ::recv(fd_, buffer.data(), buffer.size(), 0);
      if (n > 0) {
        moved = static_cast<size_t>(n);
      } else if (n == 0) {
        how = Moved::End;
      } else if (errno == EINTR) {
        continue;
      } else {
        how = errno == EAGAIN ? Moved::Again : Moved::Failed;
      }
    }
    if (how == Moved::Failed) return close();
    if (how == Moved::End) {
      has_ended_ = true;
      may_read_ = false;
      if (lingers_) return close();
    }
    if (how == Moved::Again) may_read_ = false;
    if (lingers_) continue;
    if (how == Moved::Some) in_.append(buffer.data(), moved);
    // A read that did not fill the buffer has taken all there was; the next comes with an event.
    if (how == Moved::Some && tls_ == nullptr && moved < buffer.size() && !sees_end_) may_read_ = false;
    if (protocol_ == nullptr && (how != Moved::Again || tls_ != nullptr)) choose_protocol();
    if (protocol_ == nullptr) {
      if (has_ended_) return close();
      continue;
    }
    if (how == Moved::Again) return;
    protocol_->on_input();
  }
}

void Connection::push() {
  while (fd_ >= 0 && pending() > 0) {
    const std::string_view rest = std::string_view(out_).substr(out_at_);
    size_t moved = 0;
    if (tls_ != nullptr) {
      const Moved how = tls_->write(rest, &moved);
      if (how == Moved::Again) break;
      if (how != Moved::Some) return close();
    } else {
      const ssize_t n = ::send(fd_, rest.data(), rest.size(), MSG_NOSIGNAL);
      if (n < 0) {
        if (errno == EINTR) continue;
        if (errno == EAGAIN) break;
        return close();
      }
      moved = static_cast<size_t>(n);
    }
    out_at_ += moved;
    write_timer_.set(loop_.now() + settings_.io_timeout);
  }
  if (fd_ < 0) return;
  if (pending() == 0) {
    out_.clear();
    out_at_ = 0;
    write_timer_.cancel();
  } else {
    if (write_timer_.deadline() == Timer::kNever) write_timer_.set(loop_.now() + settings_.io_timeout);
    if (out_at_ > kBodyBuffer) {
      out_.erase(0, out_at_);
      out_at_ = 0;
    }
  }
}

// Whether there is room for more.
bool Connection::flush() {
  if (fd_ < 0) return false;
  for (int round = 0; round < 4 && fd_ >= 0; ++round) {
    if (protocol_ != nullptr && pending() < kBodyBuffer) protocol_->fill();
    if (fd_ < 0) return false;
    const size_t before = pending();
    if (before == 0) break;
    push();
    if (fd_ < 0 || pending() > 0) break;
  }
  return fd_ >= 0 && pending() < kBodyBuffer;
}

void Connection::on_ready(u32 events) {
  if (fd_ < 0) return;
  if ((events & EPOLLERR) != 0) return close();
  if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP)) != 0) {
    may_read_ = true;
    if ((events & (EPOLLRDHUP | EPOLLHUP)) != 0) sees_end_ = true;
    receive();
  } else if (tls_ != nullptr && protocol_ == nullptr) {
    may_read_ = true;  // the handshake may wait for room
    receive();
  }
  if (fd_ >= 0 && ((events & EPOLLOUT) != 0 || pending() > 0)) schedule();
}

void Connection::run() {
  if (fd_ >= 0 && may_read_) receive();
  if (flush() && protocol_ != nullptr) protocol_->on_flushed();
  if (fd_ >= 0 && closes_ && pending() == 0) linger();
  if (fd_ < 0) owner_.on_connection_closed(*this);
}

}  // namespace berth::http
