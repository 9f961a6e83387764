// The runtime half of setjmp.h; the names and signatures are those that clang calls.

#include <setjmp.h>

enum { kLongjmpTag = 1 };

void __wasm_setjmp(struct jmp_buf_state* env, unsigned int label, void* invocation) {
  env->invocation = invocation;
  env->label = label;
}

unsigned int __wasm_setjmp_test(struct jmp_buf_state* env, void* invocation) {
  return env->invocation == invocation ? env->label : 0;
}

_Noreturn void __wasm_longjmp(struct jmp_buf_state* env, int value) {
  env->thrown.env = env;
  env->thrown.value = value == 0 ? 1 : value;
  __builtin_wasm_throw(kLongjmpTag, &env->thrown);
}
