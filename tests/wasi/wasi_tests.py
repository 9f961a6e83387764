#!/usr/bin/env python3
"""Runs one case: wasi_tests.py CASE --berth BERTH. `wasi_tests.py list` prints all of them.

Each case builds a guest of guests/ with Debian's wasi toolchain, prepares a folder for it, runs it under
berth, and looks at what the guest said and at what is there afterwards. Exits 77 where it cannot run.
"""

import argparse
import ctypes
import os
import resource
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "components"))
import componentize  # noqa: E402

EXIT_SKIPPED, EXIT_TRAP = 77, 134
CASES = {}


class Skip(Exception):
    """This machine cannot run the case; says why."""


def case(function):
    CASES[function.__name__] = function
    return function


class Guest:
    """One guest program and the folder it works with."""

    def __init__(self, berth, folder, is_component=False):
        self.berth = berth
        self.folder = folder
        self.is_component = is_component

    def build(self, name):
        source = HERE / "guests" / name
        if source.suffix == ".wat":
            return source
        compiler = shutil.which("clang-19")
        if not compiler or not shutil.which("wasm-ld-19") or not Path("/usr/lib/wasm32-wasi/libc.a").exists():
            raise Skip("the wasi toolchain is not installed (clang-19, lld-19, wasi-libc)")
        if self.is_component:
            output = self.folder.parent / (source.stem + ".wat")
            return output if output.exists() else componentize.build([source], output)
        output = self.folder / (source.stem + ".wasm")
        subprocess.run([compiler, "--target=wasm32-wasi", "-O1", "-Wall", "-Wextra", "-Werror", source, "-o", output],
                       check=True)
        return output

    def command(self, name, *args, options=()):
        return [str(part) for part in (self.berth, "run", *options, self.build(name), *args)]

    def run(self, name, *args, options=(), expect=0, timeout=60, **more):
        done = subprocess.run(self.command(name, *args, options=options), timeout=timeout, capture_output=True,
                              stdin=more.pop("stdin", subprocess.DEVNULL), **more)
        assert done.returncode == expect, (
            f"exit code {done.returncode}, not {expect}\n"
            f"{done.stdout[-2000:].decode(errors='replace')}{done.stderr[-2000:].decode(errors='replace')}")
        return done

    def make(self, name, text=None):
        """A file with `text`, or a folder, with the folders that lead there."""
        path = self.folder / name
        if text is None:
            path.mkdir(parents=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return path


def snapshot(folder):
    """All that is in a folder: names, kinds, contents, times of change."""
    found = {}
    for path in sorted(folder.rglob("*")):
        s = path.lstat()
        text = path.read_bytes() if stat.S_ISREG(s.st_mode) else b""
        found[str(path.relative_to(folder))] = (s.st_mode, s.st_nlink, s.st_mtime_ns, text)
    return found


@case
def escape(g):
    inside = g.make("in")
    g.make("secret", "secret")
    g.make("outside/file", "outside")
    g.make("in/sub/deep")
    for name, target in {"to-secret": "../secret", "to-parent": "..", "to-root": "/", "to-outside": "../outside",
                         "sub/to-secret": "../../secret", "chain": "chain2", "chain2": "sub/../../outside"}.items():
        (inside / name).symlink_to(target)
    before = snapshot(g.folder / "outside"), (g.folder / "secret").read_text()
    g.run("escape.c", options=["--dir", f"{inside}::/"])
    assert before == (snapshot(g.folder / "outside"), (g.folder / "secret").read_text()), "something outside changed"
    assert sorted(set(os.listdir(g.folder)) - {"escape.wasm"}) == ["in", "outside", "secret"]


@case
def between_grants(g):
    a, b, ro = g.make("a"), g.make("b"), g.make("ro")
    g.make("ro/kept", "kept")
    g.make("ro/sub")
    before = snapshot(ro)
    g.run("between_grants.c", options=["--dir", f"{a}::/a", "--dir", f"{b}::/b", "--dir", f"{ro}::/ro:ro"])
    assert snapshot(ro) == before, "the read-only folder changed"


@case
def races(g):
    inside = g.make("in")
    g.make("in/sub/file", "inside")
    g.make("in/mine", "mine")
    g.make("in/dir/moving/deep")
    g.make("in/dir/secret", "mine")
    g.make("secret", "secret")
    g.make("outside/file", "secret")
    g.make("outside/victim", "")
    g.make("outside/victim2", "")
    g.make("outside/secret-only", "")
    g.make("elsewhere")
    (inside / "a").symlink_to("sub")
    (inside / "b").symlink_to("../outside")
    before = snapshot(g.folder / "outside")
    stop = threading.Event()
    libc = ctypes.CDLL(None, use_errno=True)
    paths = [str(path).encode() for path in (inside / "a", inside / "b", inside / "dir/moving", g.folder / "elsewhere/moving")]

    def swap():
        exchange = 2
        while not stop.is_set():
            libc.renameat2(-100, paths[0], -100, paths[1], exchange)

    def move():
        while not stop.is_set():
            libc.rename(paths[2], paths[3])
            libc.rename(paths[3], paths[2])

    threads = [threading.Thread(target=swap), threading.Thread(target=move)]
    for thread in threads:
        thread.start()
    try:
        done = g.run("races.c", options=["--dir", f"{inside}::/"], timeout=250)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    print(done.stderr.decode(), end="")
    assert snapshot(g.folder / "outside") == before, "something outside changed"


@case
def devices(g):
    inside = g.make("in")
    os.mkfifo(inside / "fifo")
    listener = socket.socket(socket.AF_UNIX)
    here = os.getcwd()
    os.chdir(inside)  # the path of a socket is short
    listener.bind("socket")
    os.chdir(here)
    try:
        os.mknod(inside / "mem-device", stat.S_IFCHR | 0o666, os.makedev(1, 1))
    except OSError:
        print("cannot make devices here: only those of /dev are tried")
    with subprocess.Popen(g.command("devices.c", options=["--dir", "/dev::/dev", "--dir", f"{inside}::/"]),
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE) as guest:
        if guest.stdout.readline() == b"ready\n":
            (inside / "fifo").write_text("text")
        _, errors = guest.communicate(timeout=60)
    assert guest.returncode == 0, errors.decode()


@case
def magic_links(g):
    if not Path("/proc/self/status").exists():
        raise Skip("/proc is not mounted")
    g.run("magic_links.c", options=["--dir", "/proc::/proc"])
    assert not list(g.folder.rglob("made-by-guest"))


@case
def exhaustion(g):
    inside = g.make("in")
    limits = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100))
    g.run("exhaustion.c", options=["--dir", f"{inside}::/"], preexec_fn=limits)


