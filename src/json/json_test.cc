#include "json/json.h"

#include <gtest/gtest.h>

namespace berth::json {
namespace {

std::string again(std::string_view text) {
  auto value = parse(text);
  return value ? to_text(*value) : value.error().detail();
}

TEST(Json, KeepsOrderAndDigits) {
  const std::string text = R"({"z":1.50,"a":[-0,1e+9,18446744073709551615,true,false,null],"":{"b":{}}})";
  EXPECT_EQ(again(text), text);
  EXPECT_EQ(again(" [ 1 ,\t\"x\" ]\r\n"), "[1,\"x\"]");
}

TEST(Json, ReadsEscapes) {
  auto value = parse(R"("\"\\\/\b\f\n\r\t\u00e9\u20ac\ud83d\ude00")");
  ASSERT_TRUE(value);
  EXPECT_EQ(value->string(), "\"\\/\b\f\n\r\t\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80");
  EXPECT_EQ(again("\"\\u0001\\n\xC3\xA9\""), "\"\\u0001\\n\xC3\xA9\"");
}

TEST(Json, RejectsWhatIsNotJson) {
  for (const char* bad : {"",
                          " ",
                          "{",
                          "[1,]",
                          "[1 2]",
                          "{\"a\"}",
                          "{\"a\":1,}",
                          "{a:1}",
                          "01",
                          "1.",
                          ".5",
                          "1e",
                          "+1",
                          "-",
                          "tru",
                          "nullx",
                          "'a'",
                          "\"a",
                          "\"\\x\"",
                          "\"\\u12\"",
                          "\"\\ud800\"",
                          "\"\\ud800\\u0041\"",
                          "\"\\udc00\"",
                          "\"a\nb\"",
                          "[1]]",
                          "\xEF\xBB\xBF{}",
                          "\"\xC0\x80\"",
                          "\"\xED\xA0\x80\"",
                          "\"\xFF\"",
                          "NaN",
                          "{\"a\":1,\"a\":2}"}) {
    EXPECT_FALSE(parse(bad)) << bad;
  }
  EXPECT_EQ(again("{\n  \"a\": ?}"), "line 2, column 8: a value was expected");
}

TEST(Json, LimitsDepth) {
  EXPECT_TRUE(parse(std::string(64, '[') + std::string(64, ']')));
  EXPECT_FALSE(parse(std::string(65, '[') + std::string(65, ']')));
  EXPECT_FALSE(parse(std::string(10'000'000, '[')));
}

TEST(Json, GivesNumbersInRangeOnly) {
  EXPECT_EQ(parse("42")->integer(), 42);
  EXPECT_EQ(parse("-42")->integer(), -42);
  EXPECT_EQ(parse("-42")->size(), std::nullopt);
  EXPECT_EQ(parse("18446744073709551615")->size(), ~u64{0});
  EXPECT_EQ(parse("18446744073709551616")->size(), std::nullopt);
  EXPECT_EQ(parse("1.0")->integer(), std::nullopt);
  EXPECT_EQ(parse("\"1\"")->integer(), std::nullopt);
}

TEST(Json, IsChangedInPlace) {
  auto value = parse(R"({"process":{"args":["a"]},"x":1})");
  ASSERT_TRUE(value);
  value->object_at("process").object_at("capabilities").set("bounding", Array());
  value->find("process")->find("args")->append("b");
  value->set("x", false);
  value->object_at("linux");
  EXPECT_EQ(to_text(*value), R"({"process":{"args":["a","b"],"capabilities":{"bounding":[]}},"x":false,"linux":{}})");
  value->erase("process");
  EXPECT_EQ(to_text(*value, 2), "{\n  \"x\": false,\n  \"linux\": {}\n}");
  EXPECT_EQ(parse(R"({"a":{"b":"c"}})")->text_at({"a", "b"}), "c");
  EXPECT_EQ(value->text_at({"a", "b"}), "");
}

}  // namespace
}  // namespace berth::json
