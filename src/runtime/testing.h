// For this library's tests only: modules made in code, and an executor whose functions are C++
// lambdas.
#pragma once

#include <functional>
#include <initializer_list>
#include <map>

#include "runtime/store.h"

// NOLINTBEGIN(performance-no-int-to-ptr): references are numbers.

namespace berth::runtime::testing {

// Bytes of a constant expression, instruction by instruction.
class Expr {
 public:
  Expr& i32(i32 v) { return op(0x41).sleb(v); }
  Expr& i64(berth::i64 v) { return op(0x42).sleb(v); }
  Expr& v128(const V128& v) {
    op(0xFD).leb(0x0C);
    bytes_.insert(bytes_.end(), v.bytes, v.bytes + 16);
    return *this;
  }
  Expr& global(u32 index) { return op(0x23).leb(index); }
  Expr& func(u32 index) { return op(0xD2).leb(index); }
  Expr& null(wasm::HeapType heap) {
    op(0xD0);
    if (heap.is_index()) return sleb(heap.index().value);
    constexpr u8 kCodes[] = {0x70, 0x73, 0x6F, 0x72, 0x6E, 0x6D, 0x6C, 0x6B, 0x6A, 0x71, 0x69, 0x74};
    return op(kCodes[heap.abstract() - wasm::HeapType::kFunc]);
  }
  Expr& i31() { return gc(0x1C); }
  Expr& struct_new(u32 type) { return gc(0x00).leb(type); }
  Expr& struct_new_default(u32 type) { return gc(0x01).leb(type); }
  Expr& array_new(u32 type) { return gc(0x06).leb(type); }
  Expr& array_new_default(u32 type) { return gc(0x07).leb(type); }
  Expr& array_new_fixed(u32 type, u32 count) { return gc(0x08).leb(type).leb(count); }
  Expr& i32_add() { return op(0x6A); }
  Expr& i64_mul() { return op(0x7E); }
  const std::vector<u8>& bytes() const { return bytes_; }

 private:
  Expr& op(u8 byte) {
    bytes_.push_back(byte);
    return *this;
  }
  Expr& gc(u32 code) { return op(0xFB).leb(code); }
  Expr& leb(u64 v) {
    do {
      op(static_cast<u8>((v & 0x7F) | (v > 0x7F ? 0x80 : 0)));
    } while (v >>= 7);
    return *this;
  }
  Expr& sleb(berth::i64 v) {
    while (v < -64 || v > 63) {
      op(static_cast<u8>((v & 0x7F) | 0x80));
      v >>= 7;
    }
    return op(static_cast<u8>(v & 0x7F));
  }
  std::vector<u8> bytes_;
};

// Fills a wasm::Module. Imports of a kind come before definitions of that kind.
class ModuleBuilder {
 public:
  // Types; those of `rec` form one recursion group.
  static wasm::SubType func(std::vector<wasm::ValType> params, std::vector<wasm::ValType> results) {
    wasm::SubType t;
    t.func = {std::move(params), std::move(results)};
    return t;
  }
  static wasm::SubType strct(std::vector<wasm::FieldType> fields) {
    wasm::SubType t;
    t.kind = wasm::CompositeKind::Struct;
    t.strct.fields = std::move(fields);
    return t;
  }
  static wasm::SubType array(wasm::FieldType element) {
    wasm::SubType t;
    t.kind = wasm::CompositeKind::Array;
    t.array.element = element;
    return t;
  }
  static wasm::SubType open(wasm::SubType t, std::optional<u32> super = {}) {
    t.is_final = false;
    if (super) t.super = wasm::TypeIdx(*super);
    return t;
  }
  static wasm::FieldType field(wasm::ValType type, bool is_mutable = true, wasm::Packed packed = wasm::Packed::None) {
    return {type, packed, is_mutable};
  }
  static wasm::ValType ref(u32 type, bool null = true) {
    return wasm::ValType::ref(wasm::HeapType(wasm::TypeIdx(type)), null);
  }

  u32 type(wasm::SubType t) { return rec({std::move(t)}); }
  u32 rec(std::vector<wasm::SubType> group) {
    const u32 start = static_cast<u32>(m.types.size());
    for (auto& t : group) {
      t.group_start = start;
      t.group_size = static_cast<u32>(group.size());
      m.types.push_back(std::move(t));
    }
    return start;
  }

  u32 import_function(u32 type, std::string name = "f") {
    m.functions.push_back({wasm::TypeIdx(type), {}, 0, false, false});
    return imported(wasm::ExternKind::Func, std::move(name), m.functions.size(), m.imported_functions);
  }
  u32 import_table(wasm::TableType type, std::string name = "t") {
    m.tables.push_back({type, {}});
    return imported(wasm::ExternKind::Table, std::move(name), m.tables.size(), m.imported_tables);
  }
  u32 import_memory(wasm::MemoryType type, std::string name = "m") {
    m.memories.push_back({type});
    return imported(wasm::ExternKind::Memory, std::move(name), m.memories.size(), m.imported_memories);
  }
  u32 import_global(wasm::GlobalType type, std::string name = "g") {
    m.globals.push_back({type, {}});
    return imported(wasm::ExternKind::Global, std::move(name), m.globals.size(), m.imported_globals);
  }
  u32 import_tag(u32 type, std::string name = "e") {
    m.tags.push_back({wasm::TypeIdx(type)});
    return imported(wasm::ExternKind::Tag, std::move(name), m.tags.size(), m.imported_tags);
  }

