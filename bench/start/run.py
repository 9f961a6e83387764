#!/usr/bin/env python3
"""How soon a guest runs: whole processes, from before they are made until they have ended.

Compares `berth run` of an empty `_start` with a static native C program, and a 30 MB module that prints
one line with Node.js where that is installed.
"""

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import modules  # noqa: E402

OUTPUT = HERE.parents[1] / "build" / "bench"
LARGE_MEGABYTES = 30

NODE = """
const {WASI} = require('node:wasi');
const wasi = new WASI({version: 'preview1'});
WebAssembly.instantiate(require('node:fs').readFileSync(process.argv[2]), wasi.getImportObject())
  .then(({instance}) => wasi.start(instance));
"""


def medians(rounds: int, *commands) -> list[float]:
    """Microseconds that each command takes, by turns."""
    line = []
    for command in commands:
        line += ["--", *map(str, command)]
    printed = subprocess.run([OUTPUT / "launch", str(rounds), *line[1:]], check=True,
                             stdout=subprocess.PIPE, text=True).stdout
    return [float(word) for word in printed.split()]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--berth", required=True)
    parser.add_argument("--rounds", type=int, default=500)
    arguments = parser.parse_args()
    berth = Path(arguments.berth).resolve()
    OUTPUT.mkdir(parents=True, exist_ok=True)
    subprocess.run(["clang-19", "-O2", HERE.parent / "programs" / "launch.c", "-o", OUTPUT / "launch"],
                   check=True)
    subprocess.run(["clang-19", "-O2", "-static", "-x", "c", "-", "-o", OUTPUT / "empty"],
                   input="int main(void) { return 0; }", text=True, check=True)
    empty = modules.written(OUTPUT / "empty.wasm", modules.empty)
    large = modules.written(OUTPUT / f"large{LARGE_MEGABYTES}.wasm",
                            lambda: modules.large(LARGE_MEGABYTES))

    native, guest = medians(arguments.rounds, [OUTPUT / "empty"], [berth, "run", empty])
    print(f"empty _start: native static C {native:.0f} us, berth {guest:.0f} us, "
          f"ratio {guest / native:.2f}")

    megabytes = large.stat().st_size / 1e6
    node = shutil.which("node")
    if node:
        script = OUTPUT / "node.js"
        script.write_text(NODE)
        theirs = [node, "--no-warnings", script, large]
        ours, peer = medians(5, [berth, "run", large], theirs)
        print(f"{megabytes:.1f} MB module, one line: berth {ours / 1000:.1f} ms, "
              f"Node.js {peer / 1000:.1f} ms")
    else:
        ours, = medians(5, [berth, "run", large])
        print(f"{megabytes:.1f} MB module, one line: berth {ours / 1000:.1f} ms; no Node.js here")


if __name__ == "__main__":
    main()
