#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "decode/decoder.h"
#include "engine/artifact_file.h"
#include "engine/demangle.h"
#include "engine/engine.h"
#include "text/diagnostic.h"
#include "text/parser.h"
#include "validate/validate.h"
#include "wasm/names.h"

namespace berth::engine {
namespace {

constexpr size_t kChunk = size_t{256} << 10;
// Starting threads costs more than validating less code than this.
constexpr u64 kParallelCodeBytes = u64{512} << 10;

u32 cores() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
  return static_cast<u32>(std::max(1, CPU_COUNT(&set)));
}

Result<> validate(wasm::Module& module, const Config& config) {
  validate::Options options;
  options.limits = config.limits;
  if (module.bytes.size() >= kParallelCodeBytes) {
    options.threads = config.validation_threads != 0 ? config.validation_threads : cores();
  }
  auto valid = validate::validate_module(module, options);
  if (valid || !valid.error().function()) return valid;
  // The name helps to find the function in the source.
  const auto names = wasm::Names::parse(module);
  const auto name = names.function(wasm::FuncIdx(*valid.error().function()));
  if (!name) return valid;
  return fail(std::move(valid).error().with_context("the function is " + printable(demangle(*name))));
}

Result<std::shared_ptr<const wasm::Module>> finish(wasm::Module module, const Config& config) {
  auto shared = std::make_shared<wasm::Module>(std::move(module));
  TRY(validate(*shared, config));
  return shared;
}

std::string hint_for(const Error& error) {
  switch (error.code()) {
    case ErrorCode::FeatureDisabled: return "--enable FEATURE switches a feature on";
    case ErrorCode::UnexpectedEnd:
    case ErrorCode::LengthOutOfBounds: return "the file looks cut off; build or download it again";
    case ErrorCode::UnknownVersion:
      return "this is WebAssembly of a version that does not exist yet; Berth reads version 1";
    default: return {};
  }
}

std::unexpected<LoadFailure> failure(std::string_view name, Error error) {
  std::string message = std::string(name) + ": error: " + error.to_string();
  std::string hint = hint_for(error);
  return std::unexpected(LoadFailure{std::move(error), std::move(message), std::move(hint)});
}
std::unexpected<LoadFailure> text_failure(std::string_view name, std::string_view source, Error error,
                                          const text::SourceMap* map = nullptr) {
  std::string message = text::render(name, source, error, map);
  while (message.ends_with('\n')) message.pop_back();
  std::string hint = hint_for(error);
  return std::unexpected(LoadFailure{std::move(error), std::move(message), std::move(hint)});
}
std::unexpected<LoadFailure> component_failure(std::string_view name) {
  Error error(ErrorCode::NotSupported, "components");
  return std::unexpected(LoadFailure{std::move(error),
                                     std::string(name) + ": error: this is a component, and a module is needed",
                                     "`berth run` and `berth validate` take components"});
}
std::unexpected<LoadFailure> other_failure(std::string_view name, std::span<const u8> bytes) {
  const std::string_view what = describe(bytes);
  std::string message = std::string(name) + ": error: this is not WebAssembly";
  if (!what.empty()) message += ", it is " + std::string(what);
  return std::unexpected(
      LoadFailure{Error(ErrorCode::MagicHeader), std::move(message),
                  bytes.empty() ? std::string() : "Berth runs .wasm files and their text form, .wat"});
}

std::unexpected<LoadFailure> artifact_failure(Error error) {
  std::string message = error.detail();
  return std::unexpected(LoadFailure{std::move(error), std::move(message), "`berth compile` makes it anew"});
}

Loaded<std::shared_ptr<const wasm::Module>> read_text(std::string_view source, std::string_view name,
                                                      const Config& config) {
  text::ParseOptions options;
  options.features = config.features;
  auto parsed = text::parse_module(source, options);
  if (!parsed) return text_failure(name, source, std::move(parsed).error());
  auto module = compile_binary(std::move(parsed->binary), config);
  if (!module) return text_failure(name, source, std::move(module).error(), &parsed->map);
  return std::move(*module);
}

Loaded<std::shared_ptr<const wasm::Module>> read_binary(Bytes bytes, std::string_view name, const Config& config) {
  auto module = compile_binary(std::move(bytes), config);
  if (!module) return failure(name, std::move(module).error());
  return std::move(*module);
}

constexpr wasm::FeatureSet kUsual;

// A module whose functions are known to be valid.
Result<std::shared_ptr<const wasm::Module>> declare(Bytes bytes, std::vector<wasm::Range> bodies,
                                                    const Config& config) {
  auto decoded = TRY(decode::decode_known_module(std::move(bytes), std::move(bodies), config.features, config.limits));
  auto module = std::make_shared<wasm::Module>(std::move(decoded));
  validate::Options options;
  options.limits = config.limits;
  validate::ModuleValidator validator(*module, options);
  TRY(validator.declarations());
  TRY(validator.finish());
  return module;
}

// A file being read.
class File {
 public:
  // `open_file` instead of what is at `path`, where it is a descriptor.
  explicit File(const std::string& path, int open_file = -1)
      : fd_(open_file >= 0 ? fcntl(open_file, F_DUPFD_CLOEXEC, 0)
            : path == "-"  ? dup(0)
                           : open(path.c_str(), O_RDONLY | O_CLOEXEC)) {}
  ~File() {
    if (fd_ >= 0) close(fd_);
  }
  File(const File&) = delete;
  bool is_open() const { return fd_ >= 0; }
  // The size that the file says it has, 0 if it does not.
  u64 size() const {
    struct stat st;
    return fstat(fd_, &st) == 0 && S_ISREG(st.st_mode) ? static_cast<u64>(st.st_size) : 0;
  }
  int descriptor() const { return fd_; }
  // Reads up to `buffer.size()` bytes; how many, 0 at the end, -1 with errno set.
  ssize_t read(std::span<u8> buffer) const {
    ssize_t n;
    do n = ::read(fd_, buffer.data(), buffer.size());
    while (n < 0 && errno == EINTR);
    return n;
  }

