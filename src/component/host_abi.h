// How C++ values are read from and written to a guest, by their types (see host_call.h; Canonical ABI: loading,
// storing, flattening). Included where tables of functions are made, and nowhere else.
#pragma once

#include <cstring>

#include "component/host_call.h"

namespace berth::component {

// Where a value is: in core values, which are passed one after the other, or in the caller's memory.
struct FlatPlace {
  abi::Slot* at;
};
struct MemoryPlace {
  u64 address;
};

namespace detail {

inline FlatPlace& part(FlatPlace& place, const Plan::Part&) { return place; }
inline MemoryPlace part(const MemoryPlace& place, const Plan::Part& p) { return {place.address + p.offset}; }

// Whoever stored an i32 may have stored four bytes just now, which a load of eight would have to wait for.
template <size_t kBytes>
u64 load(HostCall&, FlatPlace& place) {
  if constexpr (kBytes < 8) {
    u32 bits;
    std::memcpy(&bits, place.at++, sizeof bits);
    return bits;
  } else {
    return *place.at++;
  }
}
template <size_t kBytes>
u64 load(HostCall& call, const MemoryPlace& place) {
  u64 bits = 0;
  std::memcpy(&bits, call.at(place.address), kBytes);
  return bits;
}
template <size_t kBytes>
void store(HostCall&, FlatPlace& place, u64 bits) {
  *place.at++ = bits;
}
template <size_t kBytes>
void store(HostCall& call, const MemoryPlace& place, u64 bits) {
  std::memcpy(call.at(place.address), &bits, kBytes);
}

// Pointer and length of a string or list.
struct Range {
  u64 address, length;
};
inline Range load_range(HostCall& call, FlatPlace& place, const Plan& plan) {
  Range r{0, 0};
  if (plan.pointer_bytes == 4) [[likely]] {
    r = {load<4>(call, place), load<4>(call, place)};
  } else {
    r = {load<8>(call, place), load<8>(call, place)};
  }
  return r;
}
inline Range load_range(HostCall& call, const MemoryPlace& place, const Plan& plan) {
  Range r{0, 0};
  std::memcpy(&r.address, call.at(place.address), plan.pointer_bytes);
  std::memcpy(&r.length, call.at(place.address) + plan.pointer_bytes, plan.pointer_bytes);
  return r;
}
inline void store_range(HostCall&, FlatPlace& place, const Plan&, Range r) {
  place.at[0] = r.address;
  place.at[1] = r.length;
  place.at += 2;
}
inline void store_range(HostCall& call, const MemoryPlace& place, const Plan& plan, Range r) {
  std::memcpy(call.at(place.address), &r.address, plan.pointer_bytes);
  std::memcpy(call.at(place.address) + plan.pointer_bytes, &r.length, plan.pointer_bytes);
}

constexpr size_t discriminant_bytes(size_t cases) { return cases <= 256 ? 1 : cases <= 65536 ? 2 : 4; }
constexpr size_t flags_bytes(size_t labels) { return labels <= 8 ? 1 : labels <= 16 ? 2 : 4; }

// The payload of a variant, and where what follows the variant is.
class FlatCase {
 public:
  FlatCase(FlatPlace& place, const Plan& plan) : place_(place), end_(place.at - 1 + plan.flat) {}
  FlatPlace& payload() { return place_; }
  void skip() { place_.at = end_; }
  void clear() {
    while (place_.at != end_) *place_.at++ = 0;
  }

 private:
  FlatPlace& place_;
  abi::Slot* end_;
};
class MemoryCase {
 public:
  MemoryCase(const MemoryPlace& place, const Plan& plan) : payload_{place.address + plan.payload_offset} {}
  MemoryPlace& payload() { return payload_; }
  void skip() {}
  void clear() {}

