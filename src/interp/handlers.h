// The handlers that lowering chooses from. Every function returns a handler that exists; asking for a
// combination that does not is a programming error, except where null is documented.
#pragma once

#include "interp/dispatch.h"
#include "wasm/opcodes.h"

namespace berth::interp {

// Operand forms of two-operand instructions: slot, accumulator, 32-bit immediate, constant word.
enum class BinForm : u8 { SS, SA, AS, SI, AI, SK, AK, KS, KA };
inline constexpr u32 kBinForms = 9;

// Words of an instruction of this form.
constexpr u32 words(BinForm f) { return f >= BinForm::SK ? 3 : 2; }

// op a = b · c. Null for immediate forms of floats.
//   [h] [a b c | a b imm32] [constant]
Handler binary_handler(wasm::Op op, BinForm form, Dst dst);
// op a = · b
Handler unary_handler(wasm::Op op, Src src, Dst dst);

// Compare and branch: taken when the comparison equals `if_true`.
//   [h] [a b offset32] [constant]    offset in words from this instruction; forms SS, SA, AS, SK, AK
Handler compare_branch_handler(wasm::Op op, BinForm form, bool if_true, bool backward);
// [h] [a - offset32]: branch when an i32 is (non-)zero.
Handler test_branch_handler(Src src, bool if_true, bool backward);
// Branch on a reference being null or not.
Handler null_branch_handler(Src src, bool if_null, bool backward);

// Loads and stores of memory 0 when it is guarded.
//   load:  [h] [a=dst b=address offset32], with a constant address [h] [a] [effective address]
//   store: [h] [a=address b=value offset32] [constant value]; constant address: [h] [- b] [effective address]
//   [constant]
Handler load_handler(wasm::Op op, Src address, Dst dst);
Handler store_handler(wasm::Op op, Src address, Src value);
// Of any memory, checked explicitly: [h] [a=dst/value b=address c=memory d=is_64] [offset]
Handler checked_memory_handler(wasm::Op op);
// v128 lane loads and stores, memory form as above: [h] [a=dst b=address c=memory d=vector] [offset] [lane | is_64 <<
// 8]
Handler lane_memory_handler(wasm::Op op);
// Atomics: [h] [a=dst b=address c=memory d=is_64] [offset] [operand1 operand2 - -]
Handler atomic_handler(wasm::Op op);

// Vector instructions: [h] [a=dst b c d] [immediate words]
Handler simd_handler(wasm::Op op);
// The same, of relaxed instructions what is fastest on this machine.
Handler relaxed_handler(wasm::Op op);

// Moves and the like: [a b …] as steps.h has them.
extern const Handler op_jump;         // [- - offset32]
extern const Handler op_jump_back;    // [- - offset32]
extern const Handler op_copy;         // [a=dst b=src]
extern const Handler op_copy_float;   // [a=dst b=src], through vacc
extern const Handler op_copy2;        // [a=dst b=src c=dst d=src]
extern const Handler op_const32;      // [a - imm32], sign-extended
extern const Handler op_acc_to_slot;  // [a]
extern const Handler op_select;       // [a=dst b=true c=false d=condition]
extern const Handler op_select_acc;   // the condition in acc
extern const Handler op_global_get;   // [a - index32], defined here, one slot
extern const Handler op_global_set;   // [a - index32]

// Everything else has one handler each, named after what it does; operands beside.
#define BERTH_CONTROL_HANDLERS(X)                                                                           \
  X(op_unreachable)          /* */                                                                          \
  X(op_exit)                 /* leaves the interpreter: the base frame returned */                          \
  X(op_replaced)             /* [a=slots b=header] [HostEntry] [its data]: a whole function */              \
  X(op_br_table)             /* [a - count32] count+1 words of offsets */                                   \
  X(op_fuel)                 /* [- - cost32] */                                                             \
  X(op_canonical_f32)        /* [a] */                                                                      \
  X(op_canonical_f64)        /* [a] */                                                                      \
  X(op_canonical_f32x4)      /* [a] */                                                                      \
  X(op_canonical_f64x2)      /* [a] */                                                                      \
  X(op_copy_v128)            /* [a=dst b=src] */                                                            \
  X(op_const64)              /* [a] [value] */                                                              \
  X(op_const128)             /* [a] [low] [high] */                                                         \
  X(op_select_v128)          /* [a b c d] */                                                                \
  X(op_call)                 /* [a=frame] [callee FunctionCode] [caller FunctionCode] */                    \
  X(op_call_function)        /* [a=frame] [function index] [caller]: any function of the index space */     \
  X(op_call_indirect)        /* [a=frame b=index c=table d=is_64] [RuntimeType] [caller] */                 \
  X(op_call_ref)             /* [a=frame b=ref] [-] [caller] */                                             \
  X(op_return_call)          /* [a=arguments b=count c=header] [callee] */                                  \
  X(op_return_call_function) /* [a=arguments b=count c=header] [function] */                                \
  X(op_return_call_indirect) /* [a=arguments b=count c=header d=index] [RuntimeType] [table | is_64<<32] */ \
  X(op_return_call_ref)      /* [a=arguments b=count c=header d=ref] */                                     \
  X(op_return)               /* [- b=header] */                                                             \
  X(op_return1)              /* [a=value b=header] */                                                       \
  X(op_return1_float)        /* [a=value b=header], through vacc */                                         \
  X(op_return_many)          /* [a=first b=header c=count] */                                               \
  X(op_throw)                /* [a=values b=top tag32] [FunctionCode] */                                    \
  X(op_throw_ref)            /* [a=ref] [FunctionCode] */                                                   \
  X(op_add128)               /* [a=first of four, receives two] */                                          \
  X(op_sub128)               /* the same */                                                                 \
  X(op_mul_wide_s)           /* [a=first of two, receives two] */                                           \
  X(op_mul_wide_u)           /* the same */                                                                 \
  X(op_atomic_fence)         /* */                                                                          \
  X(op_global_get_float)     /* the same into vacc */                                                       \
  X(op_global_get_any)       /* [a b=is_v128 index32], in the whole index space */                          \
  X(op_global_set_any)       /* [a b=is_v128 index32] */                                                    \
  X(op_table_get)            /* [a=dst b=index c=table d=is_64] */                                          \
  X(op_table_set)            /* [a=value b=index c=table d=is_64] */                                        \
  X(op_table_size)           /* [a b=table] */                                                              \
  X(op_table_grow)           /* [a=dst b=init c=delta d=table] [is_64] */                                   \
  X(op_table_fill)           /* [a=index b=value c=size d=table] [is_64] */                                 \
  X(op_table_copy)           /* [a=dst b=src c=size] [dst table | src table << 32] [flags] */               \
  X(op_table_init)           /* [a=dst b=src c=size d=is_64] [table | elem << 32] */                        \
  X(op_elem_drop)            /* [- - elem32] */                                                             \
  X(op_memory_size)          /* [a b=memory] */                                                             \
  X(op_memory_grow)          /* [a=dst b=delta c=memory d=is_64] */                                         \
  X(op_memory_fill)          /* [a=dst b=value c=size d=memory] [is_64] */                                  \
  X(op_memory_copy)          /* [a=dst b=src c=size] [dst memory | src memory << 32] [flags] */             \
  X(op_memory_init)          /* [a=dst b=src c=size d=is_64] [memory | data << 32] */                       \
  X(op_data_drop)            /* [- - data32] */                                                             \
  X(op_ref_is_null)          /* [a b] */                                                                    \
  X(op_ref_eq)               /* [a b c] */                                                                  \
  X(op_ref_func)             /* [a - function32] */                                                         \
  X(op_ref_as_non_null)      /* [a=ref] */                                                                  \
  X(op_ref_test)             /* [a b=ref c=nullable d=top] [heap type bits] */                              \
  X(op_ref_cast)             /* [a=ref b=nullable] [heap type bits] */                                      \
  X(op_ref_test_concrete)    /* [a b=ref c=nullable] [RuntimeType] */                                       \
  X(op_ref_cast_concrete)    /* [a=ref b=nullable] [RuntimeType] */                                         \
  X(op_ref_i31)              /* [a b] */                                                                    \
  X(op_i31_get_s)            /* [a b] */                                                                    \
  X(op_i31_get_u)            /* [a b] */                                                                    \
  X(op_struct_new)           /* [a=dst b=top] [RuntimeType], fields zero */                                 \
  X(op_struct_init)          /* [a=dst b=first value c=top] [RuntimeType] */                                \
  X(op_struct_get8_s)                                                                                       \
  X(op_struct_get8_u) X(op_struct_get16_s) X(op_struct_get16_u) X(op_struct_get32) X(op_struct_get64)       \
      X(op_struct_get128) /* [a=dst b=ref offset32] */                                                      \
      X(op_struct_set8) X(op_struct_set16) X(op_struct_set32) X(op_struct_set64)                            \
          X(op_struct_set128) /* [a=ref b=value offset32] */                                                \
      X(op_array_new)         /* [a=dst b=value c=length d=top] [RuntimeType] */                            \
      X(op_array_new_default) /* [a=dst - c=length d=top] [RuntimeType] */                                  \
      X(op_array_new_fixed)   /* [a=dst b=first value c=count d=top] [RuntimeType] */                       \
      X(op_array_new_data)    /* [a=dst b=offset c=length d=top] [RuntimeType] [segment] */                 \
      X(op_array_new_elem)    /* the same */                                                                \
      X(op_array_get8_s) X(op_array_get8_u) X(op_array_get16_s) X(op_array_get16_u) X(op_array_get32)       \
          X(op_array_get64) X(op_array_get128) /* [a=dst b=ref c=index] */                                  \
      X(op_array_set8) X(op_array_set16) X(op_array_set32) X(op_array_set64)                                \
          X(op_array_set128) /* [a=ref b=index c=value] */                                                  \
      X(op_array_len)        /* [a b] */                                                                    \
      X(op_array_fill)       /* [a=ref b=index c=value d=count] */                                          \
      X(op_array_copy)       /* [a=dst b=index c=src d=index] [count slot] */                               \
      X(op_array_init_data)  /* [a=ref b=index c=offset d=count] [segment] */                               \
      X(op_array_init_elem)  /* the same */

#define X(name) BERTH_HANDLER_CC void name(BERTH_REGS);
BERTH_CONTROL_HANDLERS(X)
#undef X

}  // namespace berth::interp
