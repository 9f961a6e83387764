// For native_test.cc only: what the code written by hand for each processor knows of the layouts, as plain numbers, and
// the frames that it makes.
#pragma once

#include "abi/artifact.h"
#include "native/machine.h"

namespace berth::native {

#define STR2(x) #x
#define STR(x) STR2(x)
#define CONTEXT_STORE 24
#define CONTEXT_FUNCTIONS 48
#define CONTEXT_TYPES 56
#define CONTEXT_BUILTINS 88
#define FUNCTION_CONTEXT 8
#define FUNCTION_CODE 48
#define FUNCTION_TARGET 56
#define FUNCTION_STORE 64
#define STORE_BUILTINS 72
#define STORE_CALLER 88
#define STRUCT_NEW 104
#define EXCEPTION_NEW 176
#define THROW 184
#define CALL_OUT 192
static_assert(offsetof(InstanceContext, store) == CONTEXT_STORE &&
              offsetof(InstanceContext, functions) == CONTEXT_FUNCTIONS &&
              offsetof(InstanceContext, types) == CONTEXT_TYPES &&
              offsetof(InstanceContext, builtins) == CONTEXT_BUILTINS);
static_assert(offsetof(abi::FunctionInstance, context) == FUNCTION_CONTEXT &&
              offsetof(abi::FunctionInstance, native_code) == FUNCTION_CODE &&
              offsetof(abi::FunctionInstance, native_target) == FUNCTION_TARGET &&
              offsetof(abi::FunctionInstance, store) == FUNCTION_STORE);
static_assert(offsetof(StoreContext, builtins) == STORE_BUILTINS && offsetof(StoreContext, caller) == STORE_CALLER);
static_assert(static_cast<u32>(abi::Builtin::StructNew) * 8 == STRUCT_NEW &&
              static_cast<u32>(abi::Builtin::ExceptionNew) * 8 == EXCEPTION_NEW &&
              static_cast<u32>(abi::Builtin::Throw) * 8 == THROW &&
              static_cast<u32>(abi::Builtin::CallOut) * 8 == CALL_OUT);
static_assert(static_cast<u32>(TrapCode::Unreachable) == 1);

// Indices of kFrames.
enum Frame : u32 {
  kNoFrame,
  kCallFrame,
  kExitFrame,
  kRecurseFrame,
  kEnterFrame,
  kThrowFrame,
  kCatchFrame,
  kRecurseOutFrame,
  kHoldFrame
};

}  // namespace berth::native
