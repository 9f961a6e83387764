// setjmp and longjmp for programs compiled with `-mllvm -wasm-enable-sjlj`: clang turns the calls
// into exception handling and calls the three functions of setjmp.c. One thread.
#pragma once

struct jmp_buf_state {
  void* invocation;    // which call of the function that holds the setjmp
  unsigned int label;  // which setjmp of that function
  struct {
    void* env;
    int value;
  } thrown;
};

typedef struct jmp_buf_state jmp_buf[1];

int setjmp(jmp_buf env) __attribute__((returns_twice));
_Noreturn void longjmp(jmp_buf env, int value);

#define setjmp(env) (setjmp(env))
