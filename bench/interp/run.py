#!/usr/bin/env python3
"""Compares Berth with native code, and with other runtimes, on four kernels written in C.

Each kernel is compiled by the same clang, natively and to WebAssembly, both with -O2. One round runs
every kernel under every runner in turn, so that a slow minute of the machine falls on all of them;
what counts is the median over rounds of the processor time of the whole process. Runners must agree on
the checksum.

  run.py --berth PATH [--peer NAME=COMMAND]… [--rounds N] [--scale X] [--json FILE]

COMMAND is a command line to which the module and its argument are appended, such as `wasm3`. A wasm3
on the PATH is found by itself.
"""

import argparse
import json
import shlex
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from measuring import geometric_mean, measure, print_table  # noqa: E402

PROGRAMS = HERE.parent / "programs"
OUTPUT = HERE.parents[1] / "build" / "bench"
# Kernel -> its argument for about a third of a second of native time.
KERNELS = {"mix": 20000, "matmul": 130, "nbody": 3000, "sha256": 1100}
RUN_SECONDS = 600


def compile_kernels():
    """Builds every kernel twice: build/bench/NAME and build/bench/NAME.wasm."""
    OUTPUT.mkdir(parents=True, exist_ok=True)
    for name in KERNELS:
        source = PROGRAMS / f"{name}.c"
        common = ["clang-19", "-O2", "-ffp-contract=off", str(source), "-o"]
        subprocess.run([*common, str(OUTPUT / name), "-lm"], check=True)
        subprocess.run([*common, str(OUTPUT / f"{name}.wasm"), "--target=wasm32-wasi"], check=True)


def runners_of(arguments) -> dict[str, list[str]]:
    """Name -> command; `native` is first and has none, since each kernel is a program of its own."""
    runners = {"native": []}
    if arguments.berth:
        runners["berth"] = [str(Path(arguments.berth).resolve()), "run", "--tier", "interp"]
    for peer in arguments.peer:
        name, separator, command = peer.partition("=")
        if not separator:
            raise SystemExit(f"--peer takes NAME=COMMAND, not {peer}")
        runners[name] = shlex.split(command)
    if "wasm3" not in runners and shutil.which("wasm3"):
        runners["wasm3"] = ["wasm3"]
    return runners


def run_rounds(runners, kernels, rounds, scale):
    """(kernel, runner) -> times, one a round. Stops when two runners disagree."""
    times = {(kernel, runner): [] for kernel in kernels for runner in runners}
    for number in range(rounds):
        for kernel in kernels:
            argument = str(max(1, round(KERNELS[kernel] * scale)))
            checksums = {}
            for runner, command in runners.items():
                module = [*command, str(OUTPUT / f"{kernel}.wasm")] if command else [str(OUTPUT / kernel)]
                run = measure([*module, argument])
                checksums[runner] = run.printed
                times[kernel, runner].append(run.user + run.system)
            if len(set(checksums.values())) != 1:
                raise SystemExit(f"{kernel}: results differ: {checksums}")
        print(f"round {number + 1} of {rounds} done", file=sys.stderr, flush=True)
    return times


def report(runners, kernels, times):
    """Prints one table: medians, and ratios to native; returns the figures."""
    medians = {key: statistics.median(values) for key, values in times.items()}
    ratios = {runner: {kernel: medians[kernel, runner] / medians[kernel, "native"]
                       for kernel in kernels} for runner in runners}
    others = [runner for runner in runners if runner != "native"]
    header = ["kernel", "native s"] + [f"{r} s" for r in others] + [f"{r} x" for r in others]
    rows = [[kernel, f"{medians[kernel, 'native']:.3f}"]
            + [f"{medians[kernel, r]:.2f}" for r in others]
            + [f"{ratios[r][kernel]:.2f}" for r in others] for kernel in kernels]
    means = {r: geometric_mean(ratios[r].values()) for r in others}
    rows.append(["geometric mean", ""] + [""] * len(others) + [f"{means[r]:.2f}" for r in others])
    print_table(header, rows)
    for peer in others:
        if peer != "berth" and "berth" in means:
            each = ", ".join(f"{k} {ratios[peer][k] / ratios['berth'][k]:.2f}" for k in kernels)
            print(f"berth is {means[peer] / means['berth']:.2f} times as fast as {peer} ({each})")
    return {"seconds": {f"{k} {r}": medians[k, r] for k, r in medians}, "ratios": ratios,
            "geometric_means": means}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--berth", help="the program to measure")
    parser.add_argument("--peer", action="append", default=[], metavar="NAME=COMMAND")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0, help="length of each run (default: 1)")
    parser.add_argument("--kernel", action="append", choices=list(KERNELS))
    parser.add_argument("--json", type=Path, help="also write the figures here")
    arguments = parser.parse_args()
    kernels = arguments.kernel or list(KERNELS)
    compile_kernels()
    runners = runners_of(arguments)
    figures = report(runners, kernels, run_rounds(runners, kernels, arguments.rounds, arguments.scale))
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
