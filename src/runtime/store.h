// Stores, instances and everything that lives in them (specification: execution, runtime structure): the
// embedding interface. A store and all that belongs to it is used by one thread at a time, except where noted;
// modules and shared memories may be used by many.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string_view>
#include <unordered_map>
#include <variant>

#include "base/result.h"
#include "runtime/executor.h"
#include "runtime/outcome.h"
#include "wasm/module.h"

namespace berth::runtime {

class Instance;
class Memory;
class Table;
class Global;
class Tag;
class Heap;
class TypeGroups;
struct InitialMemories;

// A validated module made ready to be instantiated: its types registered, its executor's data at hand.
// Immutable, shared between threads and stores.
class PreparedModule {
 public:
  PreparedModule(std::shared_ptr<const wasm::Module> module, Executor& executor);
  ~PreparedModule();
  const wasm::Module& module() const { return *module_; }
  const std::shared_ptr<const wasm::Module>& shared_module() const { return module_; }
  // The runtime type of each type index.
  std::span<const abi::RuntimeType* const> types() const { return types_; }
  ModuleCode& code() const { return *code_; }
  // Index in Module::exports of the export with that name.
  std::optional<u32> find_export(std::string_view name) const;
  // Defined globals, counted without the imported ones, that may hold objects of the heap.
  std::span<const u32> object_globals() const { return object_globals_; }
  // Whether nothing in the code changes a table or makes a reference to a function, so that both can be left until they
  // are needed. Reads all of the code when first asked. Any thread.
  bool leaves_tables_alone() const;

 private:
  std::shared_ptr<const wasm::Module> module_;
  std::unique_ptr<TypeGroups> groups_;
  std::vector<const abi::RuntimeType*> types_;
  std::unique_ptr<ModuleCode> code_;
  std::unordered_map<std::string_view, u32> exports_;
  std::vector<u32> object_globals_;
  mutable std::once_flag scanned_;
  mutable bool leaves_tables_alone_ = false;
};

// A typed value at the embedding boundary. References are valid as long as the store keeps the object alive
// (see Store::root).
struct Value {
  wasm::ValKind kind = wasm::ValKind::I32;
  union {
    i32 i32_value;
    i64 i64_value = 0;
    u32 f32_bits;
    u64 f64_bits;
    V128 v128;
    abi::Ref ref;
  };
  static Value of_i32(i32 v) {
    Value x;
    x.kind = wasm::ValKind::I32;
    x.i32_value = v;
    return x;
  }
  static Value of_i64(i64 v) {
    Value x;
    x.kind = wasm::ValKind::I64;
    x.i64_value = v;
    return x;
  }
  static Value of_f32_bits(u32 v) {
    Value x;
    x.kind = wasm::ValKind::F32;
    x.f32_bits = v;
    return x;
  }
  static Value of_f64_bits(u64 v) {
    Value x;
    x.kind = wasm::ValKind::F64;
    x.f64_bits = v;
    return x;
  }
  static Value of_v128(V128 v) {
    Value x;
    x.kind = wasm::ValKind::V128;
    x.v128 = v;
    return x;
  }
  static Value of_ref(abi::Ref v) {
    Value x;
    x.kind = wasm::ValKind::Ref;
    x.ref = v;
    return x;
  }
};

// Something that can be imported or exported. Plain handles; the store owns what they point to (a shared memory
// is owned jointly).
using Extern = std::variant<abi::FunctionInstance*, Table*, Memory*, Global*, Tag*>;

struct StoreLimits {
  u64 memory_bytes = u64{1} << 46;   // all linear memories together; growth beyond fails, creation is an error
  u64 table_elements = 100'000'000;  // all tables together
  u64 heap_bytes = u64{1} << 32;     // the garbage-collected heap
  u32 instances = 100'000;
  // How deep guest calls may nest: bytes of the interpreter's value stack, and as many of native code's.
  u64 stack_bytes = u64{8} << 20;
  u32 native_nesting = 200;  // how often host functions may call back into guest code before "call stack exhausted"
  // For tests: collects garbage before every allocation and overwrites what is free, which brings out references that
  // the collector does not see.
  bool stress_heap = false;
};

// What a host function may use of its caller.
class Caller {
 public:
  Caller(Store& store, Instance* instance) : store_(store), instance_(instance) {}
  Store& store() const { return store_; }
  // The instance whose code made the call; null when the host called directly.
  Instance* instance() const { return instance_; }
  // The bytes of the memory that the instance exports as "memory"; empty if there is none. Invalid after guest code
  // ran.
  std::span<u8> memory() const;

 private:
  Store& store_;
  Instance* instance_;
};

// `values`: parameters in, results out, as slots (abi/context.h).
using HostFunction = std::function<Outcome<void>(Caller&, abi::Slot* values)>;

// Why instantiation failed: the host's error (missing import, limit) or the guest's (a segment out of bounds, the
// start function).
using InstantiationFailure = std::variant<Error, std::unique_ptr<Unwind>>;

class Store {
 public:
  explicit Store(Executor& executor, StoreLimits limits = {});
  ~Store();
  Store(const Store&) = delete;

