// The state of one decoding; component_model/decoder.h is what others use. One thread.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "component_model/decoder.h"
#include "wasm/code_reader.h"

namespace berth::component_model {

// A byte as messages show it: "0x1f".
std::string hex(u32 byte);

// Core types of a scope, as bytes that a module's type section may hold.
struct CoreTypes {
  struct Entry {
    std::vector<u8> bytes;   // of the group; empty for its members after the first
    bool is_alone = true;    // a group of one without references to other types
    bool is_module = false;  // stands for a module type
  };
  std::vector<Entry> entries;
};

class ComponentDecoder {
 public:
  ComponentDecoder(std::span<const u8> bytes, const ModuleLoader& load, const wasm::FeatureSet& features,
                   const Limits& limits)
      : bytes_(bytes), load_(load), features_(features), limits_(limits), reader_(bytes) {}
  Result<Component> run();

 private:
  bool ok() {
    if (!error_ && !reader_.ok()) error_ = reader_.error();
    return !error_;
  }
  void fail(Error error) {
    if (ok()) error_ = std::move(error);
  }
  void malformed(u64 at, std::string what) { fail(Error(ErrorCode::MalformedComponent, std::move(what)).at(at)); }
  void limit(u64 at, const char* what, u64 most) {
    fail(Error(ErrorCode::LimitExceeded, std::string(what) + ": at most " + std::to_string(most)).at(at));
  }

  // --- decoder.cc: primitives
  // A byte that chooses between forms of `what`.
  u8 choice(const char* what, u8 highest);
  u32 index() { return reader_.leb_u32(); }
  u32 count();
  std::string name();
  template <typename Read>
  void vec(Read&& read) {
    const u32 n = count();
    for (u32 i = 0; i < n && ok(); ++i) read();
  }

  // --- decoder.cc: sections
  void decode_component(Component& out, u64 begin, u64 end);
  void section(Component& out);
  void custom(Component& out);
  void module(Component& out, u64 begin, u32 size);
  static Error shifted(Error error, u64 by);

  // --- decoder.cc: instances and aliases
  Space core_sort(u8 code, u64 at);
  Space sort();
  SortIndex sort_index();
  SortIndex core_sort_index();
  CoreInstance core_instance();
  Instance instance();
  Alias alias();
  void alias_core_type(const Alias& a, u64 at);

  // --- decoder.cc: imports and exports
  ExternName extern_name();
  ExternDesc extern_desc();
  Export export_definition();

  // --- decode_core_types.cc: core types
  // A recursion group that was passed over: how many types it has and whether it stands alone.
  struct Group {
    u32 size = 1;
    bool is_alone = true;
    bool is_rec = false;  // written as a group
  };
  void val_type(Group& group);
  void field_type(Group& group);
  void sub_type(Group& group);
  Group rec_group();
  void add_group(const Group& group, const u8* begin);
  // A module that has the first `type_count` of the scope's types and `imports`, validated as far as that goes.
  Result<std::shared_ptr<const wasm::Module>> model(size_t type_count, u32 import_count = 0,
                                                    const std::vector<u8>& imports = {});
  // At the end of a scope, gives its core types what they are.
  void finish_core_types(std::vector<Definition>& list);
  CoreTypeDef core_type();
  void module_type(CoreTypeDef& def);
  void core_extern_type();
  void core_limits();

  // --- decode_types.cc: types
  static std::optional<TypeKind> primitive(u8 code);
  TypeUse type_use();
  std::optional<TypeUse> optional_type();
  LabeledType labeled_type();
  std::optional<TypeUse> result_list();
  TypeDef type();
  void declarations(TypeDef& t, bool is_component);

  // --- decode_canon.cc: canonical definitions
  CanonOptions canon_options();
  bool flag(const char* what) { return choice(what, 1) == 1; }
  Canon canon();

  const std::span<const u8> bytes_;
  const ModuleLoader& load_;
  const wasm::FeatureSet& features_;
  const Limits& limits_;
  wasm::CodeReader reader_;
  std::optional<Error> error_;
  std::vector<CoreTypes*> scopes_;
  size_t aliased_bytes_ = 0;     // of core types
  bool is_module_type_ = false;  // whether the innermost scope is that of a module type
};

}  // namespace berth::component_model
