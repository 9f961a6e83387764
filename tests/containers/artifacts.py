#!/usr/bin/env python3
"""Native code in containers: made on the node, outside of them, once. artifacts.py CASE crun|runc. Exits 77 where it
cannot check."""

import os
import signal
import subprocess
import time
from pathlib import Path

from setting import Runtime, main, wait_until


class Node(Runtime):
    """A node that keeps native code, with a compiler that takes notes and can be told to wait or to fail."""

    def __init__(self, folder, below):
        super().__init__(folder, below)
        self.code = folder / "lib/code"
        self.notes = folder / "notes"
        self.notes.write_text("")
        compiler = folder / "compiler"
        compiler.write_text(f"""#!/bin/sh
{{ echo "compiler $$"; cat /proc/self/cgroup; }} >>{self.notes}
while [ -e {folder}/wait ]; do sleep 0.05; done
[ ! -e {folder}/fail ] || {{ echo "berth-compiler: told to fail" >&2; exit 1; }}
exec {self.berth.with_name("berth-compiler")} "$@"
""")
        compiler.chmod(0o755)
        self.environment |= {"BERTH_OCI_CODE": str(self.code), "BERTH_COMPILER": str(compiler)}

    def another_module(self):
        """From now on the guest is another module that does the same: a custom section makes the difference."""
        self.wasm.write_bytes(self.wasm.read_bytes() + b"\x00\x02\x01x")

    def compilations(self):
        return self.notes.read_text().count("compiler")

    def artifacts(self):
        return sorted(path for path in self.code.glob("*/*.berth"))

    def wait_for_artifacts(self, count):
        wait_until(lambda: len(self.artifacts()) == count, f"{count} artifacts in {list(self.code.rglob('*'))}", 60)

    def maps(self, name):
        return (Path("/proc") / (self.folder / name / "pid").read_text() / "maps").read_text()

    def runs_natively(self, name):
        return any("/code/" in line and "r-x" in line for line in self.maps(name).splitlines())

    def end(self, name):
        self("kill", name, "KILL")
        self.wait_stopped(name)
        self.delete(name)

    def nobody_compiles(self):
        """Whether no process is left that compiles for this node."""
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if str(self.code).encode() in (process / "cmdline").read_bytes():
                    return False
            except OSError:
                continue
        return True


def speed(node, name):
    return int(node.log(name).splitlines()[-1].split()[0])


def becomes_native(node):
    """The first container starts in the interpreter and goes on natively; the second one starts so."""
    (node.folder / "wait").touch()
    name = node.start("/guest.wasm", "rounds")
    wait_until(lambda: len(node.log(name).splitlines()) > 2, "rounds in the interpreter")
    wait_until(lambda: node.compilations() == 1, "the compiler")
    assert name not in node.notes.read_text(), f"compiled within the container: {node.notes.read_text()}"
    assert not node.runs_natively(name) and not node.artifacts()
    interpreted = speed(node, name)
    (node.folder / "wait").unlink()
    wait_until(lambda: node.runs_natively(name), "native code in the running container", 60)
    wait_until(lambda: speed(node, name) > 2 * interpreted, f"more rounds than {interpreted}: {node.log(name)}", 60)
    node.end(name)
    again = node.start("/guest.wasm", "rounds", user={"uid": 1000, "gid": 1000})
    wait_until(lambda: node.log(again), "rounds")
    assert node.runs_natively(again), node.maps(again)
    node.end(again)
    third = node.start("/guest.wasm", "sleep", says="sleeping", annotations={"run.berth.tier": "interp"})
    assert not node.runs_natively(third)
    node.end(third)
    assert node.run("/guest.wasm", "exit", "7", code=7) == ""
    node.run("/guest.wasm", "trap", code=134)
    assert "guest.wasm" in node.last.stderr, node.last.stderr
    assert "cannot write" in node.run("/guest.wasm", "write", "/dev/.berth/code/new", "x", code=1)
    assert node.compilations() == 1, node.notes.read_text()