  // Instantiates with one extern per import, in order (specification: instantiation). The store owns the instance.
  // After a trap, what the instance had already written to imported memories and tables stays, and the instance
  // stays alive as long as something refers to it.
  std::expected<Instance*, InstantiationFailure> instantiate(std::shared_ptr<const PreparedModule> module,
                                                             std::span<const Extern> imports);
  // Calls any function, host ones too. Types of `args` are checked: BadArgument as a HostError trap never happens,
  // it is an Error.
  std::expected<std::vector<Value>, InstantiationFailure> call(abi::FunctionInstance& function,
                                                               std::span<const Value> args);
  // The same without checks: `values` has room for parameters and results.
  Outcome<void> call_raw(abi::FunctionInstance& function, abi::Slot* values);

  // Reuse: one store for many uses, one after the other, each of which finds it as if new. After `defer_starts`, which
  // comes before anything is made in the store, instantiating runs none of the guest's code; `keep` then takes note of
  // everything there is; each use begins with `start` and ends with `restore`:
  //   defer_starts, make and instantiate things, keep; then any number of times: start, calls, restore.
  // `memories`: what `keep` of a store made in just the same way gave; null for the first.
  void defer_starts(std::shared_ptr<const InitialMemories> memories = nullptr);
  // Fails with NotSupported where a memory is shared, or as os::MemoryImage::make; then the store can be used once.
  Result<std::shared_ptr<const InitialMemories>> keep();
  // Runs what instantiation left out: start functions, and what comes after the first of them.
  std::expected<void, InstantiationFailure> start();
  // Undoes all that was done since `keep`: memories, tables, globals, segments, the heap and its roots, interruption,
  // fuel. False when that cannot be (something was made in the store since, the system refuses); then it must go.
  // No code of the store is running, and no thread may still interrupt or observe it for what has ended.
  // Of each memory's pages that were written to, up to `most_kept` bytes stay with it (os::Reservation::restore).
  bool restore(u64 most_kept = 0);

  // Makes host-side things. The store owns them.
  abi::FunctionInstance* make_function(const wasm::FuncType& type, HostFunction function);  // types without indices
  Result<Memory*> make_memory(const wasm::MemoryType& type);
  Memory* adopt_memory(std::shared_ptr<class SharedMemory> memory);       // a shared memory of another store
  Result<Table*> make_table(const wasm::TableType& type, abi::Ref init);  // element type without index
  Global* make_global(const wasm::GlobalType& type, Value value);
  Tag* make_tag(const wasm::FuncType& type);
  Result<abi::Ref> make_host_object(u64 payload);  // fails when the heap is at its limit

  // Keeps an object alive until unroot.
  void root(abi::Ref ref);
  void unroot(abi::Ref ref);

  // From any thread: stops the guest at its next backward branch or call with TrapCode::Interrupted, native code
  // where it stands.
  void interrupt();
  void clear_interrupt();
  // From any thread: has the interpreter note where it is (ModuleCode::take_samples) at the guest's next backward
  // branch, where it also leaves the loop for native code that there is, and at its next call. False when it has done
  // neither since the last time, or the guest is interrupted.
  bool observe();
  // Guests that share a thread: `yield` is called, in the store's thread, wherever guest code stands soon after
  // `ask_to_yield`, which any thread may call; it may suspend the fiber that the guest runs on. Null: guest code just goes
  // on. Native code gives way only on x86-64.
  void set_yield(std::function<void()> yield);
  void ask_to_yield();
  void set_fuel(i64 fuel);  // counted only by code prepared with fuel on
  i64 fuel() const;

  // Collects garbage now; returns the bytes in use afterwards. Called by itself when needed.
  u64 collect_garbage();

  abi::StoreContext& context();
  Executor& executor();
  const StoreLimits& limits() const;
  u64 memory_bytes_in_use() const;

 private:
  friend class Instance;
  friend struct StoreAccess;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

class Instance {
 public:
  const PreparedModule& module() const;
  Store& store() const;
  std::optional<Extern> find_export(std::string_view name) const;
  abi::FunctionInstance* find_function(std::string_view name) const;  // null when absent or not a function
  Memory* find_memory(std::string_view name) const;
  // The export at an index of Module::exports.
  Extern export_at(u32 index) const;
  abi::InstanceContext& context();

 private:
  friend class Store;
  friend struct StoreAccess;
  Instance();
  ~Instance();
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Named imports for instantiation by name; semantics of wasmtime's linker: the last definition wins only when
// shadowing is allowed, else defining twice is an error.
class Linker {
 public:
  explicit Linker(Store& store) : store_(store) {}
  Result<> define(std::string_view module, std::string_view name, Extern value);
  Result<> define_instance(std::string_view module, Instance& instance);  // all its exports
  void allow_shadowing(bool allow) { allow_shadowing_ = allow; }
  std::optional<Extern> find(std::string_view module, std::string_view name) const;
  // Resolves imports by name, then Store::instantiate. Every missing import is named in one error.
  std::expected<Instance*, InstantiationFailure> instantiate(std::shared_ptr<const PreparedModule> module);

 private:
  Store& store_;
  bool allow_shadowing_ = false;
  std::map<std::string, std::map<std::string, Extern, std::less<>>, std::less<>> modules_;
};

}  // namespace berth::runtime
