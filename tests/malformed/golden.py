#!/usr/bin/env python3
"""Malformed and invalid modules, each in a file that holds the command, the bytes and what is printed.

    # What the case is about.
    $ berth validate INPUT
    00 "asm" 01 00 00 00      # bytes in hexadecimal, and text
    01 { 01 60 00 00 }        # braces put the length of what they hold before it
    => 1                      # the exit code, and below it all that is printed
    ...

INPUT stands for a file of the bytes. `--bless` writes what is printed now into the files.
"""

import argparse
import difflib
import os
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
SKIPPED = 77
TOKEN = re.compile(r'\s+|#[^\n]*|"(?P<text>(?:[^"\\]|\\.)*)"|(?P<byte>[0-9a-fA-F]{2})(?=[\s}#]|$)|(?P<brace>[{}])')


def leb(number):
    out = bytearray()
    while True:
        byte, number = number & 0x7F, number >> 7
        out.append(byte | (0x80 if number else 0))
        if not number:
            return bytes(out)


def assemble(text):
    """The bytes that `text` describes."""
    open_groups = [bytearray()]
    at = 0
    while at < len(text):
        token = TOKEN.match(text, at)
        if not token:
            raise ValueError(f"not bytes: {text[at:at + 20]!r}")
        at = token.end()
        if token["byte"]:
            open_groups[-1].append(int(token["byte"], 16))
        elif token["text"] is not None:
            open_groups[-1] += token["text"].encode()
        elif token["brace"] == "{":
            open_groups.append(bytearray())
        elif token["brace"] == "}":
            group = open_groups.pop()
            open_groups[-1] += leb(len(group)) + group
    if len(open_groups) != 1:
        raise ValueError("a brace is not closed")
    return bytes(open_groups[0])


class Case:
    def __init__(self, path):
        self.path = path
        text = path.read_text()
        head, _, self.expected = text.partition("\n=> ")
        self.expected = "=> " + self.expected
        self.head = head
        lines = head.splitlines()
        start = next(i for i, line in enumerate(lines) if line.startswith("$ "))
        self.command = shlex.split(lines[start][2:])
        self.bytes = assemble("\n".join(lines[start + 1:]))

    def run(self, berth):
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "input.wasm").write_bytes(self.bytes)
            command = ["input.wasm" if part == "INPUT" else part for part in self.command]
            if command[0] != "berth":
                raise ValueError(f"{self.path.name}: the command is not berth")
            done = subprocess.run([berth, *command[1:]], cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, timeout=60, check=False)
        return f"=> {done.returncode}\n" + done.stdout.decode(errors="replace")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--berth", default=os.environ.get("BERTH"))
    parser.add_argument("--bless", action="store_true", help="take what is printed for what is right")
    parser.add_argument("cases", nargs="*", type=Path)
    arguments = parser.parse_args()
    if not arguments.berth or not Path(arguments.berth).exists():
        print("SKIPPED: there is no berth to run")
        return SKIPPED
    berth = str(Path(arguments.berth).resolve())
    failed = 0
    paths = sorted(arguments.cases or HERE.glob("*.golden"))
    for path in paths:
        case = Case(path)
        printed = case.run(berth)
        if arguments.bless:
            path.write_text(case.head + "\n" + printed)
        elif printed != case.expected:
            failed += 1
            print("\n".join(difflib.unified_diff(case.expected.splitlines(), printed.splitlines(), f"{path.name} expected",
                                                 "printed", lineterm="", n=0)))
    print(f"{len(paths)} cases, {failed} failed")
    return 1 if failed or not paths else 0


if __name__ == "__main__":
    sys.exit(main())
