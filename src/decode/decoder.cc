#include "decode/decoder.h"

#include <algorithm>
#include <cstring>

#include "decode/section_decoder.h"
#include "wasm/code_reader.h"
#include "wasm/names.h"

namespace berth::decode {

using wasm::CodeReader;
using wasm::FuncIdx;
using wasm::Module;
using wasm::Range;
using wasm::SectionId;

namespace {

constexpr u8 kMagic[] = {0x00, 0x61, 0x73, 0x6D};
constexpr u8 kVersion[] = {0x01, 0x00, 0x00, 0x00};

// Position of each section in the prescribed order; by id.
constexpr u8 kOrder[] = {0, 1, 2, 3, 4, 5, 7, 8, 9, 10, 12, 13, 11, 6};
constexpr u8 kLastSectionId = sizeof kOrder - 1;

}  // namespace

class StreamDecoder::Impl {
 public:
  Impl(const wasm::FeatureSet& features, const wasm::ModuleLimits& limits, DecodeObserver* observer)
      : features_(features),
        limits_(limits),
        max_bytes_(std::min<u64>(limits.module_bytes, 0xFFFFFFFF)),
        observer_(observer),
        sections_(module_, features_, limits_) {
    module_.features_allowed = features;
  }

  Result<> push(std::span<const u8> chunk) {
    // The limit counts as reached only once what lies within it was read, so that the outcome does not
    // depend on how the bytes were cut.
    const u64 room = max_bytes_ - module_.bytes.size();
    const auto taken = chunk.first(static_cast<size_t>(std::min<u64>(room, chunk.size())));
    module_.bytes.append(taken);
    TRY(advance());
    if (taken.size() < chunk.size()) return fail(too_long());
    return {};
  }

  Result<> take(Bytes bytes) {
    const u64 size = bytes.size();
    if (size > max_bytes_) bytes.truncate(max_bytes_);
    module_.bytes = std::move(bytes);
    TRY(advance());
    if (size > max_bytes_) return fail(too_long());
    return {};
  }

  Result<Module> finish() {
    switch (state_) {
      case State::SectionHeader:
        if (pos_ != module_.bytes.size()) return fail(incomplete());
        break;
      case State::SectionPayload:
        return fail(Error(ErrorCode::LengthOutOfBounds, section_size_text()).at(size_offset_));
      case State::Header: return fail(incomplete());
      case State::CodeCount:
      case State::BodySize:
      case State::BodyBytes:
        // The section is longer than what there is of it.
        return fail(Error(ErrorCode::LengthOutOfBounds, section_size_text()).at(size_offset_));
    }
    const u32 declared = static_cast<u32>(module_.functions.size()) - module_.imported_functions;
    if (!seen_code_ && declared != 0) {
      return fail(
          Error(ErrorCode::FunctionCodeMismatch, std::to_string(declared) + " functions declared, no code section")
              .at(pos_));
    }
    if (!seen_data_ && module_.data_count && *module_.data_count != 0) {
      return fail(
          Error(ErrorCode::DataCountMismatch, std::to_string(*module_.data_count) + " announced, no data section")
              .at(pos_));
    }
    wasm::mark_branch_hints(module_);
    if (observer_) TRY(observer_->on_end(module_));
    return std::move(module_);
  }

  Module module_;
  std::vector<Range> known_bodies_;  // empty: to be looked for

 private:
  enum class State : u8 { Header, SectionHeader, SectionPayload, CodeCount, BodySize, BodyBytes };
  enum class Step : u8 { Done, NeedsMore };

  // Decodes as much as has arrived.
  Result<> advance() {
    for (;;) {
      const auto step = TRY(next());
      if (step == Step::NeedsMore) return {};
    }
  }

  Result<Step> next() {
    switch (state_) {
      case State::Header: return header();
      case State::SectionHeader: return section_header();
      case State::SectionPayload: return section_payload();
      case State::CodeCount: return code_count();
      case State::BodySize: return body_size();
      case State::BodyBytes: return body_bytes();
    }
    return Step::NeedsMore;
  }

  u64 available() const { return module_.bytes.size() - pos_; }

  Error incomplete() const { return Error(ErrorCode::UnexpectedEnd).at(module_.bytes.size()); }
  // How long the module is in all, a stream does not tell.
  Error too_long() const {
    return Error(ErrorCode::LimitExceeded,
                 "bytes of the module: at most " + std::to_string(max_bytes_) + ", found more")
        .at(max_bytes_);
  }
  std::string section_size_text() const {
    return "section of " + std::to_string(section_end_ - section_start_) + " bytes, " +
           std::to_string(module_.bytes.size() - section_start_) + " present";
  }

