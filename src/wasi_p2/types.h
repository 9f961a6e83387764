// How the C++ types of this library are WASI's (component/host_call.h).
#pragma once

#include "component/host_abi.h"
#include "wasi_p2/state.h"

namespace berth::wasi_p2 {

// wasi:clocks/wall-clock#datetime
struct Datetime {
  u64 seconds = 0;  // since 1970
  u32 nanoseconds = 0;
};
constexpr Datetime to_datetime(u64 nanoseconds) {
  return {nanoseconds / 1'000'000'000, static_cast<u32>(nanoseconds % 1'000'000'000)};
}

template <typename T>
constexpr component::HostResource resource(std::string_view name) {
  return component::host_resource<T, [](void* host, T* object) { static_cast<State*>(host)->held.drop(*object); }>(
      name);
}

}  // namespace berth::wasi_p2

namespace berth::component {

template <>
struct HostTraits<wasi_p2::Datetime>
    : RecordTraits<"seconds nanoseconds", &wasi_p2::Datetime::seconds, &wasi_p2::Datetime::nanoseconds> {};
template <>
struct HostTraits<wasi_p2::StreamError> : VariantTraits<"last-operation-failed closed"> {};

}  // namespace berth::component