 private:
  MemoryPlace payload_;
};
// Made once the discriminant has been passed.
inline FlatCase case_of(FlatPlace& place, const Plan& plan) { return {place, plan}; }
inline MemoryCase case_of(const MemoryPlace& place, const Plan& plan) { return {place, plan}; }

inline bool check_case(HostCall& call, u64 index, size_t cases) {
  if (index < cases) [[likely]]
    return true;
  return call.transfer().fail("invalid variant discriminant: discriminant " + std::to_string(index) +
                              " out of range [0.." + std::to_string(cases) + ")");
}

}  // namespace detail

// matches(matcher, type); lift(call, plan, place, out); lower(call, plan, place, value). The last two are false after a
// trap.
template <typename T>
struct HostAbi;

template <typename T, cm::TypeKind kKind>
struct ScalarAbi {
  static bool matches(const HostMatcher&, const cm::ValType& type) { return type.kind == kKind; }
  template <typename Place>
  static bool lift(HostCall& call, const Plan&, Place&& place, T& out) {
    out = static_cast<T>(detail::load<sizeof(T)>(call, place));
    return true;
  }
  template <typename Place>
  static bool lower(HostCall& call, const Plan&, Place&& place, T value) {
    // A core value has nothing beyond 32 bits where it is an i32.
    u64 bits = static_cast<u64>(value);
    if constexpr (sizeof(T) < 8) bits = static_cast<u32>(bits);
    detail::store<sizeof(T)>(call, place, bits);
    return true;
  }
};
template <>
struct HostAbi<u8> : ScalarAbi<u8, cm::TypeKind::U8> {};
template <>
struct HostAbi<u16> : ScalarAbi<u16, cm::TypeKind::U16> {};
template <>
struct HostAbi<u32> : ScalarAbi<u32, cm::TypeKind::U32> {};
template <>
struct HostAbi<u64> : ScalarAbi<u64, cm::TypeKind::U64> {};
template <>
struct HostAbi<i8> : ScalarAbi<i8, cm::TypeKind::S8> {};
template <>
struct HostAbi<i16> : ScalarAbi<i16, cm::TypeKind::S16> {};
template <>
struct HostAbi<i32> : ScalarAbi<i32, cm::TypeKind::S32> {};
template <>
struct HostAbi<i64> : ScalarAbi<i64, cm::TypeKind::S64> {};

template <>
struct HostAbi<bool> {
  static bool matches(const HostMatcher&, const cm::ValType& type) { return type.kind == cm::TypeKind::Bool; }
  template <typename Place>
  static bool lift(HostCall& call, const Plan&, Place&& place, bool& out) {
    out = static_cast<u32>(detail::load<1>(call, place)) != 0;
    return true;
  }
  template <typename Place>
  static bool lower(HostCall& call, const Plan&, Place&& place, bool value) {
    detail::store<1>(call, place, value);
    return true;
  }
};

template <typename T>
struct HandleAbi {
  static bool matches_kind(const HostMatcher& matcher, const cm::ValType& type, cm::TypeKind kind) {
    return type.kind == kind && matcher.is_resource(type, &kResourceTag<T>);
  }
};
template <typename T>
struct HostAbi<Borrow<T>> {
  static bool matches(const HostMatcher& matcher, const cm::ValType& type) {
    return HandleAbi<T>::matches_kind(matcher, type, cm::TypeKind::Borrow);
  }
  // Nothing of the guest's runs while the function does, so the handle need not be counted as lent.
  template <typename Place>
  static bool lift(HostCall& call, const Plan& plan, Place&& place, Borrow<T>& out) {
    const Handle* handle = call.handle(plan, static_cast<u32>(detail::load<4>(call, place)));
    if (handle == nullptr) return false;
    out.object = reinterpret_cast<T*>(handle->rep);
    return true;
  }
};
template <typename T>
struct HostAbi<Own<T>> {
  static bool matches(const HostMatcher& matcher, const cm::ValType& type) {
    return HandleAbi<T>::matches_kind(matcher, type, cm::TypeKind::Own);
  }
  template <typename Place>
  static bool lift(HostCall& call, const Plan& plan, Place&& place, Own<T>& out) {
    u64 rep = 0;
    const u32 index = static_cast<u32>(detail::load<4>(call, place));
    if (!call.transfer().take_own(call.caller(), plan.resource, index, &rep)) return false;
    out.object = reinterpret_cast<T*>(rep);
    return true;
  }
  template <typename Place>
  static bool lower(HostCall& call, const Plan& plan, Place&& place, const Own<T>& value) {
    u32 index = 0;
    const u64 rep = reinterpret_cast<u64>(value.object);
    if (!call.transfer().give(call.caller(), plan.resource, rep, true, &index)) return false;
    detail::store<4>(call, place, index);
    return true;
  }
};

template <>
struct HostAbi<std::string_view> {
  static bool matches(const HostMatcher&, const cm::ValType& type) { return type.kind == cm::TypeKind::String; }
  template <typename Place>
  static bool lift(HostCall& call, const Plan& plan, Place&& place, std::string_view& out) {
    const detail::Range r = detail::load_range(call, place, plan);
    StringSource source;
    if (!call.transfer().load_string(call.caller(), r.address, r.length, &source)) return false;
    if (source.form == StringSource::Form::Utf8) {
      out = {reinterpret_cast<const char*>(source.data), source.units};
      return true;
    }
    std::string text;
    if (!call.transfer().append_string(source, text)) return false;
    out = call.keep(std::move(text));
    return true;
  }
  template <typename Place>
  static bool lower(HostCall& call, const Plan& plan, Place&& place, std::string_view value) {
    const StringSource source{StringSource::Form::Utf8, reinterpret_cast<const u8*>(value.data()), value.size(), false};
    detail::Range r{};
    if (!call.transfer().store_string(source, call.caller(), &r.address, &r.length)) return false;
    detail::store_range(call, place, plan, r);
    return true;
  }
};
template <>
struct HostAbi<std::string> : HostAbi<std::string_view> {
  template <typename Place>
  static bool lift(HostCall& call, const Plan& plan, Place&& place, std::string& out) {
    std::string_view text;
    if (!HostAbi<std::string_view>::lift(call, plan, place, text)) return false;
    out = text;
    return true;
  }
};

template <>
struct HostAbi<std::span<const u8>> {
  static bool matches(const HostMatcher&, const cm::ValType& type) {
    return type.kind == cm::TypeKind::List && type.element->kind == cm::TypeKind::U8;
  }
  template <typename Place>
  static bool lift(HostCall& call, const Plan& plan, Place&& place, std::span<const u8>& out) {
    const detail::Range r = detail::load_range(call, place, plan);
    if (!call.transfer().check_list(call.caller(), *plan.element, r.address, r.length)) return false;
    out = {r.length == 0 ? nullptr : call.at(r.address), r.length};
    return true;
  }
  template <typename Place>
  static bool lower(HostCall& call, const Plan& plan, Place&& place, std::span<const u8> value) {
    detail::Range r{0, value.size()};
    if (!call.transfer().allocate_list(call.caller(), *plan.element, value.size(), &r.address)) return false;
    if (!value.empty()) std::memcpy(call.at(r.address), value.data(), value.size());
    detail::store_range(call, place, plan, r);
    return true;
  }
};
template <>
struct HostAbi<std::vector<u8>> : HostAbi<std::span<const u8>> {};
template <>
struct HostAbi<MadeBytes> {
  static bool matches(const HostMatcher& matcher, const cm::ValType& type) {
    return HostAbi<std::span<const u8>>::matches(matcher, type);
  }
  template <typename Place>
  static bool lower(HostCall& call, const Plan& plan, Place&& place, const MadeBytes& value) {
    detail::Range r{0, value.length};
    if (!call.transfer().allocate_list(call.caller(), *plan.element, value.length, &r.address)) return false;
    if (value.length != 0) {
      auto filled = value.fill({call.at(r.address), value.length});
      if (!filled) return call.transfer().fail(std::move(filled).error());
    }
    detail::store_range(call, place, plan, r);
    return true;
  }
};

// Of lists that the host makes copies of, whose memory no limit of the guest's would count.
inline constexpr u64 kMaxElements = u64{1} << 20;

template <typename T>
struct HostAbi<std::vector<T>> {
  static bool matches(const HostMatcher& matcher, const cm::ValType& type) {
    return type.kind == cm::TypeKind::List && HostAbi<T>::matches(matcher, *type.element);
  }
  template <typename Place>
  static bool lift(HostCall& call, const Plan& plan, Place&& place, std::vector<T>& out) {
    const detail::Range r = detail::load_range(call, place, plan);
    if (!call.transfer().check_list(call.caller(), *plan.element, r.address, r.length)) return false;
    if (r.length > kMaxElements) return call.transfer().fail("list is too long for a function of the host");
    out.resize(r.length);
    for (u64 i = 0; i < r.length; ++i) {
      MemoryPlace element{r.address + i * plan.element->size};
      if (!HostAbi<T>::lift(call, *plan.element, element, out[i])) return false;
    }
    return true;
  }
  template <typename Place>
  static bool lower(HostCall& call, const Plan& plan, Place&& place, const std::vector<T>& value) {
    detail::Range r{0, value.size()};
    if (!call.transfer().allocate_list(call.caller(), *plan.element, value.size(), &r.address)) return false;
    for (u64 i = 0; i < value.size(); ++i) {
      MemoryPlace element{r.address + i * plan.element->size};
      if (!HostAbi<T>::lower(call, *plan.element, element, value[i])) return false;
    }
    detail::store_range(call, place, plan, r);
    return true;
  }
};

template <typename T>
inline constexpr bool kIsNothing = std::is_void_v<T> || std::is_same_v<T, std::monostate>;

// Whether a case has the payload T.
template <typename T>
bool matches_payload(const HostMatcher& matcher, const cm::ValType* type) {
  if constexpr (kIsNothing<T>) {
    return type == nullptr;
  } else {
    return type != nullptr && HostAbi<T>::matches(matcher, *type);
  }
}

template <typename T>
struct HostAbi<std::optional<T>> {
  static bool matches(const HostMatcher& matcher, const cm::ValType& type) {
    return type.kind == cm::TypeKind::Option && matches_payload<T>(matcher, type.fields[1].type);
  }
  template <typename Place>
  static bool lift(HostCall& call, const Plan& plan, Place&& place, std::optional<T>& out) {
    const u64 index = static_cast<u32>(detail::load<1>(call, place));
    auto payload = detail::case_of(place, plan);
    if (!detail::check_case(call, index, 2)) return false;
    if (index == 1 && !HostAbi<T>::lift(call, *plan.parts[1].plan, payload.payload(), out.emplace())) return false;
    payload.skip();
    return true;
  }
  template <typename Place>
  static bool lower(HostCall& call, const Plan& plan, Place&& place, const std::optional<T>& value) {
    detail::store<1>(call, place, value.has_value());
    auto payload = detail::case_of(place, plan);
    if (value && !HostAbi<T>::lower(call, *plan.parts[1].plan, payload.payload(), *value)) return false;
    payload.clear();
    return true;
  }
};

template <typename T, typename E>
struct HostAbi<std::expected<T, E>> {
  static bool matches(const HostMatcher& matcher, const cm::ValType& type) {
    return type.kind == cm::TypeKind::Result && matches_payload<T>(matcher, type.fields[0].type) &&
           matches_payload<E>(matcher, type.fields[1].type);
  }
  template <typename Place>
  static bool lift(HostCall& call, const Plan& plan, Place&& place, std::expected<T, E>& out) {
    const u64 index = static_cast<u32>(detail::load<1>(call, place));
    auto payload = detail::case_of(place, plan);
    if (!detail::check_case(call, index, 2)) return false;
    if (index == 0) {
      if constexpr (!kIsNothing<T>) {
        T value{};
        if (!HostAbi<T>::lift(call, *plan.parts[0].plan, payload.payload(), value)) return false;
        out = std::move(value);
      } else {
        out = {};
      }
    } else {
      E error{};
      if constexpr (!kIsNothing<E>) {
        if (!HostAbi<E>::lift(call, *plan.parts[1].plan, payload.payload(), error)) return false;
      }
      out = std::unexpected(std::move(error));
    }
    payload.skip();
    return true;
  }
  template <typename Place>
  static bool lower(HostCall& call, const Plan& plan, Place&& place, const std::expected<T, E>& value) {
    detail::store<1>(call, place, !value.has_value());
    auto payload = detail::case_of(place, plan);
    if constexpr (!kIsNothing<T>) {
      if (value && !HostAbi<T>::lower(call, *plan.parts[0].plan, payload.payload(), *value)) return false;
    }
    if constexpr (!kIsNothing<E>) {
      if (!value && !HostAbi<E>::lower(call, *plan.parts[1].plan, payload.payload(), value.error())) return false;
    }
    payload.clear();
    return true;
  }
};

template <typename... T>
struct HostAbi<std::tuple<T...>> {
  using Indices = std::index_sequence_for<T...>;
  static bool matches(const HostMatcher& matcher, const cm::ValType& type) {
    if (type.kind != cm::TypeKind::Tuple || type.fields.size() != sizeof...(T)) return false;
    return [&]<size_t... I>(std::index_sequence<I...>) {
      return (HostAbi<T>::matches(matcher, *type.fields[I].type) && ...);
    }(Indices());
  }
  template <typename Place>
  static bool lift(HostCall& call, const Plan& plan, Place&& place, std::tuple<T...>& out) {
    return [&]<size_t... I>(std::index_sequence<I...>) {
      return (HostAbi<T>::lift(call, *plan.parts[I].plan, detail::part(place, plan.parts[I]), std::get<I>(out)) && ...);
    }(Indices());
  }
  template <typename Place>
  static bool lower(HostCall& call, const Plan& plan, Place&& place, const std::tuple<T...>& value) {
    return [&]<size_t... I>(std::index_sequence<I...>) {
      return (HostAbi<T>::lower(call, *plan.parts[I].plan, detail::part(place, plan.parts[I]), std::get<I>(value)) &&
              ...);
    }(Indices());
  }
};

template <typename T, HostForm kForm>
concept HostFormOf = HostTraits<T>::kForm == kForm;

template <HostFormOf<HostForm::Enum> T>
struct HostAbi<T> {
  static constexpr size_t kCases = count_labels(HostTraits<T>::kLabels);
  static constexpr size_t kBytes = detail::discriminant_bytes(kCases);
  static bool matches(const HostMatcher&, const cm::ValType& type) {
    return type.kind == cm::TypeKind::Enum && has_labels(type, HostTraits<T>::kLabels);
  }
  template <typename Place>
  static bool lift(HostCall& call, const Plan&, Place&& place, T& out) {
    const u64 index = static_cast<u32>(detail::load<kBytes>(call, place));
    out = static_cast<T>(index);
    return detail::check_case(call, index, kCases);
  }
  template <typename Place>
  static bool lower(HostCall& call, const Plan&, Place&& place, T value) {
    detail::store<kBytes>(call, place, static_cast<u64>(value));
    return true;
  }
};

template <HostFormOf<HostForm::Flags> T>
struct HostAbi<T> {
  static constexpr size_t kLabels = count_labels(HostTraits<T>::kLabels);
  static constexpr size_t kBytes = detail::flags_bytes(kLabels);
  static bool matches(const HostMatcher&, const cm::ValType& type) {
    return type.kind == cm::TypeKind::Flags && has_labels(type, HostTraits<T>::kLabels);
  }
  template <typename Place>
  static bool lift(HostCall& call, const Plan&, Place&& place, T& out) {
    out = static_cast<T>(detail::load<kBytes>(call, place) & ((u64{1} << kLabels) - 1));
    return true;
  }
  template <typename Place>
  static bool lower(HostCall& call, const Plan&, Place&& place, T value) {
    detail::store<kBytes>(call, place, static_cast<u64>(value));
    return true;
  }
};

template <HostFormOf<HostForm::Record> T>
struct HostAbi<T> {
  using Traits = HostTraits<T>;
  static constexpr size_t kCount = std::tuple_size_v<decltype(Traits::kParts)>;
  using Indices = std::make_index_sequence<kCount>;
  template <size_t I>
  using Part = std::remove_cvref_t<decltype(std::declval<T>().*std::get<I>(Traits::kParts))>;

