// A mapped artifact (abi/artifact.h): its code, executable from the file itself, and what its tables say. Immutable;
// shared between threads. What was mapped is never writable, and nothing anonymous is ever executable.
//
// Whoever opens an artifact has made sure that it is one's own: native code can do anything. The checks here find
// files that are damaged, cut off, or not what is expected, and keep look-ups within bounds.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "abi/artifact.h"
#include "base/result.h"
#include "runtime/outcome.h"

namespace berth::native {

// What an artifact must be to be taken.
struct ExpectedArtifact {
  std::optional<std::array<u8, 32>> module_digest;
  const wasm::Module* module = nullptr;  // its numbers of types and functions are those of the artifact
  u32 options = 0;                       // ArtifactOption bits, compared where `option_mask` has ones
  u32 option_mask = 0;
  // Reads all of the unwind tables to see that they are in order. Only needed for files of unknown origin.
  bool check_order = true;
};

class Artifact {
 public:
  // Maps the file at `path`, or that open as `file` (which stays open) and called `name` in messages. Fails with
  // System, BadArtifact with a reason, or where address space runs out.
  static Result<std::shared_ptr<const Artifact>> open(const std::string& path, const ExpectedArtifact& expected);
  static Result<std::shared_ptr<const Artifact>> open(int file, const std::string& name,
                                                      const ExpectedArtifact& expected);
  ~Artifact();
  Artifact(const Artifact&) = delete;

  const abi::ArtifactHeader& header() const { return *header_; }
  u64 base() const { return reinterpret_cast<u64>(image_); }
  // Whether the address lies in this artifact's code. Async-signal-safe, as the other look-ups are unless they say so.
  bool in_text(u64 pc) const { return pc - text_begin_ < text_end_ - text_begin_; }
  u64 text_end() const { return text_end_; }
  // The artifact whose code `pc` is; null: none. Of published ones only.
  static const Artifact* containing(u64 pc);

  // Code of a function, by its index less that of the imported ones; null when it has none here.
  const void* function_code(u32 defined) const { return code(functions_[defined]); }
  // Trampolines of a type index; null when it is no function type.
  const void* enter(u32 type) const { return code(types_[type].enter); }
  const void* exit(u32 type) const { return code(types_[type].exit); }
  // How the frame of the instruction at `pc` is undone; null: not known.
  const abi::UnwindRule* unwind_rule(u64 pc) const;
  // Where the call that returns to `return_address` continues when it throws; 0: nowhere.
  u64 landing(u64 return_address) const;
  // Appends the wasm frames of the instruction at `pc`, or of the call before it, innermost first; none when it
  // belongs to no function. Not async-signal-safe.
  void append_frames(u64 pc, bool is_return_address, const std::shared_ptr<const wasm::Module>& module,
                     std::vector<runtime::Frame>& out) const;
  // Where a loop may be entered from the interpreter (abi::LoopEntry); null: not this one.
  void* loop_code(u32 function, u32 wasm_offset) const;

  // Makes it known to `containing`, and keeps it mapped as long as the process lives: types hold on to its code.
  static void publish(const std::shared_ptr<const Artifact>& artifact);
  // A module that the artifact is code of, for frames. Any thread.
  void add_module(const std::shared_ptr<const wasm::Module>& module) const;
  std::shared_ptr<const wasm::Module> any_module() const;

 private:
  class Loader;
  struct Modules;
  Artifact();
  const void* code(u32 offset) const { return offset == 0 ? nullptr : image_ + offset; }

  u8* image_ = nullptr;
  u64 image_bytes_ = 0;
  u64 text_begin_ = 0, text_end_ = 0;
  const u8* section_map_ = nullptr;
  u64 section_map_bytes_ = 0;
  const abi::ArtifactHeader* header_ = nullptr;
  std::span<const u32> functions_;
  std::span<const abi::TypeTrampolines> types_;
  std::span<const abi::UnwindRow> unwind_;
  std::span<const abi::UnwindRule> rules_;
  std::span<const abi::LandingPad> landings_;
  std::span<const abi::LineBlock> line_blocks_;
  std::span<const u8> line_data_;
  std::span<const abi::InlinedCall> inlined_;
  std::span<const abi::LoopEntry> loops_;
  std::unique_ptr<Modules> modules_;
};

}  // namespace berth::native
