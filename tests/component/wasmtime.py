#!/usr/bin/env python3
"""wasmtime's component scripts that use no concurrency: wasmtime.py FOLDER --berth BERTH.

FOLDER is tests/misc_testsuite/component-model of a checkout of wasmtime. Commands that come out otherwise than there are
listed with their reasons in wasmtime.txt; one that is not listed fails the run, and so does one that is and passes.
Exits 77 without the folder.
"""

import argparse
import os
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
EXIT_SKIPPED = 77


def known():
    """Places, as FILE:LINE, with their reasons."""
    places, reason = {}, None
    for line in (HERE / "wasmtime.txt").read_text().splitlines():
        if line.startswith("#") or not line.strip():
            continue
        if not line.startswith(" "):
            reason = line
            continue
        name, _, lines = line.strip().partition(": ")
        places |= {f"{name}:{number}": reason for number in lines.split()}
    return places


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path, nargs="?", default=os.environ.get("BERTH_WASMTIME_SCRIPTS"))
    parser.add_argument("--berth", default=os.environ.get("BERTH"))
    chosen = parser.parse_args()
    if not chosen.folder or not Path(chosen.folder).is_dir():
        print("SKIPPED: $BERTH_WASMTIME_SCRIPTS does not name tests/misc_testsuite/component-model of a checkout of wasmtime")
        return EXIT_SKIPPED
    folder = Path(chosen.folder)
    expected, failed, passed, wrong = known(), set(), 0, []
    for script in sorted(folder.rglob("*.wast")):
        name = script.relative_to(folder).as_posix()
        if name.startswith("async/"):
            continue
        done = subprocess.run([chosen.berth, "wast", script], capture_output=True, text=True, timeout=300)
        total = re.search(r"(\d+) passed, (\d+) failed, 0 skipped$", done.stdout + done.stderr, re.M)
        if not total:
            wrong.append(f"{name}: no result\n{(done.stdout + done.stderr)[-500:]}")
            continue
        here = re.findall(r":(\d+):\d+: \w+: FAILED", done.stdout + done.stderr)
        if len(here) != int(total[2]):
            wrong.append(f"{name}: {total[2]} failed, of which {len(here)} say where")
        passed += int(total[1])
        failed |= {f"{name}:{line}" for line in here}
    wrong += [f"{place}: failed" for place in sorted(failed - expected.keys())]
    wrong += [f"{place}: passes, but is listed ({expected[place]})" for place in sorted(expected.keys() - failed)]
    print("\n".join(wrong))
    print(f"{passed} passed, {len(failed)} failed, {len(failed & expected.keys())} of them for known reasons")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
