#include "decode/section_decoder.h"

#include <algorithm>

namespace berth::decode {

using wasm::CodeReader;
using wasm::ConstExpr;
using wasm::ElemSegment;
using wasm::Feature;
using wasm::FieldType;
using wasm::FuncIdx;
using wasm::MemoryIdx;
using wasm::Op;
using wasm::Range;
using wasm::SectionId;
using wasm::SegmentMode;
using wasm::SubType;
using wasm::TableIdx;
using wasm::TypeIdx;
using wasm::ValType;

Error limit_error(const char* what, u64 limit, u64 actual) {
  return Error(ErrorCode::LimitExceeded,
               std::string(what) + ": at most " + std::to_string(limit) + ", found " + std::to_string(actual));
}

Error feature_error(const char* what, Feature feature) {
  return Error(ErrorCode::FeatureDisabled,
               std::string(what) + " needs the feature " + std::string(wasm::feature_name(feature)));
}

bool is_utf8(std::span<const u8> bytes) {
  const u8* p = bytes.data();
  const u8* end = p + bytes.size();
  while (p != end) {
    const u8 b = *p++;
    if (b < 0x80) continue;
    int more;
    u32 code;
    u32 least;
    if ((b & 0xE0) == 0xC0) {
      more = 1, code = b & 0x1F, least = 0x80;
    } else if ((b & 0xF0) == 0xE0) {
      more = 2, code = b & 0x0F, least = 0x800;
    } else if ((b & 0xF8) == 0xF0) {
      more = 3, code = b & 0x07, least = 0x10000;
    } else {
      return false;
    }
    if (end - p < more) return false;
    for (; more > 0; --more) {
      if ((*p & 0xC0) != 0x80) return false;
      code = code << 6 | (*p++ & 0x3F);
    }
    if (code < least || code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF)) return false;
  }
  return true;
}

namespace {

// Follows the nesting of an expression up to its final `end`.
struct EndFinder {
  u32 depth = 1;
  template <Op op>
  bool on(const wasm::ImmOf<op>&) {
    switch (op) {
      case Op::Block:
      case Op::Loop:
      case Op::If:
      case Op::Try:
      case Op::TryTable: ++depth; break;
      case Op::End:
      case Op::Delegate: --depth; break;
      default: break;
    }
    return true;
  }
};

}  // namespace

Result<> SectionDecoder::decode(SectionId id, Range payload, SectionId after) {
  reader_ = CodeReader(module_.range(payload), payload.offset);
  error_.reset();
  switch (id) {
    case SectionId::Custom: custom_section(payload, after); break;
    case SectionId::Type: type_section(); break;
    case SectionId::Import: import_section(); break;
    case SectionId::Function: function_section(); break;
    case SectionId::Table: table_section(); break;
    case SectionId::Memory: memory_section(); break;
    case SectionId::Global: global_section(); break;
    case SectionId::Export: export_section(); break;
    case SectionId::Start: start_section(); break;
    case SectionId::Element: elem_section(); break;
    case SectionId::Data: data_section(); break;
    case SectionId::DataCount: data_count_section(); break;
    case SectionId::Tag: tag_section(); break;
    case SectionId::Code: CHECK(false); break;
  }
  if (error_) return ::berth::fail(std::move(*error_));
  if (!reader_.ok()) {
    const bool at_end = reader_.error_code() == ErrorCode::UnexpectedEnd;
    return ::berth::fail(
        Error(reader_.error_code(), at_end ? "of section or function" : "").at(reader_.error_offset()));
  }
  if (!reader_.at_end()) {
    return ::berth::fail(Error(ErrorCode::SectionSizeMismatch, std::to_string(reader_.remaining()) + " bytes left over")
                             .at(reader_.offset()));
  }
  return {};
}

u32 SectionDecoder::count(const char* what, u64 limit) {
  const u64 at = reader_.offset();
  const u32 n = reader_.leb_u32();
  if (reader_.ok() && n > limit) {
    fail(limit_error(what, limit, n).at(at));
    return 0;
  }
  return n;
}

