// Writes the binary of a component, definition by definition (component model, Binary). Plain values; one thread.
#pragma once

#include <array>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "component_model/component.h"
#include "text/encoder.h"

namespace berth::component_model {

using text::Bytes;

// Each function adds a definition and returns the index that it gets.
class ComponentWriter {
 public:
  // `bytes` is the binary of a whole component.
  u32 component(std::span<const u8> bytes);
  // A type as it is defined: `put_value_type` and its like write what it is made of.
  u32 type(const Bytes& definition);
  u32 alias_export(Space space, u32 instance, std::string_view name);
  // `desc` is the type of the import, with the byte that says of which sort it is.
  u32 import(Space space, std::string_view name, const Bytes& desc);
  u32 instantiate(u32 component, std::span<const std::pair<std::string, SortIndex>> arguments);
  // Without `desc` the export has the type of the item.
  u32 export_item(std::string_view name, SortIndex item, const Bytes* desc = nullptr);
  void custom(std::string_view name, const Bytes& payload);
  Bytes take();

 private:
  void item(u8 section, const Bytes& content);
  void flush();
  u32 next(Space space) { return counts_[static_cast<size_t>(space)]++; }

  Bytes out_ = {0, 'a', 's', 'm', 0x0D, 0, 1, 0};
  Bytes run_;  // items of the section under way
  u8 run_section_ = 0;
  u32 run_count_ = 0;
  std::array<u32, kSpaces> counts_{};
};

void put_sort(Bytes& out, Space space);
// A type where it is used.
void put_use(Bytes& out, TypeKind primitive);
void put_use(Bytes& out, u32 index);

}  // namespace berth::component_model
