"""Builds the guest programs: our examples, and public programs from Debian's source packages.

Everything is compiled with Debian's toolchains. Results are kept in a cache outside the source tree,
keyed by all that went into them, and copied to build/programs/NAME.wasm.
"""

import contextlib
import fcntl
import hashlib
import inspect
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
OUTPUT = ROOT / "build" / "programs"
COMPAT = HERE / "wasi-compat"
TARGET = "--target=wasm32-wasi"
# What is emulated by libraries of wasi-libc rather than by the system.
EMULATED = ["SIGNAL", "PROCESS_CLOCKS", "GETPID", "MMAN"]


class Unavailable(Exception):
    """A toolchain or a source that this machine does not have; says which."""


def cache_folder() -> Path:
    """Where built programs and fetched sources are kept."""
    named = os.environ.get("BERTH_TEST_CACHE")
    if named:
        return Path(named)
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.environ.get("HOME", ""), ".cache")
    return Path(base) / "berth-tests" if os.path.isabs(base) else ROOT / "build" / "cache"


@contextlib.contextmanager
def locked(name: str):
    """Holds the lock `name` of the cache, so that parallel tests build a thing once."""
    folder = cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / f"{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def run(command, **options):
    """Runs `command`; on failure raises with the end of what it printed."""
    done = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace", **options)
    if done.returncode != 0:
        tail = "\n".join(done.stdout.splitlines()[-30:])
        raise RuntimeError(f"{command[0]} failed with {done.returncode}:\n{tail}")
    return done.stdout


def tool(name: str) -> str:
    found = shutil.which(name)
    if not found:
        raise Unavailable(f"{name} is not installed")
    return found


# --- Debian's source packages ------------------------------------------------------------------

def debian_source(package: str) -> Path:
    """The unpacked source package, fetched with apt from the archive that this machine already uses.

    apt gets a configuration of its own with source entries switched on; the machine's is not touched.
    """
    for name in ("apt-get", "dpkg-source"):
        tool(name)
    home = cache_folder() / "sources"
    with locked("sources"):
        def unpacked():
            return [path for path in home.glob(f"{package}-*") if path.is_dir()]

        if not unpacked():
            options = private_apt(home / "apt")
            try:
                run(["apt-get", "-q", *options, "update"])
                run(["apt-get", "-q", *options, "source", package], cwd=home)
            except RuntimeError as error:
                raise Unavailable(f"Debian's source of {package} could not be fetched: {error}")
        return unpacked()[0]


def private_apt(folder: Path) -> list[str]:
    """Options that make apt use `folder` for its state and fetch sources of this Debian release."""
    parts = folder / "parts"
    for sub in (parts, folder / "lists" / "partial", folder / "cache" / "archives" / "partial"):
        sub.mkdir(parents=True, exist_ok=True)
    release = re.search(r"VERSION_CODENAME=(\w+)", Path("/etc/os-release").read_text())
    if not release:
        raise Unavailable("this is not a release of Debian")
    codename = release.group(1)
    system = Path("/etc/apt")
    for path in [system / "sources.list", *sorted((system / "sources.list.d").glob("*"))]:
        if path.suffix == ".sources":
            entries = [entry for entry in path.read_text().split("\n\n")
                       if re.search(rf"^Suites:.*\b{codename}", entry, re.M)]
            text = "\n\n".join(re.sub(r"^Types:.*$", "Types: deb-src", entry, flags=re.M)
                               for entry in entries)
        elif path.suffix == ".list" and path.is_file():
            lines = re.findall(r"^deb\s.*$", path.read_text(), re.M)
            text = "\n".join(re.sub(r"^deb\b", "deb-src", line) for line in lines
                             if re.search(rf"\s{codename}", line))
        else:
            continue
        if text:
            (parts / path.name).write_text(text + "\n")
    return ["-o", "Dir::Etc::SourceList=/dev/null", "-o", f"Dir::Etc::SourceParts={parts}",
            "-o", f"Dir::State::Lists={folder / 'lists'}", "-o", f"Dir::Cache={folder / 'cache'}",
            "-o", "APT::Sandbox::User=root"]


# --- Toolchains --------------------------------------------------------------------------------

def clang(output: Path, sources, flags=(), libraries=(), plus=False):
    """Compiles C, or C++ when `plus`, with Debian's wasi toolchain."""
    compiler = tool("clang++-19" if plus else "clang-19")
    tool("wasm-ld-19")
    if not Path("/usr/lib/wasm32-wasi/libc.a").exists():
        raise Unavailable("wasi-libc is not installed")
    run([compiler, TARGET, "-O2", *flags, *sources, "-o", output, *libraries])


def posix_flags():
    """Flags and libraries for programs that expect a little more POSIX than WASI has."""
    flags = ["-w", f"-I{COMPAT}", "-include", "posix.h"]
    flags += [f"-D_WASI_EMULATED_{name}" for name in EMULATED]
    libraries = ["-lwasi-emulated-" + name.lower().replace("_", "-") for name in EMULATED]
    return flags, libraries


# Makes setjmp and longjmp out of exceptions.
SETJMP = ["-mllvm", "-wasm-enable-sjlj", "-mexception-handling"]


def build_hello(output):
    clang(output, [ROOT / "examples/hello/hello.c"])


def build_wordcount(output):
    clang(output, [ROOT / "examples/wordcount/wordcount.c"])


def build_life(output):
    clang(output, [ROOT / "examples/life/life.cc"], ["-std=c++20", "-fno-exceptions"], plus=True)


