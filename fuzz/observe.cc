#include "fuzz/observe.h"

#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "runtime/memory.h"
#include "runtime/store.h"

namespace berth::fuzz {

void fail(const std::string& what) {
  std::fprintf(stderr, "%s\n", what.c_str());
  std::abort();
}

namespace {

constexpr i64 kFuel = 100'000;

runtime::Value argument(wasm::ValType type, u64 seed) {
  switch (type.kind) {
    case wasm::ValKind::I32: return runtime::Value::of_i32(static_cast<i32>(seed));
    case wasm::ValKind::I64: return runtime::Value::of_i64(static_cast<i64>(seed << 33 | seed));
    case wasm::ValKind::F32: return runtime::Value::of_f32_bits(static_cast<u32>(0x3fc00000 + seed));
    case wasm::ValKind::F64: return runtime::Value::of_f64_bits(0x3ff8000000000000 + seed);
    default: return runtime::Value::of_v128(V128{{static_cast<u8>(seed), 1, 2, 3, 4, 5, 6, 7}});
  }
}

std::string describe(const runtime::Value& value) {
  std::string text = std::to_string(static_cast<u32>(value.kind)) + ":";
  switch (value.kind) {
    case wasm::ValKind::I32: return text + std::to_string(value.i32_value);
    case wasm::ValKind::I64: return text + std::to_string(value.i64_value);
    case wasm::ValKind::F32: return text + std::to_string(value.f32_bits);
    case wasm::ValKind::F64: return text + std::to_string(value.f64_bits);
    default:
      for (const u8 byte : value.v128.bytes) text += std::to_string(byte) + ",";
      return text;
  }
}

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

std::string observe(engine::Engine& engine, const std::shared_ptr<const wasm::Module>& module) {
  runtime::Store store(engine.executor(), {.memory_bytes = 16 << 20, .heap_bytes = 16 << 20, .stack_bytes = 1 << 20});
  store.set_fuel(kFuel);
  const auto prepared = engine.prepare(module);
  if (!prepared) fail(prepared.error().to_string());
  const auto instance = store.instantiate(*prepared, {});
  if (!instance) return describe(instance.error());
  std::string seen;
  for (u32 index = 0;; ++index) {
    abi::FunctionInstance* function = (*instance)->find_function("f" + std::to_string(index));
    if (function == nullptr) break;
    std::vector<runtime::Value> arguments;
    for (const wasm::ValType type : module->types[module->functions[index].type.value].func.params) {
      arguments.push_back(argument(type, index * 3 + arguments.size()));
    }
    const auto results = store.call(*function, arguments);
    if (!results) {
      seen += describe(results.error()) + "\n";
    } else {
      for (const runtime::Value& value : *results) seen += describe(value) + " ";
      seen += "\n";
    }
    store.set_fuel(kFuel);
  }
  for (const char* name : {"m0", "m1"}) {
    if (const runtime::Memory* memory = (*instance)->find_memory(name)) {
      const std::span<const u8> bytes(memory->base(), memory->bytes());
      seen += std::to_string(bytes.size()) + " " + std::to_string(hash(bytes)) + "\n";
    }
  }
  (void)store.collect_garbage();
  return seen;
}

}  // namespace berth::fuzz