std::string SectionDecoder::name(const char* what) {
  const u64 at = reader_.offset();
  const u32 size = reader_.leb_u32();
  if (!ok()) return {};
  if (size > limits_.name_bytes) {
    fail(limit_error("bytes of a name", limits_.name_bytes, size).at(at));
    return {};
  }
  if (size > reader_.remaining()) {
    reader_.fail_at(ErrorCode::LengthOutOfBounds, at);
    return {};
  }
  const auto bytes = std::span(reader_.position(), size);
  if (!is_utf8(bytes)) {
    fail(Error(ErrorCode::MalformedUtf8, std::string("in ") + what).at(reader_.offset()));
    return {};
  }
  std::string text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  reader_.skip(size);
  return text;
}

ConstExpr SectionDecoder::const_expr() {
  const u64 start = reader_.offset();
  EndFinder finder;
  while (finder.depth > 0) {
    const u64 at = reader_.offset();
    const u8 first = reader_.peek();
    if (wasm::decode_op(reader_, finder)) continue;
    if (reader_.error_code() == ErrorCode::IllegalOpcode && reader_.error_offset() == at && first < 0xFB) {
      constexpr char kHex[] = "0123456789abcdef";
      error_ = Error(ErrorCode::IllegalOpcode, std::string{kHex[first >> 4], kHex[first & 15]}).at(at);
    }
    return {};
  }
  return {Range{static_cast<u32>(start), static_cast<u32>(reader_.offset() - start)}};
}

void SectionDecoder::custom_section(Range payload, SectionId after) {
  if (module_.customs.size() >= limits_.custom_section_count) {
    fail(limit_error("custom sections", limits_.custom_section_count, module_.customs.size() + 1).at(payload.offset));
    return;
  }
  std::string n = name("custom section name");
  if (!ok()) return;
  const Range rest{static_cast<u32>(reader_.offset()), static_cast<u32>(reader_.remaining())};
  module_.customs.push_back({std::move(n), rest, after});
  reader_.skip(reader_.remaining());
}

void SectionDecoder::type_section() {
  const u32 groups = count("types", limits_.types);
  module_.types.reserve(plausible(groups));
  for (u32 i = 0; i < groups && ok(); ++i) {
    u32 size = 1;
    if (reader_.peek() == 0x4E) {
      fail(Feature::Gc, "a recursion group", reader_.offset());
      reader_.byte();
      size = count("types of a recursion group", limits_.rec_group_types);
    }
    rec_group(size);
  }
}

void SectionDecoder::rec_group(u32 size) {
  const u32 start = static_cast<u32>(module_.types.size());
  if (ok() && size > limits_.types - start) {
    fail(limit_error("types", limits_.types, u64{start} + size).at(reader_.offset()));
    return;
  }
  for (u32 i = 0; i < size && ok(); ++i) {
    SubType type = sub_type();
    type.group_start = start;
    type.group_size = size;
    module_.types.push_back(std::move(type));
  }
}

SubType SectionDecoder::sub_type() {
  SubType type;
  u64 at = reader_.offset();
  u8 form = reader_.byte();
  if (form == 0x50 || form == 0x4F) {
    fail(Feature::Gc, "a subtype", at);
    type.is_final = form == 0x4F;
    const u64 supers_at = reader_.offset();
    const u32 supers = reader_.leb_u32();
    if (reader_.ok() && supers > 1) {
      fail(Error(ErrorCode::SubTypeFinal, "has " + std::to_string(supers) + " supertypes, at most one is allowed")
               .at(supers_at));
    }
    if (supers == 1) type.super = TypeIdx(reader_.leb_u32());
    at = reader_.offset();
    form = reader_.byte();
  }
  composite_type(type, form, at);
  return type;
}

