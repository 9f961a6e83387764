// The parser of one module's text; text/parser.h is what others use. One thread, one module each.
//
// Two passes over the tokens: the first gives every identifier its index and reads the type
// definitions, the second writes all sections. Nothing recurses, so no nesting of the text can exhaust
// the stack.
#pragma once

#include <array>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "text/cursor.h"
#include "text/encoder.h"
#include "text/parser.h"
#include "text/sink.h"
#include "text/symbols.h"
#include "wasm/module.h"

namespace berth::text {

// The order of sections in a binary (specification: binary format, modules).
inline constexpr std::array kSectionOrder = {
    wasm::SectionId::Type,   wasm::SectionId::Import,  wasm::SectionId::Function,  wasm::SectionId::Table,
    wasm::SectionId::Memory, wasm::SectionId::Tag,     wasm::SectionId::Global,    wasm::SectionId::Export,
    wasm::SectionId::Start,  wasm::SectionId::Element, wasm::SectionId::DataCount, wasm::SectionId::Code,
    wasm::SectionId::Data,
};

using NameList = std::vector<std::pair<u32, std::string>>;

class ModuleParser : private Cursor {
 public:
  ModuleParser(const Tokens& tokens, const ParseOptions& options);
  // Parses all tokens as one module.
  Result<ParsedModule> run();

 private:
  // --- modules and their fields: module_parser.cc
  void module();
  void binary_module();
  void scan_fields();
  void scan_field(u32 open);
  void bind(Space space, Token id);
  void fields();
  void field();
  void import_field();
  void export_field();
  void func_field();
  void table_field();
  void memory_field();
  void global_field();
  void tag_field();
  void start_field();
  void elem_field();
  void data_field();
  u32 define(Space space);  // takes the identifier of the next item of `space` and gives its index
  void inline_exports(wasm::ExternKind kind, u32 index);
  bool inline_import();  // also writes its names
  void begin_import(Token at);
  void defined(const char* kind) {
    if (defined_ == nullptr) defined_ = kind;
  }
  void table_type(Bytes& out);
  void memory_type(Bytes& out);
  void global_type(Bytes& out);
  bool address_64();
  u64 take_size();
  void limits(Bytes& out, u32 flags);
  void inline_elems(u32 table, const Bytes& ref_type, bool is_64, Sink& elems, u32& count);
  void inline_data(u32 memory, bool is_64, u32 page_log2, Bytes& type);
  u32 page_size();
  u32 elem_expressions(Sink& out);
  void offset_expression(Sink& out);
  void locals();
  void function_body();

  // --- types: type_parser.cc
  void type_fields();
  void type_definition(u32 index);
  void func_type();
  void struct_type(u32 index);
  void field_type(Bytes& out);
  void val_type(Bytes& out);
  bool at_ref_type() const;
  void ref_type(Bytes& out, bool* nullable = nullptr, Bytes* heap = nullptr);
  void heap_type(Bytes& out);
  struct TypeUse {
    bool has_type = false;  // whether `(type …)` was written, at `type_source`
    u32 type = 0;
    u32 type_source = 0;
    u32 params = 0, results = 0;  // written in place; their types are in use_params_ and use_results_
  };
  TypeUse type_use(bool bind_params);
  u32 type_index(const TypeUse& use);
  u32 param_count(const TypeUse& use) const;
  void block_type(Bytes& out);
  void begin_scope() {
    ++scope_;
    local_names_.clear();
    locals_known_ = true;
  }
  void bind_local(Token id, u32 index);
  // Takes the name that an annotation gives to a parameter or local without an identifier.
  void name_local(u32 index);

