#!/usr/bin/env python3
"""Ends a test run: prints what failed, with its output, what was skipped and why, and the totals.

Takes the JUnit file that ctest wrote. The last line is `N passed, N failed, N skipped`; the exit code
is 1 when anything failed, or when nothing ran at all.
"""

import sys
import xml.etree.ElementTree as ElementTree

OUTPUT_LINES = 40


def output_of(case):
    return (case.findtext("system-out") or "").strip().splitlines()


def reason_of(case):
    """Why a test was skipped: the line of its output that says so."""
    lines = output_of(case)
    said = [line for line in lines if "SKIP" in line.upper()]
    return (said or lines or ["no reason given"])[0].strip().removeprefix("SKIPPED: ")


def main(path):
    cases = ElementTree.parse(path).getroot().findall("testcase")
    failed = [case for case in cases if case.get("status") == "fail"]
    skipped = [case for case in cases if case.get("status") in ("notrun", "disabled")]
    slowest = sorted(cases, key=lambda case: float(case.get("time", 0)), reverse=True)[:5]

    print("\nslowest: " + ", ".join(f"{c.get('name')} {float(c.get('time', 0)):.1f}s" for c in slowest))
    for case in failed:
        print(f"\nFAILED {case.get('name')}")
        for line in output_of(case)[-OUTPUT_LINES:]:
            print(f"    {line}")
    if skipped:
        print("\n" + "!" * 100)
        for case in skipped:
            print(f"SKIPPED {case.get('name')}: {reason_of(case)}")
        print("!" * 100)
    passed = len(cases) - len(failed) - len(skipped)
    print(f"\n{passed} passed, {len(failed)} failed, {len(skipped)} skipped")
    return 1 if failed or not cases else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
