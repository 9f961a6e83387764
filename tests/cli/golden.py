#!/usr/bin/env python3
"""Golden tests of the command line: golden.py [--bless] CASE…

A case is one file. It holds commands, each after "$ ", and below each what it must print, standard
output and standard error as they come; "[exit N]" follows when the exit code is not 0. Lines before the
first command are comments. After that, each "=== NAME" begins an input file; every case runs in a fresh
folder that holds its files. "=== hex NAME" gives a file as hexadecimal bytes.

The program under test is found in $BERTH. --bless writes what was printed into the case.
"""

import difflib
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

SECONDS = 60


class Case:
    def __init__(self, path: Path):
        self.path = path
        script, *inputs = re.split(r"^(?==== )", path.read_text(), flags=re.M)
        self.inputs = "".join(inputs)
        self.files = {}
        for part in inputs:
            heading, _, content = part.partition("\n")
            words = heading.split()[1:]
            if words[0] == "hex":
                self.files[words[1]] = bytes.fromhex(re.sub(r"#.*", "", content))
            else:
                self.files[words[0]] = content.rstrip("\n").encode() + b"\n"
        self.comment, *steps = re.split(r"^(?=\$ )", script, flags=re.M)
        self.commands = [step.partition("\n")[0][2:] for step in steps]
        self.script = script

    def run(self, berth: Path) -> str:
        """The script, with what its commands print now."""
        printed = self.comment
        with tempfile.TemporaryDirectory(prefix="berth-cli-") as scratch:
            folder, programs = Path(scratch, "case"), Path(scratch, "bin")
            folder.mkdir()
            programs.mkdir()
            (programs / "berth").symlink_to(berth)
            for name, content in self.files.items():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).write_bytes(content)
            environment = {"PATH": f"{programs}:{os.environ['PATH']}", "HOME": scratch, "LC_ALL": "C.UTF-8"}
            environment |= {key: value for key, value in os.environ.items() if key.endswith("SAN_OPTIONS")}
            for command in self.commands:
                done = subprocess.run(["bash", "-c", command], cwd=folder, env=environment, timeout=SECONDS,
                                      stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                      stderr=subprocess.STDOUT)
                output = done.stdout.decode("utf-8", "backslashreplace").replace(scratch, "SCRATCH")
                if output and not output.endswith("\n"):
                    output += "\n"
                printed += f"$ {command}\n{output}"
                if done.returncode:
                    printed += f"[exit {done.returncode}]\n"
                printed += "\n" if self.inputs or command is not self.commands[-1] else ""
        return printed


def main() -> int:
    arguments = sys.argv[1:]
    bless = "--bless" in arguments
    if "BERTH" not in os.environ:
        print("set BERTH to the program under test: BERTH=build/dev/bin/berth")
        return 2
    berth = Path(os.environ["BERTH"]).resolve()
    failed = 0
    for path in (Path(argument) for argument in arguments if argument != "--bless"):
        case = Case(path)
        printed = case.run(berth)
        if bless:
            path.write_text(printed + case.inputs)
        elif printed != case.script:
            failed += 1
            print("".join(difflib.unified_diff(case.script.splitlines(True), printed.splitlines(True),
                                               f"{path.name} (expected)", f"{path.name} (printed)")))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
