#!/usr/bin/env python3
"""Tests of the cache of native code: cache_test.py CASE. Exits 77 where it cannot check.

The program under test is found in $BERTH, the compiler beside it. Each case has a folder and a cache of its own.
"""

import os
import re
import resource
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

EXIT_SKIPPED = 77
ADD = '(module (func (export "f") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1))))\n'
SUB = '(module (func (export "f") (param i32 i32) (result i32) (i32.sub (local.get 0) (local.get 1))))\n'


ADD_CODE, SUB_CODE = bytes([0x20, 0, 0x20, 1, 0x6A]), bytes([0x20, 0, 0x20, 1, 0x6B])


def binary(code, padding=0):
    """A module whose "f" takes two i32 and gives one by these instructions, made larger by a custom section."""
    def section(number, contents):
        size, n = b"", len(contents)
        while True:
            size += bytes([n & 0x7F | (0x80 if n > 0x7F else 0)])
            n >>= 7
            if not n:
                return bytes([number]) + size + contents
    return (b"\0asm\1\0\0\0" + section(1, b"\1\x60\2\x7F\x7F\1\x7F") + section(3, b"\1\0") +
            section(7, b"\1\1f\0\0") + section(10, bytes([1, len(code) + 2, 0]) + code + b"\x0B") +
            (section(0, b"\1x" + bytes(padding)) if padding else b""))


def skip(reason):
    print(f"SKIPPED: {reason}")
    sys.exit(EXIT_SKIPPED)


