#include "os/fault.h"

#include <gtest/gtest.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "os/memory.h"

namespace berth::os {
namespace {

// A handler that makes the page accessible and lets the access happen again.
struct Lazy {
  Reservation memory;
  int faults = 0;
};
bool make_accessible(Fault& fault, void* data) {
  auto& lazy = *static_cast<Lazy*>(data);
  if (fault.kind() != FaultKind::Memory || !lazy.memory.contains(fault.address())) return false;
  ++lazy.faults;
  return mprotect(lazy.memory.base(), lazy.memory.size(), PROT_READ | PROT_WRITE) == 0;
}

TEST(Fault, HandlerClaimsItsOwn) {
  static Lazy* lazy = new Lazy{std::move(*Reservation::reserve(65536)), 0};
  ASSERT_TRUE(ensure_signal_stack());
  ASSERT_TRUE(add_fault_handler(make_accessible, lazy));
  *reinterpret_cast<volatile u8*>(lazy->memory.base() + 100) = 5;
  EXPECT_EQ(lazy->faults, 1);
  std::thread([] {
    ASSERT_TRUE(ensure_signal_stack());
    ASSERT_TRUE(lazy->memory.protect(0, 65536, Access::None));
    EXPECT_EQ(*reinterpret_cast<volatile u8*>(lazy->memory.base() + 100), 5);
  }).join();
  EXPECT_EQ(lazy->faults, 2);
}

// Ends a loop that looks at nothing else by moving the thread elsewhere.
struct Spin {
  std::atomic<int> thread{0};
  std::atomic<bool> go_on{true};
  std::atomic<int> nudges{0};
};
Spin g_spin;
bool stop_spinning(Fault& fault, void*) {
  if (fault.kind() != FaultKind::Nudge) return false;
  ++g_spin.nudges;
  g_spin.go_on = false;
  return true;
}

TEST(Fault, NudgeReachesAThread) {
  ASSERT_TRUE(add_fault_handler(stop_spinning, nullptr));
  std::thread spinning([] {
    ASSERT_TRUE(ensure_signal_stack());
    g_spin.thread = this_thread();
    while (g_spin.go_on) {
    }
  });
  while (g_spin.thread == 0) std::this_thread::yield();
  nudge(g_spin.thread);
  spinning.join();
  EXPECT_EQ(g_spin.nudges, 1);
  nudge(g_spin.thread);  // gone
  raise(SIGURG);         // somebody else's
  EXPECT_EQ(g_spin.nudges, 1);
}

#if defined(__x86_64__)
bool skip_trap(Fault& fault, void*) {
  if (fault.kind() != FaultKind::Illegal) return false;
  fault.set_pc(fault.pc() + 2);
  return true;
}

TEST(Fault, IllegalInstructionsAreFaults) {
  ASSERT_TRUE(add_fault_handler(skip_trap, nullptr));
  asm volatile("ud2");
}
#endif

#if !defined(__has_feature) || !(__has_feature(address_sanitizer) || __has_feature(thread_sanitizer))
int signal_of(void (*body)()) {
  const pid_t child = fork();
  if (child == 0) {
    (void)add_fault_handler([](Fault&, void*) { return false; }, nullptr);
    body();
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

TEST(Fault, UnclaimedOnesEndTheProcess) {
  EXPECT_EQ(signal_of([] {
              *reinterpret_cast<volatile int*>(u64{8}) = 1; /* NOLINT(performance-no-int-to-ptr) */
            }),
            SIGSEGV);
  EXPECT_EQ(signal_of([] { kill(getpid(), SIGSEGV); }), SIGSEGV);
  EXPECT_EQ(signal_of([] { kill(getpid(), SIGFPE); }), SIGFPE);
}

#endif

}  // namespace
}  // namespace berth::os