  static bool matches(const HostMatcher& matcher, const cm::ValType& type) {
    static_assert(count_labels(Traits::kLabels) == kCount);
    if (type.kind != cm::TypeKind::Record || !has_labels(type, Traits::kLabels)) return false;
    return [&]<size_t... I>(std::index_sequence<I...>) {
      return (HostAbi<Part<I>>::matches(matcher, *type.fields[I].type) && ...);
    }(Indices());
  }
  template <typename Place>
  static bool lift(HostCall& call, const Plan& plan, Place&& place, T& out) {
    return [&]<size_t... I>(std::index_sequence<I...>) {
      return (HostAbi<Part<I>>::lift(call, *plan.parts[I].plan, detail::part(place, plan.parts[I]),
                                     out.*std::get<I>(Traits::kParts)) &&
              ...);
    }(Indices());
  }
  template <typename Place>
  static bool lower(HostCall& call, const Plan& plan, Place&& place, const T& value) {
    return [&]<size_t... I>(std::index_sequence<I...>) {
      return (HostAbi<Part<I>>::lower(call, *plan.parts[I].plan, detail::part(place, plan.parts[I]),
                                      value.*std::get<I>(Traits::kParts)) &&
              ...);
    }(Indices());
  }
};

template <HostFormOf<HostForm::Variant> T>
struct HostAbi<T> {
  using Base = typename T::Cases;  // the std::variant
  static constexpr size_t kCases = std::variant_size_v<Base>;
  static constexpr size_t kBytes = detail::discriminant_bytes(kCases);
  using Indices = std::make_index_sequence<kCases>;
  template <size_t I>
  using Case = std::variant_alternative_t<I, Base>;