 private:
  int fd_;
};

std::unexpected<LoadFailure> io_failure(const std::string& path, int err) {
  std::string hint;
  if (err == ENOENT && !path.ends_with(".wasm") && access((path + ".wasm").c_str(), F_OK) == 0) {
    hint = "there is a " + path + ".wasm";
  } else if (err == ENOENT && path.find('/') == std::string::npos) {
    hint = "files are looked for in the current folder only";
  } else if (err == EISDIR) {
    hint = "name the .wasm file in it";
  }
  return std::unexpected(
      LoadFailure{os_error(err, path), "cannot read " + path + ": " + std::strerror(err), std::move(hint)});
}

}  // namespace

FileKind detect(std::span<const u8> bytes) {
  if (may_be_artifact(bytes)) return FileKind::Artifact;
  if (decode::is_component(bytes)) return FileKind::Component;
  if (decode::has_wasm_magic(bytes)) return FileKind::Module;
  // Text: past blanks and comments comes a parenthesis, and of a component its keyword.
  std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  auto skip = [&](size_t n) { text.remove_prefix(std::min(n, text.size())); };
  for (;;) {
    skip(text.find_first_not_of(" \t\r\n"));
    if (text.starts_with(";;")) {
      skip(text.find('\n'));
    } else if (text.starts_with("(;")) {
      size_t depth = 0;
      do {
        const bool open = text.starts_with("(;"), shut = text.starts_with(";)");
        depth += open ? 1 : 0;
        depth -= shut ? 1 : 0;
        skip(open || shut ? 2 : 1);
      } while (depth > 0 && !text.empty());
    } else if (text.starts_with("(@")) {
      return FileKind::Text;
    } else {
      break;
    }
  }
  if (!text.starts_with('(')) return FileKind::Other;
  skip(1);
  skip(text.find_first_not_of(" \t\r\n"));
  return text.starts_with("component") ? FileKind::Component : FileKind::Text;
}

std::string_view describe(std::span<const u8> bytes) {
  static constexpr struct {
    std::string_view start, what;
  } kKnown[] = {
      {"\x7f"
       "ELF",
       "an ELF file: a native program or library"},
      {"\x1f\x8b", "gzip-compressed data"},
      {"\x28\xb5\x2f\xfd", "zstd-compressed data"},
      {"BZh", "bzip2-compressed data"},
      {"\xfd"
       "7zXZ",
       "xz-compressed data"},
      {"PK\x03\x04", "a zip archive"},
      {"!<arch>\n", "a static library; link it into a module first"},
      {"BC\xc0\xde", "LLVM bitcode; link it into a module first"},
      {"MZ", "a Windows program"},
      {"\xcf\xfa\xed\xfe", "a Mach-O file: a native macOS program or library"},
      {"\xca\xfe\xba\xbe", "a Java class or a Mach-O file"},
      {"#!", "a script"},
      {"<", "HTML or XML; a download that went wrong?"},
      {"{", "JSON"},
      {"version https://git-lfs", "a Git LFS pointer; `git lfs pull` fetches the file itself"},
  };
  if (bytes.empty()) return "empty";
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  for (const auto& known : kKnown) {
    if (text.starts_with(known.start)) return known.what;
  }
  return {};
}

Result<std::shared_ptr<const wasm::Module>> compile_binary(Bytes bytes, const Config& config) {
  return finish(TRY(decode::decode_module(std::move(bytes), config.features, config.limits)), config);
}

