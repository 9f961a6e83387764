#include "engine/dwarf_lines.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <string_view>

#include "wasm/names.h"

namespace berth::engine {
namespace {

// Reads bytes front to back; past the end everything reads as zero and `ok` is false.
class Cursor {
 public:
  explicit Cursor(std::span<const u8> bytes) : bytes_(bytes) {}

  bool ok() const { return ok_; }
  bool at_end() const { return pos_ >= bytes_.size(); }
  size_t position() const { return pos_; }
  size_t remaining() const { return bytes_.size() - pos_; }

  u64 fixed(u32 size) {
    if (size > 8 || remaining() < size) return fail();
    u64 v = 0;
    std::memcpy(&v, bytes_.data() + pos_, size);
    pos_ += size;
    return v;
  }
  u8 byte() { return static_cast<u8>(fixed(1)); }
  u64 uleb() {
    u64 v = 0;
    for (u32 shift = 0;; shift += 7) {
      const u8 b = byte();
      if (!ok_) return 0;
      if (shift < 64) v |= u64{b & 0x7Fu} << shift;
      if (!(b & 0x80)) return v;
    }
  }
  i64 sleb() {
    u64 v = 0;
    for (u32 shift = 0;;) {
      const u8 b = byte();
      if (!ok_) return 0;
      if (shift < 64) v |= u64{b & 0x7Fu} << shift;
      shift += 7;
      if (!(b & 0x80)) {
        if (shift < 64 && (b & 0x40)) v |= ~u64{0} << shift;
        return static_cast<i64>(v);
      }
    }
  }
  std::string_view c_string() {
    const u8* start = bytes_.data() + pos_;
    const void* end = remaining() ? std::memchr(start, 0, remaining()) : nullptr;
    if (!end) return fail(), std::string_view{};
    const auto length = static_cast<size_t>(static_cast<const u8*>(end) - start);
    pos_ += length + 1;
    return {reinterpret_cast<const char*>(start), length};
  }
  std::span<const u8> take(u64 size) {
    if (size > remaining()) return fail(), std::span<const u8>{};
    const auto taken = bytes_.subspan(pos_, static_cast<size_t>(size));
    pos_ += static_cast<size_t>(size);
    return taken;
  }
  void skip(u64 size) { take(size); }

 private:
  u8 fail() {
    ok_ = false;
    pos_ = bytes_.size();
    return 0;
  }
  std::span<const u8> bytes_;
  size_t pos_ = 0;
  bool ok_ = true;
};

// The string at `offset` of a string section.
std::string_view string_at(std::span<const u8> section, u64 offset) {
  if (offset >= section.size()) return {};
  return Cursor(section.subspan(static_cast<size_t>(offset))).c_string();
}

enum Form : u64 {
  kBlock2 = 0x03,
  kBlock4 = 0x04,
  kData2 = 0x05,
  kData4 = 0x06,
  kData8 = 0x07,
  kString = 0x08,
  kBlock = 0x09,
  kBlock1 = 0x0a,
  kData1 = 0x0b,
  kStrp = 0x0e,
  kUdata = 0x0f,
  kData16 = 0x1e,
  kLineStrp = 0x1f,
};
enum Content : u64 { kPath = 1, kDirectoryIndex = 2 };

struct FileEntry {
  std::string_view name;
  u64 directory = 0;
};

std::string join(std::string_view directory, std::string_view name) {
  if (directory.empty() || (!name.empty() && name.front() == '/')) return std::string(name);
  std::string path(directory);
  if (path.back() != '/') path += '/';
  return path += name;
}

// One unit of .debug_line: its header, and the program that makes its table.
class LineUnit {
 public:
  LineUnit(std::span<const u8> unit, u32 offset_size, const DwarfLineSections& sections)
      : cursor_(unit), unit_(unit), offset_size_(offset_size), sections_(sections) {}

  // Reads the header. False when this is not a unit that can be read.
  bool read_header() {
    version_ = static_cast<u32>(cursor_.fixed(2));
    if (version_ < 2 || version_ > 5) return false;
    if (version_ == 5) cursor_.skip(2);  // address and segment selector size
    const u64 header_length = cursor_.fixed(offset_size_);
    if (!cursor_.ok() || header_length > cursor_.remaining()) return false;
    program_ = cursor_.position() + static_cast<size_t>(header_length);
    min_instruction_ = cursor_.byte();
    max_operations_ = version_ >= 4 ? cursor_.byte() : 1;
    cursor_.skip(1);  // default_is_stmt
    line_base_ = static_cast<i8>(cursor_.byte());
    line_range_ = cursor_.byte();
    opcode_base_ = cursor_.byte();
    if (opcode_base_ > 0) lengths_ = cursor_.take(opcode_base_ - 1u);
    tables_ = cursor_.position();
    return cursor_.ok() && line_range_ != 0 && opcode_base_ != 0 && max_operations_ != 0;
  }