  // --- instructions: instr_parser.cc
  struct Frame {
    enum Kind : u8 {
      Plain,  // a folded instruction among its operands
      FoldedBlock,
      FoldedIf,
      FoldedTry,
      List,  // the instructions of `(then`, `(else`, `(do`, `(catch` or `(catch_all`
      FlatBlock,
      FlatIf,
      FlatElse,
      FlatTry,
      FlatCatch,
      FlatCatchAll,
    } kind;
    u8 state = 0;     // clauses seen of FoldedIf and FoldedTry
    u32 pending = 0;  // start in pending_ of an instruction that waits for its operands
    u32 source = 0;
    u32 hint = kNone;   // annotation of that instruction
    u32 label = kNone;  // symbol of the label
    u32 shadowed = 0;   // what the symbol stood for outside
  };
  // Instructions up to the parenthesis that closes the surrounding list, which stays.
  void instructions(Sink& sink);
  // One folded instruction.
  void folded_instruction(Sink& sink);
  void run_instructions(Sink& sink, bool one);
  void folded(Sink& sink);
  bool folded_if(Sink& sink, Frame& frame);
  bool folded_try(Sink& sink, Frame& frame);
  void flat(Sink& sink);
  void close_frame(Sink& sink);
  void flush_pending(Sink& sink, const Frame& frame);
  u32 label_symbol();
  void push_block(Frame::Kind kind, u32 label, u32 source);
  void open_label(Frame& frame);
  void close_label(const Frame& frame);
  void check_label(const Frame& frame);
  void put_label(Bytes& out);
  void encode(wasm::Op op, Bytes& out);
  void block_op(wasm::Op op, Bytes& out);
  void catch_clauses(Bytes& out);
  void memory_argument(Bytes& out, u32 width, bool lane);
  void shuffle(Bytes& out);
  void mark_instruction(Sink& sink, u32 source, u32 hint, wasm::Op op);
  // The first annotation of the instruction that starts at `token`, kNone if there is none.
  u32 hint_at(u32 token);

  bool at_index() const { return kind() == TokenKind::Id || kind() == TokenKind::Nat; }
  u32 take_index(Space space);
  u32 optional_index(Space space) { return at_index() ? take_index(space) : 0; }
  u32 take_local();
  u32 intern(Token id) { return symbols_.intern(text(id), id_value); }

  // --- annotations, names and the final binary: module_writer.cc
  const Annotation* annotation_at(u32 token, Annotation::Kind kind);
  void custom_annotations();
  void custom_annotation(const Annotation& a);
  std::optional<std::string> name_annotation();
  void check_annotations();
  void note_name(Space space, u32 index, Token id);
  void code_annotation(const Annotation& a, u32 offset);
  ParsedModule assemble();
  Bytes name_section() const;

  const ParseOptions& options_;
  ParsedModule out_;
  SymbolTable symbols_;
  std::array<u32, kSpaces> next_{};
  std::array<Section, 14> sections_;  // by SectionId
  Section& section(wasm::SectionId id) { return sections_[static_cast<size_t>(id)]; }
  const char* defined_ = nullptr;  // the kind of the first definition that is no import
  bool has_start_ = false;
  bool uses_data_count_ = false;

  // Types.
  struct TypeInfo {
    bool is_func = false;
    u32 params = 0;
    u32 begin = 0, end = 0;  // of its parameters and results in the type section
  };
  std::vector<u32> type_fields_;  // tokens
  std::vector<TypeInfo> types_;
  std::unordered_map<std::string, u32> func_types_;  // by encoding, those that a type use may stand for
  std::unordered_map<u64, u32> struct_fields_;       // by type and symbol
  Bytes use_params_, use_results_;
  std::string use_key_;

  // The function being read.
  u32 scope_ = 0;
  u32 local_count_ = 0;
  bool locals_known_ = true;
  u32 label_depth_ = 0, label_count_ = 0;
  NameList local_names_, label_names_;
  Sink body_;
  std::vector<Frame> frames_;
  Bytes pending_;
  struct Hint {
    u32 annotation;
    u32 offset;
  };
  std::vector<Hint> hints_;

  // Names and custom sections.
  std::array<NameList, kSpaces> names_;
  struct NestedNames {
    u32 index;
    NameList names;
  };
  std::vector<NestedNames> all_local_names_, all_label_names_, all_field_names_;
  std::optional<std::string> module_name_;
  std::vector<bool> annotation_used_;
  // Custom sections by place: 2i before, 2i+1 after the i-th section of kSectionOrder; the first and the
  // last place of all at the ends.
  std::array<std::vector<Bytes>, 2 * kSectionOrder.size() + 2> customs_;
  struct CodeMetadata {
    std::string name;
    u32 functions = 0, last_function = kNone, count = 0;
    Bytes bytes, function_bytes;
  };
  std::vector<CodeMetadata> code_metadata_;
  u32 current_function_ = kNone;
};

}  // namespace berth::text
