#include "fuzz/observe.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "runtime/global.h"
#include "runtime/memory.h"
#include "runtime/objects.h"
#include "runtime/store.h"
#include "runtime/table.h"

namespace berth::fuzz {

void fail(const std::string& what) {
  std::fprintf(stderr, "%s\n", what.c_str());
  std::abort();
}

namespace {

constexpr i64 kFuel = 100'000;

// How deep and how wide objects are followed.
constexpr u32 kMostNesting = 3, kMostElements = 8;

runtime::Value argument(wasm::ValType type, u64 seed) {
  switch (type.kind) {
    case wasm::ValKind::I32: return runtime::Value::of_i32(static_cast<i32>(seed));
    case wasm::ValKind::I64: return runtime::Value::of_i64(static_cast<i64>(seed << 33 | seed));
    case wasm::ValKind::F32: return runtime::Value::of_f32_bits(static_cast<u32>(0x3fc00000 + seed));
    case wasm::ValKind::F64: return runtime::Value::of_f64_bits(0x3ff8000000000000 + seed);
    case wasm::ValKind::V128: return runtime::Value::of_v128(V128{{static_cast<u8>(seed), 1, 2, 3, 4, 5, 6, 7}});
    default: return runtime::Value::of_ref(abi::kNull);
  }
}

// Says what values are. Objects have no names of their own, so they are told by what they hold.
class Describer {
 public:
  explicit Describer(const runtime::PreparedModule& module) : types_(module.types()) {}

  std::string operator()(const runtime::Value& value) const {
    return value.kind == wasm::ValKind::Ref ? reference(value.ref, 0) : bits(value.kind, &value.i64_value);
  }
  // A global's cell, or a field or an element, of that type.
  std::string at(const void* place, const wasm::FieldType& type, u32 nesting = 0) const {
    if (type.packed != wasm::Packed::None) {
      u32 value = 0;
      std::memcpy(&value, place, type.size());
      return std::to_string(value);
    }
    if (!type.type.is_ref()) return bits(type.type.kind, place);
    abi::Ref ref;
    std::memcpy(&ref, place, sizeof ref);
    return reference(ref, nesting);
  }
  std::string reference(abi::Ref ref, u32 nesting) const {
    if (ref == abi::kNull) return "null";
    if (abi::is_i31(ref)) return "i31 " + std::to_string(abi::i31_signed(ref));
    const abi::Object* object = runtime::object_of(ref);  // functions start with their type, too
    const abi::RuntimeType& type = *object->type;
    const auto index = std::ranges::find(types_, &type) - types_.begin();
    std::string text = "#" + std::to_string(index);
    switch (type.kind) {
      case abi::TypeKind::Func: return text + " func " + std::to_string(runtime::function_of(ref)->index);
      case abi::TypeKind::Struct: {
        if (nesting == kMostNesting) return text;
        const auto& fields = type.definition->strct.fields;
        for (size_t i = 0; i < fields.size(); ++i) {
          const u8* field = reinterpret_cast<const u8*>(object) + type.field_offsets[i];
          text += (i == 0 ? "{" : ", ") + at(field, fields[i], nesting + 1);
        }
        return text + "}";
      }
      case abi::TypeKind::Array: {
        abi::ArrayObject* array = runtime::array_of(ref);
        text += "[" + std::to_string(array->length) + ":";
        const wasm::FieldType& element = type.definition->array.element;
        for (u32 i = 0; i < std::min(array->length, nesting == kMostNesting ? 0 : kMostElements); ++i)
          text += " " + at(array->data() + u64{i} * element.size(), element, nesting + 1);
        return text + "]";
      }
      case abi::TypeKind::Host: return "host";
      case abi::TypeKind::Exception:
        return "exception " + std::to_string(static_cast<const abi::ExceptionObject*>(object)->slot_count);
    }
    return text;
  }

