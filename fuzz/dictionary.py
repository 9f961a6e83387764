#!/usr/bin/env python3
"""Prints a libFuzzer dictionary of the text format: every mnemonic of spec/opcodes.def, and keywords."""

import re
from pathlib import Path

KEYWORDS = """
module func param result local type rec sub final struct array field mut import export memory table global
elem data start tag declare item offset align= offset= then else end block loop if try catch catch_all
do delegate shared pagesize i8 i16 i32 i64 f32 f64 v128 funcref externref anyref eqref i31ref structref
arrayref nullref nullfuncref nullexternref exnref ref null any eq i31 extern none nofunc noextern exn noexn
nan inf nan:canonical nan:arithmetic nan:0x 0x 0x1p+ definition instance binary quote register invoke get
assert_return assert_trap assert_exhaustion assert_malformed assert_invalid assert_unlinkable
assert_exception either thread wait (@custom (@name (@metadata.code.branch_hint (; ;) ;; $ "
"""

table = (Path(__file__).resolve().parents[1] / "spec" / "opcodes.def").read_text()
words = set(re.findall(r'^BERTH_OP\([^"]*"([^"]+)"', table, re.M)) | set(KEYWORDS.split())
for word in sorted(words):
    print('"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"')
