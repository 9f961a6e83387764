"""Makes components of C programs, for tests: the header that declares WASI 0.2's functions, and the component in text
around a core module that imports them. What it knows of WASI is in wasi2.txt.

A program shares its memory with a small module that lends it: results which take memory are put where the program says
by calling `arena` before (see header()).
"""

import re
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
COMPILER = "clang-19"


class Unavailable(Exception):
    """A toolchain that this machine does not have; says which."""


# --- types ------------------------------------------------------------------------------------------

PRIMITIVES = {"bool": "i32", "u8": "i32", "u16": "i32", "u32": "i32", "u64": "i64", "string": "i32 i32"}


def split(text, separator):
    """Splits at separators outside of brackets."""
    parts, depth, start = [], 0, 0
    for i, c in enumerate(text):
        depth += c in "<(" and 1 or 0
        depth -= c in ">)" and 1 or 0
        if c == separator and depth == 0:
            parts.append(text[start:i])
            start = i + 1
    parts.append(text[start:])
    return [part.strip() for part in parts if part.strip()]


def apart(text):
    """`list<u8>` as ("list", ["u8"])."""
    name, _, rest = text.partition("<")
    return name, split(rest[:-1], ",") if rest else []


@dataclass
class Interface:
    name: str
    uses: dict = field(default_factory=dict)       # type: interface it is of
    types: dict = field(default_factory=dict)      # name: (kind, [(label, type)])
    functions: dict = field(default_factory=dict)  # name: ([(parameter, type)], result or None)


def read_world():
    world, current = {}, None
    for line in (HERE / "wasi2.txt").read_text().splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        if not line.startswith(" "):
            current = world[line] = Interface(line)
            continue
        line = line.strip()
        if match := re.match(r"use (\S+): (.*)", line):
            current.uses |= {name: match[1] for name in match[2].split()}
        elif match := re.match(r"resource (\S+)$", line):
            current.types[match[1]] = ("resource", [])
        elif match := re.match(r"(enum|flags|variant|record) (\S+): (.*)", line):
            cases = [re.fullmatch(r"([^(]+)(?:\((.*)\))?", part) for part in split(match[3], " ")]
            current.types[match[2]] = (match[1], [(case[1], case[2]) for case in cases])
        else:
            match = re.fullmatch(r"([^(]+)\((.*)\)(?: -> (.*))?", line)
            parameters = [tuple(part.split(": ")) for part in split(match[2], ",")]
            current.functions[match[1]] = (parameters, match[3])
    return world


WORLD = read_world()


def flat(interface, text):
    """The core types of a type."""
    if text in PRIMITIVES:
        return PRIMITIVES[text].split()
    name, inner = apart(text)
    if name in ("own", "borrow"):
        return ["i32"]
    if name == "list":
        return ["i32", "i32"]
    if name == "tuple":
        return [core for part in inner for core in flat(interface, part)]
    if name == "option":
        return variant(interface, [None, inner[0]])
    if name == "result":
        return variant(interface, [part if part != "_" else None for part in inner] or [None, None])
    if name in interface.uses:
        return flat(WORLD[interface.uses[name]], name)
    kind, parts = interface.types[name]
    if kind in ("enum", "flags"):
        return ["i32"]
    if kind == "record":
        return [core for _, part in parts for core in flat(interface, part)]
    return variant(interface, [part for _, part in parts])


def variant(interface, payloads):
    joined = []
    for payload in payloads:
        for i, core in enumerate(flat(interface, payload) if payload else []):
            if i == len(joined):
                joined.append(core)
            elif joined[i] != core:
                joined[i] = "i64"
    return ["i32"] + joined


def signature(interface, function):
    """Core parameters and results of a lowered function."""
    parameters, result = interface.functions[function]
    cores = [core for _, part in parameters for core in flat(interface, part)]
    assert len(cores) <= 16, function
    results = flat(interface, result) if result else []
    if len(results) > 1:
        return cores + ["i32"], []
    return cores, results


