#include "os/fiber.h"

#include <atomic>
#include <boost/context/detail/fcontext.hpp>
#include <mutex>
#include <utility>
#include <vector>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define BERTH_ASAN 1
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#if __has_feature(thread_sanitizer)
#define BERTH_TSAN 1
#include <sanitizer/tsan_interface.h>
#endif
#endif

namespace berth::os {

namespace ctx = boost::context::detail;

namespace {

constexpr u64 kGuardBytes = Fiber::kGuardBytes;
constexpr u64 kPooledBytes = u64{64} << 20;

// Stacks given back, for the next fibers of the same size. Their pages stay, so reuse is cheap.
class StackPool {
 public:
  static StackPool& instance() {
    static StackPool* pool = new StackPool;
    return *pool;
  }
  Result<Reservation> take(u64 bytes) {
    {
      const std::lock_guard lock(mutex_);
      for (size_t i = free_.size(); i-- > 0;) {
        if (free_[i].size() != bytes + kGuardBytes) continue;
        Reservation found = std::move(free_[i]);
        free_[i] = std::move(free_.back());
        free_.pop_back();
        held_ -= found.size();
        return found;
      }
    }
    Reservation fresh = TRY(Reservation::reserve(bytes + kGuardBytes));
    TRY(fresh.commit(kGuardBytes, bytes));
    return fresh;
  }
  void give_back(Reservation stack) {
    const std::lock_guard lock(mutex_);
    if (held_ + stack.size() > kPooledBytes) return;
    held_ += stack.size();
    free_.push_back(std::move(stack));
  }

 private:
  std::mutex mutex_;
  std::vector<Reservation> free_;
  u64 held_ = 0;
};

thread_local ExecutionStack t_own_stack;
thread_local ExecutionStack* t_current_stack = nullptr;
thread_local Fiber* t_current_fiber = nullptr;
std::atomic<Fiber::Exchange> g_exchange = nullptr;

}  // namespace

// Tells the sanitizers about a switch; empty without them.
struct Fiber::Switch {
#ifdef BERTH_ASAN
  static void start(void** save, const ExecutionStack& to) {
    __sanitizer_start_switch_fiber(save, to.low_, static_cast<size_t>(to.high_ - to.low_));
  }
  static void finish(void* saved, ExecutionStack* from) {
    const void* bottom = nullptr;
    size_t size = 0;
    __sanitizer_finish_switch_fiber(saved, &bottom, &size);
    if (from != nullptr) {
      from->low_ = static_cast<const u8*>(bottom);
      from->high_ = from->low_ + size;
    }
  }
#else
  static void start(void**, const ExecutionStack&) {}
  static void finish(void*, ExecutionStack*) {}
#endif
#ifdef BERTH_TSAN
  // Inlined: the sanitizer counts a function's entry and exit on the stack that it runs on then.
  [[gnu::always_inline]] static void note(ExecutionStack& from, ExecutionStack& to) {
    if (from.tsan_ == nullptr) from.tsan_ = __tsan_get_current_fiber();
    if (to.tsan_ == nullptr) to.tsan_ = __tsan_create_fiber(0);
    __tsan_switch_to_fiber(to.tsan_, 0);
  }
#else
  static void note(ExecutionStack&, ExecutionStack&) {}
#endif

