// The fixed words of the text format: every instruction of spec/opcodes.def and the words that give
// modules and scripts their structure, each with a number of its own. Constants only.
#pragma once

#include <optional>
#include <string_view>

#include "wasm/opcodes.h"

namespace berth::text {

// A fixed word: an instruction is its Op, anything else comes after them.
using Word = u16;

//   BERTH_WORD(id, text)
#define BERTH_WORDS                                                                                                    \
  /* types */                                                                                                          \
  BERTH_WORD(I32, "i32")                                                                                               \
  BERTH_WORD(I64, "i64") BERTH_WORD(F32, "f32") BERTH_WORD(F64, "f64") BERTH_WORD(V128, "v128") BERTH_WORD(I8, "i8")   \
      BERTH_WORD(I16, "i16") BERTH_WORD(FuncRef, "funcref") BERTH_WORD(NullFuncRef, "nullfuncref")                     \
          BERTH_WORD(ExternRef, "externref") BERTH_WORD(NullExternRef, "nullexternref") BERTH_WORD(AnyRef, "anyref")   \
              BERTH_WORD(EqRef, "eqref") BERTH_WORD(I31Ref, "i31ref") BERTH_WORD(StructRef, "structref")               \
                  BERTH_WORD(ArrayRef, "arrayref") BERTH_WORD(NullRef, "nullref") BERTH_WORD(ExnRef, "exnref")         \
                      BERTH_WORD(NullExnRef, "nullexnref") BERTH_WORD(NoFunc, "nofunc") BERTH_WORD(Extern, "extern")   \
                          BERTH_WORD(NoExtern, "noextern") BERTH_WORD(Any, "any") BERTH_WORD(Eq, "eq")                 \
                              BERTH_WORD(I31, "i31") BERTH_WORD(None, "none") BERTH_WORD(Exn, "exn")                   \
                                  BERTH_WORD(NoExn, "noexn") BERTH_WORD(Ref, "ref") BERTH_WORD(Null, "null")           \
                                      BERTH_WORD(Mut, "mut") BERTH_WORD(Field, "field") BERTH_WORD(Struct, "struct")   \
                                          BERTH_WORD(Array, "array") BERTH_WORD(Sub, "sub") BERTH_WORD(Final, "final") \
                                              BERTH_WORD(Rec, "rec") BERTH_WORD(I8x16, "i8x16")                        \
                                                  BERTH_WORD(I16x8, "i16x8") BERTH_WORD(I32x4, "i32x4")                \
                                                      BERTH_WORD(I64x2, "i64x2") BERTH_WORD(F32x4, "f32x4")            \
                                                          BERTH_WORD(F64x2, "f64x2") /* modules */                     \
      BERTH_WORD(Module, "module") BERTH_WORD(Type, "type") BERTH_WORD(Func, "func") BERTH_WORD(Table, "table")        \
          BERTH_WORD(Memory, "memory") BERTH_WORD(Global, "global") BERTH_WORD(Tag, "tag")                             \
              BERTH_WORD(Import, "import") BERTH_WORD(Export, "export") BERTH_WORD(Start, "start")                     \
                  BERTH_WORD(Elem, "elem") BERTH_WORD(Data, "data") BERTH_WORD(Param, "param")                         \
                      BERTH_WORD(Result, "result") BERTH_WORD(Local, "local") BERTH_WORD(Offset, "offset")             \
                          BERTH_WORD(Item, "item") BERTH_WORD(Declare, "declare") BERTH_WORD(Shared, "shared")         \
                              BERTH_WORD(PageSize, "pagesize") BERTH_WORD(Then, "then") BERTH_WORD(Do, "do")           \
                                  BERTH_WORD(CatchRef, "catch_ref") BERTH_WORD(CatchAllRef, "catch_all_ref")           \
                                      BERTH_WORD(Binary, "binary") BERTH_WORD(Quote, "quote")                          \
                                          BERTH_WORD(Definition, "definition")                                         \
                                              BERTH_WORD(Instance, "instance") /* scripts */                           \
      BERTH_WORD(Register, "register") BERTH_WORD(Invoke, "invoke") BERTH_WORD(Get, "get")                             \
          BERTH_WORD(AssertReturn, "assert_return") BERTH_WORD(AssertTrap, "assert_trap") BERTH_WORD(                  \
              AssertExhaustion, "assert_exhaustion") BERTH_WORD(AssertException, "assert_exception")                   \
              BERTH_WORD(AssertMalformed, "assert_malformed") BERTH_WORD(AssertInvalid, "assert_invalid") BERTH_WORD(  \
                  AssertUnlinkable, "assert_unlinkable") BERTH_WORD(AssertMalformedCustom, "assert_malformed_custom")  \
                  BERTH_WORD(AssertInvalidCustom, "assert_invalid_custom")                                             \
                      BERTH_WORD(AssertReturnCanonicalNan, "assert_return_canonical_nan")                              \
                          BERTH_WORD(AssertReturnArithmeticNan, "assert_return_arithmetic_nan")                        \
                              BERTH_WORD(NanCanonical, "nan:canonical") BERTH_WORD(NanArithmetic, "nan:arithmetic")    \
                                  BERTH_WORD(Either, "either") BERTH_WORD(RefExtern, "ref.extern")                     \
                                      BERTH_WORD(RefHost, "ref.host") BERTH_WORD(RefAny, "ref.any")                    \
                                          BERTH_WORD(RefStruct, "ref.struct") BERTH_WORD(RefArray, "ref.array")        \
                                              BERTH_WORD(RefExn, "ref.exn") BERTH_WORD(Thread, "thread")               \
                                                  BERTH_WORD(Wait, "wait") BERTH_WORD(Script, "script")                \
                                                      BERTH_WORD(Input, "input") BERTH_WORD(Output, "output")

namespace kw {
enum : Word {
  kFirst = wasm::kOpCount - 1,
#define BERTH_WORD(id, text) id,
  BERTH_WORDS
#undef BERTH_WORD
      kEnd,
  kUnknown = 0xFFFF,
};
}  // namespace kw

// The number of `text`, kw::kUnknown if it is no fixed word. Where two instructions share a mnemonic
// ("select", "ref.test", "ref.cast"), the first of spec/opcodes.def.
Word find_word(std::string_view text);

constexpr bool is_op(Word w) { return w < wasm::kOpCount; }
constexpr wasm::Op as_op(Word w) { return static_cast<wasm::Op>(w); }
constexpr Word as_word(wasm::Op op) { return static_cast<Word>(op); }

}  // namespace berth::text
