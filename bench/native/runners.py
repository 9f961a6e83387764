"""Who runs the programs. Each runner compiles a program beforehand and then runs it, as often as asked.

What counts is the user time of a run: of the whole process for native code, Berth and WasmEdge (their
start included), and from after compilation until the guest has ended for Node.js and wasmtime, whose
processes do other things as well.
"""

import os
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from measuring import Run, measure
from programs import OUTPUT, Program

HERE = Path(__file__).resolve().parent
# What the last run took, written by the scripts here.
SECONDS = OUTPUT / "seconds"


class Skipped(Exception):
    """Says why a program is not run."""


def module_of(program: Program) -> Path:
    if module := program.file("wasm"):
        return module
    raise Skipped("its text could not be made a binary: --wasmtime is missing")


def reason_of(error: SystemExit, word: str) -> str:
    """Of what a script complained, the line that has `word` and those that explain it; else everything."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    starts = [i for i, line in enumerate(lines) if word in line]
    said = [line for line in lines[starts[-1]:] if not line.startswith(("at ", "Node.js "))] if starts else lines
    return " ".join(said)


def version_of(*command) -> str:
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.split("\n")[0]


@dataclass(frozen=True)
class CompileTime:
    """Seconds by the clock, and of the processor."""
    clock: float
    processor: float


class Native:
    """A program compiled by clang; `kind` as in Program.file."""
    def __init__(self, kind: str):
        self.name = kind
        self.kind = kind
        self.version = version_of("clang-19", "--version")

    def prepare(self, program: Program):
        if not program.file(self.kind):
            raise Skipped("")

    def run(self, program: Program, size: int) -> Run:
        return measure([program.file(self.kind), *program.arguments(size)], program.stdin(size))


class Berth:
    """Native code of Berth, which its runs find in a cache."""
    name = "berth"

    def __init__(self, berth: Path):
        self.berth = berth
        self.version = version_of(berth, "version")
        self.environment = os.environ | {"BERTH_CACHE_DIR": str(OUTPUT / "cache")}

    def prepare(self, program: Program):
        measure([self.berth, "compile", self.module(program)], environment=self.environment)

    @staticmethod
    def module(program: Program) -> Path:
        return program.file("wasm") or program.file("wat")

    def run(self, program: Program, size: int) -> Run:
        invoked = ["--invoke", program.function] if program.function else []
        command = [self.berth, "run", "--tier", "native", *invoked, self.module(program),
                   *program.arguments(size)]
        return measure(command, program.stdin(size), self.environment)

    def compile_time(self, program: Program) -> CompileTime:
        compiler = self.berth.with_name("berth-compiler")
        clock = time.perf_counter()
        run = measure([compiler, "-j", "2", "-o", OUTPUT / "compiled", module_of(program)])
        return CompileTime(time.perf_counter() - clock, run.user + run.system)


def timed(command, program: Program, size: int) -> Run:
    """Runs one of the scripts here, which write down what counts."""
    printed = measure(command, program.stdin(size)).printed
    user, system = map(float, SECONDS.read_text().split())
    return Run(user, system, printed)


class Node:
    """Node.js, told to compile with its optimizing compiler at once and not while the guest runs."""
    name = "node"

    def __init__(self, node: str):
        self.version = f"Node.js {version_of(node, '--version')}"
        # What some versions have by default and some not at all.
        wanted = [flag for flag in ("--experimental-wasm-gc", "--experimental-wasm-exnref")
                  if subprocess.run([node, flag, "-e", "0"], capture_output=True, check=False).returncode == 0]
        self.node = [node, "--no-warnings", *wanted]
        self.script = [HERE / "node.js", SECONDS]

    def prepare(self, program: Program):
        try:
            self.run(program, 1, optimize=[])
        except SystemExit as error:
            raise Skipped(reason_of(error, "CompileError"))

    def run(self, program: Program, size: int,
            optimize=("--no-liftoff", "--no-wasm-lazy-compilation")) -> Run:
        what = [program.function or "-", module_of(program), *program.arguments(size)]
        return timed([*self.node, *optimize, *self.script, *what], program, size)


class Wasmtime:
    """wasmtime's Python package; `python` is an interpreter that has it."""
    name = "wasmtime"

    def __init__(self, python: str):
        self.command = [python, HERE / "wasmtime_run.py"]
        metadata = "import importlib.metadata as m; print('wasmtime', m.version('wasmtime'))"
        self.version = version_of(python, "-c", metadata)

    def translate(self, program: Program):
        """Makes a module of a program that is text."""
        if text := program.file("wat"):
            measure([*self.command, "binary", text, text.with_suffix(".wasm")])

    def prepare(self, program: Program):
        try:
            self.compile_time(program)
        except SystemExit as error:
            raise Skipped(reason_of(error, "WasmtimeError"))

    def run(self, program: Program, size: int) -> Run:
        artifact = OUTPUT / f"{program.name}.cwasm"
        command = [*self.command, "run", SECONDS, program.function or "-", artifact]
        return timed([*command, *program.arguments(size)], program, size)

    def compile_time(self, program: Program) -> CompileTime:
        artifact = OUTPUT / f"{program.name}.cwasm"
        run = measure([*self.command, "compile", module_of(program), artifact])
        return CompileTime(*map(float, run.printed.split()))


class WasmEdge:
    """WasmEdge, compiled ahead of time."""
    name = "wasmedge"

    def __init__(self, wasmedge: str):
        self.wasmedge = wasmedge
        self.version = version_of(wasmedge, "--version")

    def prepare(self, program: Program):
        if program.function:
            raise Skipped("it is not a WASI program")
        try:
            measure([self.wasmedge, "compile", module_of(program), OUTPUT / f"{program.name}.edge.wasm"])
        except SystemExit:
            raise Skipped("its compiler refuses the program") from None

    def run(self, program: Program, size: int) -> Run:
        artifact = OUTPUT / f"{program.name}.edge.wasm"
        return measure([self.wasmedge, "run", artifact, *program.arguments(size)], program.stdin(size))

    def compile_time(self, program: Program) -> CompileTime:
        clock = time.perf_counter()
        run = measure([self.wasmedge, "compile", module_of(program), OUTPUT / "compiled.edge.wasm"])
        return CompileTime(time.perf_counter() - clock, run.user + run.system)


def all_runners(berth: Path, wasmtime: str | None) -> list:
    """Those that are here; `native` is first."""
    runners = [Native("native"), Native("march"), Berth(berth)]
    if wasmtime:
        runners.append(Wasmtime(wasmtime))
    if node := shutil.which("node"):
        runners.append(Node(node))
    if wasmedge := shutil.which("wasmedge"):
        runners.append(WasmEdge(wasmedge))
    return runners