  // First frame of every fiber.
  static void entry(ctx::transfer_t from) {
    Fiber& self = *static_cast<Fiber*>(from.data);
    finish(nullptr, self.resumer_);
    self.resumer_context_ = from.fctx;
    self.resumer_->saved_sp_ = from.fctx;
    self.body_(self);
    self.body_ = nullptr;
    self.done_ = true;
    note(self.stack_, *self.resumer_);
    start(nullptr, *self.resumer_);  // null: this stack will not run again
    ctx::jump_fcontext(self.resumer_context_, nullptr);
    __builtin_unreachable();
  }
};

ExecutionStack& ExecutionStack::current() {
  if (t_current_stack == nullptr) [[unlikely]]
    t_current_stack = &t_own_stack;
  return *t_current_stack;
}

Result<std::unique_ptr<Fiber>> Fiber::create(u64 stack_bytes, std::function<void(Fiber&)> body) {
  const u64 bytes = round_to_pages(stack_bytes);
  std::unique_ptr<Fiber> fiber(new Fiber);
  fiber->mapping_ = TRY(StackPool::instance().take(bytes));
  fiber->body_ = std::move(body);
  fiber->stack_.low_ = fiber->mapping_.base() + kGuardBytes;
  fiber->stack_.high_ = fiber->stack_.low_ + bytes;
  return fiber;
}

Fiber::~Fiber() {
  CHECK(done_ || !started_);
#ifdef BERTH_ASAN
  __asan_unpoison_memory_region(stack_.low_, static_cast<size_t>(stack_.high_ - stack_.low_));
#endif
#ifdef BERTH_TSAN
  if (stack_.tsan_ != nullptr) __tsan_destroy_fiber(stack_.tsan_);
#endif
  StackPool::instance().give_back(std::move(mapping_));
}

void Fiber::restart(std::function<void(Fiber&)> body) {
  CHECK(done_ || !started_);
#ifdef BERTH_ASAN
  __asan_unpoison_memory_region(stack_.low_, static_cast<size_t>(stack_.high_ - stack_.low_));
#endif
#ifdef BERTH_TSAN
  // It would count one more function that has been entered and not left.
  if (stack_.tsan_ != nullptr) __tsan_destroy_fiber(std::exchange(stack_.tsan_, nullptr));
#endif
  body_ = std::move(body);
  started_ = done_ = false;
}

Fiber* Fiber::current() { return t_current_fiber; }

void Fiber::set_exchange(Exchange exchange) { g_exchange.store(exchange, std::memory_order_relaxed); }

void Fiber::resume() {
  CHECK(!running_ && !done_);
  if (!started_) {
    started_ = true;
    u8* top = mapping_.base() + mapping_.size();
    context_ = ctx::make_fcontext(top, static_cast<size_t>(stack_.high_ - stack_.low_), Switch::entry);
  }
  running_ = true;
  resumer_ = &ExecutionStack::current();
  outer_ = t_current_fiber;
  t_current_stack = &stack_;
  t_current_fiber = this;
  const Exchange exchange = g_exchange.load(std::memory_order_relaxed);
  void* const noted = exchange != nullptr ? exchange(noted_) : nullptr;

  void* fake_stack = nullptr;
  Switch::note(*resumer_, stack_);
  Switch::start(&fake_stack, stack_);
  const ctx::transfer_t back = ctx::jump_fcontext(context_, this);
  Switch::finish(fake_stack, nullptr);

  context_ = back.fctx;
  stack_.saved_sp_ = back.fctx;
  running_ = false;
  t_current_stack = resumer_;
  t_current_fiber = outer_;
  if (exchange != nullptr) noted_ = exchange(noted);
}

void Fiber::suspend() {
  CHECK(running_ && t_current_fiber == this);
  void* fake_stack = nullptr;
  Switch::note(stack_, *resumer_);
  Switch::start(&fake_stack, *resumer_);
  const ctx::transfer_t back = ctx::jump_fcontext(resumer_context_, nullptr);
  Switch::finish(fake_stack, resumer_);
  resumer_context_ = back.fctx;
  resumer_->saved_sp_ = back.fctx;
}

__attribute__((noinline)) void with_registers_on_stack(void (*function)(const void*, void*), void* data) {
  __builtin_unwind_init();  // saves all callee-saved registers in this frame
  const void* stack_pointer = nullptr;
#if defined(__x86_64__)
  asm volatile("mov %%rsp, %0" : "=r"(stack_pointer));
#elif defined(__aarch64__)
  asm volatile("mov %0, sp" : "=r"(stack_pointer));
#else
#error "needs the stack pointer of this architecture"
#endif
  function(stack_pointer, data);
  asm volatile("" ::: "memory");  // not a tail call: this frame must stay
}

}  // namespace berth::os