 private:
  static std::string bits(wasm::ValKind kind, const void* place) {
    u64 low = 0, high = 0;
    std::memcpy(&low, place, kind == wasm::ValKind::I32 || kind == wasm::ValKind::F32 ? 4 : 8);
    if (kind != wasm::ValKind::V128) return std::to_string(low);
    std::memcpy(&high, static_cast<const u8*>(place) + 8, 8);
    return std::to_string(low) + "'" + std::to_string(high);
  }

  std::span<const abi::RuntimeType* const> types_;
};

std::string describe(const runtime::InstantiationFailure& failure) {
  if (const auto* error = std::get_if<Error>(&failure)) return error->to_string();
  const runtime::Unwind& unwind = *std::get<std::unique_ptr<runtime::Unwind>>(failure);
  return std::to_string(static_cast<int>(unwind.kind)) + "/" + std::to_string(static_cast<int>(unwind.trap));
}

u64 hash(std::span<const u8> bytes) {
  u64 value = 0xcbf29ce484222325;
  for (const u8 byte : bytes) value = (value ^ byte) * 0x100000001b3;
  return value;
}

}  // namespace

std::string observe(engine::Engine& engine, const std::shared_ptr<const wasm::Module>& module, bool stress) {
  const i64 fuel = stress ? kFuel / 20 : kFuel;
  runtime::Store store(
      engine.executor(),
      {.memory_bytes = 16 << 20, .heap_bytes = 16 << 20, .stack_bytes = 1 << 20, .stress_heap = stress});
  store.set_fuel(fuel);
  const auto prepared = engine.prepare(module);
  if (!prepared) fail(prepared.error().to_string());
  // What the guest may call: gives its arguments back, the other way round, and collects garbage now and then.
  const wasm::ValType any = wasm::ValType::ref(wasm::HeapType::kAny, true);
  u64 calls = 0;
  abi::FunctionInstance* host =
      store.make_function({.params = {wasm::kI32, any}, .results = {any, wasm::kI32}},
                          [&calls](runtime::Caller& caller, abi::Slot* values) -> runtime::Outcome<void> {
                            if (++calls % 16 == 0) (void)caller.store().collect_garbage();
                            std::swap(values[0], values[1]);
                            return {};
                          });
  const runtime::Extern imports[] = {host};
  const auto instance = store.instantiate(*prepared, imports);
  if (!instance) return describe(instance.error());
  const Describer describe_value(**prepared);
  std::string seen;
  for (u32 index = 0;; ++index) {
    abi::FunctionInstance* function = (*instance)->find_function("f" + std::to_string(index));
    if (function == nullptr) break;
    std::vector<runtime::Value> arguments;
    for (const wasm::ValType type : module->types[module->functions[function->index].type.value].func.params)
      arguments.push_back(argument(type, index * 3 + arguments.size()));
    const auto results = store.call(*function, arguments);
    if (!results) {
      seen += describe(results.error());
    } else {
      for (const runtime::Value& value : *results) seen += describe_value(value) + " ";
    }
    seen += "\n";
    store.set_fuel(fuel);
  }
  for (const wasm::Export& exported : module->exports) {
    const auto found = (*instance)->find_export(exported.name);
    if (const auto* global = std::get_if<runtime::Global*>(&*found)) {
      seen += std::string(exported.name) + " " +
              describe_value.at(&(*global)->cell(), {.type = (*global)->type().type}) + "\n";
    } else if (const auto* table = std::get_if<runtime::Table*>(&*found)) {
      seen += exported.name;
      for (const abi::Ref ref : (*table)->elements()) seen += " " + describe_value.reference(ref, 0);
      seen += "\n";
    } else if (const auto* memory = std::get_if<runtime::Memory*>(&*found)) {
      const std::span<const u8> bytes((*memory)->base(), (*memory)->bytes());
      seen +=
          std::string(exported.name) + " " + std::to_string(bytes.size()) + " " + std::to_string(hash(bytes)) + "\n";
    }
  }
  (void)store.collect_garbage();
  return seen;
}

}  // namespace berth::fuzz