  Result<Step> header() {
    const auto& bytes = module_.bytes;
    if (bytes.size() < 4) return Step::NeedsMore;
    if (std::memcmp(bytes.data(), kMagic, 4) != 0) return fail(Error(ErrorCode::MagicHeader).at(0));
    if (bytes.size() < 8) return Step::NeedsMore;
    if (std::memcmp(bytes.data() + 4, kVersion, 4) != 0) {
      if (is_component(bytes)) {
        return fail(Error(ErrorCode::UnknownVersion, "this is a component, a core module is needed here").at(4));
      }
      return fail(Error(ErrorCode::UnknownVersion).at(4));
    }
    pos_ = 8;
    state_ = State::SectionHeader;
    return Step::Done;
  }

  // Reads a u32 at `pos`, of which not all bytes may have arrived. At most up to `end`.
  Result<std::optional<u32>> try_u32(u64& pos, u64 end) {
    const u64 have = std::min<u64>(end, module_.bytes.size());
    CodeReader reader(std::span(module_.bytes).subspan(pos, have - pos), pos);
    const u32 value = reader.leb_u32();
    if (!reader.ok()) {
      if (reader.error_code() != ErrorCode::UnexpectedEnd) return fail(reader.error());
      if (have < end) return std::nullopt;
      return fail(Error(ErrorCode::UnexpectedEnd, "of section or function").at(end));
    }
    pos = reader.offset();
    return value;
  }

  Result<Step> section_header() {
    if (available() == 0) return Step::NeedsMore;
    const u8 id = module_.bytes[pos_];
    if (id > kLastSectionId) return fail(Error(ErrorCode::MalformedSectionId, std::to_string(id)).at(pos_));
    u64 pos = pos_ + 1;
    const u64 size_offset = pos;
    const auto size = TRY(try_u32(pos, ~u64{0}));
    if (!size) return Step::NeedsMore;
    if (id != 0) {
      if (kOrder[id] <= last_order_) {
        return fail(
            Error(ErrorCode::SectionOrder, "section " + std::to_string(id) + " is out of order or repeated").at(pos_));
      }
      last_order_ = kOrder[id];
    }
    section_id_ = static_cast<SectionId>(id);
    size_offset_ = size_offset;
    section_start_ = pos_ = pos;
    section_end_ = pos + *size;
    state_ = section_id_ == SectionId::Code ? State::CodeCount : State::SectionPayload;
    return Step::Done;
  }

  Result<Step> section_payload() {
    if (module_.bytes.size() < section_end_) return Step::NeedsMore;
    TRY(sections_.decode(section_id_,
                         {static_cast<u32>(section_start_), static_cast<u32>(section_end_ - section_start_)},
                         last_section_));
    if (section_id_ == SectionId::Data) seen_data_ = true;
    return end_section();
  }

  Result<Step> end_section() {
    pos_ = section_end_;
    state_ = State::SectionHeader;
    if (section_id_ != SectionId::Custom) {
      last_section_ = section_id_;
      if (section_id_ != SectionId::Code && observer_) TRY(observer_->on_section(module_, section_id_));
    }
    return Step::Done;
  }

  Result<Step> code_count() {
    const u64 at = pos_;
    const auto count = TRY(try_u32(pos_, section_end_));
    if (!count) return Step::NeedsMore;
    const u32 declared = static_cast<u32>(module_.functions.size()) - module_.imported_functions;
    if (*count != declared) {
      return fail(Error(ErrorCode::FunctionCodeMismatch,
                        std::to_string(declared) + " functions declared, " + std::to_string(*count) + " bodies")
                      .at(at));
    }
    seen_code_ = true;
    next_body_ = module_.imported_functions;
    if (observer_) TRY(observer_->on_code_start(module_));
    state_ = State::BodySize;
    if (known_bodies_.empty()) return Step::Done;
    return known_bodies();
  }

  Result<Step> known_bodies() {
    const u32 first = module_.imported_functions;
    if (known_bodies_.size() != module_.functions.size() - first || module_.bytes.size() < section_end_)
      return fail(Error(ErrorCode::FunctionCodeMismatch, "other bodies were expected").at(pos_));
    u64 at = pos_;
    for (size_t i = 0; i < known_bodies_.size(); ++i) {
      const Range body = known_bodies_[i];
      if (body.offset < at || body.offset > section_end_ || body.size > section_end_ - body.offset)
        return fail(Error(ErrorCode::LengthOutOfBounds, "other bodies were expected").at(at));
      at = u64{body.offset} + body.size;
      module_.functions[first + i].body = body;
    }
    return end_section();
  }

