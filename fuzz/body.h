// What makes function bodies: one object a body, used once, by one thread. Private to the generator.
//
// Each member that makes code appends it to the body. `depth` counts how deeply code is nested; members that
// choose what to make stop growing when it is large (see enough). When the choices run dry every choice is the
// first, and that is the smallest.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

#include "fuzz/choices.h"
#include "fuzz/layout.h"
#include "fuzz/writer.h"
#include "wasm/opcodes.h"

namespace berth::fuzz {

class Body {
 public:
  Body(Choices& choices, ModulePlan& plan, u32 function)
      : choices_(choices), plan_(plan), self_(plan.functions[function]) {}
  // Locals and code, as the code section has them without the length.
  Writer generate();

 private:
  struct Label {
    std::string types;     // what a branch to it carries
    bool handles = false;  // whether it is that of a catch clause, for rethrow
  };

  bool enough(u32 depth);
  u32 below(size_t count) { return choices_.below(static_cast<u32>(count)); }
  void op(wasm::Op which);
  void i32_const(i32 value) { out_.byte(0x41).signed_leb(value); }
  // Masks the number on the stack.
  void mask(bool is_64, i64 bits) { out_.byte(is_64 ? 0x42 : 0x41).signed_leb(bits).byte(is_64 ? 0x83 : 0x71); }
  char any_type();

  // --- Values and statements (body.cc)
  void value(char type, u32 depth);  // leaves one value of the type
  void values(std::string_view types, u32 depth);
  void leaf(char type);
  void constant(char type);
  void statement(u32 depth);  // leaves nothing
  void statements(u32 depth);
  void drop(std::string_view types);  // takes values of these types from the stack
  void keep_first(std::string_view types) { drop(types.substr(1)); }
  u32 local_below(char type);
  void table_op(char type, u32 depth);
  void fixed_op(wasm::Op which, u32 depth);
  void memory_argument(const wasm::OpInfo& info, u32 memory);
  void address(u32 memory, u32 depth);
  void small_index(bool is_64, u32 depth);
  void set_variable(u32 depth);
  void number(char type, u32 depth);
  void bulk_memory(u32 depth);
  void table_statement(u32 depth);

  // --- Control (body_control.cc)
  void block_type(std::string_view params, std::string_view results);
  template <typename Code>
  void block(wasm::Op which, std::string_view params, std::string_view results, Code code);
  template <typename Code>
  void plain_block(std::string_view results, Code code);
  u32 label_carrying(std::string_view types, bool exactly = true);
  std::string block_params(u32 depth);
  std::string block_results(char type);
  void control_value(char type, u32 depth);
  void if_else(char type, u32 depth);
  void select(char type, u32 depth);
  void tee(char type, u32 depth);
  void call(char type, u32 depth);
  void call_function(u32 callee, u32 depth, bool tail);
  void branch_if(char type, u32 depth);
  void branch_statement(u32 depth);
  void leave(u32 depth);
  void throw_some(u32 depth);
  void try_table(char type, u32 depth);
  void legacy_try(char type, u32 depth);
  void control_statement(u32 depth);

  // --- References and objects (body_heap.cc)
  void reference(char type, u32 depth);
  void make(char type, u32 depth);
  void make_struct(u32 type, u32 depth);
  void make_array(u32 type, u32 depth);
  void cast(char type, u32 depth);
  void branch_on_cast(char type, u32 depth);
  void branch_on_null(char type, u32 depth);
  void operand(char type, u32 depth);
  void object(u32 type, u32 depth);
  bool read_object(char type, u32 depth);
  void array_length(u32 depth);
  void element_index(u32 depth);
  bool read_table(char type, u32 depth);
  void heap_i32(u32 depth);
  void heap_statement(u32 depth);
  void reference_statement(u32 depth);

  Choices& choices_;
  ModulePlan& plan_;
  const Signature self_;
  std::string locals_;         // the type of each local, parameters first
  std::vector<Label> labels_;  // outermost first
  Writer out_;
  u32 made_ = 0;
};

template <typename Code>
void Body::block(wasm::Op which, std::string_view params, std::string_view results, Code code) {
  op(which);
  block_type(params, results);
  labels_.push_back({std::string(which == wasm::Op::Loop ? params : results)});
  code();
  labels_.pop_back();
  op(wasm::Op::End);
}

template <typename Code>
void Body::plain_block(std::string_view results, Code code) {
  block(wasm::Op::Block, "", results, code);
}

}  // namespace berth::fuzz