Loaded<std::shared_ptr<const wasm::Module>> read_module(std::vector<u8> bytes, std::string_view name,
                                                        const Config& config) {
  switch (detect(bytes)) {
    case FileKind::Component: return component_failure(name);
    case FileKind::Artifact:
    case FileKind::Other: return other_failure(name, bytes);
    case FileKind::Text: return read_text({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, name, config);
    case FileKind::Module: break;
  }
  return read_binary(std::move(bytes), name, config);
}

Loaded<std::shared_ptr<const wasm::Module>> read_module_in(int file, const ArtifactSummary& summary,
                                                           const std::string& name, const Config& config) {
  auto bytes = map_module_of(file, summary, name);
  if (!bytes) return artifact_failure(std::move(bytes).error());
  const bool is_valid = summary.header.facts == 0 && (config.features.bits() & kUsual.bits()) == kUsual.bits();
  if (!is_valid) return read_binary(std::move(*bytes), name, config);
  auto bodies = read_bodies(file, summary, name);
  if (!bodies) return artifact_failure(std::move(bodies).error());
  auto module = declare(std::move(*bytes), std::move(*bodies), config);
  if (!module) return failure(name, std::move(module).error());
  return std::move(*module);
}

Loaded<std::shared_ptr<const wasm::Module>> read_module_file(const std::string& path, const Config& config,
                                                             FileKind* kind_out, std::vector<u8>* component,
                                                             int open_file) {
  const File file(path, open_file);
  if (!file.is_open()) return io_failure(path, errno);
  const std::string name = path == "-" ? "standard input" : path;

  // One byte more than the file has, so that its end shows at once.
  const u64 size = file.size();
  const size_t room = static_cast<size_t>(size == 0 ? kChunk : std::min<u64>(size + 1, kChunk));
  const auto buffer = std::make_unique_for_overwrite<u8[]>(room);
  size_t filled = 0;
  ssize_t n;
  // A pipe gives what is there; whether it is a module shows after eight bytes.
  while ((n = file.read({buffer.get() + filled, room - filled})) > 0) {
    filled += static_cast<size_t>(n);
    if (filled >= 8) break;
  }
  if (n < 0) return io_failure(path, errno);

  const FileKind kind = detect({buffer.get(), filled});
  if (kind_out) *kind_out = kind;
  if (kind == FileKind::Artifact && size != 0) {
    if (auto summary = read_summary(file.descriptor(), name)) {
      auto bytes = read_module_of(file.descriptor(), *summary, name);
      if (!bytes) return artifact_failure(std::move(bytes).error());
      return read_binary(std::move(*bytes), name, config);
    } else if (summary.error().code() == ErrorCode::BadArtifact) {
      return artifact_failure(std::move(summary).error());
    }
  }
  if (kind != FileKind::Module) {
    std::vector<u8> bytes(buffer.get(), buffer.get() + filled);
    while (bytes.size() <= config.limits.module_bytes && (n = file.read({buffer.get(), room})) > 0) {
      bytes.insert(bytes.end(), buffer.get(), buffer.get() + n);
    }
    if (n < 0) return io_failure(path, errno);
    if (kind == FileKind::Component && component != nullptr) {
      *component = std::move(bytes);
      return component_failure(name);
    }
    return read_module(std::move(bytes), name, config);
  }

  decode::StreamDecoder decoder(config.features, config.limits);
  decoder.reserve(size);
  u64 total = 0;
  do {
    if (auto pushed = decoder.push({buffer.get(), filled}); !pushed) return failure(name, std::move(pushed).error());
    total += filled;
    n = size != 0 && total == size && filled < room ? 0 : file.read({buffer.get(), room});
    filled = static_cast<size_t>(std::max<ssize_t>(n, 0));
  } while (n > 0);
  if (n < 0) return io_failure(path, errno);
  auto decoded = decoder.finish();
  if (!decoded) return failure(name, std::move(decoded).error());
  auto module = finish(std::move(*decoded), config);
  if (!module) return failure(name, std::move(module).error());
  return std::move(*module);
}

// Validates each part of a module when the decoder has it.
class StreamLoader::Impl final : public decode::DecodeObserver {
 public:
  explicit Impl(const Config& config) : config_(config), decoder_(config.features, config.limits, this) {}

  Result<> on_section(wasm::Module& module, wasm::SectionId id) override {
    return id == wasm::SectionId::Type ? validator(module).types() : Result<>{};
  }
  Result<> on_code_start(wasm::Module& module) override {
    declared_ = true;
    return validator(module).declarations();
  }
  Result<> on_body(wasm::Module& module, wasm::FuncIdx func) override { return validator(module).function(func); }
  Result<> on_end(wasm::Module& module) override {
    if (!declared_) TRY(validator(module).declarations());
    TRY(validator(module).finish());
    validator_.reset();  // the module is about to move
    return {};
  }

  decode::StreamDecoder& decoder() { return decoder_; }

 private:
  validate::ModuleValidator& validator(wasm::Module& module) {
    if (!validator_) {
      validate::Options options;
      options.limits = config_.limits;
      validator_.emplace(module, options);
    }
    return *validator_;
  }

  Config config_;
  bool declared_ = false;
  decode::StreamDecoder decoder_;
  std::optional<validate::ModuleValidator> validator_;
};

StreamLoader::StreamLoader(const Config& config) : impl_(std::make_unique<Impl>(config)) {}
StreamLoader::~StreamLoader() = default;
Result<> StreamLoader::push(std::span<const u8> chunk) { return impl_->decoder().push(chunk); }
Result<std::shared_ptr<const wasm::Module>> StreamLoader::finish() {
  return std::make_shared<const wasm::Module>(TRY(impl_->decoder().finish()));
}

}  // namespace berth::engine
