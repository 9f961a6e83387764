#include "os/fault.h"

#include <signal.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <mutex>

#include "os/linux/late_call.h"
#include "os/memory.h"

namespace berth::os {

namespace {

constexpr int kSignals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGURG};
// Ignored by default, so a nudge that comes when somebody else has taken the signal over does no harm.
constexpr int kNudge = kNudgeSignal;
static_assert(kSignals[static_cast<u8>(FaultKind::Nudge)] == kNudge);
constexpr u32 kMaxHandlers = 8;

struct Entry {
  FaultHandler handler;
  void* data;
};

// Entries are written before the count that publishes them, and never change afterwards.
Entry g_entries[kMaxHandlers];
std::atomic<u32> g_count{0};
std::mutex g_mutex;
const char g_nudge_mark = 0;  // its address tells nudges from other signals of that number
struct sigaction g_previous[std::size(kSignals)];

// Does with the signal what would have happened without us.
void pass_on(size_t which, int signal, siginfo_t* info, void* context) {
  const struct sigaction& previous = g_previous[which];
  if ((previous.sa_flags & SA_SIGINFO) != 0) {
    previous.sa_sigaction(signal, info, context);
    return;
  }
  const bool sent = info->si_code <= 0;  // by kill(), not by the processor
  if (sent && (previous.sa_handler == SIG_IGN || (previous.sa_handler == SIG_DFL && signal == kNudge))) return;
  if (previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN) {
    previous.sa_handler(signal);
    return;
  }
  // Default: end the process with this signal, core dump and all. A processor's fault happens again
  // as soon as we return; one that was sent has to be sent again.
  struct sigaction fallback{};
  fallback.sa_handler = SIG_DFL;
  sigaction(signal, &fallback, nullptr);
  if (sent) syscall(SYS_tgkill, getpid(), gettid(), signal);
}

void on_signal(int signal, siginfo_t* info, void* context) {
  const int saved_errno = errno;
  if (signal == kNudge && run_late_call(*info)) {
    errno = saved_errno;
    return;
  }
  size_t which = 0;
  while (which + 1 < std::size(kSignals) && kSignals[which] != signal) ++which;
  const bool nudged = signal == kNudge && info->si_code == SI_QUEUE && info->si_value.sival_ptr == &g_nudge_mark;
  if (nudged || (signal != kNudge && info->si_code > 0)) {
    Fault fault(static_cast<FaultKind>(which), nudged ? nullptr : info->si_addr, context);
    for (u32 i = g_count.load(std::memory_order_acquire); i-- > 0;) {
      if (g_entries[i].handler(fault, g_entries[i].data)) {
        errno = saved_errno;
        return;
      }
    }
  }
  if (!nudged) pass_on(which, signal, info, context);
  errno = saved_errno;
}

Result<> install() {
  struct sigaction action{};
  action.sa_sigaction = on_signal;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigemptyset(&action.sa_mask);
  for (size_t i = 0; i < std::size(kSignals); ++i) {
    if (kSignals[i] == kNudge) action.sa_flags |= SA_RESTART;
    if (sigaction(kSignals[i], &action, &g_previous[i]) != 0)
      return fail(os_error(errno, "cannot handle signal " + std::to_string(kSignals[i])));
  }
  return {};
}

// A signal stack for as long as the thread lives.
struct SignalStack {
  Reservation mapping;
  bool ready = false;
  ~SignalStack() {
    if (!mapping) return;
    stack_t none{};
    none.ss_flags = SS_DISABLE;
    sigaltstack(&none, nullptr);
  }
};
thread_local SignalStack t_signal_stack;

constexpr u64 kSignalStackBytes = 64 << 10;

mcontext_t& registers(void* context) { return static_cast<ucontext_t*>(context)->uc_mcontext; }

}  // namespace

#if defined(__x86_64__)
std::uintptr_t Fault::pc() const { return static_cast<std::uintptr_t>(registers(context_).gregs[REG_RIP]); }
std::uintptr_t Fault::sp() const { return static_cast<std::uintptr_t>(registers(context_).gregs[REG_RSP]); }
void Fault::set_pc(std::uintptr_t pc) { registers(context_).gregs[REG_RIP] = static_cast<greg_t>(pc); }
void Fault::set_sp(std::uintptr_t sp) { registers(context_).gregs[REG_RSP] = static_cast<greg_t>(sp); }
void Fault::set_argument(int index, u64 value) {
  registers(context_).gregs[index == 0 ? REG_RDI : REG_RSI] = static_cast<greg_t>(value);
}
#elif defined(__aarch64__)
std::uintptr_t Fault::pc() const { return registers(context_).pc; }
std::uintptr_t Fault::sp() const { return registers(context_).sp; }
void Fault::set_pc(std::uintptr_t pc) { registers(context_).pc = pc; }
void Fault::set_sp(std::uintptr_t sp) { registers(context_).sp = sp; }
void Fault::set_argument(int index, u64 value) { registers(context_).regs[index] = value; }
#else
#error "os/fault.h needs the registers of this architecture"
#endif