  // Runs the program; `row` is told of each range of addresses and the line that it comes from.
  template <typename F>
  void run(F row) {
    Cursor c(unit_.subspan(program_));
    Registers r, previous;
    bool in_sequence = false;
    u64 sequence_start = 0;
    auto emit = [&] {
      if (!in_sequence) {
        sequence_start = r.address;
      } else if (previous.address < r.address && is_live(sequence_start)) {
        row(previous.address, r.address, previous.file, previous.line, previous.column);
      }
      // Line 0 marks code that belongs to no line; what it was made for is the line before.
      const Registers known = r.line == 0 && in_sequence ? previous : r;
      previous = known;
      previous.address = r.address;
      in_sequence = true;
    };
    auto advance = [&](u64 operations) {
      if (max_operations_ == 1) {
        r.address += min_instruction_ * operations;
      } else {
        const u64 total = r.operation + operations;
        r.address += min_instruction_ * (total / max_operations_);
        r.operation = total % max_operations_;
      }
    };
    while (!c.at_end()) {
      const u8 opcode = c.byte();
      if (opcode >= opcode_base_) {
        const u32 adjusted = opcode - opcode_base_;
        advance(adjusted / line_range_);
        r.line += static_cast<u64>(i64{line_base_} + adjusted % line_range_);
        emit();
        continue;
      }
      switch (opcode) {
        case 0: {  // extended
          const u64 length = c.uleb();
          if (length == 0) break;
          Cursor e(c.take(length));
          switch (e.byte()) {
            case 1:  // end_sequence
              emit();
              r = {};
              in_sequence = false;
              break;
            case 2:  // set_address
              r.address = e.fixed(static_cast<u32>(std::min<u64>(length - 1, 9)));
              r.operation = 0;
              break;
            default: break;  // define_file, set_discriminator, vendors' own
          }
          break;
        }
        case 1: emit(); break;
        case 2: advance(c.uleb()); break;
        case 3: r.line += static_cast<u64>(c.sleb()); break;
        case 4: r.file = c.uleb(); break;
        case 5: r.column = c.uleb(); break;
        case 6:
        case 7:
        case 10:
        case 11: break;
        case 8: advance((255u - opcode_base_) / line_range_); break;
        case 9:
          r.address += c.fixed(2);
          r.operation = 0;
          break;
        default:
          for (u32 n = lengths_[opcode - 1u]; n > 0; --n) c.uleb();
      }
    }
  }

  // The path of a file by its number in the program.
  std::string path(u64 file) {
    if (!tables_read_) {
      tables_read_ = true;
      cursor_ = Cursor(unit_.first(program_));
      cursor_.skip(tables_);
      version_ == 5 ? read_tables_5() : read_tables();
    }
    if (version_ < 5) {
      if (file == 0 || file > files_.size()) return {};
      const FileEntry& f = files_[static_cast<size_t>(file - 1)];
      const bool has_directory = f.directory > 0 && f.directory <= directories_.size();
      return join(has_directory ? directories_[static_cast<size_t>(f.directory - 1)].name : std::string_view{}, f.name);
    }
    if (file >= files_.size()) return {};
    const FileEntry& f = files_[static_cast<size_t>(file)];
    if (f.directory >= directories_.size()) return std::string(f.name);
    const std::string_view directory = directories_[static_cast<size_t>(f.directory)].name;
    return join(f.directory == 0 ? std::string(directory) : join(directories_[0].name, directory), f.name);
  }

 private:
  struct Registers {
    u64 address = 0, operation = 0, file = 1, line = 1, column = 0;
  };