class Machine:
    """A folder with two modules in it, and a cache."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.cache = folder / "cache"
        self.berth = Path(os.environ["BERTH"]).resolve()
        self.compiler = self.berth.with_name("berth-compiler")
        self.environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "BERTH_CACHE_DIR": str(self.cache),
                            "LC_ALL": "C.UTF-8"}
        self.environment |= {key: value for key, value in os.environ.items() if key.endswith("SAN_OPTIONS")}
        (folder / "add.wat").write_text(ADD)
        (folder / "sub.wat").write_text(SUB)

    def start(self, *words, **options):
        options.setdefault("env", self.environment)
        return subprocess.Popen([self.berth, *words], cwd=self.folder, stdin=subprocess.DEVNULL, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)

    def __call__(self, *words, code=0, **options):
        process = self.start(*words, **options)
        out, err = process.communicate()
        assert code is None or process.returncode == code, f"{words}: exit {process.returncode}\n{out}{err}"
        return out, err

    def runs(self, file, value="5\n", note=None, tier=(), **options):
        """`file` gives the value, natively without a word, or otherwise with this in its note."""
        out, err = self("run", *tier, "--invoke", "f", file, "3", "2", **options)
        assert out == value, f"{file}: printed {out!r}, {err}"
        assert bool(err) == bool(note) and (note or "") in err, f"{file}: {note!r} expected, said {err!r}"

    def bytes_read(self, file, *tier, value="5\n"):
        """How much a run of `file` reads, as strace sees it."""
        trace = self.folder / "trace"
        done = subprocess.run(["strace", "-f", "-e", "trace=read,pread64", "-o", trace, self.berth, "run", *tier,
                               "--invoke", "f", file, "3", "2"],
                              cwd=self.folder, env=self.environment, capture_output=True, text=True)
        if done.returncode != 0 and "ptrace" in done.stderr:
            skip("strace may not trace here")
        assert done.stdout == value and not done.stderr, done
        return sum(int(n) for n in re.findall(r"= (\d+)$", trace.read_text(), re.M))

    def objects(self):
        return sorted((self.cache / "objects").glob("*.berth"))

    def listed(self):
        return self("cache", "ls")[0].splitlines()[:-1]


def copy_of(path: Path, change):
    """Rewrites a file in place, which keeps its number and size unless `change` does otherwise."""
    data = bytearray(path.read_bytes())
    data = change(data) or data
    path.write_bytes(data)


def compiles(m):
    """Into the cache, found there; into a file, which runs; copies of it too."""
    m("compile", "add.wat")
    assert len(m.objects()) == 1 and "add.wat" in m.listed()[0]
    m("compile", "-O3", "-o", "add.berth", "add.wat")
    m.runs("add.berth")
    m.runs("add.wat", tier=("--tier", "native"), env=m.environment | {"BERTH_COMPILER": "/nonexistent"})
    shutil.copy(m.folder / "add.berth", m.folder / "copy.berth")
    m.runs("copy.berth")
    m.runs("copy.berth")
    elsewhere = m.environment | {"BERTH_CACHE_DIR": str(m.folder / "other")}
    m.runs("add.berth", note="not compiled by this user", env=elsewhere)
    assert list(m.cache.glob("tmp/*")) == [] and list(m.cache.glob("locks/*")) == []
    for path in [m.cache, *m.cache.rglob("*")]:
        assert path.stat().st_mode & 0o077 == 0, f"{path} is open to others"


def tampered(m):
    """Any byte of it."""
    m("compile", "-o", "add.berth", "add.wat")
    m("compile", "add.wat")
    good = (m.folder / "add.berth").read_bytes()
    runs = 0
    for at in [*range(0, len(good), max(1, len(good) // 60)), *range(0, 64, 8), len(good) - 1]:
        for path in (m.folder / "add.berth", m.objects()[0]):
            bad = bytearray(good)
            bad[at] ^= 0x40
            path.write_bytes(bad)
            path_mode = path.stat().st_mode
            assert path_mode & 0o022 == 0
        out, err = m("run", "--invoke", "f", "add.berth", "3", "2", code=None)
        # A byte of the module or of what says where it lies makes the whole file unusable.
        assert "note: " in err or "error: " in err or "damaged" in err or "cut off" in err or "not complete" in err, \
            f"byte {at}: {out!r} {err!r}"
        assert out in ("5\n", ""), f"byte {at}: {out!r}"
        runs += 1
        bad_objects, _ = m("cache", "verify", code=1)
        assert "0 good, 1 removed" in bad_objects, f"byte {at}: {bad_objects}"
        m("compile", "add.wat")
    print(f"{runs} bytes")
    (m.folder / "add.berth").write_bytes(good)
    m.runs("add.berth")


def truncated(m):
    m("compile", "-o", "add.berth", "add.wat")
    m("compile", "add.wat")
    good = (m.folder / "add.berth").read_bytes()
    for size in [0, 1, 4, 63, 64, 4095, 4096, 8192, len(good) // 2, len(good) - 1]:
        (m.folder / "add.berth").write_bytes(good[:size])
        m.objects()[0].write_bytes(good[:size])
        out, err = m("run", "--invoke", "f", "add.berth", "3", "2", code=1)
        assert out == "" and err, f"{size} bytes: {out!r} {err!r}"
        m.runs("add.wat", tier=("--tier", "native"))  # compiled again
        assert len(m.objects()[0].read_bytes()) == len(good)


def swapped(m):
    """An artifact of another module under its name, in the cache and elsewhere."""
    m("compile", "add.wat")
    [add] = m.objects()
    m("compile", "sub.wat")
    [sub] = [path for path in m.objects() if path != add]
    os.replace(sub, add)
    m.runs("add.wat", tier=("--tier", "native"))
    m.runs("sub.wat", "1\n", tier=("--tier", "native"))
    # Records cannot take each other's place either.
    m("compile", "-o", "add.berth", "add.wat")
    [stamp] = m.cache.glob(f"stamps/a-*-{(m.folder / 'add.berth').stat().st_ino}")
    m("compile", "-o", "sub.berth", "sub.wat")
    (m.folder / "sub.berth").write_bytes((m.folder / "sub.berth").read_bytes()[:-1] + b"?")
    inode = (m.folder / "sub.berth").stat().st_ino
    shutil.copy(stamp, stamp.with_name(re.sub(r"[0-9]+$", str(inode), stamp.name)))
    m.runs("sub.berth", "1\n", note="damaged")


def foreign_mode(m):
    m("compile", "-o", "add.berth", "add.wat")
    (m.folder / "add.berth").chmod(0o666)
    m.runs("add.berth", note="other users may write")
    (m.folder / "add.berth").chmod(0o644)
    m.runs("add.berth")
    m.cache.chmod(0o755)
    m.runs("add.berth", note="chmod 700")
    _, err = m("compile", "add.wat", code=1)
    assert "chmod 700" in err
    m.cache.chmod(0o700)
    (m.cache / "key").chmod(0o640)
    m.runs("add.berth", note="key")
    (m.cache / "key").chmod(0o600)
    m.runs("add.berth")


def foreign_owner(m):
    if os.geteuid() != 0:
        skip("only root can give files away")
    m("compile", "-o", "add.berth", "add.wat")
    os.chown(m.folder / "add.berth", 12345, 12345)
    m.runs("add.berth", note="another user")
    os.chown(m.folder / "add.berth", 0, 0)
    m.runs("add.berth")
    os.chown(m.cache, 12345, 12345)
    m.runs("add.berth", note="another user")


def damaged_key(m):
    m("compile", "-o", "add.berth", "add.wat")
    copy_of(m.cache / "key", lambda data: data[:31])
    m.runs("add.berth", note="remove it")
    (m.cache / "key").unlink()
    m.runs("add.berth", note="not compiled by this user")
    m("compile", "-o", "add.berth", "add.wat")
    m.runs("add.berth")


def stale_compiler(m):
    """What another version compiled is not run, though vouched for by a digest that fits."""
    m("compile", "-o", "add.berth", "add.wat")

    def change(data):
        at = data.index(b"berth-compiler ")
        data[at + 15] ^= 1
    copy_of(m.folder / "add.berth", change)
    m.runs("add.berth", note="does not belong to this Berth")
    m("compile", "-o", "add.berth", "add.wat")

    def change_abi(data):
        at = data.index(b"\0berth\r\n")
        struct.pack_into("<I", data, at + 12, struct.unpack_from("<I", data, at + 12)[0] + 1)
    copy_of(m.folder / "add.berth", change_abi)
    m.runs("add.berth", note="another version of Berth")
    # A compiler that is not this Berth's.
    fake = m.folder / "fake-compiler"
    fake.write_text(f'#!/bin/sh\n{m.compiler} "$@" && for a; do case $last in --output) f=$a;; esac; last=$a; done\n'
                    'sed -i "s/berth-compiler [0-9a-f]/berth-compiler z/" "$f"\n')
    fake.chmod(0o755)
    _, err = m("compile", "add.wat", code=1, env=m.environment | {"BERTH_COMPILER": str(fake)})
    assert "does not belong to this Berth" in err, err
    assert m.objects() == []


def other_options(m):
    m("compile", "--fuel", "-o", "add.berth", "add.wat")
    m.runs("add.berth", note="other options")
    m.runs("add.berth", tier=("--fuel", "1000"))
    m("compile", "--fuel", "add.wat")
    m("compile", "add.wat")
    m("compile", "--deterministic", "add.wat")
    assert len(m.objects()) == 3
    assert sum("fuel" in line for line in m.listed()) == 1


def missing_cpu_feature(m):
    flags = re.search(r"^flags\s*:(.*)", Path("/proc/cpuinfo").read_text(), re.M)
    for cpu, feature in (("bdver4", "fma4"), ("znver4", "sse4a"), ("sapphirerapids", "avx512_fp16")):
        if flags and feature not in flags[1].split():
            break
    else:
        skip("this processor has everything")
    _, err = m("compile", "--cpu", cpu, "add.wat", code=1)
    assert "needs the processor to have" in err, err
    m("compile", "--cpu", cpu, "-o", "add.berth", "add.wat")
    m.runs("add.berth", note="needs the processor to have")
    m("compile", "--cpu", "generic", "-o", "add.berth", "add.wat")
    m.runs("add.berth")


def concurrent(m):
    """Two hundred at once compile one module: one does the work, all succeed."""
    def one(_):
        m("compile", "add.wat")
    with ThreadPoolExecutor(40) as pool:
        list(pool.map(one, range(200)))
    assert len(m.objects()) == 1 and len(list(m.cache.glob("vouched/*"))) == 1
    assert list(m.cache.glob("tmp/*")) == [] and list(m.cache.glob("locks/*")) == []

    def other(i):
        m("compile", *(["--fuel"] if i % 2 else []), "add.wat" if i % 3 else "sub.wat")
        m("cache", "prune", "--size", "16KiB")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(other, range(40)))
    assert m("cache", "verify")[0].endswith("0 removed\n")


def wait_for_child(process):
    for _ in range(1000):
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        if children:
            return int(children[0])
        time.sleep(0.005)
    raise AssertionError("the compiler did not start")


def killed_compiler(m):
    """Nothing is lost and nothing stays behind when the compiler, or berth, is killed while it compiles."""
    slow = m.folder / "slow-compiler"
    slow.write_text(f'#!/bin/sh\nsleep 1\nexec {m.compiler} "$@"\n')
    slow.chmod(0o755)
    environment = m.environment | {"BERTH_COMPILER": str(slow)}
    process = m.start("compile", "add.wat", env=environment)
    os.kill(wait_for_child(process), signal.SIGKILL)
    _, err = process.communicate()
    assert process.returncode == 1 and "SIGKILL" in err, err
    assert m.objects() == [] and list(m.cache.glob("tmp/*")) == []

    process = m.start("compile", "add.wat", env=environment)
    wait_for_child(process)
    process.kill()
    process.communicate()
    m("compile", "add.wat")  # nobody holds the lock
    assert len(m.objects()) == 1


def full_disk(m):
    if os.geteuid() != 0:
        skip("only root can mount a small file system")
    m.cache.mkdir(mode=0o700)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k,nr_inodes=100,mode=700", "tmpfs", m.cache],
                      capture_output=True).returncode != 0:
        skip("this machine lets nobody mount a file system")
    try:
        filler = m.cache / "filler"
        subprocess.run(["dd", "if=/dev/zero", f"of={filler}", "bs=4096"], capture_output=True)
        _, err = m("compile", "add.wat", code=1)
        assert "No space left" in err, err
        m.runs("add.wat", tier=("--tier", "native"), note="No space left")
        os.truncate(filler, filler.stat().st_size - 12288)
        m.runs("add.wat", tier=("--tier", "native"), note="No space left")
        assert list(m.cache.glob("tmp/*")) == []
        filler.unlink()
        m.runs("add.wat", tier=("--tier", "native"))
    finally:
        subprocess.run(["umount", m.cache], check=True)


def limited_files(m):
    """Files may not grow past a size: as a full disk, for everybody."""
    if "tsan" in m.berth.parts:
        skip("the thread sanitizer itself needs larger files")
    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
    _, err = m("compile", "add.wat", code=1, preexec_fn=limit)
    assert "File too large" in err, err
    _, err = m("compile", "-o", "add.berth", "add.wat", code=1, preexec_fn=limit)
    assert not (m.folder / "add.berth").exists() and list(m.cache.glob("tmp/*")) == []
    m("compile", "add.wat")


def read_only_folder(m):
    if os.geteuid() == 0:
        m.environment["BERTH_CACHE_DIR"] = "/proc/berth"  # where root cannot make folders either
        m.runs("add.wat", tier=("--tier", "native"), note="cannot make the cache folder")
        return
    m("compile", "add.wat")
    for path in [*m.cache.iterdir(), m.cache]:
        path.chmod(0o500 if path.is_dir() else 0o400)
    m.runs("add.wat", tier=("--tier", "native"))
    m.runs("sub.wat", "1\n", tier=("--tier", "native"), note="Permission denied")
    for path in [m.cache, *m.cache.iterdir()]:
        path.chmod(0o700)


def missing_compiler(m):
    shutil.copy(m.berth, m.folder / "berth")
    m.berth = m.folder / "berth"
    environment = m.environment | {"PATH": "/nonexistent"}
    _, err = m("compile", "add.wat", code=1, env=environment)
    assert "there is no berth-compiler" in err and "BERTH_COMPILER" in err, err
    m("compile", "add.wat", env=environment | {"PATH": str(m.compiler.parent)})
    _, err = m("compile", "sub.wat", code=1, env=environment | {"BERTH_COMPILER": "/nonexistent"})
    assert "/nonexistent" in err, err


def memory_limit(m):
    if {"asan", "tsan", "coverage"} & set(m.berth.parts):
        skip("instrumented programs take more addresses than any limit would leave them")
    _, err = m("compile", "--max-memory", "8MiB", "add.wat", code=1)
    assert "the compiler failed" in err, err
    assert m.objects() == [] and list(m.cache.glob("tmp/*")) == []


def changed_module(m):
    """One that was written again at once, with its size and its time of modification as before."""
    for name, add, sub in (("m.wat", ADD.encode(), SUB.encode()), ("m.wasm", binary(ADD_CODE), binary(SUB_CODE))):
        path = m.folder / name
        for i in range(20):
            for module, value in ((add, "5\n"), (sub, "1\n")):
                path.write_bytes(module)
                os.utime(path, ns=(10**18, 10**18))
                m.runs(name, value, tier=("--tier", "native"))
                if i % 5 == 0:
                    m.runs(name, value)


def pruning(m):
    for i in range(6):
        (m.folder / f"m{i}.wat").write_text(ADD.replace("i32.add", f"i32.add (i32.const {i}) (i32.add", 1)
                                            .replace("))))", ")))))") if i else ADD)
    for i in range(6):
        m("compile", f"m{i}.wat")
    assert len(m.objects()) == 6
    sizes = sum(path.stat().st_blocks * 512 for path in m.objects())
    m("cache", "prune", "--size", str(sizes // 2))
    assert len(m.objects()) == 3
    m("compile", "m0.wat", env=m.environment | {"BERTH_CACHE_SIZE": "1KiB"})
    assert len(m.objects()) == 1 and "m0.wat" in m.listed()[0]
    m("compile", "-o", "m1.berth", "m1.wat")
    m("cache", "prune", "--size", "0")
    assert m.objects() == []
    m.runs("m1.berth", "6\n")
    m("cache", "prune", "--all")
    m.runs("m1.berth", "6\n", note="not compiled by this user")
    _, err = m("cache", "ls", code=2, env=m.environment | {"BERTH_CACHE_SIZE": "much"})
    assert "BERTH_CACHE_SIZE" in err


def quick_start(m):
    """An artifact of known stamp is not read when it starts."""
    if not shutil.which("strace"):
        skip("strace is not installed")
    (m.folder / "big.wat").write_text(ADD[:-2] + f'(memory 200) (data (i32.const 0) "{"x" * 8_000_000}"))\n')
    m("compile", "-o", "big.berth", "big.wat")
    assert m.bytes_read("big.berth") < 200_000


def quick_module(m):
    """A module of known stamp that the cache has native code of is neither read nor validated when it starts."""
    if not shutil.which("strace"):
        skip("strace is not installed")
    (m.folder / "big.wasm").write_bytes(binary(ADD_CODE, 8_000_000))
    assert m.bytes_read("big.wasm", "--tier", "native") > 8_000_000
    for tier in ((), ("--tier", "native"), ("--tier", "auto")):
        assert m.bytes_read("big.wasm", *tier) < 200_000, tier
    assert m.bytes_read("big.wasm", "--tier", "interp") > 8_000_000
    (m.folder / "other.wasm").write_bytes(binary(SUB_CODE, 8_000_000))
    m("compile", "other.wasm")
    assert m.bytes_read("other.wasm", value="1\n") < 200_000


def disabled_feature(m):
    """What the compiler allowed is not what everybody allows."""
    (m.folder / "m.wasm").write_bytes(binary(bytes([0x20, 0, 0xC0, 0x20, 1, 0x6A]), 100_000))  # i32.extend8_s
    m("compile", "m.wasm")
    m.runs("m.wasm", "5\n")
    _, err = m("run", "--disable", "sign-extension", "--invoke", "f", "m.wasm", "3", "2", code=1)
    assert "sign-extension" in err, err
    m("compile", "-o", "m.berth", "m.wasm")
    m.runs("m.berth", "5\n")
    _, err = m("run", "--disable", "sign-extension", "--invoke", "f", "m.berth", "3", "2", code=1)
    assert "sign-extension" in err, err


def protected_code(m):
    """While native code runs nothing is writable and executable, nor executable without a file, and no compiler is
    in the process."""
    loop = '(module (func (export "f") (loop $l (br $l))))\n'
    (m.folder / "loop.wat").write_text(loop)
    m("compile", "loop.wat")
    for tier in ("native", "auto"):
        guest = m.start("run", "--tier", tier, "--invoke", "f", "loop.wat")
        try:
            maps = ""
            for _ in range(500):
                maps = Path(f"/proc/{guest.pid}/maps").read_text()
                if ".berth" in maps or guest.poll() is not None:
                    break
                time.sleep(0.02)
            lines = [line.split(maxsplit=5) for line in maps.splitlines()]
            code = [line for line in lines if "x" in line[1]]
            assert any(line[-1].endswith(".berth") for line in code), maps
            for line in code:
                assert "w" not in line[1], line
                assert len(line) == 6 and line[5].startswith(("/", "[vdso]", "[vsyscall]")), line
                assert "LLVM" not in line[5], line
            assert b"LLVM ERROR" not in m.berth.read_bytes(), "berth contains LLVM"
        finally:
            guest.kill()
            guest.communicate()


def hot_second_module(m):
    """The module that is busy is compiled, whichever of several it is."""
    (m.folder / "busy.wat").write_text('(module (func (export "f") (loop $l (br $l))))\n')
    (m.folder / "idle.wat").write_text('(module (import "busy" "f" (func $f)) (func (export "g") (call $f)))\n')
    guest = m.start("run", "--preload", "busy=busy.wat", "--timeout", "30s", "--invoke", "g", "idle.wat",
                    env=m.environment | {"BERTH_VERBOSE": "1"})
    said = ""
    for line in guest.stderr:
        said += line
        if "there is native code for them" in line:
            break
    guest.kill()
    guest.communicate()
    assert "there is native code for them" in said, said
    assert "the whole module" not in said, f"all was compiled first: {said}"


if __name__ == "__main__":
    if "BERTH" not in os.environ:
        print("set BERTH to the program under test: BERTH=build/dev/bin/berth")
        sys.exit(2)
    if not Path(os.environ["BERTH"]).with_name("berth-compiler").exists():
        skip("there is no berth-compiler beside the program under test")
    os.umask(0o022)
    with tempfile.TemporaryDirectory(prefix="berth-cache-") as scratch:
        globals()[sys.argv[1]](Machine(Path(scratch)))
