// References, and objects of the garbage-collected heap.
#include <array>
#include <vector>

#include "fuzz/body.h"

namespace berth::fuzz {

using wasm::Op;

namespace {

using Shape = TypeDefinition::Shape;

struct Place {
  u32 type, field;
};

const TypeDefinition& definition(u32 type) { return fixed_types()[type]; }
bool is_immutable(u32 type, u32 field) { return (definition(type).immutable >> field & 1) != 0; }

// The fields and elements whose values are below each type.
const std::vector<Place>& places_below(char type) {
  static const auto lists = [] {
    std::array<std::vector<Place>, 256> all;
    for (u32 t = 0; t < kFixedTypes; ++t) {
      if (definition(t).shape == Shape::Func) continue;
      const std::string& parts = definition(t).parts;
      for (u32 i = 0; i < parts.size(); ++i) {
        if (i > 0 && t == kWide && parts[i] == 'v') continue;  // one stands for all
        for (const char above : types_above(unpacked(parts[i]))) all[static_cast<u8>(above)].push_back({t, i});
      }
    }
    return all;
  }();
  return lists[static_cast<u8>(type)];
}

// The types of a shape whose first part fulfils a condition.
template <typename Condition>
std::vector<u32> types_where(Shape shape, Condition condition) {
  std::vector<u32> found;
  for (u32 t = 0; t < kFixedTypes; ++t) {
    if (definition(t).shape == shape && condition(t)) found.push_back(t);
  }
  return found;
}
const std::vector<u32>& changeable_structs() {
  static const auto list = types_where(Shape::Struct, [](u32 t) { return !definition(t).parts.empty(); });
  return list;
}
const std::vector<u32>& changeable_arrays() {
  static const auto list = types_where(Shape::Array, [](u32 t) { return !is_immutable(t, 0); });
  return list;
}
// Pairs of array types of which the second can be copied into the first.
const std::vector<Place>& copyable_arrays() {
  static const auto list = [] {
    std::vector<Place> pairs;
    for (const u32 to : changeable_arrays()) {
      for (const u32 from : types_where(Shape::Array, [](u32) { return true; })) {
        const char into = definition(to).parts[0], of = definition(from).parts[0];
        const bool packed = into == '8' || into == '6' || of == '8' || of == '6';
        if (packed ? into == of : is_below(of, into)) pairs.push_back({to, from});
      }
    }
    return pairs;
  }();
  return list;
}

// An element segment whose references fit into elements of the type; kElems when there is none.
u32 segment_below(char element, u32 choice) {
  if (element == 'N') return choice == 0 ? kAnyElem : kBaseElem;
  if (element == nullable(kBase)) return kBaseElem;
  if (element == 'F') return choice == 0 ? kFuncElem : kMakerElem;
  return kElems;
}
bool is_data(char element) { return is_number(unpacked(element)); }

}  // namespace

// A value of a reference type, in ways that only references have.
void Body::reference(char type, u32 depth) {
  switch (below(9)) {
    case 0:
    case 1:
    case 2: return make(type, depth);
    case 3: {
      const std::string& list = types_below(type);
      return value(list[below(list.size())], depth + 1);
    }
    case 4: return cast(type, depth);
    case 5: return branch_on_cast(type, depth);
    case 6: return branch_on_null(type, depth);
    case 7:
      value(choices_.once_in(4) ? nullable_form(type) : type, depth + 1);
      op(Op::RefAsNonNull);
      return;
    default:
      if (type != 'E' && type != 'N') return make(type, depth);
      value(type == 'E' ? 'N' : 'E', depth + 1);
      op(type == 'E' ? Op::ExternConvertAny : Op::AnyConvertExtern);
  }
}

// Something new of the type.
void Body::make(char type, u32 depth) {
  if (is_concrete(type)) {
    const u32 index = index_of(type);
    switch (definition(index).shape) {
      case Shape::Struct: return make_struct(index, depth);
      case Shape::Array: return make_array(index, depth);
      case Shape::Func: break;
    }
    const u32 count = static_cast<u32>(plan_.functions.size());
    for (u32 i = 0, at = below(count); i < count; ++i, ++at) {
      const u32 has = plan_.functions[at % count].type;
      if (has >= kFixedTypes || !is_below(nullable(has), nullable(index))) continue;
      op(Op::RefFunc);
      out_.unsigned_leb(at % count);
      return;
    }
    return write_zero(out_, type);
  }
  switch (type) {
    case 'F':
      op(Op::RefFunc);
      out_.unsigned_leb(below(plan_.functions.size()));
      return;
    case 'E':
      value('N', depth + 1);
      op(Op::ExternConvertAny);
      return;
    case 'X':
      return plain_block("X", [&] {
        op(Op::TryTable);
        out_.bytes({0x40, 1, 3, 0});
        labels_.push_back({""});
        statements(depth);
        throw_some(depth);
        labels_.pop_back();
        op(Op::End);
        leaf('X');
      });
    case 'J':
      value('i', depth + 1);
      op(Op::RefI31);
      return;
    default: {
      const std::string& list = types_below(type);
      make(list[1 + below(list.size() - 1)], depth + 1);
    }
  }
}

void Body::make_struct(u32 type, u32 depth) {
  const std::string& fields = definition(type).parts;
  if (enough(depth) || below(3) == 0 || (fields.size() > 15 && !choices_.once_in(3))) {
    op(Op::StructNewDefault);
  } else {
    for (const char field : fields) value(unpacked(field), depth + 1);
    op(Op::StructNew);
  }
  out_.unsigned_leb(type);
}

// A length for a new array: most often 4 to 7, which indices below 4 (element_index) are in.
void Body::array_length(u32 depth) {
  value('i', depth + 1);
  if (choices_.once_in(64)) return;
  if (choices_.once_in(16)) return mask(false, 0x3ff);
  mask(false, 3);
  if (choices_.once_in(8)) return;
  i32_const(4);
  op(Op::I32Or);
}

void Body::element_index(u32 depth) {
  value('i', depth + 1);
  if (!choices_.once_in(32)) mask(false, choices_.once_in(8) ? 15 : 3);
}

void Body::make_array(u32 type, u32 depth) {
  const char element = definition(type).parts[0];
  if (enough(depth)) return constant(non_null(type));
  switch (below(5)) {
    case 0:
      array_length(depth);
      op(Op::ArrayNewDefault);
      out_.unsigned_leb(type);
      return;
    case 1:
      value(unpacked(element), depth + 1);
      array_length(depth);
      op(Op::ArrayNew);
      out_.unsigned_leb(type);
      return;
    case 2: {
      const u32 segment = segment_below(element, below(2));
      if (!is_data(element) && segment == kElems) break;
      element_index(depth);
      array_length(depth);
      op(is_data(element) ? Op::ArrayNewData : Op::ArrayNewElem);
      out_.unsigned_leb(type).byte(is_data(element) ? 1 : segment);
      return;
    }
    default: break;
  }
  const u32 count = 1 + below(6);
  for (u32 i = 0; i < count; ++i) value(unpacked(element), depth + 1);
  op(Op::ArrayNewFixed);
  out_.unsigned_leb(type).unsigned_leb(count);
}

// A value known to be of type `above` only, which is of type `type` at least half of the time.
void Body::operand(char type, u32 depth) {
  const std::string& list = types_below(type);
  value(below(3) != 0 ? type : list[below(list.size())], depth + 1);
}

void Body::cast(char type, u32 depth) {
  const std::string& above = types_above(type);
  const char from = above[below(above.size())];
  if (choices_.once_in(4)) {
    value(from, depth + 1);
  } else {
    plain_block(std::string(1, from), [&] { operand(type, depth); });
  }
  op(is_non_null(type) ? Op::RefCast : Op::RefCastNull);
  write_heap_type(out_, type);
}

void Body::branch_on_cast(char type, u32 depth) {
  const std::string& above = types_above(type);
  const char from = above[below(above.size())];
  const auto cast_op = [&](Op which) {
    op(which);
    out_.byte((is_non_null(from) ? 0 : 1) | (is_non_null(type) ? 0 : 2)).byte(0);
    write_heap_type(out_, from);
    write_heap_type(out_, type);
  };
  const auto tested = [&] {
    if (below(2) == 0)
      value(from, depth + 1);
    else
      plain_block(std::string(1, from), [&] { operand(type, depth); });
  };
  const bool on_failure = below(2) == 1;
  plain_block(std::string(1, type), [&] {
    if (on_failure) {
      plain_block(std::string(1, from), [&] {
        tested();
        cast_op(Op::BrOnCastFail);
        op(Op::Br);
        out_.byte(1);
      });
    } else {
      tested();
      cast_op(Op::BrOnCast);
    }
    op(Op::Drop);
    value(type, depth + 1);
  });
}

void Body::branch_on_null(char type, u32 depth) {
  const bool on_null = below(2) == 0;
  plain_block(std::string(1, type), [&] {
    if (on_null) {
      plain_block("", [&] {
        value(nullable_form(type), depth + 1);
        op(Op::BrOnNull);
        out_.byte(0);
        op(Op::Br);
        out_.byte(1);
      });
    } else {
      value(nullable_form(type), depth + 1);
      op(Op::BrOnNonNull);
      out_.byte(0);
    }
    value(type, depth + 1);
  });
}

// An object of the type of that index, seldom null.
void Body::object(u32 type, u32 depth) { value(choices_.once_in(6) ? nullable(type) : non_null(type), depth + 1); }

// A field or an element that has the type; false when there is none.
bool Body::read_object(char type, u32 depth) {
  const std::vector<Place>& places = places_below(type);
  if (places.empty()) return false;
  const auto [index, field] = places[below(places.size())];
  const char part = definition(index).parts[field];
  const bool packed = part != unpacked(part), is_signed = packed && below(2) == 0;
  object(index, depth);
  if (definition(index).shape == Shape::Struct) {
    op(!packed ? Op::StructGet : is_signed ? Op::StructGetS : Op::StructGetU);
    out_.unsigned_leb(index).unsigned_leb(field);
  } else {
    element_index(depth);
    op(!packed ? Op::ArrayGet : is_signed ? Op::ArrayGetS : Op::ArrayGetU);
    out_.unsigned_leb(index);
  }
  return true;
}

bool Body::read_table(char type, u32 depth) {
  for (u32 i = 0, at = below(kTables); i < kTables; ++i, ++at) {
    const u32 table = at % kTables;
    if (!is_below(kTableElements[table], type)) continue;
    value(table == kAnyTable64 ? 'l' : 'i', depth + 1);
    mask(table == kAnyTable64, choices_.once_in(8) ? 15 : 3);
    op(Op::TableGet);
    out_.byte(table);
    return true;
  }
  return false;
}

void Body::heap_i32(u32 depth) {
  switch (below(5)) {
    case 0: {
      const std::string& arrays = types_below('R');
      value(arrays[below(arrays.size())], depth + 1);
      op(Op::ArrayLen);
      return;
    }
    case 1: {
      char type = any_type();
      if (is_number(type)) type = 'N';
      value(type, depth + 1);
      op(Op::RefIsNull);
      return;
    }
    case 2:
      for (int i = 0; i < 2; ++i) {
        const std::string& comparable = types_below('Q');
        value(comparable[below(comparable.size())], depth + 1);
      }
      op(Op::RefEq);
      return;
    case 3: {
      char type = any_type();
      if (is_number(type)) type = 'J';
      const std::string& above = types_above(type);
      const char from = above[below(above.size())];
      if (below(2) == 0)
        value(from, depth + 1);
      else
        plain_block(std::string(1, from), [&] { operand(type, depth); });
      op(is_non_null(type) || choices_.once_in(3) ? Op::RefTest : Op::RefTestNull);
      write_heap_type(out_, type);
      return;
    }
    default: value('J', depth + 1); op(below(2) == 0 ? Op::I31GetS : Op::I31GetU);
  }
}

// Changes an object.
void Body::heap_statement(u32 depth) {
  const u32 array = changeable_arrays()[below(changeable_arrays().size())];
  const char element = definition(array).parts[0];
  switch (below(8)) {
    case 0:
    case 1:
      object(array, depth);
      element_index(depth);
      value(unpacked(element), depth + 1);
      op(Op::ArraySet);
      out_.unsigned_leb(array);
      return;
    case 2:
      object(array, depth);
      element_index(depth);
      value(unpacked(element), depth + 1);
      element_index(depth);
      op(Op::ArrayFill);
      out_.unsigned_leb(array);
      return;
    case 3: {
      const auto [to, from] = copyable_arrays()[below(copyable_arrays().size())];
      for (const u32 type : {to, from}) {
        object(type, depth);
        element_index(depth);
      }
      element_index(depth);
      op(Op::ArrayCopy);
      out_.unsigned_leb(to).unsigned_leb(from);
      return;
    }
    case 4: {
      const u32 segment = segment_below(element, below(2));
      if (!is_data(element) && segment == kElems) return;
      object(array, depth);
      for (int i = 0; i < 3; ++i) element_index(depth);
      op(is_data(element) ? Op::ArrayInitData : Op::ArrayInitElem);
      out_.unsigned_leb(array).byte(is_data(element) ? 1 : segment);
      return;
    }
    default: {
      const u32 type = changeable_structs()[below(changeable_structs().size())];
      const std::string& fields = definition(type).parts;
      u32 field = below(fields.size());
      while (is_immutable(type, field)) ++field;
      object(type, depth);
      value(unpacked(fields[field]), depth + 1);
      op(Op::StructSet);
      out_.unsigned_leb(type).unsigned_leb(field);
    }
  }
}

// Branches to labels around, depending on a reference.
void Body::reference_statement(u32 depth) {
  if (below(4) == 0) {
    const u32 label = below(labels_.size());
    const std::string types = labels_[labels_.size() - 1 - label].types;
    const std::string& list = types_below(choices_.once_in(4) ? 'F' : 'N');
    values(types, depth);
    value(list[below(list.size())], depth + 1);
    op(Op::BrOnNull);
    out_.unsigned_leb(label);
    op(Op::Drop);
    return drop(types);
  }
  const u32 count = static_cast<u32>(labels_.size());
  for (u32 i = 0, at = below(count); i < count; ++i, ++at) {
    const u32 label = at % count;
    const std::string types = labels_[count - 1 - label].types;
    if (types.empty() || is_number(types.back())) continue;
    const char last = types.back();
    const std::string rest = types.substr(0, types.size() - 1);
    const u32 how = below(3);
    values(rest, depth);
    if (how == 0) {
      value(nullable_form(last), depth + 1);
      op(Op::BrOnNonNull);
      out_.unsigned_leb(label);
    } else {
      // What goes to the label has its type: what was cast, or what could not be.
      const std::string& others = how == 1 ? types_above(last) : types_below(last);
      const char other = others[below(others.size())];
      const char from = how == 1 ? other : last, to = how == 1 ? last : other;
      plain_block(std::string(1, from), [&] { operand(how == 1 ? to : from, depth); });
      op(how == 1 ? Op::BrOnCast : Op::BrOnCastFail);
      out_.byte((is_non_null(from) ? 0 : 1) | (is_non_null(to) ? 0 : 2)).unsigned_leb(label);
      write_heap_type(out_, from);
      write_heap_type(out_, to);
      op(Op::Drop);
    }
    return drop(rest);
  }
}

}  // namespace berth::fuzz
