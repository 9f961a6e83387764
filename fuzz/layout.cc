#include "fuzz/layout.h"

#include <array>

namespace berth::fuzz {

const std::vector<TypeDefinition>& fixed_types() {
  static const std::vector<TypeDefinition> types = [] {
    using enum TypeDefinition::Shape;
    const auto text = [](auto... types) { return std::string{types...}; };
    const std::string base = text('8', 'l', 'd', 'v', nullable(kBase), 'N');
    const std::string node = text(nullable(kNodes), 'i', 'E');
    std::vector<TypeDefinition> all(kFixedTypes);
    all[kBase] = {.shape = Struct, .parts = base, .results = "", .is_final = false};
    all[kSub] = {.shape = Struct, .parts = base + 'i', .results = "", .super = kBase, .is_final = false};
    all[kLeaf] = {
        .shape = Struct, .parts = base + text('i', '6', 'f', nullable(kBytes), 'F'), .results = "", .super = kSub};
    all[kPair] = {.shape = Struct, .parts = "NN", .results = "", .immutable = 1};
    all[kNode] = {.shape = Struct, .parts = node, .results = "", .is_final = false};
    all[kNodes] = {.shape = Array, .parts = text(nullable(kNode)), .results = ""};
    all[kTree] = {.shape = Struct, .parts = node + text(nullable(kNode), 'J'), .results = "", .super = kNode};
    all[kWide] = {.shape = Struct, .parts = std::string(20, 'v') + text('X', nullable(kWide)), .results = ""};
    all[kNothing] = {.shape = Struct, .parts = "", .results = "", .is_final = false};
    constexpr std::string_view kElements = "86ilfdvN";
    for (u32 i = 0; i < kElements.size(); ++i)
      all[kBytes + i] = {.shape = Array, .parts = text(kElements[i]), .results = ""};
    all[kBases] = {.shape = Array, .parts = text(nullable(kBase)), .results = ""};
    all[kFunctions] = {.shape = Array, .parts = "F", .results = ""};
    all[kExterns] = {.shape = Array, .parts = "E", .results = ""};
    all[kFixedLongs] = {.shape = Array, .parts = "l", .results = "", .immutable = 1};
    all[kFixedAnys] = {.shape = Array, .parts = "N", .results = "", .is_final = false, .immutable = 1};
    all[kFixedBases] = {
        .shape = Array, .parts = text(nullable(kBase)), .results = "", .super = kFixedAnys, .immutable = 1};
    all[kAction] = {.shape = Func, .parts = "", .results = ""};
    all[kTagInt] = {.shape = Func, .parts = "i", .results = ""};
    all[kTagMany] = {.shape = Func, .parts = "lvN", .results = ""};
    all[kMaker] = {.shape = Func, .parts = "i", .results = "N", .is_final = false};
    all[kBaseMaker] = {.shape = Func, .parts = "i", .results = text(nullable(kBase)), .super = kMaker};
    all[kHost] = {.shape = Func, .parts = "iN", .results = "Ni"};
    return all;
  }();
  return types;
}

namespace {

bool heap_is_below(char sub, char super) {
  if (is_concrete(super)) {
    if (!is_concrete(sub)) return false;
    for (i32 at = static_cast<i32>(index_of(sub)); at >= 0; at = fixed_types()[static_cast<u32>(at)].super) {
      if (static_cast<u32>(at) == index_of(super)) return true;
    }
    return false;
  }
  if (is_concrete(sub)) {
    switch (fixed_types()[index_of(sub)].shape) {
      case TypeDefinition::Struct: return super == 'T' || super == 'Q' || super == 'N';
      case TypeDefinition::Array: return super == 'R' || super == 'Q' || super == 'N';
      case TypeDefinition::Func: return super == 'F';
    }
  }
  if (sub == super) return true;
  if (super == 'N') return std::string_view("QJTR").contains(sub);
  return super == 'Q' && std::string_view("JTR").contains(sub);
}

// The types that values may have. Of function types those of which there is a function.
const std::string& all_types() {
  static const std::string all = [] {
    std::string types = std::string(kNumberTypes) + std::string(kAbstractTypes);
    for (u32 i = 0; i < kFixedTypes; ++i) {
      if (i == kTagInt || i == kTagMany) continue;
      types += nullable(i);
      types += non_null(i);
    }
    return types;
  }();
  return all;
}

template <typename Related>
std::array<std::string, 256> relatives(Related related) {
  std::array<std::string, 256> lists;
  for (const char type : all_types()) {
    std::string& list = lists[static_cast<u8>(type)];
    list = type;
    for (const char other : all_types()) {
      if (other != type && related(type, other)) list += other;
    }
  }
  return lists;
}

// The byte of an abstract heap type.
u32 heap_code(char type) {
  switch (type) {
    case 'F': return 0x70;
    case 'E': return 0x6f;
    case 'N': return 0x6e;
    case 'Q': return 0x6d;
    case 'J': return 0x6c;
    case 'T': return 0x6b;
    case 'R': return 0x6a;
    default: return 0x69;
  }
}

}  // namespace

bool is_below(char sub, char super) {
  if (sub == super) return true;
  if (is_number(sub) || is_number(super) || (is_non_null(super) && !is_non_null(sub))) return false;
  return heap_is_below(sub, super);
}

const std::string& types_below(char type) {
  static const auto lists = relatives([](char of, char other) { return is_below(other, of); });
  return lists[static_cast<u8>(type)];
}

const std::string& types_above(char type) {
  static const auto lists = relatives([](char of, char other) { return is_below(of, other); });
  return lists[static_cast<u8>(type)];
}

void write_heap_type(Writer& out, char type) {
  if (is_concrete(type))
    out.signed_leb(index_of(type));
  else
    out.byte(heap_code(type));
}

void write_type(Writer& out, char type) {
  switch (type) {
    case 'i': out.byte(0x7f); break;
    case 'l': out.byte(0x7e); break;
    case 'f': out.byte(0x7d); break;
    case 'd': out.byte(0x7c); break;
    case 'v': out.byte(0x7b); break;
    case '8': out.byte(0x78); break;
    case '6': out.byte(0x77); break;
    default:
      if (is_concrete(type)) out.byte(is_non_null(type) ? 0x64 : 0x63);
      write_heap_type(out, type);
  }
}

void write_zero(Writer& out, char type) {
  switch (type) {
    case 'i': out.bytes({0x41, 0}); break;
    case 'l': out.bytes({0x42, 0}); break;
    case 'f': out.bytes({0x43, 0, 0, 0, 0}); break;
    case 'd': out.bytes({0x44, 0, 0, 0, 0, 0, 0, 0, 0}); break;
    case 'v':
      out.bytes({0xfd, 0x0c});
      for (int i = 0; i < 16; ++i) out.byte(0);
      break;
    default: out.byte(0xd0); write_heap_type(out, type);
  }
}

u32 ModulePlan::function_type(std::string_view params, std::string_view results) {
  for (u32 i = 0; i < more_types.size(); ++i) {
    if (more_types[i].params == params && more_types[i].results == results) return kFixedTypes + i;
  }
  more_types.push_back({std::string(params), std::string(results)});
  return kFixedTypes + static_cast<u32>(more_types.size()) - 1;
}

}  // namespace berth::fuzz