  Result<Step> body_size() {
    if (next_body_ == module_.functions.size()) {
      if (pos_ != section_end_) {
        return fail(
            Error(ErrorCode::SectionSizeMismatch, std::to_string(section_end_ - pos_) + " bytes left over").at(pos_));
      }
      return end_section();
    }
    const u64 at = pos_;
    u64 pos = pos_;
    const auto size = TRY(try_u32(pos, section_end_));
    if (!size) return Step::NeedsMore;
    if (*size > limits_.function_body_bytes) {
      return fail(std::move(limit_error("bytes of a function body", limits_.function_body_bytes, *size).at(at))
                      .in_function(next_body_));
    }
    if (*size > section_end_ - pos) {
      return fail(Error(ErrorCode::LengthOutOfBounds, "function body of " + std::to_string(*size) + " bytes, " +
                                                          std::to_string(section_end_ - pos) +
                                                          " left in the code section")
                      .at(at)
                      .in_function(next_body_));
    }
    pos_ = pos;
    body_end_ = pos + *size;
    state_ = State::BodyBytes;
    return Step::Done;
  }

  Result<Step> body_bytes() {
    if (module_.bytes.size() < body_end_) return Step::NeedsMore;
    module_.functions[next_body_].body = {static_cast<u32>(pos_), static_cast<u32>(body_end_ - pos_)};
    pos_ = body_end_;
    state_ = State::BodySize;
    const FuncIdx func(next_body_++);
    if (observer_) TRY(observer_->on_body(module_, func));
    return Step::Done;
  }

  wasm::FeatureSet features_;
  wasm::ModuleLimits limits_;
  u64 max_bytes_;
  DecodeObserver* observer_;
  SectionDecoder sections_;

  State state_ = State::Header;
  u64 pos_ = 0;  // all before it is decoded
  SectionId section_id_ = SectionId::Custom;
  SectionId last_section_ = SectionId::Custom;  // the last that was not custom
  u8 last_order_ = 0;
  u64 size_offset_ = 0;  // of the section's length
  u64 section_start_ = 0;
  u64 section_end_ = 0;
  u64 body_end_ = 0;
  u32 next_body_ = 0;
  bool seen_code_ = false;
  bool seen_data_ = false;
};

StreamDecoder::StreamDecoder(const wasm::FeatureSet& features, const wasm::ModuleLimits& limits,
                             DecodeObserver* observer)
    : impl_(std::make_unique<Impl>(features, limits, observer)) {}
StreamDecoder::StreamDecoder(StreamDecoder&&) noexcept = default;
StreamDecoder& StreamDecoder::operator=(StreamDecoder&&) noexcept = default;
StreamDecoder::~StreamDecoder() = default;

void StreamDecoder::reserve(u64 bytes) {
  impl_->module_.bytes.reserve(static_cast<size_t>(std::min<u64>(bytes, u64{1} << 32)));
}
Result<> StreamDecoder::push(std::span<const u8> chunk) { return impl_->push(chunk); }
Result<Module> StreamDecoder::finish() { return impl_->finish(); }
const Module& StreamDecoder::module() const { return impl_->module_; }

Result<Module> decode_module(Bytes bytes, const wasm::FeatureSet& features, const wasm::ModuleLimits& limits,
                             DecodeObserver* observer) {
  StreamDecoder decoder(features, limits, observer);
  TRY(decoder.impl_->take(std::move(bytes)));
  return decoder.finish();
}

Result<Module> decode_known_module(Bytes bytes, std::vector<Range> bodies, const wasm::FeatureSet& features,
                                   const wasm::ModuleLimits& limits) {
  StreamDecoder decoder(features, limits);
  decoder.impl_->known_bodies_ = std::move(bodies);
  TRY(decoder.impl_->take(std::move(bytes)));
  return decoder.finish();
}

bool has_wasm_magic(std::span<const u8> bytes) {
  return bytes.size() >= sizeof kMagic && std::memcmp(bytes.data(), kMagic, sizeof kMagic) == 0;
}

bool is_component(std::span<const u8> bytes) {
  // The version field of a component is a version and a layer, 16 bits each; layer 1 is a component's.
  return has_wasm_magic(bytes) && bytes.size() >= 8 && bytes[6] == 1 && bytes[7] == 0;
}

}  // namespace berth::decode
