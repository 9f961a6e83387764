#include "component_model/component_writer.h"

namespace berth::component_model {

namespace {
enum : u8 { kCustom = 0, kComponent = 4, kInstance = 5, kAlias = 6, kType = 7, kImport = 10, kExport = 11 };
constexpr u8 kPlainName = 0;
}  // namespace

void put_sort(Bytes& out, Space space) {
  static constexpr u8 kCore[] = {0, 1, 2, 3, 4, 0x10, 0x11, 0x12};
  const auto at = static_cast<size_t>(space);
  if (at < std::size(kCore)) {
    out.push_back(0);
    out.push_back(kCore[at]);
  } else {
    out.push_back(static_cast<u8>(at - std::size(kCore) + 1));
  }
}

void put_use(Bytes& out, TypeKind primitive) {
  out.push_back(primitive == TypeKind::ErrorContext ? 0x64 : static_cast<u8>(0x7F - static_cast<u8>(primitive)));
}
void put_use(Bytes& out, u32 index) { text::put_s64(out, index); }

void ComponentWriter::flush() {
  if (run_count_ == 0) return;
  Bytes count;
  text::put_u32(count, run_count_);
  out_.push_back(run_section_);
  text::put_u64(out_, count.size() + run_.size());
  text::put_bytes(out_, count);
  text::put_bytes(out_, run_);
  run_.clear();
  run_count_ = 0;
}

void ComponentWriter::item(u8 section, const Bytes& content) {
  if (section != run_section_) flush();
  run_section_ = section;
  text::put_bytes(run_, content);
  ++run_count_;
}

u32 ComponentWriter::component(std::span<const u8> bytes) {
  flush();
  out_.push_back(kComponent);
  text::put_u64(out_, bytes.size());
  out_.insert(out_.end(), bytes.begin(), bytes.end());
  return next(Space::Component);
}

u32 ComponentWriter::type(const Bytes& definition) {
  item(kType, definition);
  return next(Space::Type);
}

u32 ComponentWriter::alias_export(Space space, u32 instance, std::string_view name) {
  Bytes alias;
  put_sort(alias, space);
  alias.push_back(0);
  text::put_u32(alias, instance);
  text::put_name(alias, name);
  item(kAlias, alias);
  return next(space);
}

u32 ComponentWriter::import(Space space, std::string_view name, const Bytes& desc) {
  Bytes import = {kPlainName};
  text::put_name(import, name);
  text::put_bytes(import, desc);
  item(kImport, import);
  return next(space);
}

u32 ComponentWriter::instantiate(u32 component, std::span<const std::pair<std::string, SortIndex>> arguments) {
  Bytes instance = {0};
  text::put_u32(instance, component);
  text::put_u64(instance, arguments.size());
  for (const auto& [name, item] : arguments) {
    text::put_name(instance, name);
    put_sort(instance, item.space);
    text::put_u32(instance, item.index);
  }
  item(kInstance, instance);
  return next(Space::Instance);
}

u32 ComponentWriter::export_item(std::string_view name, SortIndex what, const Bytes* desc) {
  Bytes made = {kPlainName};
  text::put_name(made, name);
  put_sort(made, what.space);
  text::put_u32(made, what.index);
  made.push_back(desc != nullptr ? 1 : 0);
  if (desc != nullptr) text::put_bytes(made, *desc);
  item(kExport, made);
  return next(what.space);
}

void ComponentWriter::custom(std::string_view name, const Bytes& payload) {
  flush();
  Bytes content;
  text::put_name(content, name);
  text::put_bytes(content, payload);
  out_.push_back(kCustom);
  text::put_u64(out_, content.size());
  text::put_bytes(out_, content);
}

Bytes ComponentWriter::take() {
  flush();
  return std::move(out_);
}

}  // namespace berth::component_model
