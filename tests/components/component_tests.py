#!/usr/bin/env python3
"""Runs one case: component_tests.py CASE --berth BERTH. `component_tests.py list` prints all of them.

Each case makes a component of a program of guests/ that uses WASI 0.2 directly (see componentize.py), and runs it under
berth in the interpreter and as native code. Exits 77 where it cannot run.
"""

import argparse
import os
import resource
import socket
import socketserver
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import componentize

GUESTS = Path(__file__).resolve().parent / "guests"
EXIT_SKIPPED, EXIT_TRAP = 77, 134
CASES = {}


def case(function):
    CASES[function.__name__] = function
    return function


class Guest:
    def __init__(self, berth, tier, folder):
        self.berth, self.tier, self.folder = berth, tier, folder

    def build(self, name, version="0.2.0"):
        output = self.folder.parent / f"{name}-{version}.wat"
        return output if output.exists() else componentize.build([GUESTS / f"{name}.c"], output, version)

    def run(self, name, *args, options=(), expect=0, version="0.2.0", **more):
        command = [str(self.berth), "run", "--tier", self.tier, *options, str(self.build(name, version)), *args]
        done = subprocess.run(command, capture_output=True, timeout=120, **more)
        assert done.returncode == expect, (
            f"{name} {' '.join(args)}: exit code {done.returncode}, not {expect}\n"
            f"{done.stdout[-2000:].decode(errors='replace')}{done.stderr[-2000:].decode(errors='replace')}")
        return done


@case
def filesystem(g):
    (g.folder / "rw").mkdir()
    (g.folder / "ro").mkdir()
    (g.folder / "ro/kept").write_text("kept")
    (g.folder / "rw/absolute").symlink_to("/etc")
    done = g.run("filesystem", options=["--dir", f"{g.folder}/rw::/", "--dir", f"{g.folder}/ro::/ro:ro"])
    assert done.stdout == b"done\n"
    assert sorted(os.listdir(g.folder / "ro")) == ["kept"] and (g.folder / "ro/kept").read_text() == "kept"


@case
def sockets(g):
    grants = ["--tcp-listen", "127.0.0.1:0", "--tcp-listen", "[::1]:0", "--udp-bind", "127.0.0.1:0"]
    for host in ("127.0.0.1", "[::1]", "localhost"):
        grants += ["--allow-net", host]
    without = []
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        print("NOT TRIED: connections over IPv6; this machine has no ::1")
        without = ["without-v6"]
    assert g.run("sockets", *without, options=grants).stdout == b"done\n"


@case
def denied(g):
    assert g.run("denied", cwd=g.folder, stdin=subprocess.DEVNULL).stdout == b"done\n"


@case
def streams(g):
    assert g.run("io", input=b"input").stdout == b"ut!"
    for mistake in ("empty-poll", "unpermitted", "too-much", "blocking-too-much", "blocking-zeroes", "dropped", "another",
                    "random"):
        g.run("io", mistake, expect=EXIT_TRAP)


class Server(socketserver.StreamRequestHandler):
    """Answers as the path says, also as no server should."""

    CONTINUES = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n"
    ANSWERS = {
        "/length": b"HTTP/1.1 200 OK\r\nx-answer: 1\r\ncontent-length: 5\r\n\r\nhello and more",
        "/chunked": b"HTTP/1.1 201 Created\r\nX-Answer: 1\r\ntransfer-encoding: Chunked\r\n\r\n"
                    b"6\r\nhello \r\n9;x=y\r\nin chunks\r\n0\r\n\r\n",
        "/trailers": b"HTTP/1.1 200 OK\r\nx-answer: 1\r\ntransfer-encoding: chunked\r\n\r\n"
                     b"5\r\nhello\r\n0\r\nx-after: 1\r\n\r\n",
        "/close": b"HTTP/1.0 200 OK\r\nx-answer:1\r\n\r\nuntil the end",
        "/hints": CONTINUES + b"HTTP/1.1 200\r\nx-answer: 1\r\ncontent-length: 11\r\n\r\nafter hints",
        "/nothing": b"HTTP/1.1 204 No Content\r\nx-answer: 1\r\ncontent-length: 7\r\n\r\n",
        "/cut-length": b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nhello",
        "/cut-chunk": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n50\r\nhello",
        "/bad-chunk": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhelloxx5\r\n",
        "/garbage": b"SSH-2.0-OpenSSH_9.2p1\r\n\r\n",
        "/fold": b"HTTP/1.1 200 OK\r\na: b\r\n c\r\n\r\n",
        "/two-lengths": b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello!",
        "/gzip": b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\n",
        "/cut-head": b"HTTP/1.1 200 OK\r\na: ",
        "/endless-head": b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 20000,
    }

    def handle(self):
        method, path, _ = self.rfile.readline().decode().split()
        headers = {}
        while (line := self.rfile.readline().strip()):
            name, _, value = line.decode().partition(":")
            headers[name.lower()] = value.strip()
        assert headers["host"] == "%s:%d" % self.server.server_address and headers["connection"] == "close"
        if path == "/silent":
            self.rfile.read(1)  # until the other side gives up
        elif path == "/echo":
            self.echo(headers)
        else:
            self.wfile.write(self.ANSWERS[path])

    def chunks(self, headers):
        if "content-length" in headers:
            left = int(headers["content-length"])
            while left > 0:
                part = self.rfile.read(min(left, 50000))
                if not part:
                    return
                left -= len(part)
                yield part
            return
        assert headers["transfer-encoding"] == "chunked"
        while (size := int(self.rfile.readline() or b"0", 16)) > 0:
            yield self.rfile.read(size)
            self.rfile.readline()

    def echo(self, headers):
        parts = list(self.chunks(headers))
        if sum(map(len, parts)) < int(headers.get("content-length", 0)):
            return  # the guest has given up
        self.wfile.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        for part in parts:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
        self.wfile.write(b"0\r\n\r\n")


