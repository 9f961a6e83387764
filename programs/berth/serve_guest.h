// Guests on fibers of an event loop: one that waits, or that computes for long, lets the others of its thread go on.
// All of the loop's thread, but for what the clock's thread looks at.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "hostio/wait.h"
#include "http/loop.h"
#include "os/fiber.h"
#include "os/timer.h"
#include "runtime/store.h"

namespace berth::cli {

class Guest;

// What runs in one thread now, for the clock of all threads: it has guests that have run for a slice give way, and
// stops those whose time is over.
class Turns {
 public:
  // For the whole process; as long as it lives.
  class Clock {
   public:
    explicit Clock(u64 slice_ns) : slice_ns_(slice_ns) {}
    ~Clock() { alarm_.cancel(); }
    void add(Turns& turns);
    void remove(Turns& turns);

   private:
    friend class Turns;
    void start();
    bool tick();
    const u64 slice_ns_;
    std::mutex start_mutex_;
    std::mutex mutex_;
    std::vector<Turns*> all_;
    std::atomic<bool> ticks_ = false;
    int idle_ticks_ = 0;
    os::Alarm alarm_;
  };

  explicit Turns(Clock& clock) : clock_(clock) { clock.add(*this); }
  ~Turns() { clock_.remove(*this); }
  Turns(const Turns&) = delete;

  // Stacks for guests: one that nothing runs on, or a new one.
  std::unique_ptr<os::Fiber> take_fiber();
  void give_back(std::unique_ptr<os::Fiber> fiber);

 private:
  friend class Guest;
  void begin(runtime::Store* store, u64 deadline);
  void end();
  // Whether a guest was running.
  bool look(u64 now);

  Clock& clock_;
  std::mutex mutex_;
  runtime::Store* store_ = nullptr;
  bool is_running_ = false;
  u64 deadline_ = 0;
  u64 run_ = 0;       // counts how often a guest was gone on with
  u64 seen_run_ = 0;  // at the last tick
  std::vector<std::unique_ptr<os::Fiber>> idle_;
};

// One call of a guest, from its start to its end, on a fiber.
class Guest final : private http::Task, public hostio::Waiter {
 public:
  // `body` runs on the fiber, `ended` afterwards on the loop's own stack; it may end the guest's life.
  Guest(http::Loop& loop, Turns& turns, std::function<void()> body, std::function<void()> ended);
  // It has ended, or never begun.
  ~Guest();

  // In the loop's next round.
  void start();
  // What it waits for may have come.
  void wake();
  // From then on whatever it does is over: waits fail with Canceled, and its code is interrupted.
  void set_deadline(u64 when) { deadline_.set(when); }
  // The same at once.
  void stop();
  bool is_stopped() const { return is_stopped_; }
  bool has_ended() const { return has_ended_; }

  // From the body: the store whose code runs, to be interrupted; null: none.
  void set_store(runtime::Store* store);

  // hostio::Waiter, from the body
  hostio::Io<size_t> wait(std::span<pollfd> fds, std::optional<u64> deadline) override;
  bool interrupted() const override { return is_stopped_; }

 private:
  struct Watch;
  void run() override;
  void pause();

  http::Loop& loop_;
  Turns& turns_;
  std::function<void()> body_, ended_;
  std::unique_ptr<os::Fiber> fiber_;
  runtime::Store* store_ = nullptr;
  http::Timer deadline_, alarm_;
  bool is_stopped_ = false;
  bool has_ended_ = false;
  bool is_waiting_ = false;
  bool was_woken_ = false;  // while it did not wait
};

}  // namespace berth::cli
