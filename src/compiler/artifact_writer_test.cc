#include "compiler/artifact_writer.h"

#include <gtest/gtest.h>
#include <llvm/AsmParser/Parser.h>
#include <llvm/IR/LLVMContext.h>
#include <llvm/IR/LegacyPassManager.h>
#include <llvm/IR/Module.h>
#include <llvm/MC/TargetRegistry.h>
#include <llvm/Support/SourceMgr.h>
#include <llvm/Support/TargetSelect.h>
#include <llvm/Target/TargetMachine.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "abi/line_table.h"
#include "compiler/digest.h"
#include "compiler/elf_view.h"
#include "compiler/frame_tables.h"
#include "compiler/link.h"
#include "compiler/metadata.h"
#include "compiler/symbols.h"

namespace berth::compiler {
namespace {

std::vector<u8> object_from(const std::string& ir) {
  static const bool ready = [] {
    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86Target();
    LLVMInitializeX86TargetMC();
    LLVMInitializeX86AsmPrinter();
    return true;
  }();
  EXPECT_TRUE(ready);
  llvm::LLVMContext context;
  llvm::SMDiagnostic diagnostic;
  const auto module = llvm::parseAssemblyString(ir, diagnostic, context);
  EXPECT_TRUE(module) << diagnostic.getMessage().str() << " " << diagnostic.getLineContents().str();
  std::string error;
  const std::string triple = "x86_64-unknown-linux-gnu";
  const auto* target = llvm::TargetRegistry::lookupTarget(triple, error);
  const std::unique_ptr<llvm::TargetMachine> machine(
      target->createTargetMachine(triple, "x86-64-v2", "", {}, llvm::Reloc::PIC_));
  module->setTargetTriple(triple);
  module->setDataLayout(machine->createDataLayout());
  llvm::legacy::PassManager passes;
  llvm::SmallVector<char, 0> bytes;
  llvm::raw_svector_ostream out(bytes);
  machine->addPassesToEmitFile(passes, out, nullptr, llvm::CodeGenFileType::ObjectFile);
  passes.run(*module);
  return {bytes.begin(), bytes.end()};
}

// Function 1 calls function 2, which another object has, and catches what it throws; it has inlined function 3.
constexpr const char* kCaller = R"(
declare i32 @berth.personality(...)
declare hidden tailcc i32 @"callee[2]"(ptr, i32)
define hidden tailcc i32 @"name [x[1]"(ptr %t, i32 %x) uwtable personality ptr @berth.personality !dbg !5 {
  %big = alloca [4000 x i8]
  %first = call tailcc i32 @"callee[2]"(ptr %t, i32 %x), !dbg !8
  %r = invoke tailcc i32 @"callee[2]"(ptr %t, i32 %first) to label %ok unwind label %landing, !dbg !11
ok:
  store i8 1, ptr %big, !dbg !9
  ret i32 %r, !dbg !9
landing:
  %l = landingpad { ptr, i32 } catch ptr null
  %e = extractvalue { ptr, i32 } %l, 0
  store i32 77, ptr %e, !dbg !9
  ret i32 5, !dbg !9
}
define hidden void @".enter[0]"(ptr %t, ptr %code, ptr %s) uwtable {
  %v = load i32, ptr %s
  %r = call tailcc i32 %code(ptr %t, i32 %v)
  store i32 %r, ptr %s
  ret void
}
define hidden tailcc i32 @".exit[0]"(ptr %f, i32 %x) uwtable {
  ret i32 0
}
define hidden void @".loop[1][1003]"(ptr %t, ptr %frame) uwtable {
  ret void
}
!llvm.module.flags = !{!0, !1}
!llvm.dbg.cu = !{!2}
!0 = !{i32 2, !"Debug Info Version", i32 3}
!1 = !{i32 7, !"Dwarf Version", i32 4}
!2 = distinct !DICompileUnit(language: DW_LANG_C, file: !3, emissionKind: LineTablesOnly, isOptimized: true, nameTableKind: None)
!3 = !DIFile(filename: "module.wasm", directory: "/")
!4 = !DISubroutineType(types: !{})
!5 = distinct !DISubprogram(name: "name [x[1]", scope: !3, file: !3, type: !4, spFlags: DISPFlagDefinition, unit: !2)
!6 = distinct !DISubprogram(name: "inner[3]", scope: !3, file: !3, type: !4, spFlags: DISPFlagDefinition, unit: !2)
!7 = !DILocation(line: 1005, scope: !5)
!8 = !DILocation(line: 1000, scope: !5)
!9 = !DILocation(line: 1010, scope: !5)
!11 = !DILocation(line: 2000, scope: !6, inlinedAt: !7)
)";

constexpr const char* kCallee = R"(
@table = private unnamed_addr constant [4 x i32] [i32 5, i32 6, i32 7, i32 8], align 16
define hidden tailcc i32 @"callee[2]"(ptr %t, i32 %x) uwtable {
  %w = zext i32 %x to i64
  %p = getelementptr i32, ptr @table, i64 %w
  %v = load i32, ptr %p
  ret i32 %v
}
define hidden tailcc i32 @"inner[3]"(ptr %t, i32 %x) uwtable {
  ret i32 %x
}
)";