void SectionDecoder::composite_type(SubType& type, u8 form, u64 at) {
  if (!ok()) return;
  switch (form) {
    case 0x60: {
      type.kind = wasm::CompositeKind::Func;
      const u32 params = count("parameters of a function type", limits_.function_params);
      type.func.params.reserve(plausible(params));
      for (u32 i = 0; i < params && ok(); ++i) type.func.params.push_back(reader_.val_type());
      const u32 results = count("results of a function type", limits_.function_results);
      type.func.results.reserve(plausible(results));
      for (u32 i = 0; i < results && ok(); ++i) type.func.results.push_back(reader_.val_type());
      break;
    }
    case 0x5F: {
      fail(Feature::Gc, "a struct type", at);
      type.kind = wasm::CompositeKind::Struct;
      const u32 fields = count("fields of a struct type", limits_.struct_fields);
      type.strct.fields.reserve(plausible(fields));
      for (u32 i = 0; i < fields && ok(); ++i) type.strct.fields.push_back(field_type());
      break;
    }
    case 0x5E:
      fail(Feature::Gc, "an array type", at);
      type.kind = wasm::CompositeKind::Array;
      type.array.element = field_type();
      break;
    default: reader_.fail_at(ErrorCode::MalformedDefinitionType, at); break;
  }
}

FieldType SectionDecoder::field_type() {
  FieldType field;
  if (reader_.peek() == 0x78 || reader_.peek() == 0x77) {
    field.packed = reader_.byte() == 0x78 ? wasm::Packed::I8 : wasm::Packed::I16;
    field.type = wasm::kI32;
  } else {
    field.type = reader_.val_type();
  }
  field.is_mutable = mutability();
  return field;
}

bool SectionDecoder::mutability() {
  const u64 at = reader_.offset();
  const u8 b = reader_.byte();
  if (b > 1) reader_.fail_at(ErrorCode::MalformedMutability, at);
  return b == 1;
}

wasm::Limits SectionDecoder::limits(bool is_64, bool has_max) {
  wasm::Limits l;
  // The specification reads both as u64 and leaves it to validation to refuse what is too large.
  (void)is_64;
  l.min = reader_.leb_u64();
  if (has_max) l.max = reader_.leb_u64();
  return l;
}

wasm::TableType SectionDecoder::table_type() {
  wasm::TableType t;
  t.element = reader_.ref_type();
  const u64 at = reader_.offset();
  const u8 flags = reader_.byte();
  if (flags & ~u8{0x05}) reader_.fail_at(ErrorCode::MalformedLimitsFlags, at);
  if (!ok()) return t;
  t.is_64 = flags & 4;
  if (t.is_64) fail(Feature::Memory64, "a 64-bit table", at);
  t.limits = limits(t.is_64, flags & 1);
  return t;
}

wasm::MemoryType SectionDecoder::memory_type() {
  wasm::MemoryType t;
  const u64 at = reader_.offset();
  const u8 flags = reader_.byte();
  if (flags > 0x0F) reader_.fail_at(ErrorCode::MalformedLimitsFlags, at);
  if (!ok()) return t;
  t.is_shared = flags & 2;
  t.is_64 = flags & 4;
  if (t.is_shared) fail(Feature::Threads, "a shared memory", at);
  if (t.is_64) fail(Feature::Memory64, "a 64-bit memory", at);
  t.limits = limits(t.is_64, flags & 1);
  if (flags & 8) {
    fail(Feature::CustomPageSizes, "a custom page size", at);
    const u64 size_at = reader_.offset();
    const u32 log2 = reader_.leb_u32();
    if (log2 > 63) reader_.fail_at(ErrorCode::MalformedPageSize, size_at);
    t.page_size_log2 = static_cast<u8>(log2);
  }
  return t;
}

wasm::GlobalType SectionDecoder::global_type() {
  wasm::GlobalType t;
  t.type = reader_.val_type();
  t.is_mutable = mutability();
  return t;
}

wasm::Tag SectionDecoder::tag_type() {
  const u64 at = reader_.offset();
  if (!features_.has(Feature::Exceptions) && !features_.has(Feature::LegacyExceptions))
    fail(Feature::Exceptions, "a tag", at);
  const u8 attribute = reader_.byte();
  if (attribute != 0) reader_.fail_at(ErrorCode::MalformedAttribute, at);
  return {TypeIdx(reader_.leb_u32())};
}