@case
def no_grants(g):
    done = g.run("no_grants.c", env={"SECRET": "1", "PATH": os.environ["PATH"]}, cwd=g.folder)
    assert done.stdout == b""


@case
def files(g):
    g.run("files.c", options=["--dir", f"{g.make('in')}::/"])
    assert os.listdir(g.folder / "in") == []


@case
def streams(g):
    with subprocess.Popen(g.command("streams.c"), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, bufsize=0) as guest:
        guest.stdin.write(b"one\n")
        assert guest.stdout.readline() == b"go\n", guest.stderr.read().decode()
        time.sleep(0.05)
        guest.stdin.write(b"two\n")
        time.sleep(0.1)
        guest.stdin.close()
        time.sleep(0.2)
        output = guest.stdout.read()
        errors = guest.stderr.read()
    assert guest.returncode == 7, errors.decode()
    assert len(output) == 1 << 20, len(output)
    assert errors == b"done\n"


@case
def files_as_streams(g):
    """Standard streams that are files: positions are shared with the shell, as for any program."""
    output = g.folder / "out"
    with open(output, "w") as file:
        for word in ("one", "two"):
            subprocess.run(g.command("process.c", "print", word, options=["--env", "FIRST=1", "--env", "SECOND=2"]),
                           stdout=file, check=True, timeout=60)
    assert output.read_text() == "[one]{1}{2}\n[two]{1}{2}\n", output.read_text()
    # A reader that goes away: an error for the guest, no death of the host.
    guest = subprocess.Popen(g.command("process.c", "print", "x"), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    guest.stdout.close()
    guest.wait(timeout=60)
    assert guest.returncode >= 0, guest.returncode
    guest.stderr.close()


@case
def clocks(g):
    g.run("clocks.c")


@case
def deadlines(g):
    """--timeout ends a guest whatever it waits for."""
    inside = g.make("in")
    os.mkfifo(inside / "fifo")
    program = g.build("waits_forever.c")
    # Components make their connections themselves.
    kinds = ("input", "fifo", "clock", "poll", "output") + (() if g.is_component else ("connection",))
    for what in kinds:
        options = ["--timeout", "300ms"]
        if what == "fifo":
            options += ["--dir", f"{inside}::/"]
        if what == "connection":
            options += ["--tcp-listen", "127.0.0.1:0"]
        start = time.monotonic()
        guest = subprocess.Popen([str(g.berth), "run", *options, str(program), what], stdin=subprocess.PIPE,
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            guest.wait(timeout=30)
        except subprocess.TimeoutExpired:
            guest.kill()
            raise AssertionError(f"a guest that waits for {what} does not end")
        spent = time.monotonic() - start
        errors = guest.stderr.read().decode()
        for stream in (guest.stdin, guest.stdout, guest.stderr):
            stream.close()
        assert guest.returncode == EXIT_TRAP, f"{what}: {guest.returncode} {errors}"
        assert "came back" not in errors, errors
        assert 0.25 < spent < 10, f"{what}: {spent:.2f} s"


@case
def server(g):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    guest = subprocess.Popen(g.command("server.c", options=["--tcp-listen", f"127.0.0.1:{port}"]),
                             stderr=subprocess.PIPE)
    try:
        for text in (b"hello", b"x" * 100_000):
            for attempt in range(200):
                try:
                    client = socket.create_connection(("127.0.0.1", port))
                    break
                except ConnectionRefusedError:
                    assert guest.poll() is None, guest.stderr.read().decode()
                    time.sleep(0.05)
            with client:
                sender = threading.Thread(target=lambda: (client.sendall(text), client.shutdown(socket.SHUT_WR)))
                sender.start()
                answer = b""
                while piece := client.recv(65536):
                    answer += piece
                sender.join()
            assert answer == text.upper()
        guest.wait(timeout=30)
    finally:
        guest.kill()
        errors = guest.stderr.read().decode()
        guest.stderr.close()
        guest.wait()
    assert guest.returncode == 0, errors


@case
def process(g):
    done = g.run("process.c", "print", "two words", "", "ümlaut", options=["--env", "FIRST=a=b", "--env", "SECOND="])
    assert done.stdout.decode() == "[two words][][ümlaut]{a=b}{}\n", done.stdout
    for code in (0, 1, 7, 126, 255):
        g.run("process.c", "exit", code, expect=code)
    g.run("process.c", "abort", expect=EXIT_TRAP)
    g.run("process.c", "raise", 15, expect=128 + signal.SIGTERM)


@case
def unstable(g):
    inside = g.make("in")
    g.make("in/file", "7 bytes")
    done = g.run("unstable.wat", options=["--dir", f"{inside}::/"], expect=5)
    assert done.stdout == b"old\n"


@case
def testsuite(g):
    """The public suite, from the checkout that BERTH_WASI_TESTSUITE names."""
    suite = os.environ.get("BERTH_WASI_TESTSUITE")
    if not suite:
        raise Skip("BERTH_WASI_TESTSUITE does not name a checkout of WebAssembly/wasi-testsuite "
                   "(branch prod/testsuite-base), so its 72 programs are not run")
    sys.path.insert(0, str(HERE))
    import testsuite as runner
    passed, failures = runner.run(Path(suite), g.berth, g.folder)
    for name, reason in failures.items():
        print(f"{name}: {reason}")
    print(f"{passed} of {passed + len(failures)} passed")
    assert passed and not failures


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("case", choices=[*CASES, "list"])
    parser.add_argument("--berth", type=Path, default=os.environ.get("BERTH"))
    parser.add_argument("--component", action="store_true", help="the guest is a component of WASI 0.2")
    chosen = parser.parse_args()
    if chosen.case == "list":
        print("\n".join(CASES))
        return 0
    with tempfile.TemporaryDirectory(prefix="berth-wasi-") as folder:
        try:
            work = Path(folder, "work")
            work.mkdir()
            CASES[chosen.case](Guest(chosen.berth.resolve(), work, chosen.component))
        except Skip as reason:
            print(f"SKIPPED: {reason}")
            return EXIT_SKIPPED
        except (AssertionError, subprocess.SubprocessError) as error:
            print(f"{chosen.case}: {error}")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
