"""Tests of check_layers.py: each writes a small tree and expects one complaint, or none."""

import tempfile
import unittest
from pathlib import Path

from check_layers import Tree

LAYERS = """
[libraries.base]
may = []
[libraries.wasm]
may = ["base"]
[libraries.text]
may = ["wasm"]
test = ["decode"]
[libraries.decode]
may = ["wasm"]
[programs.berth]
may = ["text"]
"""
HEADER = "// Purpose. Threads: any.\n#pragma once\n"


class LayersTest(unittest.TestCase):
    def errors(self, files, layers=LAYERS):
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            (root / "src").mkdir()
            (root / "programs").mkdir()
            (root / "layers.toml").write_text(layers)
            for name, text in files.items():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_text(text)
            tree = Tree(root)
            tree.check()
            return tree.errors

    def expect_error(self, files, words, layers=LAYERS):
        errors = self.errors(files, layers)
        self.assertEqual(len(errors), 1, errors)
        self.assertIn(words, errors[0])

    def test_accepts_what_the_table_allows(self):
        self.assertEqual([], self.errors({
            "src/base/a.h": HEADER,
            "spec/ops.def": "",
            "src/decode/d.h": HEADER,
            "src/text/CMakeLists.txt": "berth_library(text DEPS wasm TEST_DEPS decode)",
            "src/text/a.cc": '#include "base/a.h"\n#include "spec/ops.def"\n#include <vector>\n',
            "src/text/a_test.cc": '#include "decode/d.h"\n',
            "programs/berth/CMakeLists.txt": "berth_program(berth TARGET berth-cli DEPS text)",
            "programs/berth/o.h": HEADER,
            "programs/berth/main.cc": '#include "base/a.h"\n#include "berth/o.h"\n',
        }))

    def test_rejects_upward_include(self):
        self.expect_error({"src/wasm/w.h": HEADER, "src/base/a.cc": '#include "wasm/w.h"\n'},
                          "does not let base include wasm")

    def test_rejects_sideways_include_outside_tests(self):
        self.expect_error({"src/decode/d.h": HEADER, "src/text/a.cc": '#include "decode/d.h"\n'},
                          "does not let text include decode")

    def test_rejects_library_cycle(self):
        self.expect_error({}, "in a circle",
                          '[libraries.a]\nmay=["b"]\n[libraries.b]\nmay=["a"]\n')

    def test_rejects_header_cycle(self):
        self.expect_error({"src/base/a.h": HEADER + '#include "base/b.h"\n',
                           "src/base/b.h": HEADER + '#include "base/a.h"\n'}, "in a circle")

    def test_rejects_unknown_library(self):
        self.expect_error({"src/other/a.cc": ""}, "no row")

    def test_rejects_deps_that_differ(self):
        self.expect_error({"src/wasm/CMakeLists.txt": "berth_library(wasm)"}, "DEPS is []")

    def test_rejects_missing_and_unrooted_includes(self):
        self.expect_error({"src/base/a.cc": '#include "base/none.h"\n'}, "not there")
        self.expect_error({"src/base/a.cc": '#include "a.h"\n'}, "does not start with")

    def test_rejects_outside_library_in_the_wrong_place(self):
        self.expect_error({"src/base/a.cc": "#include <llvm/IR/Module.h>\n"}, "only src/compiler")

    def test_rejects_careless_headers(self):
        self.expect_error({"src/base/a.h": "#pragma once\n"}, "does not open")
        self.expect_error({"src/base/a.h": "// Purpose.\n"}, "pragma once")
        self.expect_error({"src/base/a.h": HEADER + "using namespace std;\n"}, "using namespace")
        self.expect_error({"src/base/a.h": HEADER + "namespace {\n}\n"}, "anonymous")


if __name__ == "__main__":
    unittest.main()
