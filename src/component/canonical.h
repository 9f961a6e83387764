// Lifting, lowering and copying of values (Canonical ABI: loading, storing, flat lifting, flat lowering).
// Private to this library; the store's thread. One Transfer serves one call.
#pragma once

#include <memory>
#include <string>

#include "component/state.h"

namespace berth::component {

// One side of a call: where its values are, and where its handles go.
struct Side {
  InstanceState* instance = nullptr;
  const Options* options = nullptr;
  Task* task = nullptr;              // lowering into it: the call that borrows are good for
  std::vector<u32>* lent = nullptr;  // lifting from it: the handles lent to the callee

  u8* base() const { return options->memory->base(); }
  u64 bytes() const { return options->memory ? options->memory->bytes() : 0; }
};

// The code units of a string in some memory.
struct StringSource {
  enum class Form : u8 { Utf8, Utf16, Latin1 } form = Form::Utf8;
  const u8* data = nullptr;
  u64 units = 0;
  bool may_be_latin1 = false;  // UTF-16 from where Latin-1 would have been as good
};

class Transfer {
 public:
  explicit Transfer(StoreState& store) : store_(store) {}

  // Each is false after a trap, which is then in `trap`.
  bool lift(const Plan& plan, const Side& from, u64 address, Value& out);
  bool lift_flat(const Plan& plan, const Side& from, const abi::Slot*& slots, Value& out);
  bool lower(const Plan& plan, const Side& to, u64 address, const Value& value);
  bool lower_flat(const Plan& plan, const Side& to, abi::Slot*& slots, const Value& value);
  // From one instance to another, nothing in between. The plans are of equal types.
  bool copy(const Plan& from_plan, const Side& from, u64 from_address, const Plan& to_plan, const Side& to,
            u64 to_address);
  bool copy_flat(const Plan& from_plan, const Side& from, const abi::Slot*& from_slots, const Plan& to_plan,
                 const Side& to, abi::Slot*& to_slots);

  // Checks a pointer that an instance gave for a value of `plan`.
  bool check_pointer(const Side& side, u64 address, const Plan& plan);
  // Calls the instance's realloc for `size` new bytes.
  // `what` is to be put there, for messages: "string", "list".
  bool allocate(const Side& side, u32 align, u64 size, u64* address, const char* what) {
    return reallocate(side, 0, 0, align, size, address, what);
  }

  // What functions of the host are made of (host_abi.h).
  bool load_string(const Side& from, u64 address, u64 tagged_units, StringSource* out);
  bool append_string(const StringSource& source, std::string& out);
  bool store_string(const StringSource& source, const Side& to, u64* address, u64* tagged_units);
  bool check_list(const Side& from, const Plan& element, u64 address, u64 length);
  bool allocate_list(const Side& to, const Plan& element, u64 length, u64* address);
  bool take_own(const Side& from, const ResourceType* type, u32 index, u64* rep);
  bool give(const Side& to, const ResourceType* type, u64 rep, bool is_own, u32* index);

  bool fail(std::string message);
  bool fail(std::unique_ptr<runtime::Unwind> unwind) {
    trap = std::move(unwind);
    return false;
  }
  // The same for what came of a call of core code, which exceptions must not leave.
  bool fail_call(std::unique_ptr<runtime::Unwind> unwind);
  std::unique_ptr<runtime::Unwind> trap;

 private:
  bool reallocate(const Side& side, u64 old_address, u64 old_size, u32 align, u64 size, u64* address, const char* what);
  // strings.cc
  bool store_utf8(const StringSource& source, const Side& to, u64* address, u64* units);
  bool store_utf16(const StringSource& source, const Side& to, u64* address, u64* units);
  bool store_latin1_or_utf16(const StringSource& source, const Side& to, u64* address, u64* units);
  // lists
  bool lift_list(const Plan& element, const Side& from, u64 address, u64 length, Value& out);
  bool lower_list(const Plan& plan, const Side& to, const Value& value, u64* address, u64* length);
  bool copy_list(const Plan& from_element, const Side& from, u64 address, u64 length, const Plan& to_element,
                 const Side& to, u64* to_address);
  bool copy_elements(const Plan& from_element, const Side& from, u64 address, u64 length, const Plan& to_element,
                     const Side& to, u64 to_address);
  // handles
  bool lend(const Side& from, const ResourceType* type, u32 index, u64* rep);
  bool transfer_handle(const Plan& from_plan, const Side& from, u32 index, const Plan& to_plan, const Side& to,
                       u32* out);
  // scalars
  bool check_scalar(const Plan& plan, u64& bits);
  bool discriminant(const Plan& plan, u64 index);

  StoreState& store_;
};

// Why a handle cannot be used: there is none, or of another type. Empty when it can.
std::string handle_error(const Handle* handle, u32 index, const ResourceType* type);

}  // namespace berth::component