def build_ledger(output):
    rustc = "/usr/bin/rustc"  # Debian's, which its libstd-rust-dev-wasm32 belongs to
    if not Path("/usr/lib/rustlib/wasm32-wasi").exists() or not Path(rustc).exists():
        raise Unavailable("Debian's rustc and libstd-rust-dev-wasm32 are not installed")
    run([rustc, "--target=wasm32-wasi", "-O", "-C", f"linker={tool('wasm-ld-14')}",
         "-C", "link-arg=--strip-debug", "-o", output, ROOT / "examples/ledger/ledger.rs"])


def build_digest(output):
    go = tool("go")
    version = re.search(r"go(\d+)\.(\d+)", run([go, "version"]))
    if not version or (int(version[1]), int(version[2])) < (1, 21):
        raise Unavailable("Go 1.21 or later is not installed, which is the first to target WASI")
    environment = os.environ | {"GOOS": "wasip1", "GOARCH": "wasm", "CGO_ENABLED": "0",
                                "GO111MODULE": "off", "GOFLAGS": "", "GOTOOLCHAIN": "local"}
    run([go, "build", "-trimpath", "-o", output, ROOT / "examples/digest/digest.go"],
        env=environment)


SQLITE = ["-DSQLITE_THREADSAFE=0", "-DSQLITE_OMIT_LOAD_EXTENSION", "-DSQLITE_NOHAVE_SYSTEM",
          "-DSQLITE_OMIT_POPEN", "-DSQLITE_OMIT_WAL", "-DSQLITE_ENABLE_FTS5",
          "-DSQLITE_ENABLE_MATH_FUNCTIONS", '-DSQLITE_DEFAULT_UNIX_VFS="unix-dotfile"']


@contextlib.contextmanager
def sqlite_sources(work: Path):
    """Makes sqlite3.c and shell.c in the folder `work`, which is gone afterwards; yields both."""
    source = debian_source("sqlite3")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    native = os.environ | {"CC": tool("clang-19")}
    tool("tclsh")
    run([source / "configure", "--disable-tcl", "--disable-readline"], cwd=work, env=native)
    run([tool("make"), "sqlite3.c", "shell.c", "BCC=clang-19 -O1"], cwd=work, env=native)
    yield [work / "shell.c", work / "sqlite3.c"]
    shutil.rmtree(work)


def build_sqlite(output):
    flags, libraries = posix_flags()
    with sqlite_sources(output.with_suffix(".work")) as sources:
        clang(output, sources, [*flags, *SQLITE], libraries)


def lua_sources() -> list[Path]:
    source = debian_source("lua5.4") / "src"
    return [path for path in sorted(source.glob("*.c")) if path.name != "luac.c"]


def build_lua(output):
    flags, libraries = posix_flags()
    clang(output, [*lua_sources(), COMPAT / "posix.c", COMPAT / "setjmp.c"], [*flags, *SETJMP], libraries)


def build_duktape(output):
    source = debian_source("duktape")
    flags, libraries = posix_flags()
    printing = source / "extras/print-alert"
    clang(output, [source / "examples/cmdline/duk_cmdline.c", source / "src/duktape.c",
                   printing / "duk_print_alert.c", COMPAT / "posix.c", COMPAT / "setjmp.c"],
          [*flags, *SETJMP, f"-I{source / 'src'}", f"-I{printing}",
           "-DDUK_CMDLINE_PRINTALERT_SUPPORT"], libraries)


@dataclass(frozen=True)
class Program:
    """A guest program: what it is, how it is built, and which of our files go into it."""
    title: str
    build: Callable[[Path], None]
    inputs: tuple[str, ...] = ()


PROGRAMS = {
    "hello": Program("C: arguments, environment, exit code", build_hello, ("examples/hello",)),
    "wordcount": Program("C: files below a grant", build_wordcount, ("examples/wordcount",)),
    "life": Program("C++ with its standard library", build_life, ("examples/life",)),
    "ledger": Program("Rust", build_ledger, ("examples/ledger",)),
    "digest": Program("Go, with goroutines", build_digest, ("examples/digest",)),
    "lua": Program("Lua 5.4, from Debian's source", build_lua, ("tests/programs/wasi-compat",)),
    "duktape": Program("Duktape, a JavaScript engine, from Debian's source", build_duktape,
                       ("tests/programs/wasi-compat",)),
    "sqlite": Program("SQLite's shell, from Debian's source", build_sqlite,
                      ("tests/programs/wasi-compat",)),
}


def fingerprint(program: Program) -> str:
    """A hash of the recipe and of every file of ours that the program is made of."""
    recipe = (program.build, clang, posix_flags, sqlite_sources, lua_sources)
    text = "".join(map(inspect.getsource, recipe)) + repr((SQLITE, SETJMP))
    digest = hashlib.sha256(text.encode())
    for folder in program.inputs:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.is_file():
                digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def built(name: str) -> Path:
    """Builds the program `name` unless the cache has it; returns build/programs/NAME.wasm."""
    program = PROGRAMS[name]
    kept = cache_folder() / f"{name}-{fingerprint(program)}.wasm"
    with locked(name):
        if not kept.exists():
            for stale in kept.parent.glob(f"{name}-*.wasm"):
                stale.unlink()
            fresh = kept.with_suffix(".partial")
            program.build(fresh)
            fresh.rename(kept)
        OUTPUT.mkdir(parents=True, exist_ok=True)
        output = OUTPUT / f"{name}.wasm"
        if not output.exists() or output.read_bytes() != kept.read_bytes():
            shutil.copyfile(kept, output)
    return output
