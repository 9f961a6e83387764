#include "interp/interpreter.h"

#include <sys/mman.h>
#include <ucontext.h>

#include <algorithm>
#include <utility>

#include "abi/native.h"
#include "interp/machine.h"
#include "interp/module.h"
#include "os/fault.h"
#include "runtime/guest_stack.h"

// The bounds of the handlers' section, from the linker.
extern "C" const char __start_berth_guest[];
extern "C" const char __stop_berth_guest[];

namespace berth::interp {

using runtime::Frame;
using runtime::kMaxBacktrace;
using runtime::Outcome;
using runtime::Unwind;
using runtime::UnwindKind;
using runtime::walk_activations;

namespace {

// What the first frame of an activation returns to.
struct ExitCode {
  Word caller;  // no function
  Handler handler;
};
const ExitCode kExit{0, op_exit};
const Word* exit_pc() { return reinterpret_cast<const Word*>(&kExit.handler); }

// Byte offset in the module of the instruction that contains `pc`.
u64 module_offset(const wasm::Module& module, const FunctionCode& code, const Word* pc) {
  const auto& offsets = code.details->offsets;
  const u32 word = static_cast<u32>(pc - code.code);
  auto it = std::ranges::upper_bound(offsets, word, {}, &CodeOffset::word);
  if (it == offsets.begin()) return 0;
  const wasm::Function& function = module.functions[code.index];
  const u32 offset = function.body.offset + std::prev(it)->offset;
  if (!function.is_translated) return offset;
  auto original = std::ranges::upper_bound(module.translated_offsets, offset, {}, &wasm::TranslatedOffset::translated);
  return original == module.translated_offsets.begin() ? function.original_offset : std::prev(original)->original;
}

struct Position {
  const Word* pc;
  Slot* fp;
  InstanceContext* ctx;
  const FunctionCode* code;
};

// Moves to the caller's frame; false at the activation's first.
bool step_out(Position& p) {
  const Slot* header = p.fp + p.code->local_slots;
  const Word* return_pc = reinterpret_cast<const Word*>(header[kReturnPc]);
  if (return_pc == exit_pc()) return false;
  p.pc = return_pc - 1;
  p.fp = reinterpret_cast<Slot*>(header[kCallerFp]);
  p.ctx = reinterpret_cast<InstanceContext*>(header[kCallerContext]);
  p.code = reinterpret_cast<const FunctionCode*>(return_pc[-1]);
  return true;
}

void walk(const Word* pc, Slot* fp, InstanceContext* ctx, std::vector<Frame>& out) {
  Position p{pc, fp, ctx, module_of(ctx)->find(pc)};
  if (p.code == nullptr) return;
  do {
    if (out.size() >= kMaxBacktrace) return;
    const auto& module = p.code->module->module();
    out.push_back({module, p.code->index, module_offset(*module, *p.code, p.pc)});
  } while (step_out(p));
}

// Frames of an activation that waits.
void walk_waiting(const runtime::Activation& a, std::vector<Frame>& out) {
  const auto& here = static_cast<const Activation&>(a);
  if (here.pc != nullptr) walk(here.pc, here.fp, here.ctx, out);
}

}  // namespace

TrapCode prepare_call(FunctionCode* callee, InstanceContext* context, StoreContext* st, Slot* frame) {
  if (callee->entry.load(std::memory_order_acquire) == nullptr)
    module_of(context)->ensure_lowered(*callee, context->types);
  if (abi::is_stopped(*st)) return TrapCode::Interrupted;
  // An observation may begin at any time, so that what the limit says is looked at once a turn.
  for (;;) {
    Slot* const limit = stack_limit(st);
    if (frame + callee->frame_slots <= limit) return TrapCode::None;
    if (limit == nullptr) return TrapCode::Interrupted;
    if (limit != st->stack_base) return TrapCode::StackExhausted;
    if (end_call_observation(st) && !runtime::yield_if_asked(*st)) module_of(context)->observe_call(*callee);
  }
}

bool end_call_observation(StoreContext* st) {
  // Unless an interrupt changes it meanwhile.
  Slot* observed = st->stack_base;
  return __atomic_compare_exchange_n(&st->stack_limit, &observed, st->stack_end, false, __ATOMIC_RELAXED,
                                     __ATOMIC_RELAXED);
}

void end_branch_observation(StoreContext* st) {
  st->interrupt.fetch_and(~u32{abi::kObserve}, std::memory_order_relaxed);
  runtime::yield_if_asked(*st);
}

WayOut observe_branch(const Word* target, InstanceContext* context, StoreContext* st) {
  const bool is_observed = (st->interrupt.load(std::memory_order_relaxed) & abi::kObserve) != 0;
  end_branch_observation(st);
  if (!is_observed) return {};
  return module_of(context)->observe_branch(target);
}

void record_trap(StoreContext* st, TrapCode code, const Word* pc, Slot* fp, InstanceContext* ctx) {
  auto unwind = std::make_unique<Unwind>();
  unwind->trap = code;
  walk(pc, fp, ctx, unwind->backtrace);
  walk_activations(activation(st)->previous, unwind->backtrace);
  activation(st)->unwind = std::move(unwind);
}

bool deliver_exception(StoreContext* st, Ref exception, FunctionCode* code, const Word*& pc, Slot*& fp,
                       InstanceContext*& ctx) {
  auto* thrown = reinterpret_cast<abi::ExceptionObject*>(exception);
  Position p{pc, fp, ctx, code};
  do {
    const u32 word = static_cast<u32>(p.pc - p.code->code);
    for (const ExceptionHandler& h : p.code->details->handlers) {
      if (word < h.begin || word >= h.end) continue;
      const bool by_tag = h.kind == wasm::CatchClause::Catch || h.kind == wasm::CatchClause::CatchRef;
      if (by_tag && p.ctx->tags[h.tag] != thrown->tag) continue;
      Slot* dest = p.fp + h.dest;
      if (by_tag) {
        std::memcpy(dest, thrown->values(), thrown->slot_count * sizeof(Slot));
        dest += thrown->slot_count;
      }
      if (h.kind == wasm::CatchClause::CatchRef || h.kind == wasm::CatchClause::CatchAllRef) *dest = exception;
      pc = p.code->code + h.target;
      fp = p.fp;
      ctx = p.ctx;
      return true;
    }
  } while (step_out(p));
  auto unwind = std::make_unique<Unwind>();
  unwind->kind = UnwindKind::Exception;
  unwind->exception = exception;
  walk(pc, fp, ctx, unwind->backtrace);
  walk_activations(activation(st)->previous, unwind->backtrace);
  activation(st)->unwind = std::move(unwind);
  return false;
}

bool host_unwound(StoreContext* st, const Word*& pc, Slot*& fp, InstanceContext*& ctx) {
  std::unique_ptr<Unwind> unwind(static_cast<Unwind*>(std::exchange(st->pending, nullptr)));
  CHECK(unwind != nullptr);
  if (pc == nullptr) {
    activation(st)->unwind = std::move(unwind);
    return false;
  }
  if (unwind->kind == UnwindKind::Exception) {
    auto* code = const_cast<FunctionCode*>(module_of(ctx)->find(pc));
    if (deliver_exception(st, unwind->exception, code, pc, fp, ctx)) return true;
    if (!unwind->backtrace.empty()) activation(st)->unwind->backtrace = std::move(unwind->backtrace);
    return false;
  }
  if (unwind->kind == UnwindKind::Trap && unwind->backtrace.empty()) {
    walk(pc, fp, ctx, unwind->backtrace);
    walk_activations(activation(st)->previous, unwind->backtrace);
  }
  activation(st)->unwind = std::move(unwind);
  return false;
}

void leave_after_fault(StoreContext* st, const Word* pc, Slot* fp, InstanceContext* ctx) {
  record_trap(st, TrapCode::MemoryOutOfBounds, pc, fp, ctx);
  BERTH_TAKE_FAULT_EXIT(activation(st)->fault_exit);
}

InterpModule::InterpModule(std::shared_ptr<const wasm::Module> module, const LoweringOptions& options)
    : module_(std::move(module)),
      options_(options),
      functions_(nullptr),
      functions_bytes_((module_->functions.size() - module_->imported_functions) * sizeof(FunctionCode)) {
  if (functions_bytes_ == 0) return;
  void* pages = mmap(nullptr, functions_bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(pages != MAP_FAILED);
  functions_ = static_cast<FunctionCode*>(pages);
}

InterpModule::~InterpModule() {
  if (functions_ != nullptr) munmap(functions_, functions_bytes_);
}

void InterpModule::name(FunctionCode& code) {
  code.index = static_cast<u32>(&code - functions_) + module_->imported_functions;
  code.module = this;
}

void InterpModule::ensure_lowered(FunctionCode& code, const abi::RuntimeType* const* types) {
  std::lock_guard lock(mutex_);
  if (code.entry.load(std::memory_order_relaxed) != nullptr) return;
  name(code);
  if (replace(code)) return;
  Lowered lowered = lower_function(*module_, {types, module_->types.size()}, options_, code);
  const Word* entry = lowered.code.get();
  lowered_.emplace(entry, std::pair(&code, std::move(lowered)));
  code.entry.store(entry, std::memory_order_release);
}

bool InterpModule::replace(FunctionCode& code) {
  if (replacements_ == nullptr) return false;
  const runtime::Replacements::One one = replacements_->find(code.index - module_->imported_functions);
  if (one.entry == nullptr) return false;
  // Frames of a function that has run keep their shape.
  if (code.entry.load(std::memory_order_relaxed) == nullptr) {
    const wasm::FuncType& type = module_->func_type(wasm::FuncIdx(code.index));
    code.param_slots = code.local_slots = abi::slot_count(type.params);
    code.result_slots = abi::slot_count(type.results);
    code.frame_slots = std::max(code.local_slots + kHeaderSlots, code.result_slots);
  }
  auto words = std::make_unique<Word[]>(4);
  words[0] = reinterpret_cast<Word>(op_replaced);
  words[1] = pack(std::max(code.param_slots, code.result_slots), code.local_slots, 0, 0);
  words[2] = reinterpret_cast<Word>(one.entry);
  words[3] = reinterpret_cast<Word>(one.data);
  code.entry.store(words.get(), std::memory_order_release);
  replaced_.push_back(std::move(words));
  return true;
}

void InterpModule::set_replacements(runtime::Replacements& replacements) {
  std::lock_guard lock(mutex_);
  replacements_ = &replacements;
  for (auto& [entry, lowered] : lowered_) replace(*lowered.first);
}

void InterpModule::replacement_changed(u32 defined_index) {
  std::lock_guard lock(mutex_);
  FunctionCode& code = functions_[defined_index];
  if (code.entry.load(std::memory_order_relaxed) != nullptr) replace(code);
}

const FunctionCode* InterpModule::find(const Word* pc) {
  std::lock_guard lock(mutex_);
  return find_locked(pc);
}

void InterpModule::observe_call(const FunctionCode& callee) {
  const Word* const entry = callee.entry.load(std::memory_order_acquire);
  if (*entry == reinterpret_cast<Word>(op_replaced)) return;
  std::lock_guard lock(mutex_);
  add_sample(callee.index, runtime::Sample::kNoLoop);
}

void InterpModule::tell_of_samples(std::function<void()> told) {
  std::lock_guard lock(mutex_);
  told_ = std::move(told);
}

// The caller holds the lock.
void InterpModule::add_sample(u32 function, u32 loop) {
  ++samples_[{function, loop}];
  if (told_) std::exchange(told_, nullptr)();
}

WayOut InterpModule::observe_branch(const Word* target) {
  std::lock_guard lock(mutex_);
  const FunctionCode* const code = find_locked(target);
  if (code == nullptr) return {};
  const auto& loops = code->details->loops;
  const auto loop = std::ranges::lower_bound(loops, static_cast<u32>(target - code->code), {}, &CodeOffset::word);
  const bool found = loop != loops.end() && code->code + loop->word == target;
  add_sample(code->index, found ? loop->offset : runtime::Sample::kNoLoop);
  if (!found || replacements_ == nullptr) return {};
  return {replacements_->find_loop(code->index - module_->imported_functions, loop->offset), code->local_slots,
          code->result_slots};
}

std::vector<runtime::Sample> InterpModule::take_samples() {
  std::lock_guard lock(mutex_);
  std::vector<runtime::Sample> taken;
  for (const auto& [place, count] : std::exchange(samples_, {})) taken.push_back({place.first, place.second, count});
  return taken;
}

const FunctionCode* InterpModule::find_locked(const Word* pc) const {
  auto it = lowered_.upper_bound(pc);
  if (it == lowered_.begin()) return nullptr;
  const FunctionCode* code = std::prev(it)->second.first;
  return pc < code->code + code->code_words ? code : nullptr;
}

namespace {

// A fault inside a handler is an access beyond a guarded memory. Anything else is not ours.
bool on_fault(os::Fault& fault, void*) {
  if (fault.kind() != os::FaultKind::Memory && fault.kind() != os::FaultKind::Bus) return false;
  const char* const pc = reinterpret_cast<const char*>(fault.pc());
  if (pc < __start_berth_guest || pc >= __stop_berth_guest) return false;
#if defined(__x86_64__) || defined(__aarch64__)
  const auto* context = static_cast<const ucontext_t*>(fault.context());
  // The third argument of preserve_none: the memory's base.
#if defined(__x86_64__)
  const u64 base = static_cast<u64>(context->uc_mcontext.gregs[REG_R14]);
#else
  const u64 base = context->uc_mcontext.regs[22];
#endif
  if (base == 0 || reinterpret_cast<u64>(fault.address()) - base >= abi::kGuardedReservation) return false;
#endif
  fault.set_pc(reinterpret_cast<std::uintptr_t>(&fault_landing));
  return true;
}

// Enters guest code; returns when the activation's first frame has returned or `unwind` is set.
[[gnu::noinline]] void run(Activation& here, const FunctionCode* callee, Slot* fp, InstanceContext* ctx,
                           StoreContext* st) {
  if (BERTH_SET_FAULT_EXIT(here.fault_exit) != 0) return;
  const Word* pc = callee->entry.load(std::memory_order_acquire);
  u8* mem = ctx->memory0_base;
  reinterpret_cast<Handler>(*pc)(pc, fp, mem, ctx, st, 0, v128{});
}

class Interpreter final : public runtime::Executor {
 public:
  explicit Interpreter(const InterpreterConfig& config)
      : options_{config.fuel, config.deterministic_relaxed, config.deterministic_nan} {}

  std::unique_ptr<runtime::ModuleCode> prepare(std::shared_ptr<const wasm::Module> module) override {
    return std::make_unique<InterpModule>(std::move(module), options_);
  }

  Outcome<void> invoke(abi::FunctionInstance& function, StoreContext& store, Slot* values) override {
    CHECK(function.host == nullptr);
    if (auto ready = os::ensure_signal_stack(); !ready) {
      return runtime::trap(TrapCode::HostError, ready.error().to_string());
    }
    auto* callee = static_cast<FunctionCode*>(function.code);
    Activation here;
    here.previous = static_cast<runtime::Activation*>(store.activation);
    here.walk = walk_waiting;
    here.base = store.stack_top;
    Slot* const top = store.stack_top;
    store.activation = static_cast<runtime::Activation*>(&here);
    const TrapCode refused = prepare_call(callee, function.context, &store, here.base);
    if (refused == TrapCode::None) {
      std::copy_n(values, callee->param_slots, here.base);
      clear_locals(here.base, callee);
      write_header(here.base + callee->local_slots, exit_pc(), nullptr, function.context);
      run(here, callee, here.base, function.context, &store);
    } else {
      here.unwind = std::make_unique<Unwind>();
      here.unwind->trap = refused;
      walk_activations(here.previous, here.unwind->backtrace);
    }
    store.activation = here.previous;
    store.stack_top = top;
    if (here.unwind) return std::unexpected(std::move(here.unwind));
    std::copy_n(here.base, callee->result_slots, values);
    return {};
  }

  void backtrace(const StoreContext& store, std::vector<Frame>& out) override {
    walk_activations(static_cast<const runtime::Activation*>(store.activation), out);
  }

 private:
  LoweringOptions options_;
};

}  // namespace

Result<std::unique_ptr<runtime::Executor>> make_interpreter(const InterpreterConfig& config) {
  static const Result<> installed = os::add_fault_handler(on_fault, nullptr);
  if (!installed) return fail(installed.error().code(), installed.error().detail());
  return std::make_unique<Interpreter>(config);
}

}  // namespace berth::interp
