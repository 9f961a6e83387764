#!/usr/bin/env python3
"""Holds the tree to layers.toml and to what STYLE asks of every header.

Errors (exit 1): an #include or a CMake DEPS that layers.toml does not allow, a cycle among
libraries or among headers, an include that leads nowhere, a header without an opening comment or
`#pragma once`, `using namespace` or an anonymous namespace in a header, an outside library used
where it must not be. Warnings: files past 800 lines.
"""

import argparse
import re
import sys
import tomllib
from pathlib import Path

LONG_FILE = 800
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.M)
# Header prefix of an outside library -> the folders that may use it.
OUTSIDE = {
    "boost/": ("src/http", "src/keep", "src/os"),
    "lld/": ("src/compiler",),
    "llvm/": ("src/compiler",),
    "llvm-c/": ("src/compiler",),
    "CLI/": ("programs",),
    "openssl/": ("src/attest", "src/broker", "src/digest", "src/http", "src/keep", "src/oci", "src/wasi_http"),
    "nghttp2/": ("src/http",),
    "archive": ("src/keep", "src/oci", "programs/berth-keep"),
    "curl/": ("src/oci",),
    "yaml-cpp/": ("src/kube",),
    "toml++/": ("src/attest", "src/container", "programs/berth", "programs/berth-image", "programs/berth-install"),
}
TABLES = "spec"


class Tree:
    """The source tree below `root`, read once."""

    def __init__(self, root: Path):
        self.root = root
        table = tomllib.loads((root / "layers.toml").read_text())
        self.libraries = table.get("libraries", {})
        self.programs = table.get("programs", {})
        self.errors: list[str] = []
        self.warnings: list[str] = []
        self.texts = {
            path: path.read_text()
            for parent in ("src", "programs")
            for path in sorted((root / parent).rglob("*"))
            if path.suffix in (".cc", ".h", ".def", ".inc") and path.is_file()
        }

    def error(self, where, message):
        self.errors.append(f"{self.name(where)}: {message}")

    def name(self, where):
        return where.relative_to(self.root) if isinstance(where, Path) else where

    def closure(self, names):
        """The libraries `names` and everything they may include in turn."""
        seen, queue = set(), list(names)
        while queue:
            name = queue.pop()
            if name not in seen:
                seen.add(name)
                queue += self.libraries.get(name, {}).get("may", [])
        return seen

    def check_table(self):
        """layers.toml itself: every name is known and nothing goes round in a circle."""
        for group in (self.libraries, self.programs):
            for name, row in group.items():
                for other in row.get("may", []) + row.get("test", []):
                    if other not in self.libraries:
                        self.error("layers.toml", f"{name} names {other}, which has no row")
        cycle = find_cycle({name: row.get("may", []) for name, row in self.libraries.items()})
        if cycle:
            self.error("layers.toml", "libraries in a circle: " + " -> ".join(cycle))

    def check_cmake(self):
        """What a CMakeLists.txt links is what layers.toml allows, no more and no less."""
        for parent, rows in (("src", self.libraries), ("programs", self.programs)):
            for path in sorted((self.root / parent).glob("*/CMakeLists.txt")):
                row = rows.get(path.parent.name)
                if row is None:
                    self.error(path, f"{path.parent.name} has no row in layers.toml")
                    continue
                text = re.sub(r"#.*", "", path.read_text())
                for keyword, column in (("DEPS", "may"), ("TEST_DEPS", "test")):
                    linked = cmake_list(text, keyword)
                    allowed = set(row.get(column, []))
                    if linked != allowed:
                        self.error(path, f"{keyword} is {sorted(linked)}, layers.toml says "
                                         f"{column} = {sorted(allowed)}")

    def check_includes(self):
        graph = {}
        for path, text in self.texts.items():
            parent, owner = path.relative_to(self.root).parts[:2]
            row = (self.libraries if parent == "src" else self.programs).get(owner)
            if row is None:
                self.error(path, f"{parent}/{owner} has no row in layers.toml")
                continue
            may = self.closure(row.get("may", []))
            if path.stem.endswith("_test"):
                may |= self.closure(row.get("test", []))
            graph[path] = []
            for kind, target in INCLUDE.findall(text):
                if kind == "<":
                    self.check_outside(path, target)
                    continue
                first = target.split("/")[0]
                if first == TABLES:
                    found = self.root / target
                elif parent == "programs" and first == owner:
                    found = self.root / "programs" / target
                elif first in self.libraries and "/" in target:
                    found = self.root / "src" / target
                    if first != owner and first not in may:
                        self.error(path, f'includes "{target}", but layers.toml does not let '
                                         f"{owner} include {first}")
                else:
                    self.error(path, f'includes "{target}", which does not start with the name '
                                     "of a library")
                    continue
                if not found.is_file():
                    self.error(path, f'includes "{target}", which is not there')
                elif found.suffix == ".h":
                    graph[path].append(found)
        cycle = find_cycle(graph)
        if cycle:
            self.error("headers in a circle", " -> ".join(str(self.name(p)) for p in cycle))

    def check_outside(self, path, target):
        for prefix, homes in OUTSIDE.items():
            relative = path.relative_to(self.root).as_posix()
            if target.startswith(prefix) and not relative.startswith(homes):
                self.error(path, f"includes <{target}>; only {', '.join(homes)} may")

    def check_headers(self):
        for path, text in self.texts.items():
            lines = text.count("\n")
            if lines > LONG_FILE:
                self.warnings.append(f"{self.name(path)}: {lines} lines, asking to become two")
            if path.suffix != ".h":
                continue
            if not text.startswith("//"):
                self.error(path, "does not open with a comment on purpose and threads")
            if "#pragma once" not in text:
                self.error(path, "has no #pragma once")
            if re.search(r"^\s*using namespace\b", text, re.M):
                self.error(path, "has `using namespace`")
            if re.search(r"^\s*namespace\s*\{", text, re.M):
                self.error(path, "has an anonymous namespace")

    def check(self):
        self.check_table()
        self.check_cmake()
        self.check_includes()
        self.check_headers()


def cmake_list(text, keyword):
    """The values after `keyword` in a call of CMake, up to the next keyword."""
    match = re.search(rf"(?<!\w){keyword}\s+([^A-Z)]*)", text)
    return set(match.group(1).split()) if match else set()


def find_cycle(graph):
    """Some cycle of `graph` (node -> successors) with its first node repeated, or None."""
    done, trail = set(), []
    on_trail = set()

    def visit(node):
        if node in on_trail:
            return trail[trail.index(node):] + [node]
        if node in done:
            return None
        trail.append(node)
        on_trail.add(node)
        for successor in graph.get(node, ()):
            cycle = visit(successor)
            if cycle:
                return cycle
        on_trail.discard(trail.pop())
        done.add(node)
        return None

    for start in graph:
        cycle = visit(start)
        if cycle:
            return cycle
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parents[2])
    tree = Tree(parser.parse_args().root)
    tree.check()
    for warning in tree.warnings:
        print(f"warning: {warning}")
    for error in tree.errors:
        print(f"error: {error}")
    print(f"{len(tree.texts)} files, {len(tree.errors)} errors, {len(tree.warnings)} warnings")
    return 1 if tree.errors else 0


if __name__ == "__main__":
    sys.exit(main())
