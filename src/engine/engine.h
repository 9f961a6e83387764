// The embedding facade: from the bytes of a module, binary or text, to something that can be
// instantiated. An Engine may be used by several threads at once and outlives every module and
// store made with it.
#pragma once

#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "runtime/executor.h"
#include "runtime/store.h"
#include "wasm/features.h"
#include "wasm/limits.h"
#include "wasm/module.h"

namespace berth::engine {

class BackgroundCompiler;
class CodeSource;

// How functions are executed: by the interpreter; as native code, which is made before anything runs; or by the
// interpreter until there is native code, which is made meanwhile.
enum class Tier : u8 { Interp, Native, Auto };

struct Config {
  wasm::FeatureSet features;
  wasm::ModuleLimits limits;
  Tier tier = Tier::Interp;
  // Where native code comes from; null: from the compiler, each time anew.
  std::shared_ptr<CodeSource> code;
  // Told, from any thread, what is compiled in the background and why that failed; null: nobody is.
  std::function<void(const std::string&)> background_note;
  // For tests: makes functions native at random, from this seed, where `tier` is Native.
  std::optional<u64> mixing_seed;
  // Whether guest code counts fuel; without it Store::set_fuel has no effect.
  bool fuel = false;
  // Whether relaxed vector instructions behave the same on every machine.
  bool deterministic = false;
  // Threads that validate a module big enough to gain from it; 0 takes one a core.
  u32 validation_threads = 0;
};

// Why a module could not be loaded.
struct LoadFailure {
  Error error;
  // For people: what is wrong and where, for text with the line shown. Several lines, no line end
  // last.
  std::string message;
  // What to do about it; may be empty.
  std::string hint;
};

template <typename T>
using Loaded = std::expected<T, LoadFailure>;

// What some bytes are, by how they start.
enum class FileKind : u8 { Module, Component, Text, Artifact, Other };
// Artifact is any ELF file: what follows may show that it is another.
FileKind detect(std::span<const u8> bytes);
// In plain words what bytes of kind Other look like: "an ELF executable", "gzip-compressed data";
// empty when they look like nothing known.
std::string_view describe(std::span<const u8> bytes);

// Decodes and validates, without an executor: what `berth validate` and `inspect` need. `name` is
// what messages call the bytes. Text is turned into binary first.
Loaded<std::shared_ptr<const wasm::Module>> read_module(std::vector<u8> bytes, std::string_view name,
                                                        const Config& config);
// The same for a file, read while it is decoded. Of an artifact it is the module that came
// with it; `read_module` knows none.
// `kind`, where it is not null, is set to what the file was; `component`, where it is not null, to the bytes of one
// that is a component, which fails as read_module does. `open_file`, where it is a descriptor, is the file, at its
// start and not moved otherwise; it stays open.
Loaded<std::shared_ptr<const wasm::Module>> read_module_file(const std::string& path, const Config& config,
                                                             FileKind* kind = nullptr,
                                                             std::vector<u8>* component = nullptr, int open_file = -1);

struct ArtifactSummary;
// The module that came with an artifact, which is open and has been authenticated (Cache::authenticate); it stays
// mapped. Its functions are not validated again, unless `config` allows less than the compiler did.
Loaded<std::shared_ptr<const wasm::Module>> read_module_in(int file, const ArtifactSummary& summary,
                                                           const std::string& name, const Config& config);

// Decodes and validates a binary.
Result<std::shared_ptr<const wasm::Module>> compile_binary(Bytes bytes, const Config& config);

class Engine {
 public:
  // Fails with System when the process cannot be prepared for running guests.
  static Result<std::unique_ptr<Engine>> create(const Config& config);
  ~Engine();
  Engine(const Engine&) = delete;

  const Config& config() const { return config_; }
  runtime::Executor& executor() { return *executor_; }

  // Ends what is compiled in the background and waits for that; nothing is begun any more. One thread.
  void stop();

  // Loads a module, binary or text.
  Loaded<std::shared_ptr<const runtime::PreparedModule>> load(std::vector<u8> bytes, std::string_view name);
  Loaded<std::shared_ptr<const runtime::PreparedModule>> load_file(const std::string& path);
  // Makes a valid module ready to be instantiated. Cheap: functions are translated when first
  // called; but in the native tier this waits for the compiler, and fails when that does.
  Result<std::shared_ptr<const runtime::PreparedModule>> prepare(std::shared_ptr<const wasm::Module> module);

 private:
  Engine(const Config& config, std::unique_ptr<runtime::Executor> executor);

  const Config config_;
  std::unique_ptr<runtime::Executor> executor_;
  std::unique_ptr<BackgroundCompiler> background_;  // in the auto tier
};

// Takes a binary as it arrives and validates each part as soon as it is there, so that a slow
// source costs no time afterwards. One thread at a time.
class StreamLoader {
 public:
  explicit StreamLoader(const Config& config);
  ~StreamLoader();

  // The next bytes. Fails as soon as they cannot be the start of a valid module; then give up.
  Result<> push(std::span<const u8> chunk);
  // Once, after the last bytes.
  Result<std::shared_ptr<const wasm::Module>> finish();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace berth::engine
