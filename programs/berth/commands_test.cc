#include "berth/commands.h"

#include <gtest/gtest.h>

namespace berth::cli {
namespace {

TEST(Commands, AreWellFormed) {
  for (const Command& c : commands()) {
    EXPECT_EQ(find_command(c.name), &c);
    EXPECT_FALSE(c.summary.empty());
    for (const Option& o : c.options) {
      EXPECT_TRUE(o.name.starts_with("--")) << o.name;
      EXPECT_FALSE(o.help.empty()) << o.name;
    }
  }
}

}  // namespace
}  // namespace berth::cli
