#include <gtest/gtest.h>

#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "engine/engine.h"

namespace berth::engine {
namespace {

std::vector<u8> bytes(std::string_view text) { return {text.begin(), text.end()}; }
using namespace std::string_view_literals;

std::string message_of(std::string_view content, const Config& config = {}) {
  auto module = read_module(bytes(content), "app", config);
  return module ? "valid" : module.error().message;
}

constexpr std::string_view kText = "(module (func (export \"f\") (result i32) (i32.const 42)))";

std::vector<u8> copy(const Bytes& bytes) { return {bytes.begin(), bytes.end()}; }
std::vector<u8> binary() { return copy((*read_module(bytes(kText), "t", {}))->bytes); }

TEST(Loader, TellsKindsApart) {
  EXPECT_EQ(detect(bytes("\0asm\1\0\0\0"sv)), FileKind::Module);
  EXPECT_EQ(detect(bytes("\0asm\x0d\0\1\0"sv)), FileKind::Component);
  EXPECT_EQ(detect(bytes(" ;; comment\n(; a (; b ;) ;)\n (module)")), FileKind::Text);
  EXPECT_EQ(detect(bytes("( component)")), FileKind::Component);
  EXPECT_EQ(detect(bytes("(; never closed")), FileKind::Other);
  EXPECT_EQ(detect(bytes("hello")), FileKind::Other);
  EXPECT_EQ(detect(bytes("\x7f"
                         "ELF\2\1\1\0"sv)),
            FileKind::Artifact);
  EXPECT_EQ(detect({}), FileKind::Other);
}

TEST(Loader, SaysWhatElseAFileIs) {
  EXPECT_EQ(message_of(""), "app: error: this is not WebAssembly, it is empty");
  EXPECT_EQ(message_of("\x7f"
                       "ELF"),
            "app: error: this is not WebAssembly, it is an ELF file: a native program or library");
  EXPECT_EQ(message_of("hello"), "app: error: this is not WebAssembly");
}

TEST(Loader, ShowsTheLineOfErrorsInText) {
  EXPECT_EQ(message_of(kText), "valid");
  EXPECT_EQ(message_of("(module\n  (func (result i32)\n    (i64.const 1)))").substr(0, 8), "app:3:18");
  EXPECT_EQ(message_of("(module\n  (fnc))").substr(0, 8), "app:2:4:");
}

TEST(Loader, NamesTheFunctionOfAnInvalidBinary) {
  Config all, none;
  none.features.disable(wasm::Feature::SignExtension);
  auto module = read_module(bytes("(module (func $twice (drop (i32.extend8_s (i32.const 1)))))"), "t", all);
  ASSERT_TRUE(module);
  auto refused = read_module(copy((*module)->bytes), "app", none);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().error.code(), ErrorCode::FeatureDisabled);
  EXPECT_NE(refused.error().message.find("the function is twice"), std::string::npos) << refused.error().message;
  EXPECT_FALSE(refused.error().hint.empty());
}

TEST(Loader, ReadsFiles) {
  const auto folder = std::filesystem::temp_directory_path() / ("berth-loader-" + std::to_string(getpid()));
  std::filesystem::create_directories(folder);
  const std::string path = folder / "a.wasm";
  const auto content = binary();
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(content.data()), static_cast<std::streamsize>(content.size()));
  auto module = read_module_file(path, {});
  ASSERT_TRUE(module);
  EXPECT_EQ(copy((*module)->bytes), content);
  auto missing = read_module_file(folder / "a", {});
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().hint, "there is a " + path);
  EXPECT_EQ(read_module_file(folder, {}).error().error.kind(), ErrorKind::Io);
  std::filesystem::remove_all(folder);
}

TEST(StreamLoader, GivesTheSameModuleWhateverTheChunks) {
  const auto content = binary();
  for (size_t size : {size_t{1}, size_t{3}, content.size()}) {
    StreamLoader loader({});
    for (size_t at = 0; at < content.size(); at += size) {
      ASSERT_TRUE(loader.push(std::span(content).subspan(at, std::min(size, content.size() - at))));
    }
    auto module = loader.finish();
    ASSERT_TRUE(module);
    EXPECT_EQ(copy((*module)->bytes), content);
    EXPECT_EQ((*module)->functions.size(), 1u);
  }
}

TEST(StreamLoader, ReportsTruncation) {
  const auto content = binary();
  for (size_t cut = 0; cut < content.size(); ++cut) {
    StreamLoader loader({});
    if (!loader.push(std::span(content).first(cut))) continue;
    auto module = loader.finish();
    if (module) EXPECT_EQ((*module)->bytes.size(), cut);  // between sections it is a module
  }
}

}  // namespace
}  // namespace berth::engine