void SectionDecoder::import_section() {
  const u32 n = count("imports", limits_.imports);
  module_.imports.reserve(plausible(n));
  for (u32 i = 0; i < n && ok(); ++i) {
    wasm::Import import;
    import.module = name("import module name");
    import.name = name("import name");
    if (!ok()) return;
    const u64 at = reader_.offset();
    const u8 kind = reader_.byte();
    if (kind > 4) reader_.fail_at(ErrorCode::MalformedImportKind, at);
    if (!ok()) return;
    import.kind = static_cast<wasm::ExternKind>(kind);
    size_t index = 0;
    switch (import.kind) {
      case wasm::ExternKind::Func: {
        index = module_.functions.size();
        wasm::Function f;
        f.type = TypeIdx(reader_.leb_u32());
        module_.functions.push_back(f);
        module_.imported_functions++;
        break;
      }
      case wasm::ExternKind::Table:
        index = module_.tables.size();
        module_.tables.push_back({table_type(), {}});
        module_.imported_tables++;
        break;
      case wasm::ExternKind::Memory:
        index = module_.memories.size();
        module_.memories.push_back({memory_type()});
        module_.imported_memories++;
        break;
      case wasm::ExternKind::Global:
        index = module_.globals.size();
        module_.globals.push_back({global_type(), {}});
        module_.imported_globals++;
        break;
      case wasm::ExternKind::Tag:
        index = module_.tags.size();
        module_.tags.push_back(tag_type());
        module_.imported_tags++;
        break;
    }
    import.index = static_cast<u32>(index);
    module_.imports.push_back(std::move(import));
  }
  if (module_.tables.size() > limits_.tables) fail(limit_error("tables", limits_.tables, module_.tables.size()));
  if (module_.memories.size() > limits_.memories)
    fail(limit_error("memories", limits_.memories, module_.memories.size()));
}

void SectionDecoder::function_section() {
  const u32 n = count("functions", limits_.functions - std::min<u64>(limits_.functions, module_.functions.size()));
  module_.functions.reserve(module_.functions.size() + plausible(n));
  for (u32 i = 0; i < n && ok(); ++i) {
    wasm::Function f;
    f.type = TypeIdx(reader_.leb_u32());
    module_.functions.push_back(f);
  }
}

void SectionDecoder::table_section() {
  const u32 n = count("tables", limits_.tables - std::min<u64>(limits_.tables, module_.tables.size()));
  for (u32 i = 0; i < n && ok(); ++i) {
    wasm::Table table;
    if (reader_.peek() == 0x40) {
      const u64 at = reader_.offset();
      reader_.byte();
      fail(Feature::FunctionReferences, "a table with an initial value", at);
      const u64 zero_at = reader_.offset();
      if (reader_.byte() != 0) reader_.fail_at(ErrorCode::ZeroByteExpected, zero_at);
      table.type = table_type();
      table.init = const_expr();
    } else {
      table.type = table_type();
    }
    module_.tables.push_back(table);
  }
}

void SectionDecoder::memory_section() {
  const u32 n = count("memories", limits_.memories - std::min<u64>(limits_.memories, module_.memories.size()));
  for (u32 i = 0; i < n && ok(); ++i) module_.memories.push_back({memory_type()});
}

void SectionDecoder::tag_section() {
  const u32 n = count("tags", limits_.tags - std::min<u64>(limits_.tags, module_.tags.size()));
  for (u32 i = 0; i < n && ok(); ++i) module_.tags.push_back(tag_type());
}

void SectionDecoder::global_section() {
  const u32 n = count("globals", limits_.globals - std::min<u64>(limits_.globals, module_.globals.size()));
  module_.globals.reserve(module_.globals.size() + plausible(n));
  for (u32 i = 0; i < n && ok(); ++i) {
    wasm::Global global;
    global.type = global_type();
    if (ok()) global.init = const_expr();
    module_.globals.push_back(global);
  }
}

void SectionDecoder::export_section() {
  const u32 n = count("exports", limits_.exports);
  module_.exports.reserve(plausible(n));
  for (u32 i = 0; i < n && ok(); ++i) {
    wasm::Export e;
    e.name = name("export name");
    if (!ok()) return;
    const u64 at = reader_.offset();
    const u8 kind = reader_.byte();
    if (kind > 4) reader_.fail_at(ErrorCode::MalformedExportKind, at);
    if (!ok()) return;
    e.kind = static_cast<wasm::ExternKind>(kind);
    e.index = reader_.leb_u32();
    module_.exports.push_back(std::move(e));
  }
}

