#include "component/canonical.h"

#include <cstring>

namespace berth::component {

namespace {

using cm::TypeKind;

constexpr u64 kMaxBytes = (u64{1} << 28) - 1;  // of a string or list

u64 read(const u8* p, u32 bytes) {
  u64 v = 0;
  std::memcpy(&v, p, bytes);
  return v;
}
void write(u8* p, u64 v, u32 bytes) { std::memcpy(p, &v, bytes); }

u64 pointer_of(const Plan& plan, abi::Slot slot) { return plan.pointer_bytes == 4 ? static_cast<u32>(slot) : slot; }

}  // namespace

bool Transfer::fail(std::string message) {
  trap = std::move(runtime::trap(abi::TrapCode::CanonicalAbi, std::move(message)).error());
  return false;
}

bool Transfer::fail_call(std::unique_ptr<runtime::Unwind> unwind) {
  if (unwind->kind == runtime::UnwindKind::Exception) return fail("uncaught exception propagated out of component");
  trap = std::move(unwind);
  return false;
}

bool Transfer::check_pointer(const Side& side, u64 address, const Plan& plan) {
  if (address % plan.align != 0) return fail("unaligned pointer");
  if (address > side.bytes() || plan.size > side.bytes() - address) return fail("pointer out of bounds of memory");
  return true;
}

bool Transfer::reallocate(const Side& side, u64 old_address, u64 old_size, u32 align, u64 size, u64* address,
                          const char* what) {
  InstanceState& instance = *side.instance;
  CHECK(side.options->realloc != nullptr);
  abi::Slot slots[4] = {old_address, old_size, align, size};
  instance.may_leave = false;
  auto outcome = store_.store.call_raw(*side.options->realloc, slots);
  if (!outcome) return fail_call(std::move(outcome).error());
  instance.may_leave = true;
  *address = side.options->pointer == cm::PointerSize::P32 ? static_cast<u32>(slots[0]) : slots[0];
  if (*address % align != 0) return fail("unaligned pointer: realloc return: result not aligned");
  if (*address > side.bytes() || size > side.bytes() - *address)
    return fail(std::string(what) + " content out-of-bounds: realloc return: beyond end of memory");
  return true;
}

// --- handles

std::string handle_error(const Handle* handle, u32 index, const ResourceType* type) {
  if (handle == nullptr) return "unknown handle index " + std::to_string(index);
  if (handle->type == type) return {};
  const auto name = [](const ResourceType* t) {
    return t->owner != nullptr ? "guest-defined resource" : "host-defined resource";
  };
  return "handle index " + std::to_string(index) + " used with the wrong type, expected " + name(type) +
         " but found a different " + name(handle->type);
}

bool Transfer::take_own(const Side& from, const ResourceType* type, u32 index, u64* rep) {
  HandleTable& table = from.instance->handles;
  Handle* handle = table.find(index);
  if (std::string wrong = handle_error(handle, index, type); !wrong.empty()) return fail(std::move(wrong));
  if (handle->lends != 0) return fail("cannot remove owned resource while borrowed");
  if (!handle->is_own) return fail("cannot lift own resource from a borrow");
  *rep = handle->rep;
  table.remove(index);
  return true;
}

bool Transfer::lend(const Side& from, const ResourceType* type, u32 index, u64* rep) {
  Handle* handle = from.instance->handles.find(index);
  if (std::string wrong = handle_error(handle, index, type); !wrong.empty()) return fail(std::move(wrong));
  ++handle->lends;
  from.lent->push_back(index);
  *rep = handle->rep;
  return true;
}

bool Transfer::give(const Side& to, const ResourceType* type, u64 rep, bool is_own, u32* index) {
  if (!is_own) {
    // Who made the resource sees what it is.
    if (type->owner == to.instance) {
      *index = static_cast<u32>(rep);
      return true;
    }
    ++to.task->borrows;
  }
  *index = to.instance->handles.add({type, rep, is_own, is_own ? nullptr : to.task, 0});
  return *index != 0 || fail("too many handles");
}

bool Transfer::transfer_handle(const Plan& from_plan, const Side& from, u32 index, const Plan& to_plan, const Side& to,
                               u32* out) {
  u64 rep = 0;
  const bool is_own = from_plan.kind == TypeKind::Own;
  const bool taken =
      is_own ? take_own(from, from_plan.resource, index, &rep) : lend(from, from_plan.resource, index, &rep);
  return taken && give(to, to_plan.resource, rep, is_own, out);
}

// --- scalars

// Makes the bits of a scalar those of a value of its type: nothing beyond its width, signed ones extended.
bool Transfer::check_scalar(const Plan& plan, u64& bits) {
  switch (plan.kind) {
    case TypeKind::Bool: bits = (bits & 0xFFFFFFFF) != 0; return true;
    case TypeKind::S8: bits = static_cast<u32>(static_cast<i32>(static_cast<i8>(bits))); return true;
    case TypeKind::U8: bits = static_cast<u8>(bits); return true;
    case TypeKind::S16: bits = static_cast<u32>(static_cast<i32>(static_cast<i16>(bits))); return true;
    case TypeKind::U16: bits = static_cast<u16>(bits); return true;
    case TypeKind::S32:
    case TypeKind::U32:
    case TypeKind::F32: bits = static_cast<u32>(bits); return true;
    case TypeKind::S64:
    case TypeKind::U64:
    case TypeKind::F64: return true;
    case TypeKind::Flags: bits &= plan.length; return true;
    case TypeKind::Char:
      bits = static_cast<u32>(bits);
      if (bits >= 0x110000 || (bits >= 0xD800 && bits <= 0xDFFF)) return fail("invalid `char` bit pattern");
      return true;
    default: return fail(std::string("values of type ") + cm::to_string(plan.kind) + " are not supported");
  }
}

bool Transfer::discriminant(const Plan& plan, u64 index) {
  if (index < plan.parts.size()) return true;
  return fail("invalid variant discriminant: discriminant " + std::to_string(index) + " out of range [0.." +
              std::to_string(plan.parts.size()) + ")");
}

namespace {
// A scalar's bits, of which those past its width are zero, as a Value has them.
u64 extended(TypeKind kind, u64 bits) {
  switch (kind) {
    case TypeKind::S8:
    case TypeKind::S16:
    case TypeKind::S32: return static_cast<u64>(static_cast<i64>(static_cast<i32>(bits)));
    default: return bits;
  }
}
}  // namespace

// --- lists

bool Transfer::check_list(const Side& from, const Plan& element, u64 address, u64 length) {
  u64 bytes = 0;
  if (__builtin_mul_overflow(length, u64{element.size}, &bytes) || bytes > kMaxBytes)
    return fail("list is too long: list content out-of-bounds");
  if (address % element.align != 0) return fail("unaligned pointer: list pointer is not aligned");
  if (address > from.bytes() || bytes > from.bytes() - address)
    return fail("list content out-of-bounds: list pointer/length out of bounds of memory");
  return true;
}

bool Transfer::lift_list(const Plan& element, const Side& from, u64 address, u64 length, Value& out) {
  if (element.kind == TypeKind::U8) {
    out.text.assign(reinterpret_cast<const char*>(length ? from.base() + address : nullptr), length);
    return true;
  }
  // Elements that take no bytes do not exist; an element is at least one byte.
  out.items.resize(length);
  for (u64 i = 0; i < length; ++i) {
    if (!lift(element, from, address + i * element.size, out.items[i])) return false;
  }
  return true;
}

bool Transfer::allocate_list(const Side& to, const Plan& element, u64 length, u64* address) {
  u64 bytes = 0;
  if (__builtin_mul_overflow(length, u64{element.size}, &bytes) || bytes > kMaxBytes) return fail("list is too long");
  return allocate(to, element.align, bytes, address, "list");
}

bool Transfer::lower_list(const Plan& plan, const Side& to, const Value& value, u64* address, u64* length) {
  const Plan& element = *plan.element;
  const bool is_bytes = element.kind == TypeKind::U8;
  *length = is_bytes ? value.text.size() : value.items.size();
  if (!allocate_list(to, element, *length, address)) return false;
  if (is_bytes) {
    if (*length != 0) std::memcpy(to.base() + *address, value.text.data(), *length);
    return true;
  }
  for (u64 i = 0; i < *length; ++i) {
    if (!lower(element, to, *address + i * element.size, value.items[i])) return false;
  }
  return true;
}

bool Transfer::copy_list(const Plan& from_element, const Side& from, u64 address, u64 length, const Plan& to_element,
                         const Side& to, u64* to_address) {
  if (!check_list(from, from_element, address, length)) return false;
  const u64 bytes = length * to_element.size;
  if (bytes > kMaxBytes) return fail("list is too long");
  if (!allocate(to, to_element.align, bytes, to_address, "list")) return false;
  return copy_elements(from_element, from, address, length, to_element, to, *to_address);
}

bool Transfer::copy_elements(const Plan& from_element, const Side& from, u64 address, u64 length,
                             const Plan& to_element, const Side& to, u64 to_address) {
  if (from_element.is_plain) {
    if (length != 0) std::memcpy(to.base() + to_address, from.base() + address, length * from_element.size);
    return true;
  }
  for (u64 i = 0; i < length; ++i) {
    if (!copy(from_element, from, address + i * from_element.size, to_element, to, to_address + i * to_element.size))
      return false;
  }
  return true;
}

// --- from and to memory

bool Transfer::lift(const Plan& plan, const Side& from, u64 address, Value& out) {
  out.kind = plan.type->kind;
  const u8* p = from.base() + address;
  switch (plan.kind) {
    case TypeKind::Record:
    case TypeKind::Tuple:
      out.items.resize(plan.parts.size());
      for (size_t i = 0; i < plan.parts.size(); ++i) {
        if (!lift(*plan.parts[i].plan, from, address + plan.parts[i].offset, out.items[i])) return false;
      }
      return true;
    case TypeKind::Variant:
    case TypeKind::Enum:
    case TypeKind::Option:
    case TypeKind::Result: {
      out.bits = read(p, plan.discriminant_bytes);
      if (!discriminant(plan, out.bits)) return false;
      const Plan* payload = plan.parts[out.bits].plan;
      if (payload == nullptr) return true;
      out.items.resize(1);
      return lift(*payload, from, address + plan.payload_offset, out.items[0]);
    }
    case TypeKind::String: {
      StringSource source;
      return load_string(from, read(p, plan.pointer_bytes), read(p + plan.pointer_bytes, plan.pointer_bytes),
                         &source) &&
             append_string(source, out.text);
    }
    case TypeKind::List: {
      const u64 at = read(p, plan.pointer_bytes), length = read(p + plan.pointer_bytes, plan.pointer_bytes);
      return check_list(from, *plan.element, at, length) && lift_list(*plan.element, from, at, length, out);
    }
    case TypeKind::FixedList: return lift_list(*plan.element, from, address, plan.length, out);
    case TypeKind::Own:
    case TypeKind::Borrow: {
      out.resource = plan.resource;
      const u32 index = static_cast<u32>(read(p, 4));
      return plan.kind == TypeKind::Own ? take_own(from, plan.resource, index, &out.bits)
                                        : lend(from, plan.resource, index, &out.bits);
    }
    default:
      out.bits = read(p, plan.size);
      if (!check_scalar(plan, out.bits)) return false;
      out.bits = extended(plan.kind, out.bits);
      return true;
  }
}

bool Transfer::lower(const Plan& plan, const Side& to, u64 address, const Value& value) {
  switch (plan.kind) {
    case TypeKind::Record:
    case TypeKind::Tuple:
      for (size_t i = 0; i < plan.parts.size(); ++i) {
        if (!lower(*plan.parts[i].plan, to, address + plan.parts[i].offset, value.items[i])) return false;
      }
      return true;
    case TypeKind::Variant:
    case TypeKind::Enum:
    case TypeKind::Option:
    case TypeKind::Result: {
      write(to.base() + address, value.bits, plan.discriminant_bytes);
      const Plan* payload = plan.parts[value.bits].plan;
      return payload == nullptr || lower(*payload, to, address + plan.payload_offset, value.items[0]);
    }
    case TypeKind::String: {
      u64 at = 0, units = 0;
      const StringSource source{StringSource::Form::Utf8, reinterpret_cast<const u8*>(value.text.data()),
                                value.text.size(), false};
      if (!store_string(source, to, &at, &units)) return false;
      write(to.base() + address, at, plan.pointer_bytes);
      write(to.base() + address + plan.pointer_bytes, units, plan.pointer_bytes);
      return true;
    }
    case TypeKind::List: {
      u64 at = 0, length = 0;
      if (!lower_list(plan, to, value, &at, &length)) return false;
      write(to.base() + address, at, plan.pointer_bytes);
      write(to.base() + address + plan.pointer_bytes, length, plan.pointer_bytes);
      return true;
    }
    case TypeKind::FixedList:
      if (plan.element->kind == TypeKind::U8) {
        std::memcpy(to.base() + address, value.text.data(), plan.length);
        return true;
      }
      for (u32 i = 0; i < plan.length; ++i) {
        if (!lower(*plan.element, to, address + u64{i} * plan.element->size, value.items[i])) return false;
      }
      return true;
    case TypeKind::Own:
    case TypeKind::Borrow: {
      u32 index = 0;
      if (!give(to, plan.resource, value.bits, plan.kind == TypeKind::Own, &index)) return false;
      write(to.base() + address, index, 4);
      return true;
    }
    default: {
      u64 bits = value.bits;
      if (!check_scalar(plan, bits)) return false;
      write(to.base() + address, bits, plan.size);
      return true;
    }
  }
}

bool Transfer::copy(const Plan& from_plan, const Side& from, u64 from_address, const Plan& to_plan, const Side& to,
                    u64 to_address) {
  const u8* p = from.base() + from_address;
  switch (from_plan.kind) {
    case TypeKind::Record:
    case TypeKind::Tuple:
      for (size_t i = 0; i < from_plan.parts.size(); ++i) {
        const Plan::Part &a = from_plan.parts[i], &b = to_plan.parts[i];
        if (!copy(*a.plan, from, from_address + a.offset, *b.plan, to, to_address + b.offset)) return false;
      }
      return true;
    case TypeKind::Variant:
    case TypeKind::Enum:
    case TypeKind::Option:
    case TypeKind::Result: {
      const u64 index = read(p, from_plan.discriminant_bytes);
      if (!discriminant(from_plan, index)) return false;
      write(to.base() + to_address, index, to_plan.discriminant_bytes);
      const Plan* payload = from_plan.parts[index].plan;
      return payload == nullptr || copy(*payload, from, from_address + from_plan.payload_offset,
                                        *to_plan.parts[index].plan, to, to_address + to_plan.payload_offset);
    }
    case TypeKind::String: {
      StringSource source;
      u64 at = 0, units = 0;
      if (!load_string(from, read(p, from_plan.pointer_bytes),
                       read(p + from_plan.pointer_bytes, from_plan.pointer_bytes), &source) ||
          !store_string(source, to, &at, &units)) {
        return false;
      }
      write(to.base() + to_address, at, to_plan.pointer_bytes);
      write(to.base() + to_address + to_plan.pointer_bytes, units, to_plan.pointer_bytes);
      return true;
    }
    case TypeKind::List: {
      const u64 length = read(p + from_plan.pointer_bytes, from_plan.pointer_bytes);
      u64 at = 0;
      if (!copy_list(*from_plan.element, from, read(p, from_plan.pointer_bytes), length, *to_plan.element, to, &at))
        return false;
      write(to.base() + to_address, at, to_plan.pointer_bytes);
      write(to.base() + to_address + to_plan.pointer_bytes, length, to_plan.pointer_bytes);
      return true;
    }
    case TypeKind::FixedList:
      return copy_elements(*from_plan.element, from, from_address, from_plan.length, *to_plan.element, to, to_address);
    case TypeKind::Own:
    case TypeKind::Borrow: {
      u32 index = 0;
      if (!transfer_handle(from_plan, from, static_cast<u32>(read(p, 4)), to_plan, to, &index)) return false;
      write(to.base() + to_address, index, 4);
      return true;
    }
    default: {
      u64 bits = read(p, from_plan.size);
      if (!check_scalar(from_plan, bits)) return false;
      write(to.base() + to_address, bits, to_plan.size);
      return true;
    }
  }
}

// --- from and to core values

bool Transfer::lift_flat(const Plan& plan, const Side& from, const abi::Slot*& slots, Value& out) {
  out.kind = plan.type->kind;
  switch (plan.kind) {
    case TypeKind::Record:
    case TypeKind::Tuple:
      out.items.resize(plan.parts.size());
      for (size_t i = 0; i < plan.parts.size(); ++i) {
        if (!lift_flat(*plan.parts[i].plan, from, slots, out.items[i])) return false;
      }
      return true;
    case TypeKind::Variant:
    case TypeKind::Enum:
    case TypeKind::Option:
    case TypeKind::Result: {
      out.bits = static_cast<u32>(*slots);
      if (!discriminant(plan, out.bits)) return false;
      const abi::Slot* payload_slots = slots + 1;
      slots += plan.flat;
      const Plan* payload = plan.parts[out.bits].plan;
      if (payload == nullptr) return true;
      out.items.resize(1);
      return lift_flat(*payload, from, payload_slots, out.items[0]);
    }
    case TypeKind::String: {
      StringSource source;
      const u64 at = pointer_of(plan, slots[0]), units = pointer_of(plan, slots[1]);
      slots += 2;
      return load_string(from, at, units, &source) && append_string(source, out.text);
    }
    case TypeKind::List: {
      const u64 at = pointer_of(plan, slots[0]), length = pointer_of(plan, slots[1]);
      slots += 2;
      return check_list(from, *plan.element, at, length) && lift_list(*plan.element, from, at, length, out);
    }
    case TypeKind::FixedList:
      for (u32 i = 0; i < plan.length; ++i) {
        Value element;
        if (!lift_flat(*plan.element, from, slots, element)) return false;
        if (plan.element->kind == TypeKind::U8) {
          out.text.push_back(static_cast<char>(element.bits));
        } else {
          out.items.push_back(std::move(element));
        }
      }
      return true;
    case TypeKind::Own:
    case TypeKind::Borrow: {
      out.resource = plan.resource;
      const u32 index = static_cast<u32>(*slots++);
      return plan.kind == TypeKind::Own ? take_own(from, plan.resource, index, &out.bits)
                                        : lend(from, plan.resource, index, &out.bits);
    }
    default:
      out.bits = *slots++;
      if (!check_scalar(plan, out.bits)) return false;
      out.bits = extended(plan.kind, out.bits);
      return true;
  }
}

bool Transfer::lower_flat(const Plan& plan, const Side& to, abi::Slot*& slots, const Value& value) {
  switch (plan.kind) {
    case TypeKind::Record:
    case TypeKind::Tuple:
      for (size_t i = 0; i < plan.parts.size(); ++i) {
        if (!lower_flat(*plan.parts[i].plan, to, slots, value.items[i])) return false;
      }
      return true;
    case TypeKind::Variant:
    case TypeKind::Enum:
    case TypeKind::Option:
    case TypeKind::Result: {
      abi::Slot* const end = slots + plan.flat;
      *slots++ = value.bits;
      const Plan* payload = plan.parts[value.bits].plan;
      if (payload != nullptr && !lower_flat(*payload, to, slots, value.items[0])) return false;
      while (slots != end) *slots++ = 0;
      return true;
    }
    case TypeKind::String: {
      const StringSource source{StringSource::Form::Utf8, reinterpret_cast<const u8*>(value.text.data()),
                                value.text.size(), false};
      if (!store_string(source, to, &slots[0], &slots[1])) return false;
      slots += 2;
      return true;
    }
    case TypeKind::List:
      if (!lower_list(plan, to, value, &slots[0], &slots[1])) return false;
      slots += 2;
      return true;
    case TypeKind::FixedList:
      for (u32 i = 0; i < plan.length; ++i) {
        if (plan.element->kind == TypeKind::U8) {
          *slots++ = static_cast<u8>(value.text[i]);
        } else if (!lower_flat(*plan.element, to, slots, value.items[i])) {
          return false;
        }
      }
      return true;
    case TypeKind::Own:
    case TypeKind::Borrow: {
      u32 index = 0;
      if (!give(to, plan.resource, value.bits, plan.kind == TypeKind::Own, &index)) return false;
      *slots++ = index;
      return true;
    }
    default: {
      u64 bits = value.bits;
      if (!check_scalar(plan, bits)) return false;
      *slots++ = bits;
      return true;
    }
  }
}

bool Transfer::copy_flat(const Plan& from_plan, const Side& from, const abi::Slot*& from_slots, const Plan& to_plan,
                         const Side& to, abi::Slot*& to_slots) {
  switch (from_plan.kind) {
    case TypeKind::Record:
    case TypeKind::Tuple:
      for (size_t i = 0; i < from_plan.parts.size(); ++i) {
        if (!copy_flat(*from_plan.parts[i].plan, from, from_slots, *to_plan.parts[i].plan, to, to_slots)) return false;
      }
      return true;
    case TypeKind::Variant:
    case TypeKind::Enum:
    case TypeKind::Option:
    case TypeKind::Result: {
      const u32 index = static_cast<u32>(*from_slots);
      if (!discriminant(from_plan, index)) return false;
      const abi::Slot* payload_slots = from_slots + 1;
      from_slots += from_plan.flat;
      abi::Slot* const end = to_slots + to_plan.flat;
      *to_slots++ = index;
      const Plan* payload = from_plan.parts[index].plan;
      if (payload != nullptr && !copy_flat(*payload, from, payload_slots, *to_plan.parts[index].plan, to, to_slots))
        return false;
      while (to_slots != end) *to_slots++ = 0;
      return true;
    }
    case TypeKind::String: {
      StringSource source;
      const u64 at = pointer_of(from_plan, from_slots[0]), units = pointer_of(from_plan, from_slots[1]);
      from_slots += 2;
      if (!load_string(from, at, units, &source) || !store_string(source, to, &to_slots[0], &to_slots[1])) return false;
      to_slots += 2;
      return true;
    }
    case TypeKind::List: {
      const u64 at = pointer_of(from_plan, from_slots[0]), length = pointer_of(from_plan, from_slots[1]);
      from_slots += 2;
      if (!copy_list(*from_plan.element, from, at, length, *to_plan.element, to, &to_slots[0])) return false;
      to_slots[1] = length;
      to_slots += 2;
      return true;
    }
    case TypeKind::FixedList:
      for (u32 i = 0; i < from_plan.length; ++i) {
        if (!copy_flat(*from_plan.element, from, from_slots, *to_plan.element, to, to_slots)) return false;
      }
      return true;
    case TypeKind::Own:
    case TypeKind::Borrow: {
      u32 index = 0;
      if (!transfer_handle(from_plan, from, static_cast<u32>(*from_slots++), to_plan, to, &index)) return false;
      *to_slots++ = index;
      return true;
    }
    default: {
      u64 bits = 0;
      if (from_plan.size < 8) {
        // What was stored just now may have been four bytes, which a load of eight would have to wait for.
        std::memcpy(&bits, from_slots++, sizeof(u32));
      } else {
        bits = *from_slots++;
      }
      if (!check_scalar(from_plan, bits)) return false;
      *to_slots++ = bits;
      return true;
    }
  }
}

}  // namespace berth::component