  // Linkers leave the lines of functions they dropped at address 0 or at the very top.
  static bool is_live(u64 start) { return start != 0 && start < 0xFFFF'FFF0; }

  void read_tables() {
    for (;;) {
      const std::string_view name = cursor_.c_string();
      if (name.empty()) break;
      directories_.push_back({name});
    }
    while (cursor_.ok()) {
      const std::string_view name = cursor_.c_string();
      if (name.empty()) break;
      const u64 directory = cursor_.uleb();
      cursor_.uleb();  // modification time
      cursor_.uleb();  // length
      files_.push_back({name, directory});
    }
  }
  void read_tables_5() {
    directories_ = read_entries();
    files_ = read_entries();
  }
  std::vector<FileEntry> read_entries() {
    struct Column {
      u64 content, form;
    };
    std::vector<Column> columns(cursor_.byte());
    for (Column& column : columns) column = {cursor_.uleb(), cursor_.uleb()};
    const u64 count = cursor_.uleb();
    std::vector<FileEntry> entries;
    // A form takes at least a byte, so that a count beyond what remains is a lie.
    if (columns.empty() || count > cursor_.remaining()) return entries;
    for (u64 i = 0; i < count && cursor_.ok(); ++i) {
      FileEntry entry;
      for (const Column& column : columns) read_column(column.content, column.form, entry);
      entries.push_back(entry);
    }
    return entries;
  }
  void read_column(u64 content, u64 form, FileEntry& entry) {
    std::string_view text;
    u64 number = 0;
    switch (form) {
      case kString: text = cursor_.c_string(); break;
      case kLineStrp: text = string_at(sections_.line_strings, cursor_.fixed(offset_size_)); break;
      case kStrp: text = string_at(sections_.strings, cursor_.fixed(offset_size_)); break;
      case kUdata: number = cursor_.uleb(); break;
      case kData1: number = cursor_.fixed(1); break;
      case kData2: number = cursor_.fixed(2); break;
      case kData4: number = cursor_.fixed(4); break;
      case kData8: number = cursor_.fixed(8); break;
      case kData16: cursor_.skip(16); break;
      case kBlock: cursor_.skip(cursor_.uleb()); break;
      case kBlock1: cursor_.skip(cursor_.fixed(1)); break;
      case kBlock2: cursor_.skip(cursor_.fixed(2)); break;
      case kBlock4: cursor_.skip(cursor_.fixed(4)); break;
      default: cursor_.skip(cursor_.remaining() + 1); break;  // of unknown size: give up
    }
    if (content == kPath) entry.name = text;
    if (content == kDirectoryIndex) entry.directory = number;
  }

  Cursor cursor_;
  std::span<const u8> unit_;
  u32 offset_size_;
  const DwarfLineSections& sections_;
  u32 version_ = 0;
  size_t program_ = 0, tables_ = 0;
  u64 min_instruction_ = 1, max_operations_ = 1;
  i8 line_base_ = 0;
  u8 line_range_ = 1, opcode_base_ = 1;
  std::span<const u8> lengths_;
  bool tables_read_ = false;
  std::vector<FileEntry> directories_, files_;
};

// Offset in the module of the code section's contents.
std::optional<u64> code_section_start(const wasm::Module& module) {
  Cursor c(module.bytes);
  c.skip(8);
  while (!c.at_end()) {
    const u8 id = c.byte();
    const u64 size = c.uleb();
    if (!c.ok()) return std::nullopt;
    if (id == static_cast<u8>(wasm::SectionId::Code)) return c.position();
    c.skip(size);
  }
  return std::nullopt;
}

}  // namespace

std::vector<std::optional<SourceLine>> find_source_lines(const DwarfLineSections& sections,
                                                         std::span<const u64> addresses) {
  std::vector<std::optional<SourceLine>> answers(addresses.size());
  // Addresses still without an answer, ascending.
  std::vector<size_t> open;
  open.resize(addresses.size());
  std::iota(open.begin(), open.end(), size_t{0});
  std::ranges::sort(open, {}, [&](size_t i) { return addresses[i]; });

  Cursor c(sections.line);
  while (!c.at_end() && !open.empty()) {
    u64 length = c.fixed(4);
    u32 offset_size = 4;
    if (length == 0xFFFF'FFFF) {
      length = c.fixed(8);
      offset_size = 8;
    }
    LineUnit unit(c.take(length), offset_size, sections);
    if (!c.ok()) break;
    if (!unit.read_header()) continue;
    bool found = false;
    unit.run([&](u64 from, u64 to, u64 file, u64 line, u64 column) {
      if (open.empty() || to <= addresses[open.front()] || from > addresses[open.back()]) return;
      auto first = std::ranges::lower_bound(open, from, {}, [&](size_t i) { return addresses[i]; });
      for (; first != open.end() && addresses[*first] < to; ++first) {
        auto& answer = answers[*first];
        if (answer) continue;
        answer = SourceLine{unit.path(file), static_cast<u32>(line), static_cast<u32>(column)};
        found = true;
      }
    });
    if (found) std::erase_if(open, [&](size_t i) { return answers[i].has_value(); });
  }
  return answers;
}

std::vector<std::optional<SourceLine>> find_source_lines(const wasm::Module& module,
                                                         std::span<const u64> code_offsets) {
  const auto line = wasm::custom_section(module, ".debug_line");
  const auto start = line ? code_section_start(module) : std::nullopt;
  if (!start) return std::vector<std::optional<SourceLine>>(code_offsets.size());
  auto section = [&](std::string_view name) {
    return wasm::custom_section(module, name).value_or(std::span<const u8>{});
  };
  std::vector<u64> addresses(code_offsets.begin(), code_offsets.end());
  for (u64& address : addresses) address -= std::min(address, *start);
  return find_source_lines({*line, section(".debug_line_str"), section(".debug_str")}, addresses);
}

}  // namespace berth::engine
