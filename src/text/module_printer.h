// The printer of one module; text/printer.h is what others use. One thread.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "text/identifiers.h"
#include "text/printer.h"
#include "wasm/code_reader.h"

namespace berth::text {

// What is appended to while a module is printed, and the words for its types and indices.
class TextWriter {
 public:
  TextWriter(const wasm::Module& module, const PrintOptions& options)
      : module_(module), options_(options), ids_(module, options.names, options.annotations) {}

 protected:
  // Starts a line at a nesting depth; very deep ones stay where they are, or the text would be all space.
  static void line(std::string& out, u32 depth);
  void index(std::string& out, Space space, u32 i) const { ids_[space].append(out, i); }
  void heap_type(std::string& out, wasm::HeapType type) const;
  void val_type(std::string& out, wasm::ValType type) const;
  // ` (param …) (result …)`, parameters under the names of `locals` if given. A long one is left out when
  // it only repeats what a type says, unless it has names to tell.
  void signature(std::string& out, const wasm::FuncType& type, const IdentifierList* locals,
                 bool repeats = false) const;
  bool is_func_type(wasm::TypeIdx i) const {
    return i.value < module_.types.size() && module_.types[i.value].kind == wasm::CompositeKind::Func;
  }

  const wasm::Module& module_;
  const PrintOptions& options_;
  const Identifiers ids_;
};

// An instruction and what it is printed with, for the folded form.
struct CodeNode {
  std::string note;  // annotations, which come before it
  std::string head;
  bool is_block = false;
  bool has_clauses = false;  // `if` and `try`: the body is in clauses of its own
  u32 results = 0;
  std::vector<u32> operands;
  struct Clause {
    std::string head;  // "then"; empty for the body of a plain block
    std::vector<u32> nodes;
  };
  std::vector<Clause> clauses;
};

class CodePrinter : public TextWriter {
 public:
  using TextWriter::TextWriter;

 protected:
  // Appends the instructions of `bytes`, which start at `offset` of the module, without the last `end`;
  // each on a line of its own at `depth`, or folded on one line when `depth` is kNone. `func` is the
  // function whose body it is.
  Result<> code(std::string& out, std::span<const u8> bytes, u64 offset, u32 depth, std::optional<u32> func);
  // How many folded instructions the last one consisted of.
  size_t roots() const { return roots_.size(); }
  // Offsets of instructions within the body of the current function, with the annotations in front.
  std::map<u32, std::string> hints_;
  u64 body_offset_ = 0;

 private:
  friend struct CodeVisitor;
  struct Label {
    std::string_view name;
    wasm::Op op;
  };
  struct Arity {
    u32 operands, results;
  };

  template <typename I>
  bool instruction(wasm::Op op, const I& imm);
  bool block(wasm::Op op, const wasm::BlockType& type, const wasm::TryTableImm* handlers);
  bool clause(const std::string& head);
  bool end_block(const std::string* head);
  bool plain(Arity arity, const std::string& head);
  void begin(u32 depth);
  std::string note() const;
  std::string_view new_label();
  void push_label(Label label);
  Label pop_label();

  void label(std::string& out, wasm::LabelIdx i) const;
  void block_type(std::string& out, const wasm::BlockType& type) const;
  void catch_clauses(std::string& out, const wasm::TryTableImm& imm) const;
  void memory_argument(std::string& out, wasm::Op op, const wasm::MemArgImm& imm) const;
  void type_use(std::string& out, wasm::TypeIdx type) const;

