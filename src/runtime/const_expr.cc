#include "runtime/const_expr.h"

#include "runtime/builtins.h"
#include "runtime/objects.h"
#include "runtime/store_impl.h"
#include "wasm/code_reader.h"

namespace berth::runtime {

namespace {

using abi::Ref;
using abi::Slot;
using abi::TrapCode;
using wasm::Op;

// Executes instructions on the store's stack of constant expressions, which the collector sees.
class Evaluator {
 public:
  explicit Evaluator(InstanceImpl& instance)
      : context_(&instance.context),
        module_(instance.module->module()),
        stack_(StoreAccess::of(instance.store).const_stack),
        bottom_(stack_.size()) {}
  ~Evaluator() { stack_.resize(bottom_); }

  TrapCode run(const wasm::ConstExpr& expression, Slot* out) {
    wasm::CodeReader reader(module_.range(expression.range));
    while (reader.ok() && !done_ && trap_ == TrapCode::None) wasm::decode_op(reader, *this);
    CHECK(reader.ok());  // validated
    if (trap_ == TrapCode::None) std::copy(stack_.begin() + static_cast<std::ptrdiff_t>(bottom_), stack_.end(), out);
    return trap_;
  }

  template <Op op>
  bool on(const wasm::ImmOf<op>& imm) {
    if constexpr (op == Op::End)
      done_ = true;
    else if constexpr (op == Op::I32Const)
      push(static_cast<u32>(imm.value));
    else if constexpr (op == Op::I64Const)
      push(static_cast<u64>(imm.value));
    else if constexpr (op == Op::F32Const || op == Op::F64Const)
      push(imm.bits);
    else if constexpr (op == Op::V128Const) {
      Slot slots[2];
      std::memcpy(slots, imm.value.bytes, 16);
      push(slots[0]);
      push(slots[1]);
    } else if constexpr (op == Op::I32Add || op == Op::I32Sub || op == Op::I32Mul)
      binary<op, u32>();
    else if constexpr (op == Op::I64Add || op == Op::I64Sub || op == Op::I64Mul)
      binary<op, u64>();
    else if constexpr (op == Op::GlobalGet) {
      const Slot* value = context_->globals[imm.global.value]->value;
      push(value[0]);
      if (slot_count(module_.globals[imm.global.value].type.type) == 2) push(value[1]);
    } else if constexpr (op == Op::RefNull)
      push(abi::kNull);
    else if constexpr (op == Op::RefFunc)
      push(reinterpret_cast<Slot>(StoreAccess::of(context_).function(imm.func.value)));
    else if constexpr (op == Op::RefI31)
      push(abi::make_i31(static_cast<u32>(pop())));
    else if constexpr (op == Op::AnyConvertExtern || op == Op::ExternConvertAny) {
    } else if constexpr (op == Op::StructNew || op == Op::StructNewDefault)
      new_struct(imm.type, op == Op::StructNew);
    else if constexpr (op == Op::ArrayNew || op == Op::ArrayNewDefault)
      new_array(imm.type, op == Op::ArrayNew);
    else if constexpr (op == Op::ArrayNewFixed)
      new_fixed_array(imm.type, imm.count);
    else {
      static_assert(!wasm::info(op).constant, "a constant instruction without a handler");
      CHECK(!"an instruction that is not constant");
    }
    return true;
  }

 private:
  void push(Slot value) { stack_.push_back(value); }
  Slot pop() {
    const Slot value = stack_.back();
    stack_.pop_back();
    return value;
  }
  template <Op op, typename T>
  void binary() {
    const T b = static_cast<T>(pop());
    const T a = static_cast<T>(pop());
    if constexpr (op == Op::I32Add || op == Op::I64Add)
      push(static_cast<T>(a + b));
    else if constexpr (op == Op::I32Sub || op == Op::I64Sub)
      push(static_cast<T>(a - b));
    else
      push(static_cast<T>(a * b));
  }

  // Operands stay on the stack until they are in the object, so that a collection finds them.
  void new_struct(wasm::TypeIdx index, bool with_fields) {
    const abi::RuntimeType* type = context_->types[index.value];
    const auto& fields = module_.types[index.value].strct.fields;
    Ref ref = abi::kNull;
    if (!check(struct_new(context_, type, &ref))) return;
    if (with_fields) {
      for (size_t i = fields.size(); i-- > 0;) {
        const u32 slots = slot_count(fields[i].type);
        store_packed(reinterpret_cast<u8*>(object_of(ref)) + type->field_offsets[i], fields[i].size(), top(slots));
        drop(slots);
      }
    }
    push(ref);
  }
  void new_array(wasm::TypeIdx index, bool with_value) {
    const abi::RuntimeType* type = context_->types[index.value];
    const u32 length = static_cast<u32>(pop());
    const u32 slots = with_value ? slot_count(module_.types[index.value].array.element.type) : 0;
    Ref ref = abi::kNull;
    if (!check(array_new(context_, type, length, &ref))) return;
    if (with_value) {
      array_fill(context_, ref, 0, top(slots), length);
      drop(slots);
    }
    push(ref);
  }
  void new_fixed_array(wasm::TypeIdx index, u32 count) {
    const abi::RuntimeType* type = context_->types[index.value];
    const wasm::FieldType& element = module_.types[index.value].array.element;
    const u32 slots = slot_count(element.type);
    Ref ref = abi::kNull;
    if (!check(array_new(context_, type, count, &ref))) return;
    u8* data = array_of(ref)->data();
    for (u32 i = count; i-- > 0; drop(slots))
      store_packed(data + (u64{i} << type->element_log2), element.size(), top(slots));
    push(ref);
  }
  const Slot* top(u32 slots) const { return stack_.data() + stack_.size() - slots; }
  void drop(u32 slots) { stack_.resize(stack_.size() - slots); }
  bool check(TrapCode code) {
    trap_ = code;
    return code == TrapCode::None;
  }

  abi::InstanceContext* context_;
  const wasm::Module& module_;
  std::vector<Slot>& stack_;
  const size_t bottom_;
  TrapCode trap_ = TrapCode::None;
  bool done_ = false;
};

}  // namespace

TrapCode evaluate(InstanceImpl& instance, const wasm::ConstExpr& expression, Slot* out) {
  return Evaluator(instance).run(expression, out);
}

}  // namespace berth::runtime
