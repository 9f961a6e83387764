// What an artifact says about its code, read from the linked image. Pure; linear in the size of the image.
#pragma once

#include <span>
#include <vector>

#include "abi/artifact.h"
#include "base/result.h"
#include "wasm/module.h"

namespace berth::compiler {

// The tables of section `.berth`, each as abi/artifact.h describes it.
struct Metadata {
  std::vector<u32> functions;
  std::vector<abi::TypeTrampolines> types;
  std::vector<abi::UnwindRow> unwind;
  std::vector<abi::UnwindRule> rules;
  std::vector<abi::LandingPad> landings;
  std::vector<abi::LineBlock> line_blocks;
  std::vector<u8> line_data;
  std::vector<abi::InlinedCall> inlined;
  std::vector<abi::LoopEntry> loops;
};

// `image` is what link_image gave for `module`; its symbols are named as compiler/symbols.h says. A type without
// trampolines of its own has those of its canonical type. Fails with CompilerFailed when the image does not fit the
// module, when code lacks frame information or a function type trampolines, and, unless `partial`, when a
// function lacks code.
Result<Metadata> read_metadata(std::span<const u8> image, const wasm::Module& module, bool partial);

}  // namespace berth::compiler
