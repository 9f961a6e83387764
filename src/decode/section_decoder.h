// Decodes the payloads of sections (specification: binary format, modules). Internal to decode; one
// thread at a time.
#pragma once

#include "base/result.h"
#include "wasm/code_reader.h"
#include "wasm/module.h"

namespace berth::decode {

// LimitExceeded, naming what, the limit and the actual figure.
Error limit_error(const char* what, u64 limit, u64 actual);
// FeatureDisabled, naming what needs the feature and the feature.
Error feature_error(const char* what, wasm::Feature feature);
bool is_utf8(std::span<const u8> bytes);

class SectionDecoder {
 public:
  SectionDecoder(wasm::Module& module, const wasm::FeatureSet& features, const wasm::ModuleLimits& limits)
      : module_(module), features_(features), limits_(limits), reader_({}) {}

  // Decodes the section `id` whose payload is `payload`, a range of the module's bytes, into the module.
  Result<> decode(wasm::SectionId id, wasm::Range payload, wasm::SectionId after);

 private:
  using SectionId = wasm::SectionId;

  void custom_section(wasm::Range payload, SectionId after);
  void type_section();
  void import_section();
  void function_section();
  void table_section();
  void memory_section();
  void global_section();
  void export_section();
  void start_section();
  void elem_section();
  void data_count_section();
  void data_section();
  void tag_section();

  void rec_group(u32 count);
  wasm::SubType sub_type();
  void composite_type(wasm::SubType& type, u8 form, u64 at);
  wasm::FieldType field_type();
  bool mutability();
  wasm::Limits limits(bool is_64, bool has_max);
  wasm::TableType table_type();
  wasm::MemoryType memory_type();
  wasm::GlobalType global_type();
  wasm::Tag tag_type();
  wasm::ConstExpr const_expr();
  void elem_segment();
  void data_segment();

  std::string name(const char* what);
  // A vector's length, checked against `limit`.
  u32 count(const char* what, u64 limit);
  // How much to reserve for `declared` entries of at least one byte each.
  size_t plausible(u32 declared) const { return std::min<size_t>(declared, reader_.remaining()); }

  bool ok() const { return !error_ && reader_.ok(); }
  void fail(Error error) {
    if (ok()) error_ = std::move(error);
  }
  void fail(wasm::Feature feature, const char* what, u64 at) {
    if (!features_.has(feature)) fail(feature_error(what, feature).at(at));
  }

  wasm::Module& module_;
  const wasm::FeatureSet& features_;
  const wasm::ModuleLimits& limits_;
  wasm::CodeReader reader_;
  std::optional<Error> error_;
};

}  // namespace berth::decode