#if defined(__x86_64__)
// What the kernel restores, moved from the signal stack to the thread's own: the signal stack is needed by whoever
// runs meanwhile.
extern "C" [[gnu::visibility("hidden")]] const char berth_os_diverted[];
asm(".text\n.globl berth_os_diverted\n.hidden berth_os_diverted\n.type berth_os_diverted,@function\n"
    "berth_os_diverted:\n"
    "callq *%rbx\n"
    "movl $15, %eax\n"  // rt_sigreturn, of what lies at the stack pointer
    "syscall\n"
    "ud2\n"
    ".size berth_os_diverted, .-berth_os_diverted\n");

bool Fault::divert(void (*function)()) {
  // The kernel's own part of a ucontext_t: flags, link, stack, registers, and a mask of 64 signals.
  constexpr size_t kKernelContext = 304;
  constexpr size_t kRedZone = 128, kPlainFloats = 512, kFloatsAlign = 64;
  constexpr u32 kExtended = 0x46505853;  // FP_XSTATE_MAGIC1
  auto* const interrupted = static_cast<ucontext_t*>(context_);
  const auto* const floats = reinterpret_cast<const u8*>(interrupted->uc_mcontext.fpregs);
  if (floats == nullptr) return false;
  u32 software[2];  // _fpx_sw_bytes: the magic number and the size of all
  std::memcpy(software, floats + 464, sizeof software);
  const size_t float_bytes = software[0] == kExtended ? software[1] : kPlainFloats;

  u64 at = (sp() - kRedZone - float_bytes) / kFloatsAlign * kFloatsAlign;
  std::memcpy(reinterpret_cast<void*>(at), floats, float_bytes);
  const u64 floats_at = at;
  at = (at - kKernelContext) / 16 * 16;
  std::memcpy(reinterpret_cast<void*>(at), context_, kKernelContext);
  reinterpret_cast<ucontext_t*>(at)->uc_mcontext.fpregs = reinterpret_cast<fpregset_t>(floats_at);

  set_pc(reinterpret_cast<std::uintptr_t>(berth_os_diverted));
  set_sp(at);
  interrupted->uc_mcontext.gregs[REG_RBX] = static_cast<greg_t>(reinterpret_cast<u64>(function));
  constexpr greg_t kDirection = 1 << 10;  // the flag that calls must find clear
  interrupted->uc_mcontext.gregs[REG_EFL] &= ~kDirection;
  return true;
}
#else
bool Fault::divert(void (*)()) { return false; }
#endif

Result<> add_fault_handler(FaultHandler handler, void* data) {
  const std::lock_guard lock(g_mutex);
  const u32 count = g_count.load(std::memory_order_relaxed);
  if (count == kMaxHandlers) return fail(ErrorCode::LimitExceeded, "too many fault handlers");
  if (count == 0) TRY(install());
  g_entries[count] = {handler, data};
  g_count.store(count + 1, std::memory_order_release);
  return {};
}

Result<> ensure_signal_stack() {
  SignalStack& stack = t_signal_stack;
  if (stack.ready) return {};
  // A blocked fault ends the process, a blocked nudge never arrives.
  sigset_t ours;
  sigemptyset(&ours);
  for (const int signal : kSignals) sigaddset(&ours, signal);
  pthread_sigmask(SIG_UNBLOCK, &ours, nullptr);
  stack_t current{};
  sigaltstack(nullptr, &current);
  if ((current.ss_flags & SS_DISABLE) == 0 && current.ss_size >= kSignalStackBytes / 2) {
    stack.ready = true;  // somebody (a sanitizer, the embedder) already gave it one
    return {};
  }
  // The page below stays inaccessible: overflowing the signal stack must not overwrite anything.
  Reservation mapping = TRY(Reservation::reserve(kSignalStackBytes + page_size()));
  TRY(mapping.commit(page_size(), kSignalStackBytes));
  stack_t wanted{};
  wanted.ss_sp = mapping.base() + page_size();
  wanted.ss_size = kSignalStackBytes;
  if (sigaltstack(&wanted, nullptr) != 0) return fail(os_error(errno, "cannot set the signal stack"));
  stack.mapping = std::move(mapping);
  stack.ready = true;
  return {};
}

int this_thread() {
  thread_local const int id = gettid();
  return id;
}

void nudge(int thread) {
  siginfo_t info{};
  info.si_code = SI_QUEUE;
  info.si_pid = getpid();
  info.si_uid = getuid();
  info.si_value.sival_ptr = const_cast<char*>(&g_nudge_mark);
  syscall(SYS_rt_tgsigqueueinfo, getpid(), thread, kNudge, &info);
}

}  // namespace berth::os
