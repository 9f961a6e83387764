#include "oci/component_names.h"

#include "json/json.h"

namespace berth::oci {
namespace {

constexpr std::string_view kModule{"\0asm\x01\0\0\0", 8};
constexpr std::string_view kComponent{"\0asm\x0d\0\x01\0", 8};
constexpr u8 kImportSection = 10, kExportSection = 11;

class Reader {
 public:
  explicit Reader(std::string_view bytes) : rest_(bytes) {}

  bool at_end() const { return rest_.empty(); }
  Result<u8> byte() {
    if (rest_.empty()) return wrong();
    const auto value = static_cast<u8>(rest_[0]);
    rest_.remove_prefix(1);
    return value;
  }
  Result<u32> number() {
    u32 value = 0;
    for (u32 shift = 0; shift < 35; shift += 7) {
      const u8 next = TRY(byte());
      value |= static_cast<u32>(next & 0x7F) << shift;
      if ((next & 0x80) == 0) return value;
    }
    return wrong();
  }
  Result<std::string_view> bytes(u32 length) {
    if (length > rest_.size()) return wrong();
    const std::string_view out = rest_.substr(0, length);
    rest_.remove_prefix(length);
    return out;
  }
  // As many as the number before them says.
  Result<std::string_view> sized() {
    const u32 length = TRY(number());
    return bytes(length);
  }
  // importname' and exportname' are a prefix byte, and a name.
  Result<std::string> name() {
    const u8 kind = TRY(byte());
    if (kind > 2) return wrong();
    std::string text(TRY(sized()));
    // Names of versions may come with a suffix.
    if (kind == 2 && TRY(byte()) != 0) TRY(sized());
    if (!json::parse("\"" + text + "\"")) return wrong();
    return text;
  }
  Result<> extern_type() {
    const u8 kind = TRY(byte());
    if (kind == 0) {
      if (TRY(byte()) != 0x11) return wrong();
      TRY(number());
    } else if (kind == 2 || kind == 3) {
      const u8 bound = TRY(byte());
      const bool has_type = kind == 2 || bound == 0;
      if (bound > 1) return wrong();
      if (has_type) TRY(number());
    } else if (kind <= 5) {
      TRY(number());
    } else {
      return wrong();
    }
    return {};
  }
  Result<> sort_and_index() {
    if (TRY(byte()) == 0) TRY(byte());
    TRY(number());
    return {};
  }

 private:
  static std::unexpected<Error> wrong() { return fail(ErrorCode::TextSyntax, "the component is malformed"); }
  std::string_view rest_;
};

}  // namespace

bool is_module(std::string_view bytes) { return bytes.starts_with(kModule); }
bool is_component(std::string_view bytes) { return bytes.starts_with(kComponent); }

Result<ComponentNames> component_names(std::string_view component) {
  ComponentNames out;
  if (!is_component(component)) return fail(ErrorCode::TextSyntax, "it is no component");
  Reader file(component.substr(kComponent.size()));
  while (!file.at_end()) {
    const u8 id = TRY(file.byte());
    Reader section(TRY(file.sized()));
    if (id != kImportSection && id != kExportSection) continue;
    for (u32 count = TRY(section.number()); count > 0; --count) {
      (id == kImportSection ? out.imports : out.exports).push_back(TRY(section.name()));
      if (id == kImportSection) {
        TRY(section.extern_type());
        continue;
      }
      TRY(section.sort_and_index());
      if (TRY(section.byte()) != 0) TRY(section.extern_type());
    }
  }
  return out;
}

}  // namespace berth::oci
