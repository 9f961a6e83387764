"""The programs that are measured: their sizes, and how they are built natively and to WebAssembly."""

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SOURCES = HERE.parent / "programs"
OUTPUT = ROOT / "build" / "bench" / "native"
sys.path.append(str(ROOT / "tests" / "programs"))
import build as guests  # noqa: E402

# Contraction of a multiplication and an addition rounds once instead of twice: results would differ.
COMMON = ["-O2", "-ffp-contract=off"]
COREMARK_FILES = ["core_list_join.c", "core_main.c", "core_matrix.c", "core_state.c", "core_util.c",
                  "posix/core_portme.c"]


@dataclass(frozen=True)
class Program:
    """A program and its size; `build` makes `files` of it, which are named by the `KINDS` below."""
    name: str
    title: str
    size: int
    build: Callable[["Program"], None]
    vectorizes: bool = False
    # An export to be called with the size; else the program is one of WASI's.
    function: str = ""
    arguments: Callable[[int], list[str]] = lambda size: [str(size)]
    stdin: Callable[[int], str] = lambda size: ""
    # What runs must agree on.
    checksum: Callable[[str], str] = lambda printed: printed

    def file(self, kind: str) -> Path | None:
        """The program's file of the kind `native`, `march`, `wasm` or `wat`, if it has one."""
        suffix = {"native": "", "march": ".march", "wasm": ".wasm", "wat": ".wat"}[kind]
        path = OUTPUT / (self.name + suffix)
        return path if path.exists() else None


def clang(*arguments):
    subprocess.run(["clang-19", *map(str, arguments)], check=True)


def compile_c(program: Program, sources, flags=(), wasm_flags=()):
    """Makes the native program, also for this very processor where that matters, and the module."""
    output = OUTPUT / program.name
    common = [*COMMON, *flags, *sources]
    clang(*common, "-o", output, "-lm")
    if program.vectorizes:
        clang(*common, "-march=native", "-o", f"{output}.march", "-lm")
    clang(*common, "--target=wasm32-wasi", *wasm_flags, "-o", f"{output}.wasm")


def own(name: str, title: str, size: int, vectorizes=False, heap=False) -> Program:
    """One of the C programs here; `heap` puts its arrays there."""
    def build(program):
        compile_c(program, [SOURCES / f"{name}.c"], ["-DHEAP"] if heap else [])
    return Program(name + ("-heap" if heap else ""), title + (", on the heap" if heap else ""), size,
                   build, vectorizes)


def build_sqlite(program: Program):
    shutil.copyfile(guests.built("sqlite"), OUTPUT / "sqlite.wasm")
    if not program.file("native"):
        with guests.sqlite_sources(OUTPUT / "sqlite.work") as sources:
            clang("-O2", "-w", *guests.SQLITE, *sources, "-o", OUTPUT / "sqlite", "-lm")


def build_lua(program: Program):
    shutil.copyfile(guests.built("lua"), OUTPUT / "lua.wasm")
    if not program.file("native"):
        # Debian's own header, which its lua.h includes; beside it are headers that are not for here.
        shutil.copy(guests.COMPAT / "lua5.4-deb-multiarch.h", OUTPUT)
        clang("-O2", "-w", f"-I{OUTPUT}", *guests.lua_sources(), "-o", OUTPUT / "lua", "-lm",
              "-fuse-ld=lld")


def build_text(program: Program):
    shutil.copyfile(SOURCES / f"{program.name}.wat", OUTPUT / f"{program.name}.wat")


def build_assembly(program: Program):
    # The assembler's check of types does not know that `throw` takes an operand.
    clang("--target=wasm32", "-mexception-handling", "-Wa,--no-type-check", "-nostdlib",
          "-Wl,--no-entry", SOURCES / f"{program.name}.s", "-o", OUTPUT / f"{program.name}.wasm")


def coremark(folder: Path) -> Program:
    """EEMBC's CoreMark from its source in `folder`."""
    def build(program):
        flags = ["-w", f"-I{folder}", f"-I{folder / 'posix'}", '-DFLAGS_STR=""', "-DPERFORMANCE_RUN=1",
                 "-DUSE_CLOCK=1"]
        compile_c(program, [folder / file for file in COREMARK_FILES], flags,
                  ["-D_WASI_EMULATED_PROCESS_CLOCKS", "-lwasi-emulated-process-clocks"])
    return Program("coremark", "EEMBC's CoreMark", 12000, build,
                   arguments=lambda size: ["0", "0", "0x66", str(size)],
                   checksum=lambda printed: "\n".join(l for l in printed.splitlines() if "crc" in l))


def all_programs(coremark_folder: Path | None) -> list[Program]:
    script = (SOURCES / "workload.lua").read_text()
    statements = (SOURCES / "workload.sql").read_text()
    programs = [
        own("mix", "list, matrix, state machine, CRC", 20000),
        own("matmul", "matrix multiply", 130, vectorizes=True),
        own("nbody", "n-body", 6000),
        own("sha256", "SHA-256", 1100),
        own("gemm", "C = beta C + alpha A B", 160, vectorizes=True),
        own("gemm", "C = beta C + alpha A B", 160, vectorizes=True, heap=True),
        own("two-mm", "two matrix multiplies, down columns", 50, heap=True),
        own("jacobi-2d", "stencil of five points", 8000, vectorizes=True),
        own("jacobi-2d", "stencil of five points", 8000, vectorizes=True, heap=True),
        own("seidel-2d", "stencil of nine points, in place", 1200),
        own("lu", "LU decomposition", 300, heap=True),
        own("floyd-warshall", "shortest paths, integers", 60, vectorizes=True),
        own("fdtd-2d", "three fields over time", 6000, vectorizes=True),
        own("fdtd-2d", "three fields over time", 6000, vectorizes=True, heap=True),
        own("lz", "LZ77 there and back", 20),
        own("json", "parse and print JSON", 60),
        Program("sqlite", "SQLite: joins, windows, text search", 200000, build_sqlite,
                arguments=lambda size: [":memory:"],
                stdin=lambda size: statements.replace("@size@", str(size))),
        Program("lua", "Lua: tables, closures, strings", 60, build_lua,
                arguments=lambda size: ["-", str(size)], stdin=lambda size: script),
    ]
    if coremark_folder:
        programs.append(coremark(coremark_folder))
    return programs + [
        Program("trees", "structs in trees, collected", 4000, build_text, function="run"),
        Program("maps", "objects in a hash map that grows", 1000, build_text, function="run"),
        Program("shapes", "casts, closures and arrays of references", 20000, build_text, function="run"),
        Program("lists", "lists of small numbers, mapped and reversed", 12000, build_text, function="run"),
        Program("exceptions", "thrown through ten frames", 2000000, build_text, function="run"),
        Program("exceptions-legacy", "the same, older instructions", 2000000, build_assembly,
                function="run"),
    ]
