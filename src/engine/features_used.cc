#include "engine/features_used.h"

#include "wasm/code_reader.h"

namespace berth::engine {
namespace {

using wasm::Feature;
using wasm::HeapType;
using wasm::Imm;
using wasm::Op;

class Scan {
 public:
  explicit Scan(const wasm::Module& module) : module_(module) {}

  wasm::FeatureSet run() {
    types();
    for (const auto& f : module_.functions) {
      if (f.uses_legacy_exceptions) use(Feature::LegacyExceptions);
    }
    index_spaces();
    segments();
    for (u32 i = module_.imported_functions; i < module_.functions.size(); ++i) body(wasm::FuncIdx(i));
    return used_;
  }

  // For wasm::decode_op.
  template <Op kOp>
  bool on(const wasm::ImmOf<kOp>& imm) {
    constexpr const wasm::OpInfo& kInfo = wasm::info(kOp);
    if constexpr (kInfo.feature != Feature::Mvp) use(kInfo.feature);
    if constexpr (kInfo.imm == Imm::Block) block(imm);
    if constexpr (kInfo.imm == Imm::TryTable) block(imm.type);
    if constexpr (kInfo.imm == Imm::HeapType) heap(imm.type);
    if constexpr (kInfo.imm == Imm::SelectTypes) value(imm.first);
    if (in_constant_) {
      constexpr bool kOld = kOp == Op::End || kOp == Op::GlobalGet || kOp == Op::I32Const || kOp == Op::I64Const ||
                            kOp == Op::F32Const || kOp == Op::F64Const;
      if constexpr (!kOld && kInfo.feature == Feature::Mvp) use(Feature::ExtendedConst);
    }
    return true;
  }

 private:
  void use(Feature f) { used_.enable(f); }
  void heap(HeapType h) {
    if (h.is_index()) return use(Feature::FunctionReferences);
    switch (h.abstract()) {
      case HeapType::kFunc: break;
      case HeapType::kExtern: use(Feature::ReferenceTypes); break;
      case HeapType::kExn:
      case HeapType::kNoExn: use(Feature::Exceptions); break;
      default: use(Feature::Gc); break;
    }
  }
  void value(wasm::ValType t) {
    if (t.is_vector()) use(Feature::Simd);
    if (!t.is_ref()) return;
    use(Feature::ReferenceTypes);
    if (!t.nullable) use(Feature::FunctionReferences);
    heap(t.heap);
  }
  void block(const wasm::BlockType& type) {
    if (type.kind == wasm::BlockType::Value) value(type.value);
    if (type.kind == wasm::BlockType::Type && !module_.types[type.type.value].func.params.empty()) {
      use(Feature::MultiValue);
    }
  }
  void types() {
    for (const wasm::SubType& type : module_.types) {
      if (type.kind != wasm::CompositeKind::Func || !type.is_final || type.super || type.group_size > 1)
        use(Feature::Gc);
      for (auto t : type.func.params) value(t);
      for (auto t : type.func.results) value(t);
      if (type.func.results.size() > 1) use(Feature::MultiValue);
    }
  }
  void index_spaces() {
    for (const auto& m : module_.memories) {
      if (m.type.is_64) use(Feature::Memory64);
      if (m.type.is_shared) use(Feature::Threads);
      if (m.type.page_size_log2 != 16) use(Feature::CustomPageSizes);
    }
    if (module_.memories.size() > 1) use(Feature::MultiMemory);
    for (const auto& t : module_.tables) {
      if (t.type.is_64) use(Feature::Memory64);
      if (t.type.element != wasm::kFuncRef) value(t.type.element);
      if (t.init) {
        use(Feature::FunctionReferences);
        constant(*t.init);
      }
    }
    if (module_.tables.size() > 1) use(Feature::ReferenceTypes);
    for (u32 i = 0; i < module_.globals.size(); ++i) {
      value(module_.globals[i].type.type);
      if (i >= module_.imported_globals) constant(module_.globals[i].init);
      if (i < module_.imported_globals && module_.globals[i].type.is_mutable) use(Feature::MutableGlobal);
    }
    for (const auto& e : module_.exports) {
      if (e.kind == wasm::ExternKind::Global && module_.globals[e.index].type.is_mutable) use(Feature::MutableGlobal);
    }
    if (!module_.tags.empty()) use(Feature::Exceptions);
  }
  void segments() {
    for (const auto& e : module_.elems) {
      if (e.mode != wasm::SegmentMode::Active) use(Feature::BulkMemory);
      if (e.uses_exprs) use(Feature::ReferenceTypes);
      if (e.mode == wasm::SegmentMode::Active) constant(e.offset);
      for (const auto& x : e.exprs) constant(x);
    }
    for (const auto& d : module_.datas) {
      if (d.mode != wasm::SegmentMode::Active) use(Feature::BulkMemory);
      if (d.mode == wasm::SegmentMode::Active) constant(d.offset);
    }
  }
  void constant(const wasm::ConstExpr& expr) {
    in_constant_ = true;
    instructions(wasm::CodeReader(module_.range(expr.range)));
    in_constant_ = false;
  }
  void body(wasm::FuncIdx f) {
    wasm::CodeReader reader(module_.body(f));
    for (u32 runs = reader.leb_u32(); runs > 0 && reader.ok(); --runs) {
      reader.leb_u32();
      value(reader.val_type());
    }
    instructions(reader);
  }
  void instructions(wasm::CodeReader reader) {
    while (reader.ok() && !reader.at_end()) wasm::decode_op(reader, *this);
  }

  const wasm::Module& module_;
  wasm::FeatureSet used_ = wasm::FeatureSet::none();
  bool in_constant_ = false;
};

}  // namespace

wasm::FeatureSet features_used(const wasm::Module& module) { return Scan(module).run(); }

}  // namespace berth::engine