  u32 function(u32 type) {
    m.functions.push_back({wasm::TypeIdx(type), {}, 0, false, false});
    return static_cast<u32>(m.functions.size() - 1);
  }
  u32 table(wasm::TableType type, std::optional<Expr> init = {}) {
    m.tables.push_back({type, {}});
    if (init) m.tables.back().init = expr(*init);
    return static_cast<u32>(m.tables.size() - 1);
  }
  u32 memory(wasm::MemoryType type) {
    m.memories.push_back({type});
    return static_cast<u32>(m.memories.size() - 1);
  }
  u32 global(wasm::ValType type, const Expr& init, bool is_mutable = false) {
    m.globals.push_back({{type, is_mutable}, expr(init)});
    return static_cast<u32>(m.globals.size() - 1);
  }
  u32 tag(u32 type) {
    m.tags.push_back({wasm::TypeIdx(type)});
    return static_cast<u32>(m.tags.size() - 1);
  }
  void export_as(std::string name, wasm::ExternKind kind, u32 index) {
    m.exports.push_back({std::move(name), kind, index});
  }
  void start(u32 function) { m.start = wasm::FuncIdx(function); }

  u32 data(std::string_view text, std::optional<Expr> offset = {}, u32 memory = 0) {
    wasm::DataSegment d;
    d.bytes = append(std::vector<u8>(text.begin(), text.end()));
    if (offset) {
      d.mode = wasm::SegmentMode::Active;
      d.memory = wasm::MemoryIdx(memory);
      d.offset = expr(*offset);
    }
    m.datas.push_back(d);
    return static_cast<u32>(m.datas.size() - 1);
  }
  u32 elem_funcs(std::vector<u32> functions, std::optional<Expr> offset = {}, u32 table = 0) {
    wasm::ElemSegment e;
    e.type = wasm::kFuncRef;
    for (const u32 f : functions) e.funcs.push_back(wasm::FuncIdx(f));
    return elem(std::move(e), offset, table);
  }
  u32 elem_exprs(wasm::ValType type, const std::vector<Expr>& exprs, std::optional<Expr> offset = {}, u32 table = 0) {
    wasm::ElemSegment e;
    e.type = type;
    e.uses_exprs = true;
    for (const Expr& x : exprs) e.exprs.push_back(expr(x));
    return elem(std::move(e), offset, table);
  }

  std::shared_ptr<const wasm::Module> build() { return std::make_shared<const wasm::Module>(std::move(m)); }

  wasm::Module m;

 private:
  u32 imported(wasm::ExternKind kind, std::string name, size_t count, u32& counter) {
    counter = static_cast<u32>(count);
    m.imports.push_back({"env", std::move(name), kind, counter - 1});
    return counter - 1;
  }
  wasm::Range append(const std::vector<u8>& bytes) {
    const wasm::Range r{static_cast<u32>(m.bytes.size()), static_cast<u32>(bytes.size())};
    m.bytes.append(bytes);
    return r;
  }
  wasm::ConstExpr expr(const Expr& e) {
    std::vector<u8> bytes = e.bytes();
    bytes.push_back(0x0B);
    return {append(bytes)};
  }
  u32 elem(wasm::ElemSegment e, const std::optional<Expr>& offset, u32 table) {
    if (offset) {
      e.mode = wasm::SegmentMode::Active;
      e.table = wasm::TableIdx(table);
      e.offset = expr(*offset);
    }
    m.elems.push_back(std::move(e));
    return static_cast<u32>(m.elems.size() - 1);
  }
};

// Runs `bodies[defined index]` in place of a function's code; a missing one returns at once.
class FakeExecutor final : public Executor {
 public:
  using Body = std::function<Outcome<void>(abi::FunctionInstance&, abi::StoreContext&, abi::Slot*)>;
  std::map<u32, Body> bodies;

  std::unique_ptr<ModuleCode> prepare(std::shared_ptr<const wasm::Module>) override {
    struct Code final : ModuleCode {
      void* function_code(u32 index) override { return reinterpret_cast<void*>(std::uintptr_t{index} + 1); }
    };
    return std::make_unique<Code>();
  }
  Outcome<void> invoke(abi::FunctionInstance& function, abi::StoreContext& store, abi::Slot* values) override {
    const auto body = bodies.find(static_cast<u32>(reinterpret_cast<std::uintptr_t>(function.code) - 1));
    if (std::atomic_ref(store.stack_limit).load(std::memory_order_relaxed) == nullptr)
      return trap(abi::TrapCode::Interrupted);
    if (body == bodies.end()) return {};
    return body->second(function, store, values);
  }
  void backtrace(const abi::StoreContext&, std::vector<Frame>&) override {}

  std::shared_ptr<const PreparedModule> prepare_module(ModuleBuilder& builder) {
    return std::make_shared<const PreparedModule>(builder.build(), *this);
  }
};

}  // namespace berth::runtime::testing

// NOLINTEND(performance-no-int-to-ptr)