std::vector<std::vector<u8>> objects() { return {object_from(kCaller), object_from(kCallee)}; }

Result<std::vector<u8>> link_ir(const char* ir) {
  const std::vector<std::vector<u8>> one = {object_from(ir)};
  return link_image(one);
}

// A module of one imported and three own functions, all of one type.
wasm::Module module() {
  wasm::Module out;
  out.bytes = std::vector<u8>(5000, 0x5A);
  out.types.resize(3);
  out.types[1].kind = wasm::CompositeKind::Struct;
  out.canonical = {wasm::TypeIdx(0), wasm::TypeIdx(1), wasm::TypeIdx(0)};
  out.functions.resize(4);
  out.imported_functions = 1;
  return out;
}

TEST(Symbols, AreParsedFromTheirEnd) {
  const auto plain = parse_symbol("name [x[1]");
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->kind, CodeSymbol::Kind::Function);
  EXPECT_EQ(plain->index, 1u);
  EXPECT_EQ(parse_symbol("a[2][3]")->index, 3u);
  EXPECT_EQ(parse_symbol(".enter[7]")->kind, CodeSymbol::Kind::Enter);
  EXPECT_EQ(parse_symbol(".exit[7]")->index, 7u);
  EXPECT_EQ(parse_symbol(".loop[7][900]")->index, 7u);
  EXPECT_EQ(parse_symbol(".loop[7][900]")->wasm_offset, 900u);
  for (const char* other : {"", "[]", "a", "a[", "a]", "a[x]", "a[1 ]", "a[-1]", ".other[1]", "a[99999999999]"}) {
    EXPECT_FALSE(parse_symbol(other)) << other;
  }
}

TEST(Link, MakesAnImageThatIsOnlyReadAndExecuted) {
  const auto image = link_image(objects());
  ASSERT_TRUE(image) << image.error().to_string();
  const ElfView elf(*image);
  u32 loads = 0;
  for (const Elf64_Phdr& segment : elf.segments()) {
    if (segment.p_type != PT_LOAD) continue;
    ++loads;
    EXPECT_EQ(segment.p_flags & PF_W, 0u);
    EXPECT_EQ(segment.p_offset % 4096, segment.p_vaddr % 4096);
    if (segment.p_flags & PF_X) {
      EXPECT_EQ(segment.p_offset % 4096, 0u);
    }
  }
  EXPECT_EQ(loads, 2u);
  EXPECT_TRUE(elf.section(".eh_frame"));
  EXPECT_TRUE(elf.section(".debug_line"));
}

TEST(Link, NamesWhatIsNotDefined) {
  const auto image = link_ir("declare void @missing()\ndefine void @\"f[0]\"() { call void @missing() ret void }");
  ASSERT_FALSE(image);
  EXPECT_NE(image.error().to_string().find("missing"), std::string::npos) << image.error().to_string();
  // The linker is usable afterwards.
  EXPECT_TRUE(link_image(objects()));
}

TEST(Link, RefusesWhatWouldBeWrittenTo) {
  const auto data = link_ir("@g = global i32 5\ndefine ptr @f() { ret ptr @g }");
  ASSERT_FALSE(data);
  const auto relocated = link_ir("define void @f() { ret void }\n@g = constant ptr @f\ndefine ptr @h() { ret ptr @g }");
  ASSERT_FALSE(relocated);
  EXPECT_FALSE(link_image({}));
}

