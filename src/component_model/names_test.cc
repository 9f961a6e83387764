#include "component_model/names.h"

#include <gtest/gtest.h>

namespace berth::component_model {
namespace {

TEST(ComponentNames, LabelsAreInKebabCase) {
  for (const char* good : {"a", "a-b-c", "a1-2-3", "A", "A-B-C", "A1-2-3", "a11-w0rds", "A11-4CR0NYMS", "is-XML"})
    EXPECT_TRUE(is_label(good)) << good;
  for (const char* bad : {"", "-", "a-", "-a", "a--b", "1-2-3", "aB", "Ab", "a_b", "a.b", "é"})
    EXPECT_FALSE(is_label(bad)) << bad;
}

TEST(ComponentNames, TakesNamesApart) {
  const auto method = parse_name("[method]my-file.read-all");
  ASSERT_TRUE(method);
  EXPECT_EQ(method->kind, ParsedName::Kind::Method);
  EXPECT_EQ(method->resource, "my-file");
  EXPECT_EQ(method->label, "read-all");
  const auto interface = parse_name("wasi:http/types@0.2.6-rc.1");
  ASSERT_TRUE(interface);
  EXPECT_EQ(interface->kind, ParsedName::Kind::Interface);
  EXPECT_EQ(interface->interface, "wasi:http/types");
  EXPECT_EQ(interface->version, "0.2.6-rc.1");
  for (const char* bad : {"[method]a", "[constructor]a.b", "[static]a.", "[other]a", "a:b", "a:b/c@", "a:b/c@1.2",
                          "a:b/c@01.2.3", "a:b/c/d", "A:b/c", ":b/c", "a/b"}) {
    EXPECT_FALSE(parse_name(bad)) << bad;
  }
}

TEST(ComponentNames, SuffixCompletesACanonicalVersion) {
  EXPECT_TRUE(parse_name("a:b/c@1", ".2.3"));
  EXPECT_TRUE(parse_name("a:b/c@0.2", ".6-rc.1"));
  EXPECT_FALSE(parse_name("a:b/c@1", "2.3"));
  EXPECT_FALSE(parse_name("a:b/c@1.2.3", ".4"));
  EXPECT_FALSE(parse_name("a:b/c", ".4"));
}

TEST(ComponentNames, UniqueBeyondCaseAndAnnotations) {
  EXPECT_EQ(uniqueness_key("is-XML"), uniqueness_key("IS-xml"));
  EXPECT_EQ(uniqueness_key("[method]foo.foo"), uniqueness_key("FOO"));
  EXPECT_EQ(uniqueness_key("[method]foo.bar"), uniqueness_key("[static]foo.BAR"));
  EXPECT_NE(uniqueness_key("[constructor]foo"), uniqueness_key("foo"));
  EXPECT_NE(uniqueness_key("[method]foo.bar"), uniqueness_key("bar"));
}

TEST(ComponentNames, CompatibleVersions) {
  EXPECT_EQ(compatible_version("1.2.3"), "1");
  EXPECT_EQ(compatible_version("0.2.6"), "0.2");
  EXPECT_EQ(compatible_version("0.0.4"), "0.0.4");
  EXPECT_EQ(compatible_version("0.2.0-rc.1"), "0.2.0-rc.1");
  EXPECT_TRUE(is_semver("1.0.0-alpha.1+build.5"));
  EXPECT_FALSE(is_semver("1.0"));
  EXPECT_FALSE(is_semver("1.0.0-01"));
}

}  // namespace
}  // namespace berth::component_model