  // The immediates after a mnemonic, one function a shape.
  void immediate(std::string& out, wasm::Op op, const wasm::NoImm&);
  void immediate(std::string& out, wasm::Op op, const wasm::BlockType&);
  void immediate(std::string& out, wasm::Op op, const wasm::LabelImm&);
  void immediate(std::string& out, wasm::Op op, const wasm::LabelTableImm&);
  void immediate(std::string& out, wasm::Op op, const wasm::FuncImm&);
  void immediate(std::string& out, wasm::Op op, const wasm::TypeTableImm&);
  void immediate(std::string& out, wasm::Op op, const wasm::LocalImm&);
  void immediate(std::string& out, wasm::Op op, const wasm::GlobalImm&);
  void immediate(std::string& out, wasm::Op op, const wasm::TableImm&);
  void immediate(std::string& out, wasm::Op op, const wasm::MemoryImm&);
  void immediate(std::string& out, wasm::Op op, const wasm::MemArgImm&);
  void immediate(std::string& out, wasm::Op op, const wasm::MemArgLaneImm&);
  void immediate(std::string& out, wasm::Op op, const wasm::LaneImm&);
  void immediate(std::string& out, wasm::Op op, const wasm::ShuffleImm&);
  void immediate(std::string& out, wasm::Op op, const wasm::I32Imm&);
  void immediate(std::string& out, wasm::Op op, const wasm::I64Imm&);
  void immediate(std::string& out, wasm::Op op, const wasm::F32Imm&);
  void immediate(std::string& out, wasm::Op op, const wasm::F64Imm&);
  void immediate(std::string& out, wasm::Op op, const wasm::V128Imm&);
  void immediate(std::string& out, wasm::Op op, const wasm::TypeImm&);
  void immediate(std::string& out, wasm::Op op, const wasm::TypeFieldImm&);
  void immediate(std::string& out, wasm::Op op, const wasm::TypeCountImm&);
  void immediate(std::string& out, wasm::Op op, const wasm::TypeDataImm&);
  void immediate(std::string& out, wasm::Op op, const wasm::TypeElemImm&);
  void immediate(std::string& out, wasm::Op op, const wasm::TypeTypeImm&);
  void immediate(std::string& out, wasm::Op op, const wasm::HeapTypeImm&);
  void immediate(std::string& out, wasm::Op op, const wasm::BrOnCastImm&);
  void immediate(std::string& out, wasm::Op op, const wasm::SelectTypesImm&);
  void immediate(std::string& out, wasm::Op op, const wasm::TryTableImm&);
  void immediate(std::string& out, wasm::Op op, const wasm::DataMemoryImm&);
  void immediate(std::string& out, wasm::Op op, const wasm::DataImm&);
  void immediate(std::string& out, wasm::Op op, const wasm::ElemTableImm&);
  void immediate(std::string& out, wasm::Op op, const wasm::ElemImm&);
  void immediate(std::string& out, wasm::Op op, const wasm::MemoryMemoryImm&);
  void immediate(std::string& out, wasm::Op op, const wasm::TableTableImm&);
  void immediate(std::string& out, wasm::Op op, const wasm::TagImm&);
  void immediate(std::string& out, wasm::Op op, const wasm::CodeReader::FenceImm&);

  // How many operands an instruction takes and gives; a guess is good enough, since folding keeps order.
  template <typename I>
  Arity arity(wasm::Op op, const I& imm) const;
  Arity arity_of(wasm::Op op) const;
  Arity arity_of_type(wasm::TypeIdx type, u32 more) const;

  // The folded form.
  u32 add_node(CodeNode node);
  void take_operands(CodeNode& node, u32 count);
  std::vector<u32>& open_list();
  void print_nodes(std::string& out, const std::vector<u32>& roots, u32 depth) const;

  std::string* out_ = nullptr;
  wasm::CodeReader* reader_ = nullptr;
  u64 at_ = 0;     // offset in the module of the instruction being printed
  u32 depth_ = 0;  // of lines, kNone for everything on one
  bool folded_ = false;
  std::optional<u32> func_;
  u32 label_count_ = 0;
  std::vector<Label> labels_;
  std::unordered_map<std::string_view, std::vector<size_t>> label_places_;  // in labels_, by name, innermost last
  std::string scratch_;

  std::vector<CodeNode> nodes_;
  std::vector<u32> roots_, open_;  // what stands outside of blocks; the blocks around here

 protected:
  IdentifierList locals_;
};

class ModulePrinter : private CodePrinter {
 public:
  using CodePrinter::CodePrinter;
  Result<std::string> run();

 private:
  void types();
  void type(u32 i, u32 depth);
  void field_type(const wasm::FieldType& type);
  void imports();
  Result<> functions();
  Result<> function(u32 i);
  Result<> tables();
  void memories();
  Result<> globals();
  void tags();
  void exports();
  void start();
  Result<> elems();
  Result<> datas();
  void customs();
  bool code_metadata(const wasm::CustomSection& section);
  void read_code_metadata();

  void define(Space space, u32 i);
  void exported(wasm::ExternKind kind, u32 i);
  void type_of(wasm::TypeIdx type, const IdentifierList* locals);
  u32 param_count(wasm::TypeIdx type) const;
  void limits(const wasm::Limits& limits, bool is_64);
  void table_type(const wasm::TableType& type);
  void memory_type(const wasm::MemoryType& type);
  void global_type(const wasm::GlobalType& type);
  // A constant expression, within `(word …)` unless it is one folded instruction.
  Result<> expression(const wasm::ConstExpr& e, const char* word);

  std::string text_;
  // Annotations of each function's instructions by their offset in its body.
  std::map<u32, std::map<u32, std::string>> metadata_;
  std::vector<bool> custom_done_;
  std::map<std::pair<wasm::ExternKind, u32>, std::vector<const wasm::Export*>> exports_;
};

}  // namespace berth::text
