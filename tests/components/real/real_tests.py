#!/usr/bin/env python3
"""Components that real toolchains make of the programs of this folder: under berth they print and return what they do
under wasmtime, and berth prints, describes and composes them as wasm-tools would.

  real_tests.py CASE --berth BERTH

Exits 77, after saying why, where a toolchain is not to be had; see toolchains.py.
"""

import argparse
import os
import shutil
import socketserver
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import toolchains
from toolchains import run

HERE = Path(__file__).resolve().parent
EXIT_SKIPPED = 77
CASES = {}


def case(function):
    CASES[function.__name__] = function
    return function


class Bench:
    def __init__(self, berth, folder):
        self.berth, self.folder = berth, folder
        self.tools = toolchains.Tools()

    # --- what is compared

    def described(self, component):
        """What berth says of a component agrees with wasm-tools."""
        wasm_tools = self.tools.tool("wasm-tools")
        wit = run([self.berth, "inspect", "--wit", component]).stdout.decode()
        theirs = run([wasm_tools, "component", "wit", component]).stdout.decode()
        assert wit == theirs, difference(theirs, wit)
        text = self.folder / "printed.wat"
        text.write_bytes(run([self.berth, "inspect", "--wat", component]).stdout)
        back = self.folder / "printed.wasm"
        run([wasm_tools, "parse", text, "-o", back])
        run([wasm_tools, "validate", "--features", "all", back])
        # But for names and the lengths that linkers leave room for, it is the same.
        def stripped(file):
            run([wasm_tools, "strip", "--all", file, "-o", self.folder / "stripped.wasm"])
            return run([wasm_tools, "print", self.folder / "stripped.wasm"]).stdout
        assert stripped(back) == stripped(component), "printed and read back by wasm-tools, it is another component"
        assert run([self.berth, "validate", text]).returncode == 0

    def both(self, component, *words, berth_options=(), wasmtime_options=(), options=(), status, **more):
        """The same output and exit code under both; the output."""
        outcomes = {}
        berth = [self.berth, "run", *berth_options]
        commands = {"wasmtime": [self.tools.tool("wasmtime"), "run", *wasmtime_options],
                    "berth": [*berth, "--tier", "interp"]}
        # Compiling an engine for JavaScript takes minutes.
        if component.stat().st_size < 1_000_000 or os.environ.get("BERTH_COMPONENT_NATIVE"):
            commands["berth native"] = [*berth, "--tier", "native"]
        for name, command in commands.items():
            work = self.folder / "work"
            shutil.rmtree(work, ignore_errors=True)
            work.mkdir()
            done = subprocess.run([str(w) for w in [*command, *options, component, *words]], capture_output=True,
                                  timeout=600, **more)
            outcomes[name] = (done.returncode, done.stdout.decode(), done.stderr.decode(errors="replace"))
        expected = outcomes["wasmtime"]
        for name, (code, output, errors) in outcomes.items():
            assert output == expected[1], f"{name}: {difference(expected[1], output)}\n{errors}"
            assert code == status, f"{name}: exit code {code}, not {status}\n{output[-500:]}{errors[-2000:]}"
        return expected[1]


def difference(expected, actual):
    import difflib
    return "\n".join(list(difflib.unified_diff(expected.splitlines(), actual.splitlines(), "expected", "actual", lineterm=""))[:40])


# --- what the guests talk to

