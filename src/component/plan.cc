#include "component/plan.h"

#include "base/result.h"

namespace berth::component {

const Plan* Plans::make(const cm::ValType& type, cm::PointerSize pointer, const ResourceMap& resources) {
  auto& made = made_[static_cast<u32>(pointer)];
  if (const auto it = made.find(&type); it != made.end()) return it->second;
  const cm::Layout& layout = type.at(pointer);
  Plan p;
  p.kind = type.kind == cm::TypeKind::Map ? cm::TypeKind::List : type.kind;
  p.type = &type;
  p.size = static_cast<u32>(layout.size);
  p.align = layout.align;
  p.flat = static_cast<u32>(layout.flat.size());
  p.payload_offset = layout.payload_offset;
  p.length = type.length;
  p.discriminant_bytes = type.discriminant_bytes;
  p.pointer_bytes = static_cast<u8>(cm::pointer_bytes(pointer));
  p.is_plain = type.is_plain;
  if (type.kind == cm::TypeKind::Flags) {
    p.length = type.fields.size() == 32 ? ~u32{0} : (u32{1} << type.fields.size()) - 1;
  } else {
    for (size_t i = 0; i < type.fields.size(); ++i) {
      const cm::ValType* part = type.fields[i].type;
      p.parts.push_back(
          {part ? make(*part, pointer, resources) : nullptr, i < layout.offsets.size() ? layout.offsets[i] : 0});
    }
  }
  const bool is_list =
      type.kind == cm::TypeKind::List || type.kind == cm::TypeKind::FixedList || type.kind == cm::TypeKind::Map;
  if (is_list) p.element = make(*type.element, pointer, resources);
  if (type.kind == cm::TypeKind::Own || type.kind == cm::TypeKind::Borrow) {
    const auto found = resources.find(type.resource.var);
    CHECK(found != resources.end());
    p.resource = found->second;
  }
  const Plan* out = &plans_.emplace_back(std::move(p));
  made.emplace(&type, out);
  return out;
}

}  // namespace berth::component
