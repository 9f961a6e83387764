// Turns the bytes of a module into a wasm::Module (specification: binary format, modules), all at once
// or as they arrive. A decoder belongs to one thread at a time; the module it yields is the caller's.
//
// Decoding settles everything but the inside of function bodies: these are found and measured here,
// and read by validation, which reports what is malformed in them. Constant expressions are read here
// to find their ends. Nothing is allocated in proportion to a count or length that is only declared.
//
// Errors: of kind Malformed with the offset of the first byte at fault, LimitExceeded naming the limit,
// FeatureDisabled naming the feature. A component is an UnknownVersion; see is_component.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "base/result.h"
#include "wasm/module.h"

namespace berth::decode {

// Told about each part of a module as soon as it is decoded, in the order of the binary, whatever the
// sizes of the chunks it came in. An error returned ends decoding with that error. The module given is
// the one under construction: indices stay valid, pointers into `bytes` do not.
class DecodeObserver {
 public:
  virtual ~DecodeObserver() = default;
  // A section other than Code and Custom is complete.
  virtual Result<> on_section(wasm::Module&, wasm::SectionId) { return {}; }
  // The code section begins: every section before it is complete.
  virtual Result<> on_code_start(wasm::Module&) { return {}; }
  // The body of function `func` has arrived.
  virtual Result<> on_body(wasm::Module&, wasm::FuncIdx) { return {}; }
  // The module is complete.
  virtual Result<> on_end(wasm::Module&) { return {}; }
};

// Decodes a module that arrives in chunks of any size. The same bytes yield the same module or the same
// error at the same offset, however they are cut.
class StreamDecoder {
 public:
  // `observer` may be null, and outlives the decoder otherwise.
  StreamDecoder(const wasm::FeatureSet& features, const wasm::ModuleLimits& limits, DecodeObserver* observer = nullptr);
  StreamDecoder(StreamDecoder&&) noexcept;
  StreamDecoder& operator=(StreamDecoder&&) noexcept;
  ~StreamDecoder();

  // Makes room for a module of about `bytes` bytes. A hint, worth giving when the size is known.
  void reserve(u64 bytes);
  // Takes the next bytes, which it copies. After a failure the decoder can only be destroyed.
  Result<> push(std::span<const u8> chunk);
  // Says that no more bytes will come, and gives the module. May be called once.
  Result<wasm::Module> finish();

  // What has been decoded so far.
  const wasm::Module& module() const;

 private:
  friend Result<wasm::Module> decode_module(Bytes, const wasm::FeatureSet&, const wasm::ModuleLimits&, DecodeObserver*);
  friend Result<wasm::Module> decode_known_module(Bytes, std::vector<wasm::Range>, const wasm::FeatureSet&,
                                                  const wasm::ModuleLimits&);
  class Impl;
  std::unique_ptr<Impl> impl_;
};

// Decodes a whole module, whose bytes it keeps as Module::bytes.
Result<wasm::Module> decode_module(Bytes bytes, const wasm::FeatureSet& features = {},
                                   const wasm::ModuleLimits& limits = {}, DecodeObserver* observer = nullptr);

// The same for a module that was decoded before, when its functions' bodies, imported ones left out, were at `bodies`.
// Saves looking at the whole code section. Ranges that are not ascending parts of that are errors; others are believed.
Result<wasm::Module> decode_known_module(Bytes bytes, std::vector<wasm::Range> bodies, const wasm::FeatureSet& features,
                                         const wasm::ModuleLimits& limits);

// Whether `bytes` start as a WebAssembly binary does (module or component).
bool has_wasm_magic(std::span<const u8> bytes);
// Whether `bytes` start as a component does.
bool is_component(std::span<const u8> bytes);

}  // namespace berth::decode