def header(version):
    """C declarations: `wasi:io/poll#poll` is io_poll_poll; drops are named after resources."""
    lines = ["// Generated from wasi2.txt.", "#pragma once", "#include <stdint.h>"]
    lines += [
        "// Where the next results that take memory go, one after the other.",
        '__attribute__((import_module("env"), import_name("arena"))) void arena(void* start, uint32_t bytes);']
    c_type = {"i32": "int32_t", "i64": "int64_t"}

    def declare(module, name, c_name, cores, results):
        lines.append(f'__attribute__((import_module("{module}@{version}"), import_name("{name}"))) '
                     f'{c_type[results[0]] if results else "void"} {c_name}('
                     f'{", ".join(c_type[core] for core in cores) or "void"});')

    for interface in WORLD.values():
        prefix = re.sub(r"\W", "_", interface.name.removeprefix("wasi:")) + "_"
        for function in interface.functions:
            plain = re.sub(r"^\[\w+\]", "", function)
            declare(interface.name, function, prefix + re.sub(r"\W", "_", plain), *signature(interface, function))
        for name, (kind, parts) in interface.types.items():
            if kind == "resource":
                c_name = re.sub(r"\W", "_", name)
                declare(interface.name, f"[resource-drop]{name}", f"drop_{c_name}", ["i32"], [])
            elif kind == "enum":
                short = prefix + re.sub(r"\W", "_", name) + "_"
                lines.append("enum { " + ", ".join(short + re.sub(r"\W", "_", label) for label, _ in parts) + " };")
    return "\n".join(lines) + "\n"


# --- the component ------------------------------------------------------------------------------------


