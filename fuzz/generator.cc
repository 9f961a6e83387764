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
constexpr u32 kTableElementsAtFirst = 10, kSegmentElements = 12;

// Parameters are numbers, or references that may be null, so that the host can call every function.
std::string some_types(Choices& choices, u32 count, bool may_be_non_null) {
  std::string types;
  for (u32 i = 0; i < count; ++i) {
    if (choices.below(4) != 3) {
      types += kNumberTypes[choices.below(kNumberTypes.size())];
      continue;
    }
    const std::string& references = types_below(choices.below(4) == 3 ? 'F' : 'N');
    const char type = references[choices.below(static_cast<u32>(references.size()))];
    types += may_be_non_null ? type : nullable_form(type);
  }
  return types;
}

void write_types(Writer& out, std::string_view types) {
  out.unsigned_leb(types.size());
  for (const char type : types) write_type(out, type);
}

void write_function_type(Writer& out, std::string_view params, std::string_view results) {
  out.byte(0x60);
  write_types(out, params);
  write_types(out, results);
}

Writer type_section(const ModulePlan& plan) {
  constexpr u32 kRec = 0x4e, kSub_ = 0x50, kSubFinal = 0x4f, kStruct = 0x5f, kArray = 0x5e;
  const std::vector<TypeDefinition>& fixed = fixed_types();
  Writer out;
  // Two of them are one group.
  out.unsigned_leb(fixed.size() - 1 + plan.more_types.size());
  for (u32 index = 0; index < fixed.size(); ++index) {
    const TypeDefinition& type = fixed[index];
    if (index == kNode) out.bytes({kRec, 2});
    if (type.super >= 0) {
      out.byte(type.is_final ? kSubFinal : kSub_).byte(1).unsigned_leb(static_cast<u32>(type.super));
    } else if (!type.is_final) {
      out.bytes({kSub_, 0});
    }
    if (type.shape == TypeDefinition::Func) {
      write_function_type(out, type.parts, type.results);
      continue;
    }
    out.byte(type.shape == TypeDefinition::Struct ? kStruct : kArray);
    if (type.shape == TypeDefinition::Struct) out.unsigned_leb(type.parts.size());
    for (u32 i = 0; i < type.parts.size(); ++i) {
      write_type(out, type.parts[i]);
      out.byte((type.immutable >> i & 1) != 0 ? 0 : 1);
    }
  }
  for (const Signature& type : plan.more_types) write_function_type(out, type.params, type.results);
  return out;
}

// The function of that type, of which there is one.
u32 function_of(const ModulePlan& plan, u32 type) {
  u32 index = 0;
  while (plan.functions[index].type != type) ++index;
  return index;
}

Writer table_section(const ModulePlan& plan) {
  constexpr u32 kMost = kTableElementsAtFirst * 2;
  Writer out;
  out.unsigned_leb(kTables);
  for (u32 table = 0; table < kTables; ++table) {
    const bool initialized = table == kBaseTable || table == kMakerTable;
    if (initialized) out.bytes({0x40, 0});
    write_type(out, kTableElements[table]);
    out.bytes({table == kAnyTable64 ? 0x05u : 0x01u, kTableElementsAtFirst, kMost});
    if (table == kBaseTable) out.bytes({0xfb, 0x01, kSub, 0x0b});
    if (table == kMakerTable) out.byte(0xd2).unsigned_leb(function_of(plan, kBaseMaker)).byte(0x0b);
  }
  return out;
}

Writer memory_section(const ModulePlan& plan) {
  Writer out;
  out.unsigned_leb(kMemoryKinds);
  for (u32 memory = 0; memory < kMemoryKinds; ++memory) {
    switch (plan.kind(memory)) {
      case kMemory32: out.bytes({0x01, 1, 3}); break;
      case kMemory64: out.bytes({0x05, 1, 3}); break;
      case kSharedMemory: out.bytes({0x03, 1, 3}); break;
      default: out.byte(0x09).unsigned_leb(300).unsigned_leb(1000).byte(0);  // pages of one byte
    }
  }
  return out;
}

Writer global_section(const ModulePlan& plan) {
  Writer out;
  out.unsigned_leb(std::size(kMutableGlobals) + std::size(kConstantGlobals));
  for (const char type : kMutableGlobals) {
    write_type(out, type);
    out.byte(1);
    write_zero(out, type);
    out.byte(0x0b);
  }
  // What constant expressions may hold: arithmetic, references, objects, and the constants before.
  constexpr u32 kConstant = std::size(kMutableGlobals);
  for (u32 i = 0; i < std::size(kConstantGlobals); ++i) {
    write_type(out, kConstantGlobals[i]);
    out.byte(0);
    switch (i) {
      case 0: out.bytes({0x41, 21, 0x41, 2, 0x6c}); break;
      case 1: out.bytes({0x23, kConstant, 0xfb, 0x1c}); break;
      case 2:
        out.bytes({0x23, kConstant, 0x42, 5, 0x44, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f, 0xfd, 0x0c});
        for (u32 byte = 0; byte < 16; ++byte) out.byte(byte);
        out.bytes({0xfb, 0x01, kSub, 0x23, kConstant + 1, 0xfb, 0x00, kBase});
        break;
      case 3: out.bytes({0x42, 1, 0x42, 2, 0x42, 3, 0x42, 4, 0xfb, 0x08, kLongs, 4}); break;
      case 4: out.bytes({0x23, kConstant + 2, 0xfb, 0x1b}); break;
      default: out.byte(0xd2).unsigned_leb(function_of(plan, kBaseMaker));
    }
    out.byte(0x0b);
  }
  return out;
}