class MetadataTest : public testing::Test {
 protected:
  void SetUp() override {
    auto linked = link_image(objects());
    ASSERT_TRUE(linked) << linked.error().to_string();
    image_ = std::move(*linked);
    auto read = read_metadata(image_, module(), false);
    ASSERT_TRUE(read) << read.error().to_string();
    metadata_ = std::move(*read);
  }
  abi::CodeLine line(u32 offset) const { return abi::find_line(metadata_.line_blocks, metadata_.line_data, offset); }
  CodeSymbol symbol(CodeSymbol::Kind kind, u32 index) const {
    for (const CodeSymbol& s : read_symbols(ElfView(image_)))
      if (s.kind == kind && s.index == index) return s;
    ADD_FAILURE() << "no symbol " << index;
    return {};
  }
  const abi::UnwindRule* rule(u32 offset) const {
    const auto after = std::ranges::upper_bound(metadata_.unwind, offset, {}, &abi::UnwindRow::begin);
    if (after == metadata_.unwind.begin() || (after - 1)->rule == abi::kNoRule) return nullptr;
    return &metadata_.rules[(after - 1)->rule];
  }

  std::vector<u8> image_;
  Metadata metadata_;
};

TEST_F(MetadataTest, PlacesFunctionsTrampolinesAndLoops) {
  ASSERT_EQ(metadata_.functions.size(), 3u);
  EXPECT_EQ(metadata_.functions[0], symbol(CodeSymbol::Kind::Function, 1).begin);
  EXPECT_EQ(metadata_.functions[2], symbol(CodeSymbol::Kind::Function, 3).begin);
  EXPECT_NE(metadata_.types[0].enter, 0u);
  EXPECT_NE(metadata_.types[0].exit, 0u);
  EXPECT_EQ(metadata_.types[1].enter, 0u);
  EXPECT_EQ(metadata_.types[2].enter, metadata_.types[0].enter);
  ASSERT_EQ(metadata_.loops.size(), 1u);
  EXPECT_EQ(metadata_.loops[0].function, 1u);
  EXPECT_EQ(metadata_.loops[0].wasm_offset, 1003u);
}

TEST_F(MetadataTest, DescribesFrames) {
  const CodeSymbol f = symbol(CodeSymbol::Kind::Function, 1);
  const abi::UnwindRule* entry = rule(f.begin);
  ASSERT_TRUE(entry);
  EXPECT_EQ(entry->cfa_register, 7u);
  EXPECT_EQ(entry->cfa_offset, 8);
  bool large = false;
  for (u32 at = f.begin; at < f.end; ++at) {
    ASSERT_TRUE(rule(at));
    large |= rule(at)->cfa_offset > 4000;
  }
  EXPECT_TRUE(large);
  EXPECT_FALSE(rule(metadata_.unwind.front().begin - 1));
  EXPECT_FALSE(rule(metadata_.unwind.back().begin));
  for (size_t i = 1; i < metadata_.unwind.size(); ++i) {
    EXPECT_LT(metadata_.unwind[i - 1].begin, metadata_.unwind[i].begin);
  }
}

TEST_F(MetadataTest, FindsLandingPads) {
  const CodeSymbol f = symbol(CodeSymbol::Kind::Function, 1);
  ASSERT_EQ(metadata_.landings.size(), 1u);
  const abi::LandingPad& pad = metadata_.landings[0];
  EXPECT_GT(pad.begin, f.begin);
  EXPECT_LT(pad.begin, pad.end);
  EXPECT_GT(pad.landing, f.begin);
  EXPECT_LT(pad.landing, f.end);
  // The call inside it is the inlined one.
  EXPECT_EQ(line(pad.end - 1).wasm_offset, 2000u);
}