class Http(socketserver.StreamRequestHandler):
    def handle(self):
        self.rfile.readline()
        size, chunked = 0, False
        while (line := self.rfile.readline().strip().lower()):
            if line.startswith(b"content-length:"):
                size = int(line.split(b":")[1])
            chunked |= line.startswith(b"transfer-encoding:") and b"chunked" in line
        body = self.rfile.read(size)
        while chunked and (size := int(self.rfile.readline() or b"0", 16)) > 0:
            body += self.rfile.read(size)
            self.rfile.readline()
        self.wfile.write(b"HTTP/1.1 200 OK\r\nx-answer: yes\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body))


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def __init__(self, handler):
        super().__init__(("127.0.0.1", 0), handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()
        self.address = "127.0.0.1:%d" % self.server_address[1]


# --- cases

def javascript_component(b, source, world):
    wit = toolchains.write_wit(b.tools, b.folder / f"wit-{source.stem}", world)
    output = b.folder / f"{source.stem}.wasm"
    script = ("import { componentize } from '@bytecodealliance/componentize-js';"
              "import { readFileSync, writeFileSync } from 'node:fs';"
              "const [source, witPath, output, worldName] = process.argv.slice(2);"
              "const { component } = await componentize(readFileSync(source, 'utf8'), { witPath, worldName });"
              "writeFileSync(output, component);")
    build = b.tools.folder / "npm/build.mjs"
    build.write_text(script)
    run(["node", build, source, wit, output, "app"], cwd=b.tools.folder / "npm")
    return output


@case
def javascript(b):
    component = javascript_component(
        b, HERE / "app.js", "world app {\n" + toolchains.every_import() + "  export wasi:cli/run@0.2.12;\n}\n")
    assert component.stat().st_size > 10_000_000
    b.described(component)
    http = Server(Http)
    output = b.both(component, "one", http.address, input=b"some input", status=1,
                    berth_options=["--dir", f"{b.folder}/work::/", "--env", "NAME=value", "--allow-http", http.address],
                    wasmtime_options=["--dir", f"{b.folder}/work::/", "--env", "NAME=value", "-S",
                                      "http,inherit-network"])
    assert output.endswith("done\n"), output


@case
def python(b):
    wit = toolchains.write_wit(b.tools, b.folder / "wit-python", "world app {\n  export wasi:cli/run@0.2.12;\n}\n")
    component = b.folder / "python.wasm"
    run([b.tools.tool("componentize-py"), "-d", wit, "-w", "app", "componentize", "app", "-o", component], cwd=HERE,
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"})
    assert component.stat().st_size > 10_000_000
    b.described(component)
    output = b.both(component, "one", "two", input=b"some input", status=1,
                    options=["--dir", f"{b.folder}/work::/folder", "--env", "NAME=value"])
    assert "lines ['one', 'two', 'three']" in output, output


def adapted(b, core):
    component = core.with_suffix(".component.wasm")
    run([b.tools.tool("wasm-tools"), "component", "new", core, "--adapt",
         f"wasi_snapshot_preview1={b.tools.adapter}", "-o", component])
    return component


@case
def rust(b):
    rustc = next((r for r in ("/usr/bin/rustc", shutil.which("rustc")) if r and Path(r).exists()), None)
    if not rustc or not list(Path("/usr/lib/rustlib").glob("wasm32-wasi")):
        raise toolchains.Unavailable("rustc and libstd-rust-dev-wasm32 are not installed")
    core = b.folder / "rust.wasm"
    run([rustc, "--target", "wasm32-wasi", "-O", HERE / "app.rs", "-o", core])
    component = adapted(b, core)
    b.described(component)
    output = b.both(component, "one", "two", input=b"some input", status=1,
                    options=["--dir", f"{b.folder}/work::/folder", "--env", "NAME=value"])
    assert "left 0" in output, output


@case
def c(b):
    core = b.folder / "c.wasm"
    run(["clang-19", "--target=wasm32-wasi", "-O2", HERE / "app.c", "-o", core])
    component = adapted(b, core)
    b.described(component)
    output = b.both(component, "one", "two", input=b"some input", status=0,
                    options=["--dir", f"{b.folder}/work::/folder", "--env", "NAME=value"])
    assert "done" in output, output
    # With one of its imports provided by a component, and all others passed on.
    whole = b.folder / "whole.wasm"
    done = run([b.berth, "compose", HERE / "arguments.wat", component, "-o", whole])
    assert b"wasi:cli/environment" in done.stdout, done.stdout
    run([b.tools.tool("wasm-tools"), "validate", "--features", "all", whole])
    b.described(whole)
    output = b.both(whole, "one", "two", input=b"some input", status=0,
                    options=["--dir", f"{b.folder}/work::/folder", "--env", "NAME=value"])
    assert output.startswith("arguments 2 A\nenvironment (null) empty\n"), output


@case
def compose(b):
    """A plug of JavaScript into a program of JavaScript, and the program's own into that of Python."""
    greet = "interface greet {\n  record person { name: string, age: u32 }\n  hello: func(who: person) -> string;\n}\n"
    plug = javascript_component(b, HERE / "plug.js", greet + "world app {\n  export greet;\n}\n")
    app = javascript_component(b, HERE / "greeter.js",
                               greet + "world app {\n  import greet;\n  import wasi:cli/stdout@0.2.12;\n"
                               "  import wasi:cli/environment@0.2.12;\n  export wasi:cli/run@0.2.12;\n}\n")
    whole = b.folder / "whole.wasm"
    done = run([b.berth, "compose", plug, app, "-o", whole])
    assert b"greeter.wasm: test:real/greet from plug.wasm" in done.stdout, done.stdout
    run([b.tools.tool("wasm-tools"), "validate", "--features", "all", whole])
    b.described(whole)
    assert b.both(whole, "Ada", wasmtime_options=["-S", "http"], status=0) == "Hello, Ada of 36!\n"
    refused = subprocess.run([b.berth, "compose", app, plug, "-o", whole], capture_output=True)
    assert refused.returncode == 1 and b"nothing of greeter.wasm is used" in refused.stderr, refused.stderr


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("case", choices=list(CASES))
    parser.add_argument("--berth", type=Path, default=os.environ.get("BERTH"))
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="berth-real-") as folder:
        os.environ["BERTH_CACHE_DIR"] = f"{folder}/cache"
        try:
            CASES[chosen.case](Bench(chosen.berth.resolve(), Path(folder)))
        except (toolchains.Unavailable, toolchains.componentize.Unavailable) as reason:
            print(f"SKIPPED: {reason}")
            return EXIT_SKIPPED
        except (AssertionError, subprocess.SubprocessError) as error:
            print(f"{chosen.case}: {error}")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
