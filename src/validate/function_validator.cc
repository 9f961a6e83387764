#include "validate/function_validator.h"

#include <algorithm>

#include "validate/function_control.h"

namespace berth::validate {

using wasm::Op;
using wasm::ValKind;
using wasm::ValType;

namespace {
constexpr size_t kFlatLocals = 512;
constexpr size_t kFirstCapacity = 1024;
}  // namespace

FunctionValidator::FunctionValidator(const ModuleFacts& facts)
    : facts_(facts), module_(facts.module), features_(facts.features) {
  stack_ = std::make_unique<ValType[]>(kFirstCapacity);
  capacity_ = kFirstCapacity;
}

void FunctionValidator::start(std::span<const u8> bytes, u64 offset) {
  reader_ = wasm::CodeReader(bytes, offset);
  op_start_ = bytes.data();
  sp_ = base_ = max_sp_ = stack_.get();
  limit_ = stack_.get() + capacity_ - kMargin;
  unreachable_ = uses_v128_ = uses_legacy_ = false;
  frames_.clear();
  flat_locals_.clear();
  runs_.clear();
  local_count_ = 0;
  initialized_.clear();
  set_locals_.clear();
  interned_.clear();
  error_.reset();
  memories_ = module_.memories.data();
  memory_count_ = static_cast<u32>(module_.memories.size());
}

Result<FunctionSummary> FunctionValidator::validate(wasm::FuncIdx func) {
  const wasm::Function& function = module_.functions[func.value];
  start(module_.body(func), function.body.offset);
  const FuncSig& sig = facts_.sigs[function.type.value];
  bool good = read_locals(sig);
  if (good) {
    push_frame(FrameKind::Function, {}, {sig.results, sig.result_count});
    while (!frames_.empty()) {
      op_start_ = reader_.position();
      if (reader_.at_end()) [[unlikely]] {
        reader_.fail_here(ErrorCode::EndExpected);
        good = false;
        break;
      }
      if (sp_ > limit_ && !grow(kMargin)) [[unlikely]] {
        good = false;
        break;
      }
      if (!wasm::decode_op(reader_, *this)) [[unlikely]] {
        good = false;
        break;
      }
      if (sp_ > max_sp_) max_sp_ = sp_;
    }
  }
  if (good && !reader_.at_end()) {
    good = error(Error(ErrorCode::SectionSizeMismatch,
                       std::to_string(reader_.remaining()) + " bytes after the end of the function")
                     .at(reader_.offset()));
  }
  FunctionSummary summary;
  if (good) {
    for (u32 i = 0; i < sig.param_count; ++i) summary.local_slots += sig.params[i].kind == ValKind::V128 ? 2 : 1;
    u32 first = sig.param_count;
    for (const Run& run : runs_) {
      if (run.end <= sig.param_count) continue;
      summary.local_slots += (run.end - first) * (run.type.kind == ValKind::V128 ? 2 : 1);
      first = run.end;
    }
    summary.stack_slots = static_cast<u32>(max_sp_ - stack_.get()) * (uses_v128_ ? 2 : 1);
    summary.uses_legacy_exceptions = uses_legacy_;
    const u64 slots = u64{summary.local_slots} + summary.stack_slots;
    if (slots > facts_.limits.function_slots) {
      good = error(std::move(
          limit_error("slots of a function's frame", facts_.limits.function_slots, slots).at(function.body.offset)));
    }
  }
  if (!good) return fail(reader_error().in_function(func.value));
  return summary;
}

// --- locals

bool FunctionValidator::read_locals(const FuncSig& sig) {
  bool all_defaultable = true;
  for (u32 i = 0; i < sig.param_count; ++i) {
    if (flat_locals_.size() < kFlatLocals) flat_locals_.push_back(sig.params[i]);
    runs_.push_back({i + 1, sig.params[i]});
  }
  u64 count = sig.param_count;
  const u32 groups = reader_.leb_u32();
  for (u32 g = 0; g < groups && reader_.ok(); ++g) {
    op_start_ = reader_.position();
    const u64 at = reader_.offset();
    const u32 n = reader_.leb_u32();
    const u64 type_at = reader_.offset();
    const ValType type = reader_.val_type();
    if (!reader_.ok()) return false;
    count += n;
    if (count > 0xFFFFFFFF) return error(Error(ErrorCode::TooManyLocals, std::to_string(count)).at(at));
    if (auto e = facts_.check(type)) return error(std::move(*e).at(type_at));
    if (n == 0) continue;
    all_defaultable = all_defaultable && type.is_defaultable();
    const size_t flat = std::min<u64>(count, kFlatLocals);
    if (flat > flat_locals_.size()) flat_locals_.resize(flat, type);
    runs_.push_back({static_cast<u32>(count), type});
  }
  if (!reader_.ok()) return false;
  if (count > facts_.limits.function_locals) {
    return error(
        std::move(limit_error("locals of a function", facts_.limits.function_locals, count).at(reader_.offset())));
  }
  local_count_ = static_cast<u32>(count);
  if (!all_defaultable) {
    initialized_.assign(local_count_, true);
    u32 first = sig.param_count;
    for (const Run& run : runs_) {
      if (run.end <= sig.param_count) continue;
      if (!run.type.is_defaultable()) std::fill(initialized_.begin() + first, initialized_.begin() + run.end, false);
      first = run.end;
    }
  }
  return true;
}

bool FunctionValidator::local_type_slow(wasm::LocalIdx local, ValType& type) {
  if (local.value >= local_count_) {
    return error(ErrorCode::UnknownLocal,
                 std::to_string(local.value) + " (the function has " + std::to_string(local_count_) + ")");
  }
  type = std::ranges::upper_bound(runs_, local.value, {}, &Run::end)->type;
  return true;
}

bool FunctionValidator::check_initialized(wasm::LocalIdx local) {
  if (initialized_.empty() || initialized_[local.value]) return true;
  return error(ErrorCode::UninitializedLocal, std::to_string(local.value));
}

void FunctionValidator::set_initialized(wasm::LocalIdx local) {
  if (initialized_.empty() || initialized_[local.value]) return;
  initialized_[local.value] = true;
  set_locals_.push_back(local.value);
}

void FunctionValidator::reset_locals(u32 init_height) {
  while (set_locals_.size() > init_height) {
    initialized_[set_locals_.back()] = false;
    set_locals_.pop_back();
  }
}

// --- the operand stack

bool FunctionValidator::ensure(size_t count) { return limit_ - sp_ >= static_cast<ptrdiff_t>(count) || grow(count); }

bool FunctionValidator::grow(size_t count) {
  const size_t used = static_cast<size_t>(sp_ - stack_.get());
  if (used + count > size_t{facts_.limits.function_slots} + kMargin) {
    return error(limit_error("operands of a function", facts_.limits.function_slots, used + count));
  }
  const size_t capacity = std::max(capacity_ * 2, used + count + 2 * kMargin);
  auto bigger = std::make_unique<ValType[]>(capacity);
  std::copy(stack_.get(), sp_, bigger.get());
  base_ = bigger.get() + (base_ - stack_.get());
  max_sp_ = bigger.get() + (max_sp_ - stack_.get());
  sp_ = bigger.get() + used;
  stack_ = std::move(bigger);
  capacity_ = capacity;
  limit_ = stack_.get() + capacity_ - kMargin;
  return true;
}

bool FunctionValidator::pop_slow(ValType wanted) {
  if (sp_ == base_) return unreachable_ || mismatch(std::span(&wanted, 1));
  if (!wasm::val_matches(module_, sp_[-1], wanted)) return mismatch(std::span(&wanted, 1));
  --sp_;
  return true;
}

bool FunctionValidator::pop_any_slow(ValType& type) {
  if (!unreachable_) {
    return error(ErrorCode::TypeMismatch, "instruction requires a value but stack has [] (" + mnemonic() + ")");
  }
  type = ValType{};
  return true;
}

bool FunctionValidator::pop_all_slow(std::span<const ValType> wanted) {
  ValType* const saved = sp_;
  for (size_t n = wanted.size(); n-- > 0;) {
    if (sp_ == base_) {
      if (unreachable_) return true;
    } else if (wasm::val_matches(module_, sp_[-1], wanted[n])) {
      --sp_;
      continue;
    }
    sp_ = saved;
    return mismatch(wanted);
  }
  return true;
}

bool FunctionValidator::pop_ref(ValType& type) {
  if (!pop_any(type)) return false;
  if (type.is_ref() || type.kind == ValKind::Bottom) return true;
  ++sp_;
  return error(ErrorCode::TypeMismatch, "instruction requires a reference but stack has " +
                                            to_string(std::span(&type, 1)) + " (" + mnemonic() + ")");
}

bool FunctionValidator::check_top(std::span<const ValType> wanted) {
  const ValType* have = sp_;
  for (size_t n = wanted.size(); n-- > 0;) {
    if (have == base_) return unreachable_ || mismatch(wanted);
    --have;
    if (!wasm::val_matches(module_, *have, wanted[n])) return mismatch(wanted);
  }
  return true;
}

// --- index spaces

const FuncSig* FunctionValidator::type_sig(wasm::TypeIdx index) {
  return type(index, wasm::CompositeKind::Func) ? &facts_.sigs[index.value] : nullptr;
}

const FuncSig* FunctionValidator::function_sig(wasm::FuncIdx func) {
  if (func.value >= module_.functions.size()) [[unlikely]] {
    unknown(ErrorCode::UnknownFunction, func.value, module_.functions.size(), "functions");
    return nullptr;
  }
  return &facts_.sigs[module_.functions[func.value].type.value];
}

const FuncSig* FunctionValidator::indirect_sig(const wasm::TypeTableImm& imm) {
  const wasm::Table* t = table(imm.table);
  if (!t) return nullptr;
  if (!wasm::val_matches(module_, t->type.element, wasm::kFuncRef)) {
    error(ErrorCode::TypeMismatch, "table " + std::to_string(imm.table.value) + " holds " +
                                       wasm::to_string(t->type.element) + ", not functions (" + mnemonic() + ")");
    return nullptr;
  }
  const FuncSig* sig = type_sig(imm.type);
  return sig && pop(t->type.address_type()) ? sig : nullptr;
}

const wasm::Table* FunctionValidator::table(wasm::TableIdx index) {
  if (index.value >= module_.tables.size()) {
    unknown(ErrorCode::UnknownTable, index.value, module_.tables.size(), "tables");
    return nullptr;
  }
  return &module_.tables[index.value];
}

const wasm::Tag* FunctionValidator::tag(wasm::TagIdx index) {
  if (index.value >= module_.tags.size()) {
    unknown(ErrorCode::UnknownTag, index.value, module_.tags.size(), "tags");
    return nullptr;
  }
  return &module_.tags[index.value];
}

const wasm::SubType* FunctionValidator::type(wasm::TypeIdx index, wasm::CompositeKind kind) {
  if (index.value >= module_.types.size()) {
    unknown(ErrorCode::UnknownType, index.value, module_.types.size(), "types");
    return nullptr;
  }
  const wasm::SubType& t = module_.types[index.value];
  if (t.kind != kind) {
    constexpr const char* kKinds[] = {"a function type", "a struct type", "an array type"};
    error(ErrorCode::TypeMismatch, "type " + std::to_string(index.value) + " is " + kKinds[static_cast<u8>(t.kind)] +
                                       ", expected " + kKinds[static_cast<u8>(kind)] + " (" + mnemonic() + ")");
    return nullptr;
  }
  return &t;
}

bool FunctionValidator::check_data(wasm::DataIdx index) {
  if (!module_.data_count) return error(ErrorCode::DataCountRequired);
  return index.value < *module_.data_count ||
         unknown(ErrorCode::UnknownDataSegment, index.value, *module_.data_count, "data segments");
}

bool FunctionValidator::check_elem(wasm::ElemIdx index) {
  return index.value < module_.elems.size() ||
         unknown(ErrorCode::UnknownElemSegment, index.value, module_.elems.size(), "element segments");
}

bool FunctionValidator::check(ValType type) {
  if (!type.is_ref() && type.kind != ValKind::V128) return true;
  auto e = facts_.check(type);
  return !e || error(std::move(*e));
}

// --- errors

bool FunctionValidator::error(Error e) {
  if (!error_) {
    if (!e.offset()) e = std::move(e).at(op_offset());
    error_ = std::move(e);
  }
  return false;
}

bool FunctionValidator::error(ErrorCode code, std::string detail) {
  return error(Error(code, std::move(detail)).at(op_offset()));
}

Error FunctionValidator::reader_error() {
  if (error_) return std::move(*error_);
  std::string detail;
  if (reader_.error_code() == ErrorCode::UnexpectedEnd) detail = "of section or function";
  if (reader_.error_code() == ErrorCode::IllegalOpcode) detail = mnemonic();
  return Error(reader_.error_code(), std::move(detail)).at(reader_.error_offset());
}

std::string FunctionValidator::mnemonic() const {
  wasm::CodeReader reader(std::span(op_start_, static_cast<size_t>(reader_.end() - op_start_)));
  const u8 first = reader.byte();
  u32 code = first;
  const bool prefixed = first >= 0xFB && first <= 0xFE;
  if (prefixed) code = reader.leb_u32();
  for (const wasm::OpInfo& i : wasm::kOpInfo)
    if (prefixed ? i.prefix == first && i.code == code : i.prefix == 0 && i.code == code)
      return std::string(i.mnemonic());
  constexpr char kHex[] = "0123456789abcdef";
  std::string hex{kHex[first >> 4], kHex[first & 15]};
  if (prefixed) hex += " " + std::to_string(code);
  return hex;
}

bool FunctionValidator::missing_feature(Op op) {
  const wasm::OpInfo& i = wasm::info(op);
  return error(feature_error(i.mnemonic(), i.feature));
}

bool FunctionValidator::unknown(ErrorCode code, u64 index, u64 count, const char* what) {
  return error(code, std::to_string(index) + " (there are " + std::to_string(count) + " " + what + ")");
}

bool FunctionValidator::unknown_memory(wasm::MemoryIdx index) {
  return unknown(ErrorCode::UnknownMemory, index.value, memory_count_, "memories");
}

bool FunctionValidator::unknown_label(wasm::LabelIdx index) {
  return unknown(ErrorCode::UnknownLabel, index.value, frames_.size(), "labels here");
}

bool FunctionValidator::bad_alignment(const wasm::MemArgImm& m, u32 natural, bool atomic) {
  const std::string text =
      mnemonic() + " has 2^" + std::to_string(m.align_log2) + ", natural is 2^" + std::to_string(natural);
  return error(atomic && m.align_log2 < natural ? ErrorCode::AtomicAlignment : ErrorCode::InvalidAlignment, text);
}

bool FunctionValidator::bad_offset(const wasm::MemArgImm& m) {
  return error(ErrorCode::OffsetOutOfRange,
               std::to_string(m.offset) + " in the 32-bit memory " + std::to_string(m.memory.value));
}

bool FunctionValidator::bad_lane(u32 lane, u32 count) {
  return error(ErrorCode::InvalidLaneIndex,
               std::to_string(lane) + ", " + mnemonic() + " has " + std::to_string(count) + " lanes");
}

bool FunctionValidator::mismatch(std::span<const ValType> wanted) {
  const size_t have = std::min(wanted.size(), static_cast<size_t>(sp_ - base_));
  return error(ErrorCode::TypeMismatch, "instruction requires " + to_string(wanted) + " but stack has " +
                                            to_string(std::span<const ValType>(sp_ - have, have)) + " (" + mnemonic() +
                                            ")");
}

bool FunctionValidator::block_mismatch(std::span<const ValType> wanted) {
  return error(ErrorCode::TypeMismatch, "block requires " + to_string(wanted) + " but stack has " +
                                            to_string(std::span<const ValType>(base_, sp_)) + " (" + mnemonic() + ")");
}

// --- constant expressions

struct ConstantVisitor {
  FunctionValidator& v;
  u32 visible_globals;
  std::vector<bool>* declared;

