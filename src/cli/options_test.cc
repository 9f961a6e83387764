#include "cli/options.h"

#include <gtest/gtest.h>

namespace berth::cli {
namespace {

constexpr Option kOptions[] = {
    {.name = "--dir", .value = "FOLDER", .letter = 'd'},
    {.name = "--quiet", .letter = 'q'},
};
constexpr Command kRun{.name = "run",
                       .summary = "",
                       .options = kOptions,
                       .min_operands = 1,
                       .first_operand_ends_options = true,
                       .run = nullptr};
constexpr Command kCheck{.name = "check", .summary = "", .options = kOptions, .max_operands = 2, .run = nullptr};

std::expected<Arguments, UsageError> parse(const Command& command, std::vector<const char*> words) {
  std::vector<char*> pointers;
  for (const char* word : words) pointers.push_back(const_cast<char*>(word));
  return Arguments::parse(command, pointers);
}
using Words = std::vector<std::string_view>;

TEST(Options, EndAtTheProgramsNameForRun) {
  const auto a = parse(kRun, {"--dir", "x", "--dir=y", "-q", "app.wasm", "--dir", "z", "-q"});
  ASSERT_TRUE(a);
  EXPECT_EQ(a->values("--dir"), (Words{"x", "y"}));
  EXPECT_EQ(a->value("--dir"), "y");
  EXPECT_TRUE(a->has("--quiet"));
  EXPECT_EQ(a->operands(), (Words{"app.wasm", "--dir", "z", "-q"}));
}

TEST(Options, MixWithOperandsElsewhere) {
  const auto a = parse(kCheck, {"one", "--quiet", "two"});
  ASSERT_TRUE(a);
  EXPECT_TRUE(a->has("--quiet"));
  EXPECT_EQ(a->operands(), (Words{"one", "two"}));
}

TEST(Options, EndAtTwoDashes) {
  const auto a = parse(kCheck, {"--", "--quiet"});
  ASSERT_TRUE(a);
  EXPECT_FALSE(a->has("--quiet"));
  EXPECT_EQ(a->operands(), (Words{"--quiet"}));
  EXPECT_EQ(parse(kRun, {"--", "app.wasm", "--", "x"})->operands(), (Words{"app.wasm", "--", "x"}));
}

TEST(Options, TakeASingleDashAsAnOperand) { EXPECT_EQ(parse(kRun, {"-", "x"})->operands(), (Words{"-", "x"})); }

TEST(Options, TakeEmptyValues) { EXPECT_EQ(parse(kRun, {"--dir=", "a"})->value("--dir"), ""); }

TEST(Options, TakeValuesRightAfterALetter) {
  EXPECT_EQ(parse(kRun, {"-dx", "a"})->value("--dir"), "x");
  EXPECT_FALSE(parse(kRun, {"-qx", "a"}));
  EXPECT_FALSE(parse(kRun, {"-zx", "a"}));
}

TEST(Options, ReportWhatIsWrong) {
  EXPECT_EQ(parse(kRun, {}).error().message, "an argument is missing");
  EXPECT_EQ(parse(kRun, {"--dir"}).error().message, "--dir needs a value");
  EXPECT_EQ(parse(kRun, {"--quiet=1", "a"}).error().message, "--quiet takes no value");
  EXPECT_EQ(parse(kRun, {"--dri", "x", "a"}).error().hint, "did you mean --dir? `berth help run` lists all options");
  EXPECT_EQ(parse(kCheck, {"1", "2", "3"}).error().message, "too many arguments: 3");
}

TEST(Nearest, FindsTyposAndPrefixes) {
  const std::string_view words[] = {"--timeout", "--tier", "--max-memory"};
  EXPECT_EQ(nearest("--timout", words), "--timeout");
  EXPECT_EQ(nearest("--tire", words), "--tier");
  EXPECT_EQ(nearest("--max", words), "--max-memory");
  EXPECT_EQ(nearest("--frobnicate", words), "");
}

}  // namespace
}  // namespace berth::cli
