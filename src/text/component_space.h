// The index spaces of components, in text and in binaries.
#pragma once

#include "base/types.h"

namespace berth::text {

// Those of core things first.
enum class ComponentSpace : u8 {
  CoreFunc,
  CoreTable,
  CoreMemory,
  CoreGlobal,
  CoreTag,
  CoreType,
  CoreModule,
  CoreInstance,
  Func,
  Value,
  Type,
  Component,
  Instance,
};
inline constexpr u32 kComponentSpaces = 13;

}  // namespace berth::text