  template <Op O>
  bool on(const wasm::ImmOf<O>& imm) {
    constexpr const wasm::OpInfo& i = wasm::info(O);
    if constexpr (O == Op::End) {
      return v.on<O>(imm);
    } else if constexpr (!i.constant) {
      return v.error(ErrorCode::ConstantExpressionRequired, std::string(i.mnemonic()) + " is not constant");
    } else {
      if constexpr (O == Op::I32Add || O == Op::I32Sub || O == Op::I32Mul || O == Op::I64Add || O == Op::I64Sub ||
                    O == Op::I64Mul) {
        if (!v.features_.has(wasm::Feature::ExtendedConst)) {
          return v.error(ErrorCode::ConstantExpressionRequired,
                         std::string(i.mnemonic()) + " needs the feature extended-const");
        }
      }
      if constexpr (O == Op::GlobalGet) {
        if (imm.global.value >= visible_globals)
          return v.unknown(ErrorCode::UnknownGlobal, imm.global.value, visible_globals, "globals before this");
        if (v.module_.globals[imm.global.value].type.is_mutable) {
          return v.error(ErrorCode::ConstantExpressionRequired,
                         "global " + std::to_string(imm.global.value) + " is mutable");
        }
        if (imm.global.value >= v.module_.imported_globals && !v.features_.has(wasm::Feature::Gc)) {
          return v.error(ErrorCode::ConstantExpressionRequired,
                         "global " + std::to_string(imm.global.value) + " is not imported, which needs the feature gc");
        }
      }
      if constexpr (O == Op::RefFunc) {
        if (declared && imm.func.value < declared->size()) (*declared)[imm.func.value] = true;
      }
      return v.on<O>(imm);
    }
  }
};

Result<> FunctionValidator::validate_constant(wasm::ConstExpr expr, ValType expected, u32 visible_globals,
                                              std::vector<bool>* declared) {
  start(module_.range(expr.range), expr.range.offset);
  push_frame(FrameKind::Function, {}, std::span(intern(expected), 1));
  ConstantVisitor visitor{*this, visible_globals, declared};
  while (!frames_.empty()) {
    op_start_ = reader_.position();
    if (reader_.at_end()) reader_.fail_here(ErrorCode::EndExpected);
    if (!reader_.ok() || (sp_ > limit_ && !grow(kMargin)) || !wasm::decode_op(reader_, visitor))
      return fail(reader_error());
  }
  return {};
}

}  // namespace berth::validate
