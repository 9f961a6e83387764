#!/usr/bin/env python3
"""How fast modules are decoded and validated: `berth validate` on one core, in MB/s of processor time.

Modules named on the command line are measured too, after one of 20 MB that is made here.
"""

import argparse
import os
import statistics
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import modules  # noqa: E402

OUTPUT = HERE.parents[1] / "build" / "bench"
MEGABYTES = 20


def seconds(command) -> float:
    process = subprocess.Popen([str(part) for part in command], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"{command}: exit code {process.returncode}")
    return usage.ru_utime + usage.ru_stime


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--berth", required=True)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("modules", nargs="*", type=Path)
    arguments = parser.parse_args()
    berth = Path(arguments.berth).resolve()
    made = modules.written(OUTPUT / f"large{MEGABYTES}.wasm", lambda: modules.large(MEGABYTES))
    for module in [made, *arguments.modules]:
        taken = statistics.median(seconds(["taskset", "-c", "0", berth, "validate", module])
                                  for _ in range(arguments.rounds))
        size = module.stat().st_size / 1e6
        print(f"{module.name}: {size:.1f} MB in {taken * 1000:.1f} ms, {size / taken:.0f} MB/s")


if __name__ == "__main__":
    main()
