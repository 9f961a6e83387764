#!/usr/bin/env python3
"""Builds real programs to WebAssembly and runs them under Berth.

  programs.py build [PROGRAM…]             build into build/programs/
  programs.py test CASE --berth PATH [--tier TIER]
                                           run one case; 77 when its toolchain is not installed
  programs.py demo --berth PATH            run every case, showing commands and output
  programs.py list                         the names of all cases

`--bless` with test or demo accepts the present output as the expected one.
"""

import argparse
import difflib
import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

import build
from cases import CASES, HERE

EXIT_SKIPPED = 77
RUN_SECONDS = 240


class Mismatch(Exception):
    """A program did not do what was expected; says how."""


def run_case(name: str, berth: Path, show: bool, bless: bool, tier: str = "interp"):
    """Runs the case in a fresh folder. Raises Mismatch, or build.Unavailable before anything ran."""
    case = CASES[name]
    module = build.built(case.program)
    with tempfile.TemporaryDirectory(prefix="berth-") as scratch:
        folder = Path(scratch)
        case.prepare(folder)
        printed = ""
        # What the host has in its environment is not the guest's to see.
        environment = os.environ | {"GREETING": "Leaked"}
        for step in case.runs:
            command = [str(berth), "run", "--tier", tier, *step.options, str(module), *step.arguments]
            if show:
                shown = ["berth", "run", *step.options, module.name, *step.arguments]
                print("  $ " + shlex.join(shown), flush=True)
            try:
                done = subprocess.run(command, cwd=folder, input=step.stdin, text=True,
                                      stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                      errors="replace", timeout=RUN_SECONDS, env=environment)
            except subprocess.TimeoutExpired:
                raise Mismatch(f"{shlex.join(command)}: not done after {RUN_SECONDS} seconds")
            printed += done.stdout
            if show:
                print("".join(f"    {line}\n" for line in done.stdout.splitlines()), end="")
            if done.returncode != step.exit_code:
                raise Mismatch(f"{shlex.join(command)}: exit code {done.returncode}, expected "
                               f"{step.exit_code}\n{done.stdout}{done.stderr}")
        expected = HERE / "expected" / f"{name}.txt"
        if bless:
            expected.parent.mkdir(exist_ok=True)
            expected.write_text(printed)
        compare(expected.read_text() if expected.exists() else "", printed)
        try:
            case.verify(folder)
        except AssertionError as error:
            raise Mismatch(f"what it left behind is wrong: {error}")


def compare(expected: str, printed: str):
    if expected != printed:
        lines = difflib.unified_diff(expected.splitlines(), printed.splitlines(), "expected",
                                     "printed", lineterm="")
        raise Mismatch("\n".join(lines))


def test(name: str, berth: Path, bless: bool, tier: str) -> int:
    try:
        run_case(name, berth, show=False, bless=bless, tier=tier)
    except build.Unavailable as missing:
        print(f"SKIPPED: {missing}")
        return EXIT_SKIPPED
    except Mismatch as mismatch:
        print(f"FAILED: {mismatch}")
        return 1
    print("passed")
    return 0


def demo(berth: Path, bless: bool) -> int:
    failed, skipped = [], []
    for name, case in CASES.items():
        print(f"\n{build.PROGRAMS[case.program].title}" + (f" ({case.remark})" if case.remark else ""),
              flush=True)
        try:
            run_case(name, berth, show=True, bless=bless)
        except build.Unavailable as missing:
            print(f"  SKIPPED: {missing}")
            skipped.append(name)
        except (Mismatch, RuntimeError) as error:
            print(f"  FAILED: {error}")
            failed.append(name)
    ran = len(CASES) - len(failed) - len(skipped)
    print(f"\n{ran} programs ran as expected, {len(failed)} failed, {len(skipped)} skipped")
    return 1 if failed else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("command", choices=["build", "test", "demo", "list"])
    parser.add_argument("names", nargs="*")
    parser.add_argument("--berth", type=Path)
    parser.add_argument("--tier", default="interp", help="as of berth run (default: interp)")
    parser.add_argument("--bless", action="store_true")
    arguments = parser.parse_args()
    if arguments.command == "list":
        print("\n".join(CASES))
        return 0
    if arguments.command == "build":
        for name in arguments.names or build.PROGRAMS:
            try:
                print(build.built(name), flush=True)
            except build.Unavailable as missing:
                print(f"SKIPPED {name}: {missing}", flush=True)
        return 0
    if not arguments.berth:
        parser.error("--berth is needed")
    berth = arguments.berth.resolve()
    if not berth.exists():
        print(f"there is no {berth}; ./dev build makes it")
        return 1
    if arguments.command == "demo":
        return demo(berth, arguments.bless)
    if len(arguments.names) != 1 or arguments.names[0] not in CASES:
        parser.error(f"name one case of: {', '.join(CASES)}")
    return test(arguments.names[0], berth, arguments.bless, arguments.tier)


if __name__ == "__main__":
    sys.exit(main())
