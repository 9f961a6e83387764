#!/usr/bin/env python3
"""Checks of the release executable: check_release.py CHECK BERTH. Exits 77 where it cannot check."""

import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

EXIT_SKIPPED = 77
MOST_BYTES = 8 * 1024 * 1024
PT_INTERP, PT_DYNAMIC, DT_NEEDED, ET_DYN = 3, 2, 1, 3

# Prints "hi" through WASI and needs no toolchain.
HELLO = """
(module
  (import "wasi_snapshot_preview1" "fd_write"
    (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "\\08\\00\\00\\00\\03\\00\\00\\00hi\\n")
  (func (export "_start")
    (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 16)))))
"""


def skip(reason):
    print(f"SKIPPED: {reason}")
    sys.exit(EXIT_SKIPPED)


def segments(data):
    """(type, file offset, file size) of each program header of a 64-bit ELF file."""
    start, size, count = struct.unpack_from("<Q", data, 32)[0], *struct.unpack_from("<HH", data, 54)
    for i in range(count):
        kind, _, offset, _, _, length = struct.unpack_from("<IIQQQQ", data, start + i * size)
        yield kind, offset, length


def static_executable(berth):
    """Position-independent, with no interpreter and no library to load."""
    data = berth.read_bytes()
    assert data[:4] == b"\x7fELF", "not an ELF file"
    assert struct.unpack_from("<H", data, 16)[0] == ET_DYN, "not position-independent"
    for kind, offset, length in segments(data):
        assert kind != PT_INTERP, "asks for a dynamic linker"
        if kind == PT_DYNAMIC:
            for tag, _ in struct.iter_unpack("<QQ", data[offset:offset + length]):
                assert tag != DT_NEEDED, "asks for a shared library"


def small(berth):
    size = berth.stat().st_size
    print(f"{size} bytes")
    assert size <= MOST_BYTES, f"{size} bytes, at most {MOST_BYTES} allowed"


def runs_in_empty_root(berth):
    """With nothing in its root but itself and the module: no /proc, no /dev, no libraries."""
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        root.chmod(0o755)
        shutil.copy(berth, root / "berth")
        (root / "hello.wat").write_text(HELLO)
        enter = ["unshare", "--map-root-user", f"--root={root}", "--"]
        if subprocess.run([*enter, "/berth", "version"], capture_output=True).returncode != 0:
            if os.geteuid() != 0:
                skip("this machine lets only root change the root folder")
            enter = ["chroot", str(root)]
        done = subprocess.run([*enter, "/berth", "run", "/hello.wat"], capture_output=True, text=True)
        assert (done.returncode, done.stdout) == (0, "hi\n"), f"{done}"


def opens_only_the_module(berth):
    """A run with no grants opens the module, and not one file more."""
    if not shutil.which("strace"):
        skip("strace is not installed")
    with tempfile.TemporaryDirectory() as scratch:
        module, trace = Path(scratch, "hello.wat"), Path(scratch, "trace")
        module.write_text(HELLO)
        done = subprocess.run(
            ["strace", "-f", "-qq", "-o", trace, "-e", "trace=open,openat,openat2,creat", "--",
             berth, "run", module], capture_output=True, text=True)
        if "PTRACE" in done.stderr:
            skip("this machine does not allow tracing")
        assert done.stdout == "hi\n", f"{done}"
        opened = re.findall(r'open\w*\(.*?"([^"]*)"', trace.read_text())
        print(f"opened: {opened}")
        assert opened == [str(module)], f"opened {opened}"


CHECKS = {check.__name__: check
          for check in (static_executable, small, runs_in_empty_root, opens_only_the_module)}

if __name__ == "__main__":
    try:
        CHECKS[sys.argv[1]](Path(sys.argv[2]).resolve())
    except AssertionError as error:
        print(f"FAILED: {error}")
        sys.exit(1)