def leb(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, at


def core_imports(binary):
    """(module, name) of each imported function, and the least pages of the imported memory."""
    at, functions, pages = 8, [], None
    while at < len(binary):
        section, start = binary[at], at + 1
        size, start = leb(binary, start)
        if section == 2:
            count, p = leb(binary, start)
            for _ in range(count):
                names = []
                for _ in range(2):
                    length, p = leb(binary, p)
                    names.append(binary[p:p + length].decode())
                    p += length
                kind = binary[p]
                p += 1
                if kind == 0:
                    _, p = leb(binary, p)
                    functions.append(tuple(names))
                elif kind == 2:
                    limits = binary[p]
                    pages, p = leb(binary, p + 1)
                    if limits & 1:
                        _, p = leb(binary, p)
                else:
                    raise ValueError(f"{names} is neither a function nor a memory")
        at = start + size
    return functions, pages


class Writer:
    def __init__(self, version, handles=False):
        self.version = version
        self.handles = handles  # requests (wasi:http/incoming-handler), rather than being run
        self.lines = []
        self.declared = {}  # interface: its functions that are imported

    def wat(self, text):
        if text in PRIMITIVES:
            return text
        name, inner = apart(text)
        if name in ("own", "borrow"):
            return f"({name} ${inner[0]})"
        if name == "result":
            ok = f" {self.wat(inner[0])}" if inner and inner[0] != "_" else ""
            error = f" (error {self.wat(inner[1])})" if len(inner) > 1 and inner[1] != "_" else ""
            return f"(result{ok}{error})"
        if name in ("list", "option", "tuple"):
            return f"({name} {' '.join(self.wat(part) for part in inner)})"
        return f"${name}"

    def definition(self, kind, parts):
        if kind in ("enum", "flags"):
            return f"({kind} " + " ".join(f'"{label}"' for label, _ in parts) + ")"
        word = "case" if kind == "variant" else "field"
        return f"({kind} " + " ".join(
            f'({word} "{label}"{" " + self.wat(part) if part else ""})' for label, part in parts) + ")"

    def interface(self, name, functions):
        """The import of an interface, with those it uses before."""
        if name in self.declared:
            return
        interface = WORLD[name]
        for other in interface.uses.values():
            self.interface(other, self.wanted.get(other, []))
        self.declared[name] = functions
        short = name.removeprefix("wasi:")
        self.lines.append(f'  (import "{name}@{self.version}" (instance ${short}')
        for used, other in interface.uses.items():
            source = other.removeprefix("wasi:")
            self.lines.append(f'    (alias outer 1 ${source}.{used} (type $outer-{used}))')
            self.lines.append(f'    (export "{used}" (type ${used} (eq $outer-{used})))')
        for own, (kind, parts) in interface.types.items():
            if kind == "resource":
                self.lines.append(f'    (export "{own}" (type ${own} (sub resource)))')
            else:
                self.lines.append(f"    (type $plain-{own} {self.definition(kind, parts)})")
                self.lines.append(f'    (export "{own}" (type ${own} (eq $plain-{own})))')
        for function in functions:
            parameters, result = interface.functions[function]
            words = [f'(param "{label}" {self.wat(part)})' for label, part in parameters]
            words += [f"(result {self.wat(result)})"] if result else []
            self.lines.append(f'    (export "{function}" (func {" ".join(words)}))')
        self.lines.append("  ))")
        for own in interface.types:
            self.lines.append(f'  (alias export ${short} "{own}" (type ${short}.{own}))')

    def component(self, binary):
        functions, pages = core_imports(binary)
        self.wanted = {}
        for module, function in functions:
            if module == "env":
                continue
            name = module.partition("@")[0]
            self.wanted.setdefault(name, [])
            if not function.startswith("[resource-drop]"):
                self.wanted[name].append(function)
        for name, wanted in self.wanted.items():
            self.interface(name, wanted)
        self.lines.append(f"""  (core module $lender
    (memory (export "memory") {pages})
    (global $next (mut i32) (i32.const 0))
    (global $end (mut i32) (i32.const 0))
    (func (export "arena") (param i32 i32)
      (global.set $next (local.get 0))
      (global.set $end (i32.add (local.get 0) (local.get 1))))
    (func (export "realloc") (param $old i32) (param $old-size i32) (param $align i32) (param $size i32) (result i32)
      (local $at i32)
      (local.set $at (i32.and (i32.add (global.get $next) (i32.sub (local.get $align) (i32.const 1)))
                              (i32.sub (i32.const 0) (local.get $align))))
      (if (i32.gt_u (i32.add (local.get $at) (local.get $size)) (global.get $end)) (then unreachable))
      (global.set $next (i32.add (local.get $at) (local.get $size)))
      (local.get $at)))
  (core instance $lender (instantiate $lender))""")
        given = {}
        for module, function in functions:
            if module == "env":
                continue
            core = f"${module.partition('@')[0]}#{function}".replace("[", "").replace("]", "-")
            short = module.partition("@")[0].removeprefix("wasi:")
            if function.startswith("[resource-drop]"):
                kind = function.removeprefix("[resource-drop]")
                self.lines.append(f"  (core func {core} (canon resource.drop ${short}.{kind}))")
            else:
                self.lines.append(f'  (core func {core} (canon lower (func ${short} "{function}") '
                                  f'(memory $lender "memory") (realloc (func $lender "realloc"))))')
            given.setdefault(module, []).append(f'(export "{function}" (func {core}))')
        data = "".join(f"\\{byte:02x}" for byte in binary)
        self.lines.append(f'  (core module $main binary "{data}")')
        arguments = ['(with "env" (instance $lender))']
        arguments += [f'(with "{module}" (instance {" ".join(items)}))' for module, items in given.items()]
        self.lines.append(f"  (core instance $main (instantiate $main {' '.join(arguments)}))")
        if self.handles:
            self.lines.append('  (func $handle (param "request" (own $http/types.incoming-request)) '
                              '(param "response-out" (own $http/types.response-outparam)) '
                              '(canon lift (core func $main "handle")))')
            self.lines.append('  (instance $handler (export "handle" (func $handle)))')
            self.lines.append(f'  (export "wasi:http/incoming-handler@{self.version}" (instance $handler))')
        else:
            self.lines.append('  (func $run (result (result)) (canon lift (core func $main "run")))')
            self.lines.append('  (instance $run (export "run" (func $run)))')
            self.lines.append(f'  (export "wasi:cli/run@{self.version}" (instance $run))')
        return "(component\n" + "\n".join(self.lines) + ")\n"


def build(sources, output, version="0.2.0", flags=(), memory=64 << 20):
    """Compiles C programs, with whatever they need of guests/p1.c, and makes a component of them at `output`."""
    if not shutil.which(COMPILER) or not shutil.which("wasm-ld-19") or not Path("/usr/lib/wasm32-wasi/libc.a").exists():
        raise Unavailable("the wasi toolchain is not installed (clang-19, lld-19, wasi-libc)")
    folder = output.parent
    (folder / "wasi2.h").write_text(header(version))
    core = output.with_suffix(".core.wasm")
    subprocess.run([COMPILER, "--target=wasm32-wasi", "-O1", "-Wall", "-Wextra", "-Werror", "-I", folder, *sources,
                    HERE / "guests" / "p1.c", "-Wl,--import-memory", f"-Wl,--initial-memory={memory}",
                    "-Wl,--export=run", "-Wl,--strip-debug", *flags, "-o", core], check=True)
    output.write_text(Writer(version).component(core.read_bytes()))
    return output


def build_handler(source, output, version="0.2.0", memory=1 << 20):
    """Compiles a C program without a library, whose `handle` answers requests, and makes a component of it."""
    if not shutil.which(COMPILER) or not shutil.which("wasm-ld-19"):
        raise Unavailable("the toolchain is not installed (clang-19, lld-19)")
    (output.parent / "wasi2.h").write_text(header(version))
    core = output.with_suffix(".core.wasm")
    subprocess.run([COMPILER, "--target=wasm32", "-O2", "-ffreestanding", "-nostdlib", "-mbulk-memory", "-Wall",
                    "-Wextra", "-Werror", "-I", output.parent, source, "-Wl,--import-memory", "-Wl,--no-entry",
                    f"-Wl,--initial-memory={memory}", "-Wl,-z,stack-size=65536", "-Wl,--stack-first",
                    "-Wl,--export=handle", "-Wl,--strip-debug", "-o", core], check=True)
    output.write_text(Writer(version, handles=True).component(core.read_bytes()))
    return output