void SectionDecoder::start_section() { module_.start = FuncIdx(reader_.leb_u32()); }

void SectionDecoder::elem_section() {
  const u32 n = count("element segments", limits_.elem_segments);
  module_.elems.reserve(plausible(n) / 3);
  for (u32 i = 0; i < n && ok(); ++i) elem_segment();
}

void SectionDecoder::elem_segment() {
  ElemSegment segment;
  const u64 at = reader_.offset();
  const u32 flags = reader_.leb_u32();
  if (flags > 7) reader_.fail_at(ErrorCode::MalformedElementSegment, at);
  if (!ok()) return;
  if (flags != 0 && !features_.has(Feature::ReferenceTypes)) fail(Feature::BulkMemory, "this element segment", at);
  const bool is_passive_or_declarative = flags & 1;
  const bool has_index_or_is_declarative = flags & 2;
  segment.uses_exprs = flags & 4;
  if (!is_passive_or_declarative) {
    segment.mode = SegmentMode::Active;
    if (has_index_or_is_declarative) segment.table = TableIdx(reader_.leb_u32());
    segment.offset = const_expr();
  } else {
    segment.mode = has_index_or_is_declarative ? SegmentMode::Declarative : SegmentMode::Passive;
  }
  if (!ok()) return;
  segment.type = ValType::ref(wasm::HeapType::kFunc, segment.uses_exprs);
  if (flags & 3) {
    if (segment.uses_exprs) {
      segment.type = reader_.ref_type();
    } else {
      const u64 kind_at = reader_.offset();
      if (reader_.byte() != 0) reader_.fail_at(ErrorCode::MalformedElementSegment, kind_at);
    }
  }
  const u32 n = reader_.leb_u32();
  if (!ok()) return;
  if (segment.uses_exprs) {
    segment.exprs.reserve(plausible(n) / 2);
    for (u32 i = 0; i < n && ok(); ++i) segment.exprs.push_back(const_expr());
  } else {
    segment.funcs.reserve(plausible(n));
    for (u32 i = 0; i < n && ok(); ++i) segment.funcs.emplace_back(reader_.leb_u32());
  }
  module_.elems.push_back(std::move(segment));
}

void SectionDecoder::data_count_section() {
  fail(Feature::BulkMemory, "a data count section", reader_.offset());
  module_.data_count = count("data segments", limits_.data_segments);
}

void SectionDecoder::data_section() {
  const u64 at = reader_.offset();
  const u32 n = count("data segments", limits_.data_segments);
  if (ok() && module_.data_count && *module_.data_count != n) {
    fail(Error(ErrorCode::DataCountMismatch,
               std::to_string(*module_.data_count) + " announced, " + std::to_string(n) + " present")
             .at(at));
  }
  module_.datas.reserve(plausible(n) / 2);
  for (u32 i = 0; i < n && ok(); ++i) data_segment();
}

void SectionDecoder::data_segment() {
  wasm::DataSegment segment;
  const u64 at = reader_.offset();
  const u32 flags = reader_.leb_u32();
  if (flags > 2) reader_.fail_at(ErrorCode::MalformedDataSegment, at);
  if (!ok()) return;
  if (flags == 1) fail(Feature::BulkMemory, "a passive data segment", at);
  if (flags != 1) {
    segment.mode = SegmentMode::Active;
    if (flags == 2) segment.memory = MemoryIdx(reader_.leb_u32());
    segment.offset = const_expr();
  }
  const u32 size = reader_.leb_u32();
  if (!ok()) return;
  segment.bytes = {static_cast<u32>(reader_.offset()), size};
  if (size > reader_.remaining()) {
    reader_.fail_at(ErrorCode::UnexpectedEnd, reader_.offset() + reader_.remaining());
    return;
  }
  reader_.skip(size);
  module_.datas.push_back(segment);
}

}  // namespace berth::decode
