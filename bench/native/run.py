#!/usr/bin/env python3
"""Compares native code of Berth with that of clang, and with other runtimes.

  run.py --berth PATH [--wasmtime PYTHON] [--coremark DIR] [--program NAME]… [--runner NAME]…
         [--rounds N] [--scale X] [--json FILE] [--report]

All that takes part is compiled beforehand. One round runs every program under every runner in turn, so
that a slow minute of the machine falls on all of them; what counts is the median over rounds of the
user time (runners.py says of what). Runners must agree on what is computed. `--report` writes
docs/performance.md and its plot.
"""

import argparse
import json
import shlex
import statistics
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import programs  # noqa: E402
import report  # noqa: E402
import runners  # noqa: E402
from figures import Figures  # noqa: E402
from measuring import print_table  # noqa: E402

COMPILED = "sqlite"  # whose compile time is measured, in the first round


def say(text: str):
    print(text, file=sys.stderr, flush=True)


def prepared(chosen, all_runners, figures: Figures):
    """Builds and compiles everything; returns the pairs (program, runner) that can be run."""
    translators = [runner for runner in all_runners if hasattr(runner, "translate")]
    pairs = []
    for program in chosen:
        say(f"compiling {program.name}")
        program.build(program)
        for translator in translators:
            translator.translate(program)
        for runner in all_runners:
            try:
                runner.prepare(program)
                pairs.append((program, runner))
            except runners.Skipped as skipped:
                if str(skipped):
                    figures.skipped.append((program.name, runner.name, str(skipped)))
                    say(f"SKIPPED: {program.name} under {runner.name}: {skipped}")
    return pairs


def run_round(pairs, scale: float, times, compile_times):
    """Appends a time to each pair's. Stops when two runners disagree."""
    checksums = {}
    for program, runner in pairs:
        run = runner.run(program, max(1, round(program.size * scale)))
        times.setdefault((program.name, runner.name), []).append(run.user)
        found = program.checksum(run.printed)
        expected, by = checksums.setdefault(program.name, (found, runner.name))
        if found != expected:
            raise SystemExit(f"{program.name}: {by} says {expected!r}, {runner.name} {found!r}")
        if program.name == COMPILED and runner.name not in compile_times and hasattr(runner, "compile_time"):
            compile_times[runner.name] = runner.compile_time(program)


def print_figures(figures: Figures):
    others = [name for name in figures.runners if name != "native"]
    rows = []
    for program in figures.programs:
        native = figures.seconds.get((program, "native"))
        cells = [program, f"{native:.3f}" if native else ""]
        for other in others:
            seconds = figures.seconds.get((program, other))
            cells.append(f"{seconds:.3f}" if seconds is not None else "")
        for other in others:
            ratio = figures.ratio(program, other)
            cells.append(f"{ratio:.2f}" if ratio else "")
        rows.append(cells)
    means = [figures.mean(other) for other in others]
    rows.append(["geometric mean", ""] + [""] * len(others) + [f"{m:.2f}" if m else "" for m in means])
    print_table(["program", "native s"] + [f"{o} s" for o in others] + [f"{o} x" for o in others], rows)
    for name, spent in figures.compile_times.items():
        print(f"{name} compiles {COMPILED} in {spent.clock:.1f} s, {spent.processor:.1f} s of processor time")
    for program, runner, reason in figures.skipped:
        print(f"SKIPPED: {program} under {runner}: {reason}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--berth", required=True, type=Path, help="the program to measure")
    parser.add_argument("--wasmtime", metavar="PYTHON", help="an interpreter that has wasmtime's package")
    parser.add_argument("--coremark", type=Path, metavar="DIR", help="the source of EEMBC's CoreMark")
    parser.add_argument("--program", action="append", metavar="NAME", help="only these")
    parser.add_argument("--runner", action="append", metavar="NAME", help="only these, and native")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scale", type=float, default=1.0, help="length of each run (default: 1)")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    parser.add_argument("--report", action="store_true", help="write docs/performance.md and its plot")
    arguments = parser.parse_args()

    programs.OUTPUT.mkdir(parents=True, exist_ok=True)
    chosen = programs.all_programs(arguments.coremark and arguments.coremark.resolve())
    if arguments.program:
        if unknown := set(arguments.program) - {program.name for program in chosen}:
            parser.error(f"no program is called {', '.join(unknown)}")
        chosen = [program for program in chosen if program.name in arguments.program]
    there = runners.all_runners(arguments.berth.resolve(), arguments.wasmtime)
    if arguments.runner:
        there = [runner for runner in there if runner.name in ["native", *arguments.runner]]
    figures = Figures([program.name for program in chosen], {r.name: r.version for r in there},
                      arguments.rounds, {program.name: program.title for program in chosen})

    pairs = prepared(chosen, there, figures)
    times, compile_times = {}, {}
    for number in range(arguments.rounds):
        run_round(pairs, arguments.scale, times, compile_times)
        say(f"round {number + 1} of {arguments.rounds} done")
    figures.seconds = {pair: statistics.median(values) for pair, values in times.items()}
    figures.compile_times = compile_times

    print_figures(figures)
    if arguments.json:
        arguments.json.write_text(json.dumps(figures.as_json(), indent=1))
    if arguments.report:
        report.write(figures, ["./dev", "bench", "native", *report.public(sys.argv[1:])])


if __name__ == "__main__":
    main()
