// An artifact: native code of one module for one target, as a file. An ELF shared object (ET_DYN) with PT_LOAD
// segments that are readable, or readable and executable, and with no dynamic relocations. The first of its sections
// is not special; section `.berth`, which is not loaded with the code, holds what follows, in order, each part
// starting at a multiple of 8 bytes. Section `.berth.module`, not loaded either, holds the module itself. Both start
// at a multiple of kSectionAlignment in the file. All numbers are little-endian. "Code offset" means an address in
// the ELF image relative to its lowest PT_LOAD address.
#pragma once

#include "abi/native.h"

namespace berth::abi {

inline constexpr u32 kArtifactFormat = 3;
inline constexpr char kArtifactSection[] = ".berth";
inline constexpr char kModuleSection[] = ".berth.module";
inline constexpr u64 kSectionAlignment = 4096;
inline constexpr char kArtifactMagic[8] = {'\0', 'b', 'e', 'r', 't', 'h', '\r', '\n'};

// A part of the section: `count` items at `offset` from the section's start.
struct ArtifactTable {
  u64 offset;
  u64 count;
};

struct ArtifactHeader {
  char magic[8];
  u32 format;            // kArtifactFormat
  u32 abi;               // kAbiVersion
  u8 module_digest[32];  // SHA-256 of the module's binary
  u8 digest[32];         // SHA-256 of the whole file with these 32 bytes taken as zeros
  u64 file_bytes;        // size of the whole file
  u64 module_offset;     // where the module's binary lies in the file
  u64 module_bytes;      // its size; 0 when it is not there
  u32 options;           // ArtifactOption bits
  u32 defined_functions;
  u32 facts;  // ModuleFact bits
  u32 unused;
  ArtifactTable target;       // chars: "x86_64-linux"
  ArtifactTable cpu;          // chars: CPU name, and then each feature that the code may use as "+name", spaces between
  ArtifactTable compiler;     // chars: name and version of the compiler
  ArtifactTable functions;    // u32 code offset for each defined function; 0 when it has no code here
  ArtifactTable types;        // TypeTrampolines for each type index; zero where it is no function type
  ArtifactTable unwind;       // UnwindRow, ascending by `begin`
  ArtifactTable rules;        // UnwindRule
  ArtifactTable landings;     // LandingPad, ascending by `begin`, no two overlap
  ArtifactTable line_blocks;  // LineBlock, ascending by `begin`
  ArtifactTable line_data;    // bytes: the lines of the blocks, as abi/line_table.h encodes them
  ArtifactTable inlined;      // InlinedCall
  ArtifactTable loops;        // LoopEntry, ascending by function and then offset
  ArtifactTable bodies;       // BodyPlace for each defined function; none where bodies were translated
};

enum ArtifactOption : u32 {
  kCountsFuel = 1u << 0,
  kDeterministicNan = 1u << 1,
  kDeterministicRelaxed = 1u << 2,
  kPartial = 1u << 3,  // calls to functions that have no code here go through FunctionInstance
};

// Where the module's binary has a function's body (wasm::Function::body), so that nobody need look for it.
struct BodyPlace {
  u32 offset, bytes;
};

enum ModuleFact : u32 {
  kTranslatedBodies =
      1u << 0,  // some were rewritten by validation (wasm::Module::translated), and offsets refer to that
  kUnusualFeatures = 1u << 1,  // it is not valid with the features alone that are on by default
};

struct TypeTrampolines {
  u32 enter, exit;  // code offsets
};

// From `begin` (code offset) to the next row's, a frame is undone as `rules[rule]` says; kNoRule: not code.
struct UnwindRow {
  u32 begin;
  u32 rule;
};
inline constexpr u32 kNoRule = 0xFFFFFFFF;

// The canonical frame address is register `cfa_register` (DWARF number) plus `cfa_offset`; `saved[i]` is where
// the caller's callee-saved register i lies relative to it, 0 when it still holds the caller's value; the return
// address lies at CFA - 8 on x86-64, and is what x30 was on AArch64. Registers, x86-64: rbx, rbp, r12, r13, r14, r15.
// AArch64: x19 to x30, d8 to d15.
struct UnwindRule {
  u32 cfa_register;
  i32 cfa_offset;
  i16 saved[20];
};

// A call in [begin, end), so one whose return address minus 1 lies there, continues at `landing` when it throws:
// with the exception in the first return register, the callee-saved registers restored and the stack pointer of
// the frame.
struct LandingPad {
  u32 begin, end;
  u32 landing;
};

// A run of kLinesPerBlock lines (the last may have fewer): the first begins at `begin`, its encoding at byte `data`
// of `line_data`. Code before the first block and past the last line stems from nowhere.
struct LineBlock {
  u32 begin;
  u32 data;
};

// From `begin` to the next line's: instructions that stem from byte `wasm_offset` of the module, in function
// `function`; kNoLine, both: from none. `inlined_at` is an index into `inlined` plus 1, or 0.
struct CodeLine {
  u32 begin;
  u32 wasm_offset;
  u32 function;
  u32 inlined_at;
};
inline constexpr u32 kNoLine = 0xFFFFFFFF;

// The call through which an inlined function came: at `wasm_offset` of `function`, itself inlined through
// `inlined_at`.
struct InlinedCall {
  u32 wasm_offset;
  u32 function;
  u32 inlined_at;
};

// Where the loop whose `loop` instruction is at byte `wasm_offset` of the function's body (Module::body) may be entered
// from the interpreter: void entry(InstanceContext*, Slot* frame), C convention. It reads the locals, the loop's
// parameters and the operands below it from the interpreter's frame, runs the function to its end and leaves the
// results at the frame's start.
struct LoopEntry {
  u32 function;
  u32 wasm_offset;
  u32 code;
  u32 unused;
};

}  // namespace berth::abi
