#include "engine/demangle.h"

#include <gtest/gtest.h>

namespace berth::engine {
namespace {

TEST(Demangle, ReadsRustNames) {
  EXPECT_EQ(demangle("_ZN4core9panicking5panic17h0123456789abcdefE"), "core::panicking::panic");
  EXPECT_EQ(demangle("_ZN47_$LT$app..Row$u20$as$u20$core..fmt..Display$GT$3fmt17h0123456789abcdefE"),
            "<app::Row as core::fmt::Display>::fmt");
  EXPECT_EQ(demangle("_ZN3app4main17h0123456789abcdefE.llvm.123"), "app::main");
}

TEST(Demangle, ReadsPlainCxxNames) {
  EXPECT_EQ(demangle("_Z3fooi"), "foo");
  EXPECT_EQ(demangle("_ZN3foo3barEPKc"), "foo::bar");
  EXPECT_EQ(demangle("_ZNK3foo5ClassC2Ev"), "foo::Class::Class");
  EXPECT_EQ(demangle("_ZN12_GLOBAL__N_13runEv"), "(anonymous namespace)::run");
  EXPECT_EQ(demangle("_ZL5localv"), "local");
}

TEST(Demangle, LeavesWhatItDoesNotKnow) {
  for (const char* name :
       {"", "main", "_Z", "_ZN", "_ZN3foE", "_Z3mapIiEvT_", "_ZN3foo3barIiEEvv", "_ZN9999999fooE", "_RNvC3app4main"}) {
    EXPECT_EQ(demangle(name), name);
  }
}

TEST(Printable, DefusesControlCharacters) {
  EXPECT_EQ(printable("a\x1b[31mb"), "a\\x1b[31mb");
  EXPECT_EQ(printable("grün"), "grün");
  EXPECT_EQ(printable("\xff\xc3"), "\\xff\\xc3");
  EXPECT_EQ(printable("a\xe2\x80\xae"
                      "b"),
            "a\\xe2\\x80\\xaeb");  // right-to-left override
  EXPECT_EQ(printable("aaaa", 2), "aa…");
}

}  // namespace
}  // namespace berth::engine
