"""What benchmarks share that compare runners: processor time of a run, ratios and tables."""

import math
import os
import shlex
import subprocess
from dataclasses import dataclass


@dataclass(frozen=True)
class Run:
    """What one run printed, and the seconds of processor time that it took."""
    user: float
    system: float
    printed: str


def measure(command, stdin: str = "", environment=None) -> Run:
    """Runs `command`, whose children count as well. Stops everything when it fails."""
    command = [str(part) for part in command]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True, env=environment)
    printed, complaints = "", ""
    try:
        # Small enough for a pipe to hold, as are complaints, so that nobody waits for anybody.
        process.stdin.write(stdin)
        process.stdin.close()
    except BrokenPipeError:
        pass
    printed = process.stdout.read()
    complaints = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"{shlex.join(command)}: exit code {process.returncode}\n{complaints}")
    return Run(usage.ru_utime, usage.ru_stime, printed.strip())


def geometric_mean(values) -> float:
    values = list(values)
    return math.exp(sum(map(math.log, values)) / len(values))


def print_table(header: list[str], rows: list[list[str]]):
    """Columns of equal width, the first to the left, the others to the right."""
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    for row in [header, *rows]:
        print("  ".join(cell.ljust(widths[0]) if i == 0 else cell.rjust(widths[i])
                        for i, cell in enumerate(row)))
