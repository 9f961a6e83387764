"""Modules made for measuring: an empty one, and large ones of varied code that print one line."""

import random
import struct
from pathlib import Path

I32, I64, F64 = 0x7F, 0x7E, 0x7C


def uleb(value: int) -> bytes:
    out = bytearray()
    while True:
        byte, value = value & 0x7F, value >> 7
        out.append(byte | (0x80 if value else 0))
        if not value:
            return bytes(out)


def sleb(value: int) -> bytes:
    out = bytearray()
    while True:
        byte, value = value & 0x7F, value >> 7
        done = (value == 0 and not byte & 0x40) or (value == -1 and byte & 0x40)
        out.append(byte | (0 if done else 0x80))
        if done:
            return bytes(out)


def vector(items) -> bytes:
    items = list(items)
    return uleb(len(items)) + b"".join(items)


def name(text: str) -> bytes:
    return uleb(len(text)) + text.encode()


def section(number: int, body: bytes) -> bytes:
    return bytes([number]) + uleb(len(body)) + body


def function_type(parameters, results) -> bytes:
    return b"\x60" + vector(bytes([t]) for t in parameters) + vector(bytes([t]) for t in results)


def assemble(bodies, imports=b"\x00", imported=0, data=b"\x00", start=0) -> bytes:
    """A module of `bodies`, function 0 (after imports) being `_start`; the rest are (i32, i32) -> i32."""
    types = vector([function_type([], []), function_type([I32, I32], [I32]),
                    function_type([I32, I32, I32, I32], [I32])])
    functions = vector(uleb(0 if i == start else 1) for i in range(len(bodies)))
    exports = vector([name("_start") + b"\x00" + uleb(imported + start),
                      name("memory") + b"\x02\x00"])
    code = vector(uleb(len(body)) + body for body in bodies)
    return (b"\0asm" + struct.pack("<I", 1) + section(1, types) + section(2, imports)
            + section(3, functions) + section(5, b"\x01\x00\x02") + section(7, exports)
            + section(10, code) + section(11, data))


def empty() -> bytes:
    return assemble([b"\x00\x0b"])


def random_body(source: random.Random, callees: int) -> bytes:
    """Code of the sort compilers emit: arithmetic on locals, loads and stores, branches, calls."""
    out = bytearray(vector([uleb(6) + bytes([I32]), uleb(2) + bytes([I64]), uleb(2) + bytes([F64])]))
    get = lambda: b"\x20" + uleb(source.randrange(8))
    for _ in range(source.randrange(10, 60)):
        kind = source.randrange(8)
        to = b"\x21" + uleb(source.randrange(8))
        if kind <= 2:
            operator = source.choice(b"\x6a\x6b\x6c\x71\x72\x73\x74\x76")
            out += get() + b"\x41" + sleb(source.randrange(-2000, 2000)) + bytes([operator]) + to
        elif kind == 3:
            out += get() + b"\x28\x02" + uleb(source.randrange(4096)) + to
        elif kind == 4:
            out += get() + get() + b"\x36\x02" + uleb(source.randrange(4096))
        elif kind == 5:
            condition = bytes([source.choice(b"\x46\x47\x48\x4a\x4c\x4e")])
            out += b"\x02\x40" + get() + get() + condition + b"\x0d\x00" + get() + to + b"\x0b"
        elif kind == 6:
            out += get() + get() + b"\x10" + uleb(2 + source.randrange(callees)) + to
        else:
            out += b"\x20\x0a\x20\x0b" + bytes([source.choice(b"\xa0\xa1\xa2")]) + b"\x21\x0a"
    return bytes(out) + get() + b"\x0b"


def large(megabytes: int, seed: int = 2026) -> bytes:
    """About `megabytes` MB whose `_start` prints "first line" through WASI and returns."""
    source = random.Random(seed)
    kinds = [random_body(source, 1000) for _ in range(2000)]
    line = b"first line\n"
    body = (b"\x00\x41\x01\x41\x00\x41\x01\x41\x20\x10\x00\x1a\x0b")  # fd_write(1, 0, 1, 32)
    bodies, size = [body], 0
    while size < megabytes * 1_000_000:
        bodies.append(kinds[source.randrange(len(kinds))])
        size += len(bodies[-1]) + 3
    imports = vector([name("wasi_snapshot_preview1") + name("fd_write") + b"\x00\x02"])
    vector_of_one = struct.pack("<II", 8, len(line)) + line
    data = vector([b"\x00\x41\x00\x0b" + uleb(len(vector_of_one)) + vector_of_one])
    return assemble(bodies, imports, imported=1, data=data)


def written(path: Path, make) -> Path:
    """`path`, made by `make` unless it is there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        path.write_bytes(make())
    return path