Writer export_section(u32 functions) {
  Writer out;
  constexpr u32 kGlobals = std::size(kMutableGlobals) + std::size(kConstantGlobals);
  out.unsigned_leb(functions - 1 + kTables + kMemoryKinds + kGlobals);
  const auto add = [&](std::string_view kind_name, u32 number, u32 kind, u32 index) {
    out.name(std::string(kind_name) + std::to_string(number)).byte(kind).unsigned_leb(index);
  };
  for (u32 i = 1; i < functions; ++i) add("f", i - 1, 0, i);
  for (u32 i = 0; i < kTables; ++i) add("t", i, 1, i);
  for (u32 i = 0; i < kMemoryKinds; ++i) add("m", i, 2, i);
  for (u32 i = 0; i < kGlobals; ++i) add("g", i, 3, i);
  return out;
}

Writer element_section(const ModulePlan& plan) {
  const u32 functions = static_cast<u32>(plan.functions.size());
  Writer out;
  out.unsigned_leb(kElems);
  out.bytes({0, 0x41, 0, 0x0b}).unsigned_leb(functions);
  for (u32 i = 0; i < functions; ++i) out.unsigned_leb(i);
  out.bytes({1, 0, kSegmentElements});
  for (u32 i = 0; i < kSegmentElements; ++i) out.unsigned_leb((functions - 1 + i) % functions);
  // The rest have expressions.
  const auto expressions = [&](char type, auto write) {
    out.byte(5);
    write_type(out, type);
    out.byte(kSegmentElements);
    for (u32 i = 0; i < kSegmentElements; ++i) {
      write(i);
      out.byte(0x0b);
    }
  };
  expressions('N', [&](u32 i) {
    switch (i % 4) {
      case 0: out.byte(0x41).signed_leb(i).bytes({0xfb, 0x1c}); break;
      case 1: out.bytes({0xfb, 0x01, kSub}); break;
      case 2: out.bytes({0x41, 3, 0xfb, 0x07, kBytes}); break;
      default: out.bytes({0xd0, 0x71});
    }
  });
  expressions(nullable(kBase), [&](u32 i) {
    if (i % 4 == 3)
      out.bytes({0xd0, kSub});
    else
      out.bytes({0xfb, 0x01, kBase + i % 4});  // kBase, kSub, kLeaf
  });
  expressions(nullable(kMaker), [&](u32 i) {
    if (i % 4 == 3)
      out.bytes({0xd0, 0x73});
    else
      out.byte(0xd2).unsigned_leb(function_of(plan, i % 2 == 0 ? kMaker : kBaseMaker));
  });
  out.bytes({3, 0}).unsigned_leb(functions);
  for (u32 i = 0; i < functions; ++i) out.unsigned_leb(i);
  return out;
}

// Segment 0 is active and holds what comes of the choices; segment 1 is passive.
Writer data_section(Choices& choices, const ModulePlan& plan) {
  Writer out;
  out.unsigned_leb(2);
  out.bytes({0, plan.is_64(0) ? 0x42u : 0x41u, 16, 0x0b, kActiveBytes});
  for (u32 i = 0; i < kActiveBytes; ++i) out.byte(choices.byte());
  out.byte(1).unsigned_leb(kPassiveBytes);
  for (u32 i = 0; i < kPassiveBytes; ++i) out.byte(i * 37);
  return out;
}

}  // namespace

std::vector<u8> generate_module(std::span<const u8> bytes) {
  Choices choices(bytes);
  ModulePlan plan;
  plan.first_memory = choices.below(kMemoryKinds);
  const auto add = [&](u32 type) {
    plan.functions.push_back({fixed_types()[type].parts, fixed_types()[type].results, type});
  };
  add(kHost);
  for (u32 count = 1 + choices.below(kMostFunctions); count > 0; --count) {
    Signature function{some_types(choices, choices.below(4), false), some_types(choices, choices.below(3), true)};
    function.type = plan.function_type(function.params, function.results);
    plan.functions.push_back(std::move(function));
  }
  // There is one of each function type that may have to be referred to.
  for (const u32 type : {kMaker, kBaseMaker, kAction}) add(type);
  const u32 count = static_cast<u32>(plan.functions.size());

  Writer imports, declared, tags, code, data_count;
  imports.unsigned_leb(1).name("host").name("call").bytes({0, kHost});
  declared.unsigned_leb(count - 1);
  code.unsigned_leb(count - 1);
  const Writer data = data_section(choices, plan);
  for (u32 i = 1; i < count; ++i) {
    declared.unsigned_leb(plan.functions[i].type);
    Choices part = choices.take_part(count - i);
    code.sized(generate_body(part, plan, i));
  }
  tags.unsigned_leb(kTags);
  for (const u32 type : kTagTypes) tags.bytes({0, type});
  data_count.unsigned_leb(2);

  Writer module;
  module.bytes({0, 'a', 's', 'm', 1, 0, 0, 0});
  module.section(1, type_section(plan));
  module.section(2, imports);
  module.section(3, declared);
  module.section(4, table_section(plan));
  module.section(5, memory_section(plan));
  module.section(13, tags);
  module.section(6, global_section(plan));
  module.section(7, export_section(count));
  module.section(9, element_section(plan));
  module.section(12, data_count);
  module.section(10, code);
  module.section(11, data);
  return module.take();
}

}  // namespace berth::fuzz