  static bool matches(const HostMatcher& matcher, const cm::ValType& type) {
    static_assert(count_labels(HostTraits<T>::kLabels) == kCases);
    if (type.kind != cm::TypeKind::Variant || !has_labels(type, HostTraits<T>::kLabels)) return false;
    return [&]<size_t... I>(std::index_sequence<I...>) {
      return (matches_payload<Case<I>>(matcher, type.fields[I].type) && ...);
    }(Indices());
  }
  template <typename Place>
  static bool lift(HostCall& call, const Plan& plan, Place&& place, T& out) {
    const u64 index = static_cast<u32>(detail::load<kBytes>(call, place));
    auto payload = detail::case_of(place, plan);
    if (!detail::check_case(call, index, kCases)) return false;
    const auto take = [&]<size_t I>() {
      if (index != I) return true;
      auto& value = out.value.template emplace<I>();
      if constexpr (kIsNothing<Case<I>>) {
        return true;
      } else {
        return HostAbi<Case<I>>::lift(call, *plan.parts[I].plan, payload.payload(), value);
      }
    };
    const bool ok = [&]<size_t... I>(std::index_sequence<I...>) {
      return (take.template operator()<I>() && ...);
    }(Indices());
    payload.skip();
    return ok;
  }
  template <typename Place>
  static bool lower(HostCall& call, const Plan& plan, Place&& place, const T& out) {
    detail::store<kBytes>(call, place, out.value.index());
    auto payload = detail::case_of(place, plan);
    const auto put = [&]<size_t I>() {
      if constexpr (kIsNothing<Case<I>>) {
        return true;
      } else {
        return out.value.index() != I ||
               HostAbi<Case<I>>::lower(call, *plan.parts[I].plan, payload.payload(), std::get<I>(out.value));
      }
    };
    const bool ok = [&]<size_t... I>(std::index_sequence<I...>) {
      return (put.template operator()<I>() && ...);
    }(Indices());
    payload.clear();
    return ok;
  }
};

namespace detail {

template <typename R>
struct Returned {
  using Type = R;
  static constexpr bool kMayTrap = false;
};
template <typename R>
struct Returned<runtime::Outcome<R>> {
  using Type = R;
  static constexpr bool kMayTrap = true;
};

template <typename T>
struct HandleOf {
  using Owned = void;
  using Borrowed = void;
};
template <typename T>
struct HandleOf<Own<T>> {
  using Owned = T;
  using Borrowed = void;
};
template <typename T>
struct HandleOf<std::optional<Own<T>>> : HandleOf<Own<T>> {};
template <typename T>
struct HandleOf<Borrow<T>> {
  using Owned = void;
  using Borrowed = T;
};
// Whether a function of these parameters takes over and borrows resources of one type.
template <typename... P>
consteval bool takes_both() {
  const auto borrows = []<typename Owned>() {
    return !std::is_void_v<Owned> && (std::is_same_v<typename HandleOf<P>::Borrowed, Owned> || ...);
  };
  return (borrows.template operator()<typename HandleOf<P>::Owned>() || ...);
}

template <typename R, typename Context, typename... P>
struct Bound {
  using Result = typename Returned<R>::Type;
  using Arguments = std::tuple<std::remove_cvref_t<P>...>;
  // A handle must not be lent to a function that takes it over; see HostAbi<Borrow>.
  static_assert(!takes_both<std::remove_cvref_t<P>...>());

