"""A folder with a module in it, a store of images, and the programs under test, which are found through $BERTH."""

import os
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path

from registry import Proxy, Registry, have

EXIT_SKIPPED = 77
SECONDS = 120

# Prints its arguments and variable WHO, copies what is in /data/in to /data/out if it can, and ends with 7.
GREET = r"""
#include <stdio.h>
#include <stdlib.h>
int main(int argc, char** argv) {
  for (int i = 0; i < argc; i++) printf("%s\n", argv[i]);
  if (getenv("WHO")) printf("WHO=%s\n", getenv("WHO"));
  FILE* in = fopen("/data/in", "r");
  FILE* out = in ? fopen("/data/out", "w") : NULL;
  for (int c; out && (c = fgetc(in)) != EOF;) fputc(c, out);
  if (out) fclose(out);
  return 7;
}
"""


def skip(reason):
    print(f"SKIPPED: {reason}")
    sys.exit(EXIT_SKIPPED)


def need(*programs):
    missing = have(*programs)
    if missing:
        skip(f"not installed: {', '.join(missing)} (./dev setup installs packages_images)")


class Machine:
    """A folder with a module in it, and a store of images."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.berth = Path(os.environ["BERTH"]).resolve()
        self.store = folder / "images"
        self.environment = {"PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin", "HOME": str(folder / "home"),
                            "XDG_RUNTIME_DIR": str(folder / "run"), "BERTH_IMAGES": str(self.store),
                            "BERTH_CACHE_DIR": str(folder / "cache"), "BERTH_OCI_CODE": str(folder / "code"), "LC_ALL": "C.UTF-8"}
        self.environment |= {key: value for key, value in os.environ.items() if key.endswith("SAN_OPTIONS")}
        (folder / "home").mkdir()
        (folder / "run").mkdir(mode=0o700)
        self.stops = []
        need("clang-19")
        (folder / "app.c").write_text(GREET)
        done = self.run("clang-19", "--target=wasm32-wasi", "-O1", "-s", "-o", "app.wasm", "app.c")
        if done.returncode != 0:
            skip(f"no toolchain for WASI (./dev setup installs packages_programs): {done.stderr}")

    def __call__(self, *words, code=0, **options):
        options.setdefault("env", self.environment)
        options.setdefault("cwd", self.folder)
        done = subprocess.run([self.berth, *map(str, words)], capture_output=True, text=True, timeout=SECONDS,
                              stdin=options.pop("stdin", subprocess.DEVNULL), **options)
        assert code is None or done.returncode == code, \
            f"{words}: exit {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout, done.stderr

    def image(self, *words, **options):
        return self("image", *words, **options)

    def fails(self, *words, says=(), **options):
        """The command fails with 1 and says all of that on standard error."""
        out, err = self.image(*words, code=1, **options)
        for text in [says] if isinstance(says, str) else says:
            assert text in err, f"{words}: {text!r} expected, said {err!r}"
        return err

    def elsewhere(self, name="other"):
        """The environment with another store."""
        return self.environment | {"BERTH_IMAGES": str(self.folder / name)}

    def on_terminal(self, *words, answers=(), **options):
        """Runs it with a terminal as standard input and error; its exit code and what appeared there. `answers` are
        (question, answer)."""
        leader, follower = os.openpty()
        environment = options.pop("env", self.environment) | {"TERM": "xterm"}
        process = subprocess.Popen([self.berth, "image", *map(str, words)], env=environment, cwd=self.folder,
                                   stdin=follower, stderr=follower, stdout=subprocess.DEVNULL)
        os.close(follower)
        shown, waiting = b"", list(answers)
        while True:
            try:
                shown += os.read(leader, 65536)
            except OSError:  # the other end is closed
                break
            if waiting and waiting[0][0].encode() in shown:
                os.write(leader, waiting.pop(0)[1].encode() + b"\n")
        os.close(leader)
        return process.wait(SECONDS), shown.decode()

    def registry(self, name="registry", **options):
        need("docker-registry")
        registry = Registry(self.folder / name, **options)
        self.stops.append(registry.stop)
        return registry

    def proxy(self, registry):
        proxy = Proxy(registry)
        self.stops.append(proxy.stop)
        return proxy

    def run(self, *words, **options):
        done = subprocess.run([*map(str, words)], capture_output=True, text=True, timeout=SECONDS,
                              env=options.pop("env", self.environment), cwd=self.folder, **options)
        return done

    def must(self, *words, **options):
        done = self.run(*words, **options)
        assert done.returncode == 0, f"{words}: exit {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def build(self, name, *words, **options):
        """Builds an image; its digest."""
        out, _ = self.image("build", "-t", name, "--no-compile", *words, "app.wasm", **options)
        return out.strip().partition("@")[2]

    def blobs(self, store=None):
        return sorted(p.name for p in ((store or self.store) / "blobs/sha256").iterdir())


PLAIN = "--tls-verify=false"


def main(cases):
    """Runs the case that the command line names."""
    with tempfile.TemporaryDirectory(prefix="berth-images-") as scratch:
        machine = Machine(Path(scratch))
        try:
            cases[sys.argv[1]](machine)
        except AssertionError as error:
            traceback.print_exc()
            print(f"FAILED: {error}")
            sys.exit(1)
        finally:
            for stop in reversed(machine.stops):
                stop()
