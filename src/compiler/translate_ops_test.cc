// Every instruction whose signature the table has, in a function of its own: LLVM's verifier accepts what it becomes,
// and code generation for each target selects instructions for it without calling a library.
#include "compiler/compiler.h"

#include <gtest/gtest.h>

#include <llvm/AsmParser/Parser.h>
#include <llvm/IR/LLVMContext.h>
#include <llvm/IR/Module.h>
#include <llvm/IR/Verifier.h>
#include <llvm/Object/ObjectFile.h>
#include <llvm/Support/SourceMgr.h>
#include <llvm/Support/raw_ostream.h>

#include "decode/decoder.h"
#include "text/parser.h"
#include "validate/validate.h"

namespace berth::compiler {
namespace {

using wasm::Imm;
using wasm::Op;

constexpr std::string_view kMemories[] = {"(memory 1)", "(memory i64 1)", "(memory 1 2 shared)"};
constexpr u32 kSecondMemory = 1;

std::string immediate(Op op, u32 memory) {
  switch (wasm::info(op).imm) {
    case Imm::MemArg: return std::to_string(memory) + " offset=24";
    case Imm::MemArgLane: return std::to_string(memory) + " offset=24 1";
    case Imm::Memory: return std::to_string(memory);
    case Imm::DataMemory: return std::to_string(memory) + " 0";
    case Imm::Data:
    case Imm::Elem: return "0";
    case Imm::Lane: return "1";
    case Imm::Shuffle: return "0 31 1 30 2 29 3 28 4 27 5 26 6 25 7 24";
    case Imm::V128: return "i64x2 1 2";
    case Imm::I32:
    case Imm::I64:
    case Imm::F32:
    case Imm::F64: return "1";
    case Imm::None:
    case Imm::Fence: return "";
    default: ADD_FAILURE() << wasm::info(op).mnemonic(); return "";
  }
}

std::string function_of(Op op, u32 memory) {
  const std::string address = memory == kSecondMemory ? "i64" : "i32";
  std::string params, results, operands;
  u32 operand = 0;
  bool after = false;
  for (const char c : wasm::info(op).signature()) {
    const std::string t = c == 'i'   ? "i32"
                          : c == 'l' ? "i64"
                          : c == 'f' ? "f32"
                          : c == 'd' ? "f64"
                          : c == 'v' ? "v128"
                                     : address;
    if (c == ':')
      after = true;
    else
      (after ? results : params) += " " + t;
    if (c != ':' && !after) operands += "local.get " + std::to_string(operand++) + " ";
  }
  return "(func (param" + params + ") (result" + results + ") " + operands + std::string(wasm::info(op).mnemonic()) +
         " " + immediate(op, memory) + ")\n";
}

std::string all_functions() {
  std::string text = "(module\n";
  for (const auto memory : kMemories) (text += memory) += '\n';
  for (u32 i = 0; i < wasm::kOpCount; ++i) {
    const Op op = static_cast<Op>(i);
    const wasm::OpInfo& about = wasm::info(op);
    if (about.signature() == "*") continue;
    const bool has_memory = about.imm == Imm::MemArg || about.imm == Imm::MemArgLane || about.imm == Imm::Memory ||
                            about.imm == Imm::DataMemory;
    for (u32 m = 0; m < (has_memory ? std::size(kMemories) : 1); ++m) text += function_of(op, m);
  }
  return text + "(data \"x\") (elem func))";
}

wasm::Module load(std::string_view wat) {
  auto parsed = text::parse_module(wat);
  CHECK(parsed.has_value());
  auto module = decode::decode_module(std::move(parsed->binary));
  CHECK(module.has_value());
  const auto valid = validate::validate_module(*module);
  EXPECT_TRUE(valid.has_value()) << (valid ? "" : valid.error().to_string());
  return std::move(*module);
}

void verify(const std::string& ir) {
  llvm::LLVMContext context;
  llvm::SMDiagnostic wrong;
  const auto module = llvm::parseAssemblyString(ir, wrong, context);
  ASSERT_NE(module, nullptr) << wrong.getMessage().str() << "\n" << wrong.getLineContents().str();
  for (const llvm::Function& f : *module) {
    std::string why;
    llvm::raw_string_ostream out(why);
    EXPECT_FALSE(llvm::verifyFunction(f, &out)) << f.getName().str() << ": " << why;
  }
}

std::vector<std::string> undefined_symbols(const std::vector<u8>& object) {
  const llvm::StringRef bytes(reinterpret_cast<const char*>(object.data()), object.size());
  const auto file = llvm::cantFail(llvm::object::ObjectFile::createObjectFile(llvm::MemoryBufferRef(bytes, "object")));
  std::vector<std::string> names;
  for (const auto& symbol : file->symbols()) {
    const bool is_undefined = (llvm::cantFail(symbol.getFlags()) & llvm::object::BasicSymbolRef::SF_Undefined) != 0;
    const std::string name = llvm::cantFail(symbol.getName()).str();
    if (is_undefined && !name.empty()) names.push_back(name);
  }
  return names;
}

struct Case {
  const char* target;
  const char* cpu;
};
class TranslateOps : public ::testing::TestWithParam<Case> {
 protected:
  void check(Options options) {
    const wasm::Module module = load(all_functions());
    options.target = GetParam().target;
    options.cpu = GetParam().cpu;
    options.jobs = 1;
    options.dump = [](const std::string& ir, bool) { verify(ir); };
    const auto objects = compile_objects(module, options);
    ASSERT_TRUE(objects.has_value()) << objects.error().to_string();
    for (const auto& object : *objects) EXPECT_EQ(undefined_symbols(object), std::vector<std::string>{});
  }
};

TEST_P(TranslateOps, AreSoundAndNeedNoLibrary) { check({}); }
TEST_P(TranslateOps, AreSoundUnoptimized) {
  Options options;
  options.optimization = 0;
  check(options);
}
TEST_P(TranslateOps, AreSoundWithEveryOption) {
  Options options;
  options.fuel = true;
  options.deterministic_nan = true;
  options.deterministic_relaxed = false;
  check(options);
}

INSTANTIATE_TEST_SUITE_P(Targets, TranslateOps,
                         ::testing::Values(Case{"x86_64-linux", "generic"}, Case{"x86_64-linux", "x86-64-v4"},
                                           Case{"aarch64-linux", "generic"}),
                         [](const auto& info) {
                           std::string name = std::string(info.param.target) + "_" + info.param.cpu;
                           for (char& c : name)
                             if (c == '-') c = '_';
                           return name;
                         });

}  // namespace
}  // namespace berth::compiler