class QuietServer(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        """What the guest gives up on purpose."""


@case
def http(g):
    with QuietServer(("127.0.0.1", 0), Server) as server, socket.socket() as nobody:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        nobody.bind(("127.0.0.1", 0))  # and does not listen
        addresses = ["127.0.0.1:%d" % s.getsockname()[1] for s in (server.socket, nobody)]
        grants = [word for address in addresses for word in ("--allow-http", address)]
        try:
            assert g.run("http", *addresses, options=grants).stdout == b"done\n"
        finally:
            server.shutdown()


@case
def greed(g):
    """What a guest can take of the host is limited."""
    # A sanitizer takes more address space than that for itself.
    is_sanitized = bool({"asan", "tsan"} & set(g.berth.parts))
    memory = None if is_sanitized else lambda: resource.setrlimit(resource.RLIMIT_DATA, (1 << 30, 1 << 30))
    for what, says in (("handles", b"too many"), ("poll", b"too many"), ("headers", b"128 KiB"), ("list", b"too long")):
        done = g.run("greedy", what, expect=EXIT_TRAP, preexec_fn=memory)
        assert says in done.stderr, done.stderr
    files = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100))
    done = g.run("greedy", "sockets", options=["--dir", f"{g.folder}::/"], preexec_fn=files)
    assert 20 < int(done.stdout) < 90, done.stdout


@case
def versions(g):
    """Every 0.2 is served; others are not."""
    for version in ("0.2.0", "0.2.3", "0.2.12", "0.2.99"):
        g.run("denied", version=version, stdin=subprocess.DEVNULL)
    # What a release promises holds for none before it.
    for version in ("0.2.0-rc-2023-11-10", "0.3.0"):
        g.run("denied", version=version, expect=2, stdin=subprocess.DEVNULL)


@case
def compiled(g):
    """`berth compile` leaves code of a component's modules where `berth run` finds it."""
    environment = os.environ | {"BERTH_CACHE_DIR": str(g.folder / "cache")}
    program = g.build("denied")
    subprocess.run([str(g.berth), "compile", str(program)], env=environment, check=True, timeout=120)
    # With nothing to compile with, it has to be there already.
    without = environment | {"BERTH_COMPILER": "/nonexistent"}
    for tier in ("native", "auto"):
        done = subprocess.run([str(g.berth), "run", "--tier", tier, str(program)], env=without, capture_output=True,
                              timeout=60)
        assert done.returncode == 0 and done.stdout == b"done\n", (tier, done)
    refused = subprocess.run([str(g.berth), "compile", "-o", str(g.folder / "out"), str(program)], env=environment,
                             capture_output=True, timeout=60)
    assert refused.returncode == 2 and b"is a component" in refused.stderr, refused


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("case", choices=[*CASES, "list"])
    parser.add_argument("--berth", type=Path, default=os.environ.get("BERTH"))
    parser.add_argument("--tier", default="interp")
    chosen = parser.parse_args()
    if chosen.case == "list":
        print("\n".join(CASES))
        return 0
    with tempfile.TemporaryDirectory(prefix="berth-components-") as folder:
        work = Path(folder, "work")
        work.mkdir()
        if chosen.tier == "native":
            os.environ["BERTH_CACHE_DIR"] = f"{folder}/cache"
        try:
            CASES[chosen.case](Guest(chosen.berth.resolve(), chosen.tier, work))
        except componentize.Unavailable as reason:
            print(f"SKIPPED: {reason}")
            return EXIT_SKIPPED
        except (AssertionError, subprocess.SubprocessError) as error:
            print(f"{chosen.case}: {error}")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