TEST_F(MetadataTest, TellsWhereCodeStemsFrom) {
  const CodeSymbol f = symbol(CodeSymbol::Kind::Function, 1);
  bool own = false, inner = false;
  for (u32 at = f.begin; at < f.end; ++at) {
    const abi::CodeLine found = line(at);
    if (found.wasm_offset == 1000) {
      own = true;
      EXPECT_EQ(found.function, 1u);
      EXPECT_EQ(found.inlined_at, 0u);
    } else if (found.wasm_offset == 2000) {
      inner = true;
      EXPECT_EQ(found.function, 3u);
      ASSERT_EQ(found.inlined_at, 1u);
    }
  }
  EXPECT_TRUE(own);
  EXPECT_TRUE(inner);
  ASSERT_EQ(metadata_.inlined.size(), 1u);
  EXPECT_EQ(metadata_.inlined[0].wasm_offset, 1005u);
  EXPECT_EQ(metadata_.inlined[0].function, 1u);
  EXPECT_EQ(metadata_.inlined[0].inlined_at, 0u);
  EXPECT_EQ(line(symbol(CodeSymbol::Kind::Enter, 0).begin).function, abi::kNoLine);
  EXPECT_EQ(line(symbol(CodeSymbol::Kind::Function, 2).begin).function, abi::kNoLine);
}

TEST_F(MetadataTest, RefusesWhatDoesNotFit) {
  wasm::Module more = module();
  more.functions.resize(5);
  EXPECT_FALSE(read_metadata(image_, more, false));
  EXPECT_TRUE(read_metadata(image_, more, true));
  wasm::Module fewer = module();
  fewer.functions.resize(3);
  EXPECT_FALSE(read_metadata(image_, fewer, true));
  wasm::Module types = module();
  types.types.resize(4);
  EXPECT_FALSE(read_metadata(image_, types, true));
}

TEST(ArtifactWriter, WritesWhatItSays) {
  for (const bool debug_info : {false, true}) {
    ArtifactOptions options;
    options.target = "x86_64-linux";
    options.cpu = "x86-64-v2 +sse4.2 +popcnt";
    options.compiler = "berth 1";
    options.options = abi::kCountsFuel;
    options.debug_info = debug_info;
    auto file = make_artifact(objects(), module(), options);
    ASSERT_TRUE(file) << file.error().to_string();
    const ElfView elf(*file);
    const Elf64_Shdr* section = elf.section(abi::kArtifactSection);
    ASSERT_TRUE(section);
    EXPECT_EQ(section->sh_offset % abi::kSectionAlignment, 0u);
    abi::ArtifactHeader header;
    std::memcpy(&header, file->data() + section->sh_offset, sizeof header);
    EXPECT_EQ(std::memcmp(header.magic, abi::kArtifactMagic, sizeof header.magic), 0);
    EXPECT_EQ(header.abi, abi::kAbiVersion);
    EXPECT_EQ(header.options, abi::kCountsFuel);
    EXPECT_EQ(header.file_bytes, file->size());
    EXPECT_EQ(header.defined_functions, 3u);
    const auto text = [&](const abi::ArtifactTable& table) {
      return std::string(reinterpret_cast<const char*>(file->data() + section->sh_offset + table.offset), table.count);
    };
    EXPECT_EQ(text(header.target), "x86_64-linux");
    EXPECT_EQ(text(header.cpu), "x86-64-v2 +sse4.2 +popcnt");
    EXPECT_EQ(text(header.compiler), "berth 1");

    const auto bytes = module().bytes;
    EXPECT_TRUE(std::ranges::equal(sha256(bytes), header.module_digest));
    EXPECT_EQ(header.module_offset % abi::kSectionAlignment, 0u);
    EXPECT_TRUE(std::ranges::equal(std::span(*file).subspan(header.module_offset, header.module_bytes), bytes));
    std::memset(file->data() + section->sh_offset + offsetof(abi::ArtifactHeader, digest), 0, sizeof header.digest);
    EXPECT_TRUE(std::ranges::equal(sha256(*file), header.digest));

    EXPECT_EQ(elf.section(".debug_line") != nullptr, debug_info);
    EXPECT_TRUE(elf.section(".eh_frame"));
    EXPECT_EQ(read_symbols(elf).size(), 6u);
    for (const Elf64_Sym& symbol : elf.symbols()) {
      if (symbol.st_shndx != SHN_UNDEF && symbol.st_shndx < SHN_LORESERVE) {
        EXPECT_LT(symbol.st_shndx, elf.header().e_shnum);
      }
    }
  }
}

}  // namespace
}  // namespace berth::compiler
