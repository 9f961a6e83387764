#!/usr/bin/env python3
"""Feeds damaged real modules to `berth validate` and `berth run --timeout 1s`.

Each case is a module cut short, or one with one to eight bits flipped, from a seed that is printed when
something goes wrong. Right is any exit code of Berth's own; wrong is death by a signal, or a hang.
"""

import argparse
import os
import random
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "programs"))
import build  # noqa: E402  (the programs suite's builder)

MODULES = ["hello", "wordcount", "ledger", "lua", "life", "sqlite"]
HANG_SECONDS = 20


def damaged(data: bytes, seed: int) -> bytes:
    source = random.Random(seed)
    if seed % 2 == 0:
        return data[:source.randrange(len(data))]
    flipped = bytearray(data)
    # Most of a module is code and data; half of the flips go where its structure is.
    end = len(data) if seed % 4 == 1 else min(len(data), 2048)
    for _ in range(source.randint(1, 8)):
        position = source.randrange(end)
        flipped[position] ^= 1 << source.randrange(8)
    return bytes(flipped)


def failure(command: list[str]) -> str | None:
    """What went wrong with `command`, or None when it was an error or a run as it should be."""
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True,
                              timeout=HANG_SECONDS)
    except subprocess.TimeoutExpired:
        return f"not done after {HANG_SECONDS} seconds"
    if done.returncode < 0:
        return f"killed by signal {-done.returncode}: {done.stderr[-500:].decode(errors='replace')}"
    if b"Sanitizer" in done.stderr or b"runtime error:" in done.stderr:
        return done.stderr[-2000:].decode(errors="replace")
    return None


def check(berth: str, name: str, data: bytes, seed: int, keep: Path) -> str | None:
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch, "damaged.wasm")
        path.write_bytes(damaged(data, seed))
        for command in ([berth, "validate", str(path)],
                        [berth, "run", "--timeout", "1s", "--max-memory", "256MiB", str(path)]):
            wrong = failure(command)
            if wrong:
                keep.mkdir(parents=True, exist_ok=True)
                kept = keep / f"{name}-{seed}.wasm"
                kept.write_bytes(path.read_bytes())
                return f"{' '.join(command[1:-1])} {kept}: {wrong}"
    return None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--berth", required=True)
    parser.add_argument("--count", type=int, default=10000)
    parser.add_argument("--first", type=int, default=1, help="the first seed")
    parser.add_argument("modules", nargs="*", type=Path, help="modules to damage (default: our programs)")
    arguments = parser.parse_args()
    berth = str(Path(arguments.berth).resolve())
    if not os.access(berth, os.X_OK):
        print(f"there is no {berth}")
        return 1
    modules = {path.stem: path.read_bytes() for path in arguments.modules}
    if not modules:
        for name in MODULES:
            try:
                modules[name] = build.built(name).read_bytes()
            except build.Unavailable as missing:
                print(f"without {name}: {missing}")
    if not modules:
        print("SKIPPED: no module to damage")
        return 77
    keep = build.ROOT / "build" / "mutations"
    names = sorted(modules)
    seeds = range(arguments.first, arguments.first + arguments.count)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = pool.map(lambda seed: check(berth, names[seed // 4 % len(names)],
                                              modules[names[seed // 4 % len(names)]], seed, keep), seeds)
        wrong = [result for result in results if result]
    for result in wrong:
        print(f"FAILED {result}")
    print(f"{arguments.count} damaged modules, {len(wrong)} went wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
