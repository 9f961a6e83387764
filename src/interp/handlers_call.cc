// Handlers of calls, returns, tail calls and exceptions.
#include <algorithm>

#include "interp/handlers.h"
#include "interp/machine.h"
#include "runtime/builtins.h"

namespace berth::interp {

namespace {

constexpr u32 kCallWords = 4;

BERTH_HANDLER call_slow(BERTH_REGS) {
  auto* callee = reinterpret_cast<FunctionCode*>(pc[2]);
  const TrapCode code = prepare_call(callee, ctx, st, fp + field_a(pc));
  if (code != TrapCode::None) [[unlikely]]
    BERTH_RAISE(code);
  BERTH_GO(pc);
}

// acc: the FunctionInstance.
BERTH_HANDLER call_instance_slow(BERTH_REGS);

// Calls the function instance in acc; any of the call instructions stands at pc.
[[gnu::always_inline]] inline bool can_enter(const FunctionInstance* f, StoreContext* st, Slot* frame) {
  const auto* callee = static_cast<const FunctionCode*>(f->code);
  return callee != nullptr && callee->entry.load(std::memory_order_acquire) != nullptr &&
         frame + callee->frame_slots <= stack_limit(st);
}

#define BERTH_CALL_INSTANCE(f)                                           \
  do {                                                                   \
    Slot* const frame = fp + field_a(pc);                                \
    if (!can_enter(f, st, frame)) [[unlikely]] {                         \
      acc = reinterpret_cast<u64>(f);                                    \
      BERTH_TAIL(call_instance_slow);                                    \
    }                                                                    \
    const auto* callee = static_cast<const FunctionCode*>((f)->code);    \
    clear_locals(frame, callee);                                         \
    write_header(frame + callee->local_slots, pc + kCallWords, fp, ctx); \
    fp = frame;                                                          \
    ctx = (f)->context;                                                  \
    mem = ctx->memory0_base;                                             \
    BERTH_GO(callee->entry.load(std::memory_order_relaxed));             \
  } while (false)

BERTH_HANDLER call_instance(BERTH_REGS) {
  auto* f = reinterpret_cast<FunctionInstance*>(acc);
  BERTH_CALL_INSTANCE(f);
}

BERTH_HANDLER call_instance_slow(BERTH_REGS) {
  auto* f = reinterpret_cast<FunctionInstance*>(acc);
  Slot* const frame = fp + field_a(pc);
  if (f->host == nullptr) {
    const TrapCode code = prepare_call(static_cast<FunctionCode*>(f->code), f->context, st, frame);
    if (code != TrapCode::None) [[unlikely]]
      BERTH_RAISE(code);
    BERTH_TAIL(call_instance);
  }
  if (stack_limit(st) == nullptr) [[unlikely]]
    BERTH_RAISE(TrapCode::Interrupted);
  Activation* const here = activation(st);
  here->pc = pc;
  here->fp = fp;
  here->ctx = ctx;
  st->stack_top = frame + std::max(f->type->param_slots, f->type->result_slots);
  if (f->host(f->host_data, ctx, frame) != abi::Status::Ok) [[unlikely]] {
    if (!host_unwound(st, pc, fp, ctx)) return;
    mem = ctx->memory0_base;
    BERTH_GO(pc);
  }
  acc = frame[0];
  std::memcpy(&vacc, frame, sizeof(u64));
  BERTH_NEXT(kCallWords);
}

// The target of an indirect call, or a trap.
[[gnu::always_inline]] inline TrapCode indirect_target(InstanceContext* ctx, u32 table, u64 index,
                                                       const abi::RuntimeType* type, FunctionInstance*& f) {
  const abi::TableRecord* t = ctx->tables[table];
  if (index >= t->size) [[unlikely]]
    return TrapCode::UndefinedElement;
  f = reinterpret_cast<FunctionInstance*>(t->elements[index]);
  if (f == nullptr) [[unlikely]] {
    f = reinterpret_cast<FunctionInstance*>(runtime::table_look_up(ctx, table, index));
    if (f == nullptr) return TrapCode::UninitializedElement;
  }
  if (f->type != type && !abi::is_subtype(f->type, type)) [[unlikely]]
    return TrapCode::IndirectCallTypeMismatch;
  return TrapCode::None;
}

// Replaces the running frame by one of `callee`, whose arguments are at fp + field_a.
[[gnu::always_inline]] inline void replace_frame(const Word* pc, Slot* fp, const FunctionCode* callee) {
  const Slot* const header = fp + field_c(pc);
  const Slot return_pc = header[kReturnPc], caller_fp = header[kCallerFp], caller_ctx = header[kCallerContext];
  std::memmove(fp, fp + field_a(pc), field_b(pc) * sizeof(Slot));
  clear_locals(fp, callee);
  Slot* const next = fp + callee->local_slots;
  next[kReturnPc] = return_pc;
  next[kCallerFp] = caller_fp;
  next[kCallerContext] = caller_ctx;
}

BERTH_HANDLER return_call_instance_slow(BERTH_REGS);

// acc: the FunctionInstance. A return_call instruction stands at pc.
BERTH_HANDLER return_call_instance(BERTH_REGS) {
  auto* f = reinterpret_cast<FunctionInstance*>(acc);
  if (!can_enter(f, st, fp) || st->interrupt.load(std::memory_order_relaxed)) [[unlikely]]
    BERTH_TAIL(return_call_instance_slow);
  const auto* callee = static_cast<const FunctionCode*>(f->code);
  replace_frame(pc, fp, callee);
  ctx = f->context;
  mem = ctx->memory0_base;
  BERTH_GO(callee->entry.load(std::memory_order_relaxed));
}

BERTH_HANDLER return_call_instance_slow(BERTH_REGS) {
  auto* f = reinterpret_cast<FunctionInstance*>(acc);
  if (f->host == nullptr) {
    const TrapCode code = prepare_call(static_cast<FunctionCode*>(f->code), f->context, st, fp);
    if (code != TrapCode::None) [[unlikely]]
      BERTH_RAISE(code);
    end_branch_observation(st);
    BERTH_TAIL(return_call_instance);
  }
  end_call_observation(st);
  // A host function returns at once, so it may run above the frame that it then replaces.
  Activation* const here = activation(st);
  here->pc = pc;
  here->fp = fp;
  here->ctx = ctx;
  Slot* const frame = fp + field_a(pc);
  const u32 slots = std::max(f->type->param_slots, f->type->result_slots);
  if (frame + slots > st->stack_end) [[unlikely]]
    BERTH_RAISE(TrapCode::StackExhausted);
  if (stack_limit(st) == nullptr) [[unlikely]]
    BERTH_RAISE(TrapCode::Interrupted);
  st->stack_top = frame + slots;
  if (f->host(f->host_data, ctx, frame) != abi::Status::Ok) [[unlikely]] {
    if (!host_unwound(st, pc, fp, ctx)) return;
    mem = ctx->memory0_base;
    BERTH_GO(pc);
  }
  const Slot* const header = fp + field_c(pc);
  const Word* const return_pc = reinterpret_cast<const Word*>(header[kReturnPc]);
  Slot* const caller_fp = reinterpret_cast<Slot*>(header[kCallerFp]);
  ctx = reinterpret_cast<InstanceContext*>(header[kCallerContext]);
  std::memmove(fp, frame, f->type->result_slots * sizeof(Slot));
  acc = fp[0];
  std::memcpy(&vacc, fp, sizeof(u64));
  fp = caller_fp;
  mem = ctx->memory0_base;
  BERTH_GO(return_pc);
}

}  // namespace

BERTH_HANDLER op_call(BERTH_REGS) {
  const auto* callee = reinterpret_cast<const FunctionCode*>(pc[2]);
  Slot* const frame = fp + field_a(pc);
  const Word* const entry = callee->entry.load(std::memory_order_acquire);
  if (entry == nullptr || frame + callee->frame_slots > stack_limit(st)) [[unlikely]]
    BERTH_TAIL(call_slow);
  clear_locals(frame, callee);
  write_header(frame + callee->local_slots, pc + kCallWords, fp, ctx);
  fp = frame;
  BERTH_GO(entry);
}

BERTH_HANDLER op_call_function(BERTH_REGS) {
  FunctionInstance* const f = ctx->functions[pc[2]];
  BERTH_CALL_INSTANCE(f);
}

BERTH_HANDLER op_call_indirect(BERTH_REGS) {
  const u64 index = field_d(pc) ? fp[field_b(pc)] : u64{load_slot<u32>(fp, field_b(pc))};
  FunctionInstance* f;
  const TrapCode code = indirect_target(ctx, field_c(pc), index, reinterpret_cast<const abi::RuntimeType*>(pc[2]), f);
  if (code != TrapCode::None) [[unlikely]]
    BERTH_RAISE(code);
  BERTH_CALL_INSTANCE(f);
}

BERTH_HANDLER op_call_ref(BERTH_REGS) {
  auto* const f = reinterpret_cast<FunctionInstance*>(fp[field_b(pc)]);
  if (f == nullptr) [[unlikely]]
    BERTH_RAISE(TrapCode::NullFunctionReference);
  BERTH_CALL_INSTANCE(f);
}

BERTH_HANDLER op_return_call(BERTH_REGS) {
  const auto* callee = reinterpret_cast<const FunctionCode*>(pc[2]);
  const Word* const entry = callee->entry.load(std::memory_order_acquire);
  if (entry == nullptr || fp + callee->frame_slots > stack_limit(st) || st->interrupt.load(std::memory_order_relaxed))
      [[unlikely]] {
    const TrapCode code = prepare_call(reinterpret_cast<FunctionCode*>(pc[2]), ctx, st, fp);
    if (code != TrapCode::None) [[unlikely]]
      BERTH_RAISE(code);
    end_branch_observation(st);
    BERTH_GO(pc);
  }
  replace_frame(pc, fp, callee);
  BERTH_GO(entry);
}

BERTH_HANDLER op_return_call_function(BERTH_REGS) {
  acc = reinterpret_cast<u64>(ctx->functions[pc[2]]);
  BERTH_TAIL(return_call_instance);
}

BERTH_HANDLER op_return_call_indirect(BERTH_REGS) {
  const bool is_64 = pc[3] >> 32;
  const u64 index = is_64 ? fp[field_d(pc)] : u64{load_slot<u32>(fp, field_d(pc))};
  FunctionInstance* f;
  const TrapCode code =
      indirect_target(ctx, static_cast<u32>(pc[3]), index, reinterpret_cast<const abi::RuntimeType*>(pc[2]), f);
  if (code != TrapCode::None) [[unlikely]]
    BERTH_RAISE(code);
  acc = reinterpret_cast<u64>(f);
  BERTH_TAIL(return_call_instance);
}

BERTH_HANDLER op_return_call_ref(BERTH_REGS) {
  acc = fp[field_d(pc)];
  if (acc == 0) [[unlikely]]
    BERTH_RAISE(TrapCode::NullFunctionReference);
  BERTH_TAIL(return_call_instance);
}

#define BERTH_RETURN(header)                                     \
  do {                                                           \
    const Slot* const h = (header);                              \
    ctx = reinterpret_cast<InstanceContext*>(h[kCallerContext]); \
    fp = reinterpret_cast<Slot*>(h[kCallerFp]);                  \
    mem = ctx->memory0_base;                                     \
    BERTH_GO(reinterpret_cast<const Word*>(return_pc));          \
  } while (false)

BERTH_HANDLER op_return(BERTH_REGS) {
  const Slot return_pc = fp[field_b(pc) + kReturnPc];
  BERTH_RETURN(fp + field_b(pc));
}

// The result is written after the header has been read: a function without parameters and locals has its
// header at slot 0.
#define BERTH_RETURN_VALUE(write)                                              \
  do {                                                                         \
    const Slot* const h = fp + field_b(pc);                                    \
    const Word* const return_pc = reinterpret_cast<const Word*>(h[kReturnPc]); \
    Slot* const caller = reinterpret_cast<Slot*>(h[kCallerFp]);                \
    ctx = reinterpret_cast<InstanceContext*>(h[kCallerContext]);               \
    mem = ctx->memory0_base;                                                   \
    write;                                                                     \
    fp = caller;                                                               \
    BERTH_GO(return_pc);                                                       \
  } while (false)

BERTH_HANDLER op_return1(BERTH_REGS) { BERTH_RETURN_VALUE(acc = fp[field_a(pc)]; fp[0] = acc); }
BERTH_HANDLER op_return1_float(BERTH_REGS) {
  BERTH_RETURN_VALUE(to_acc(load_slot<f64>(fp, field_a(pc)), acc, vacc); fp[0] = fp[field_a(pc)]);
}
BERTH_HANDLER op_return_many(BERTH_REGS) {
  BERTH_RETURN_VALUE(std::memmove(fp, fp + field_a(pc), field_c(pc) * sizeof(Slot)));
}

namespace {
// acc: the exception; pc[2]: the FunctionCode.
BERTH_HANDLER throw_exception(BERTH_REGS) {
  if (!deliver_exception(st, acc, reinterpret_cast<FunctionCode*>(pc[2]), pc, fp, ctx)) return;
  mem = ctx->memory0_base;
  BERTH_GO(pc);
}
}  // namespace

BERTH_HANDLER op_throw(BERTH_REGS) {
  st->stack_top = fp + field_b(pc);
  Ref exception;
  const TrapCode code = runtime::exception_new(ctx, static_cast<u32>(field_imm(pc)), fp + field_a(pc), &exception);
  if (code != TrapCode::None) [[unlikely]]
    BERTH_RAISE(code);
  acc = exception;
  BERTH_TAIL(throw_exception);
}

BERTH_HANDLER op_throw_ref(BERTH_REGS) {
  acc = fp[field_a(pc)];
  if (acc == 0) [[unlikely]]
    BERTH_RAISE(TrapCode::NullExceptionReference);
  BERTH_TAIL(throw_exception);
}

// Has `one` run the rest of the function whose frame is at `fp`, and returns from it.
#define BERTH_LEAVE_TO(one, header_slot, slots)                                                     \
  do {                                                                                              \
    const Slot* const header = fp + (header_slot);                                                  \
    const Word* const return_pc = reinterpret_cast<const Word*>(header[kReturnPc]);                 \
    Slot* const caller_fp = reinterpret_cast<Slot*>(header[kCallerFp]);                             \
    InstanceContext* const caller_ctx = reinterpret_cast<InstanceContext*>(header[kCallerContext]); \
    Activation* const here = activation(st);                                                        \
    /* The call, unless this is the activation's first frame. */                                    \
    here->pc = return_pc[-1] == 0 ? nullptr : return_pc - 1;                                        \
    here->fp = caller_fp;                                                                           \
    here->ctx = caller_ctx;                                                                         \
    st->stack_top = fp + (slots);                                                                   \
    if ((one).entry((one).data, ctx, fp) != abi::Status::Ok) [[unlikely]] {                         \
      pc = here->pc;                                                                                \
      fp = here->fp;                                                                                \
      ctx = here->ctx;                                                                              \
      if (!host_unwound(st, pc, fp, ctx)) return;                                                   \
      mem = ctx->memory0_base;                                                                      \
      BERTH_GO(pc);                                                                                 \
    }                                                                                               \
    acc = fp[0];                                                                                    \
    std::memcpy(&vacc, fp, sizeof(u64));                                                            \
    fp = caller_fp;                                                                                 \
    ctx = caller_ctx;                                                                               \
    mem = ctx->memory0_base;                                                                        \
    BERTH_GO(return_pc);                                                                            \
  } while (false)

BERTH_HANDLER op_replaced(BERTH_REGS) {
  const runtime::Replacements::One one{reinterpret_cast<abi::HostEntry>(pc[2]), reinterpret_cast<void*>(pc[3])};
  BERTH_LEAVE_TO(one, field_b(pc), field_a(pc));
}

BERTH_HANDLER op_interrupted(BERTH_REGS) {
  acc = reinterpret_cast<u64>(pc + field_imm(pc));
  BERTH_TAIL(branch_interrupted);
}

BERTH_HANDLER branch_interrupted(BERTH_REGS) {
  if (abi::is_stopped(*st)) BERTH_RAISE(TrapCode::Interrupted);
  const Word* const target = reinterpret_cast<const Word*>(acc);
  const WayOut way = observe_branch(target, ctx, st);
  if (way.one.entry == nullptr) BERTH_GO(target);
  // The frame has been read before anything else can use the stack above the results.
  BERTH_LEAVE_TO(way.one, way.header, way.result_slots);
}

BERTH_HANDLER op_exit(BERTH_REGS) { (void)pc, (void)fp, (void)mem, (void)ctx, (void)st, (void)acc, (void)vacc; }

// Kept out of the guest section's fast paths: every trap ends here.
BERTH_HANDLER_CC void raise_trap(BERTH_REGS) {
  (void)mem, (void)vacc;
  record_trap(st, static_cast<TrapCode>(acc), pc, fp, ctx);
}

BERTH_HANDLER_CC void fault_landing(BERTH_REGS) {
  (void)mem, (void)acc, (void)vacc;
  leave_after_fault(st, pc, fp, ctx);
}

}  // namespace berth::interp