  static bool matches(const HostMatcher& matcher, const cm::FuncType& type) {
    if (type.is_async || type.params.size() != sizeof...(P)) return false;
    if (!matches_payload<Result>(matcher, type.result)) return false;
    return [&]<size_t... I>(std::index_sequence<I...>) {
      return (HostAbi<std::tuple_element_t<I, Arguments>>::matches(matcher, *type.params[I].type) && ...);
    }(std::index_sequence_for<P...>());
  }

  template <auto kFunction>
  static bool call(HostCall& call, const Lowered& l, abi::Slot* values) {
    const Signature& s = l.signature;
    FlatPlace in{values};
    Arguments arguments;
    bool ok = true;
    if (!s.shape.params_in_memory) [[likely]] {
      ok = [&]<size_t... I>(std::index_sequence<I...>) {
        return (HostAbi<std::tuple_element_t<I, Arguments>>::lift(call, *s.params[I], in, std::get<I>(arguments)) &&
                ...);
      }(std::index_sequence_for<P...>());
    } else if constexpr (sizeof...(P) > 0) {
      MemoryPlace place{l.options.pointer == cm::PointerSize::P32 ? static_cast<u32>(*in.at) : *in.at};
      ++in.at;
      ok = call.transfer().check_pointer(call.caller(), place.address, *s.tuple) &&
           HostAbi<Arguments>::lift(call, *s.tuple, place, arguments);
    }
    if (!ok) return false;
    const u64 address = !s.shape.results_in_memory                  ? 0
                        : l.options.pointer == cm::PointerSize::P32 ? static_cast<u32>(*in.at)
                                                                    : *in.at;
    Context& context = *static_cast<Context*>(call.host());
    const auto run = [&]<size_t... I>(std::index_sequence<I...>) -> R {
      return kFunction(context, std::move(std::get<I>(arguments))...);
    };
    if constexpr (std::is_void_v<R>) {
      run(std::index_sequence_for<P...>());
    } else if constexpr (Returned<R>::kMayTrap) {
      auto outcome = run(std::index_sequence_for<P...>());
      if (!outcome) return call.transfer().fail(std::move(outcome).error());
      if constexpr (!std::is_void_v<Result>) return give(call, s, address, values, *outcome);
    } else {
      return give(call, s, address, values, run(std::index_sequence_for<P...>()));
    }
    return true;
  }

 private:
  template <typename T>
  static bool give(HostCall& call, const Signature& s, u64 address, abi::Slot* values, const T& value) {
    if (s.shape.results_in_memory) {
      MemoryPlace out{address};
      return call.transfer().check_pointer(call.caller(), address, *s.result) &&
             HostAbi<Result>::lower(call, *s.result, out, value);
    }
    FlatPlace out{values};
    return HostAbi<Result>::lower(call, *s.result, out, value);
  }
};

template <typename R, typename Context, typename... P>
Bound<R, Context, P...> bound(R (*)(Context&, P...));

}  // namespace detail

template <auto kFunction>
constexpr HostDefinition host_function(std::string_view name) {
  using Bound = decltype(detail::bound(kFunction));
  return {name, &Bound::template call<kFunction>, &Bound::matches};
}

// `kDrop` takes the context and the object.
template <typename T, auto kDrop>
constexpr HostResource host_resource(std::string_view name) {
  return {name, &kResourceTag<T>, [](void* host, u64 rep) { kDrop(host, reinterpret_cast<T*>(rep)); }};
}

}  // namespace berth::component