def once(node):
    """Many starts at once, one compilation; a killed one leaves nothing, and the next start does it again."""
    (node.folder / "wait").touch()
    names = [node.bundle(["/guest.wasm", "exit", "0"]) for _ in range(20)]
    running = [subprocess.Popen(node.words("run", "--bundle", node.folder / name, name), env=node.environment,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
               for name in names]
    for process in running:
        output = process.communicate(timeout=60)[0]
        assert process.returncode == 0, output
    wait_until(lambda: node.compilations() == 1, "the compiler")
    # Berth before its compiler.
    for process in sorted(Path("/proc").glob("[0-9]*"), key=lambda path: int(path.name)):
        try:
            words = (process / "cmdline").read_bytes()
        except OSError:
            continue
        if str(node.code).encode() in words:
            os.kill(int(process.name), signal.SIGKILL)
    (node.folder / "wait").unlink()
    wait_until(node.nobody_compiles, "the compiler to end")
    time.sleep(0.3)
    assert node.compilations() == 1 and not node.artifacts(), list(node.code.rglob("*"))
    node.run("/guest.wasm", "exit", "0")
    node.wait_for_artifacts(1)
    wait_until(node.nobody_compiles, "the compiler to end")
    assert node.compilations() == 2
    # Compiled beforehand, it is there at the first start.
    node.another_module()
    node("compile", node.wasm)
    node("compile", node.wasm)
    assert len(node.artifacts()) == 2 and node.compilations() == 3
    name = node.start("/guest.wasm", "sleep", says="sleeping")
    assert node.runs_natively(name)
    node.end(name)


def untrusted(node):
    """What others could have written is not run; what cannot be compiled is not tried at every start."""
    node("compile", node.wasm)
    artifact, = node.artifacts()
    log = node.folder / "log.json"
    artifact.chmod(0o666)
    assert node.run("/guest.wasm", "exit", "3", code=3) == ""
    name = node.bundle(["/guest.wasm", "exit", "3"])
    node("run", "--bundle", node.folder / name, name, code=3, options=["--log", log, "--log-format", "json"])
    assert '"warning"' in log.read_text() and "not its owner's alone" in log.read_text(), log.read_text()
    artifact.chmod(0o644)
    # One that is of another module, or damaged, is left aside by the berth in the container.
    artifact.write_bytes(artifact.read_bytes()[:5000])
    assert node.run("/guest.wasm", "exit", "4", code=4) == ""
    assert "is not used" in node.last.stderr, node.last.stderr
    # Native code that an image brings is not its node's.
    node.run("/.berth/berth", "run", "--artifact", "/.berth/native.berth", "--", "/guest.wasm", "exit", "5", code=5,
             rootfs=[("/.berth/native.berth".lstrip("/"), "\x7fELF and so on")])
    (node.folder / "fail").touch()
    node.another_module()
    node.run("/guest.wasm", "exit", "0")
    failed = wait_until(lambda: list(node.code.glob("*/*.failed")), "the failure to be noted")
    assert "told to fail" in failed[0].read_text()
    wait_until(node.nobody_compiles, "the compiler to end")
    count = node.compilations()
    assert node.run("/guest.wasm", "exit", "6", code=6) == ""
    node("compile", node.wasm, code=1)
    assert node.compilations() == count
    os.utime(failed[0], (0, 0))
    (node.folder / "fail").unlink()
    node.run("/guest.wasm", "exit", "0")
    node.wait_for_artifacts(2)
    wait_until(node.nobody_compiles, "the compiler to end")


def case(function):
    def run(folder, below):
        node = Node(folder, below)
        try:
            function(node)
        finally:
            for name in ("wait", "fail"):
                (folder / name).unlink(missing_ok=True)
        wait_until(node.nobody_compiles, "the compiler to end", 60)
        wait_until(lambda: not node.leftovers(), f"nothing to be left: {node.leftovers()}", 5)
    return run


CASES = {function.__name__: case(function) for function in (becomes_native, once, untrusted)}

if __name__ == "__main__":
    main(CASES, "usage: artifacts.py CASE crun|runc, where CASE is one of")
