#include "fuzz/generator.h"

#include <array>
#include <string>
#include <string_view>

#include "fuzz/body_generator.h"
#include "fuzz/choices.h"
#include "fuzz/layout.h"
#include "fuzz/writer.h"

namespace berth::fuzz {
namespace {

constexpr u32 kMostFunctions = 6;

// `count` of the types that cross the module's boundary.
std::string some_types(Choices& choices, u32 count) {
  std::string types;
  for (u32 i = 0; i < count; ++i) types += kNumberTypes[choices.below(kNumberTypes.size())];
  return types;
}

void write_types(Writer& out, std::string_view types) {
  out.unsigned_leb(types.size());
  for (const char type : types) write_type(out, type);
}

Writer type_section(const std::vector<Signature>& functions) {
  constexpr u32 kMutable = 1, kI8 = 0x78, kSub = 0x50, kStruct = 0x5f, kArray = 0x5e, kFunc = 0x60;
  Writer out;
  out.unsigned_leb(kFirstFunctionType + functions.size());
  // kStructType, then kSubStructType with one field more: both open to subtypes.
  const auto fields = [&] {
    out.bytes({kI8, kMutable});
    for (const char type : kStructFields.substr(1)) {
      write_type(out, type);
      out.byte(kMutable);
    }
  };
  out.bytes({kSub, 0, kStruct, 6});
  fields();
  out.bytes({kSub, 1, kStructType, kStruct, 7});
  fields();
  write_type(out, 'i');
  out.byte(kMutable);
  out.bytes({kArray, kI8, kMutable});
  out.byte(kArray);
  write_type(out, 'N');
  out.byte(kMutable);
  out.bytes({kFunc, 0, 0});
  out.byte(kFunc);
  write_types(out, "i");
  write_types(out, "");
  for (const Signature& function : functions) {
    out.byte(kFunc);
    write_types(out, function.params);
    write_types(out, function.results);
  }
  return out;
}

Writer global_section() {
  Writer out;
  out.unsigned_leb(kNumberTypes.size());
  for (const char type : kNumberTypes) {
    write_type(out, type);
    out.byte(1);
    write_zero(out, type);
    out.byte(0x0b);
  }
  return out;
}

Writer export_section(u32 functions) {
  Writer out;
  out.unsigned_leb(functions + 2 + kNumberTypes.size());
  const auto add = [&](std::string_view kind_name, u32 kind, u32 index) {
    out.name(std::string(kind_name) + std::to_string(index)).byte(kind).unsigned_leb(index);
  };
  for (u32 i = 0; i < functions; ++i) add("f", 0, i);
  for (u32 i = 0; i < 2; ++i) add("m", 2, i);
  for (u32 i = 0; i < kNumberTypes.size(); ++i) add("g", 3, i);
  return out;
}

// Segment 0 is active and fills part of the function table; segment 1 is passive.
Writer element_section(u32 functions) {
  Writer out;
  out.unsigned_leb(2).bytes({0, 0x41, 0, 0x0b});
  out.unsigned_leb(functions);
  for (u32 i = 0; i < functions; ++i) out.unsigned_leb(i);
  out.bytes({1, 0}).unsigned_leb(functions);
  for (u32 i = 0; i < functions; ++i) out.unsigned_leb(functions - 1 - i);
  return out;
}

// Segment 0 is active, segment 1 passive; both hold what comes of the choices.
Writer data_section(Choices& choices) {
  Writer out;
  out.unsigned_leb(2);
  out.bytes({0, 0x41, 16, 0x0b, kDataBytes});
  for (u32 i = 0; i < kDataBytes; ++i) out.byte(choices.byte());
  out.bytes({1, kDataBytes});
  for (u32 i = 0; i < kDataBytes; ++i) out.byte(i * 37);
  return out;
}

}  // namespace

std::vector<u8> generate_module(std::span<const u8> bytes) {
  Choices choices(bytes);
  std::vector<Signature> functions(1 + choices.below(kMostFunctions));
  for (Signature& function : functions) {
    function.params = some_types(choices, choices.below(4));
    function.results = some_types(choices, choices.below(3));
  }
  const u32 count = static_cast<u32>(functions.size());

  Writer declared, tables, memories, tags, code, data_count;
  declared.unsigned_leb(count);
  code.unsigned_leb(count);
  const Writer data = data_section(choices);
  for (u32 i = 0; i < count; ++i) {
    declared.unsigned_leb(kFirstFunctionType + i);
    code.sized(generate_body(choices, functions, i));
  }
  tables.unsigned_leb(3);
  write_type(tables, 'F');
  tables.bytes({0x01, 10, 20});
  write_type(tables, 'E');
  tables.bytes({0x01, 4, 8});
  write_type(tables, 'N');
  tables.bytes({0x05, 4, 8});  // 64-bit
  memories.unsigned_leb(2).bytes({0x01, 1, 3}).bytes({0x05, 1, 3});
  tags.unsigned_leb(2).bytes({0, kTagType}).bytes({0, kEmptyType});
  data_count.unsigned_leb(2);

  Writer module;
  module.bytes({0, 'a', 's', 'm', 1, 0, 0, 0});
  module.section(1, type_section(functions));
  module.section(3, declared);
  module.section(4, tables);
  module.section(5, memories);
  module.section(13, tags);
  module.section(6, global_section());
  module.section(7, export_section(count));
  module.section(9, element_section(count));
  module.section(12, data_count);
  module.section(10, code);
  module.section(11, data);
  return module.take();
}

}  // namespace berth::fuzz
