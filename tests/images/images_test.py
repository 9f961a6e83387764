#!/usr/bin/env python3
"""Tests of `berth image`: images_test.py CASE. Exits 77 where it cannot check.

The program under test is found in $BERTH, the others beside it. Each case has a folder, a store and a registry of its own.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path

from registry import Proxy, Registry, have, make_authority

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
                            "BERTH_CACHE_DIR": str(folder / "cache"), "LC_ALL": "C.UTF-8"}
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


def push_and_pull(m):
    """There and back; what is there already is not moved again; other tools see the same."""
    r = m.registry()
    name = f"{r.host}/team/app:1"
    digest = m.build(name, "--env", "WHO=me")
    assert name in m.image("ls")[0] and "linux/amd64,linux/arm64,wasi/wasm" in m.image("ls")[0]
    out, err = m.image("push", PLAIN, name)
    assert out.strip() == f"{name}@{digest}", out
    _, err = m.image("push", PLAIN, name)
    assert "pushed 0 bytes" in err, err
    # To another repository of the same registry: mounted.
    p = m.proxy(r)
    m.image("tag", name, f"{p.host}/team/app:1")
    m.image("push", PLAIN, f"{p.host}/team/app:1", f"{p.host}/second/app:1")
    posts = [path for method, path, _ in p.requests if method == "POST"]
    assert posts and all("mount=" in path for path in posts), posts
    assert not [path for method, path, _ in p.requests if method in ("PUT", "PATCH") and "/blobs/" in path]

    other = m.elsewhere()
    _, err = m.image("pull", PLAIN, name, env=other)
    out, _ = m.image("ls", "--json", env=other)
    [row] = json.loads(out)
    assert row["digest"] == digest and row["holds"] == "wasi/wasm", row
    said = m("run", name, "one", code=7, env=other)
    assert said[0] == "app.wasm\none\n", said
    out, err = m.image("pull", PLAIN, "--all-platforms", f"{r.host}/team/app@{digest}", env=other)
    assert out.strip() == f"{r.host}/team/app@{digest}", out
    assert "were there already" in err, err
    assert m("inspect", name, env=other)[0] == m.image("inspect", name, env=other)[0]
    assert "environment  WHO=me" in m.image("inspect", name, env=other)[0]
    m.image("rm", name, f"{r.host}/team/app@{digest}", env=other)
    assert m.blobs(m.folder / "other") == [] and m.image("ls", env=other)[0] == ""
    m.fails("inspect", name, says=["there is no image", "berth image pull"], env=other)

    need("skopeo")
    seen = json.loads(m.must("skopeo", "inspect", PLAIN, f"docker://{name}"))
    assert seen["Digest"] == digest and seen["Architecture"] == "amd64", seen
    assert seen["Labels"]["berth.module"] == "/app.wasm", seen
    # Docker's own format, one image of it.
    m.must("skopeo", "copy", "--format=v2s2", "--src-tls-verify=false", "--dest-tls-verify=false", f"docker://{name}",
           f"docker://{r.host}/team/docker:1")
    m.image("pull", PLAIN, f"{r.host}/team/docker:1", env=other)
    assert "linux/amd64" in m.image("ls", env=other)[0]
    assert m("run", f"{r.host}/team/docker:1", code=7, env=other)[0] == "app.wasm\n"
    # What others put into the store's format is read, and they read ours.
    assert m.must("skopeo", "inspect", "--raw", f"oci:{m.store}:{name}") == m.must(
        "skopeo", "inspect", "--raw", PLAIN, f"docker://{name}")


def tls_and_login(m):
    """Certificates, credentials, and what is said when they are wrong."""
    need("openssl", "htpasswd")
    authority, certificate, key = make_authority(m.folder / "tls")
    users = m.folder / "users"
    users.write_text(m.must("htpasswd", "-Bbn", "me", "secret"))
    r = m.registry(tls=(certificate, key), users=users)
    name = f"{r.host}/app:1"
    m.build(name)
    m.fails("push", name, says=["cannot reach", "certificate", "--ca-file"])
    m.fails("push", "--ca-file", authority, name, says=["asks who you are", f"berth image login {r.host}"])
    m.fails("push", PLAIN, "--creds", "me:wrong", name, says="refuses the credentials from what was given")
    m.fails("login", "--ca-file", authority, "-u", "me", "--password-stdin", r.host, input="wrong\n", stdin=None,
            says="refuses the credentials")
    assert not (m.folder / "run/containers/auth.json").exists()
    out, _ = m.image("login", "--ca-file", authority, "-u", "me", "--password-stdin", r.host, input="secret\n", stdin=None)
    assert str(m.folder / "run/containers/auth.json") in out, out
    m.image("push", "--ca-file", authority, name)
    need("skopeo")
    m.must("skopeo", "inspect", PLAIN, f"docker://{name}")  # with the credentials that login kept
    m.image("logout", r.host)
    m.fails("logout", r.host, says="there are no credentials")
    m.fails("pull", "--ca-file", authority, name, says="asks who you are")
    # Of docker's making.
    docker = m.folder / "home/.docker/config.json"
    docker.parent.mkdir()
    docker.write_text(json.dumps({"auths": {r.host: {"auth": "bWU6c2VjcmV0"}}}))
    m.image("pull", "--ca-file", authority, name, env=m.elsewhere())
    docker.write_text(json.dumps({"auths": {r.host: {"auth": "bWU6b2xk"}}}))
    m.fails("pull", "--ca-file", authority, name, says=["refuses the credentials", str(docker)])


def deterministic(m):
    """The same input gives the same image, wherever and whenever; the time is only what it is told to be."""
    first = m.image("build", "-t", "app:1", "app.wasm")[0].partition("@")[2]
    (m.folder / "again").mkdir()
    shutil.copy(m.folder / "app.wasm", m.folder / "again/app.wasm")
    os.utime(m.folder / "again/app.wasm", (1, 1))
    (m.folder / "again/app.wasm").chmod(0o600)
    again = m.image("build", "-t", "app:2", "again/app.wasm", env=m.environment | {"TZ": "Asia/Tokyo"})[0]
    assert again.partition("@")[2] == first
    small = ("--arch", "none")
    epoch = m.environment | {"SOURCE_DATE_EPOCH": "1700000000"}
    dated = m.build("app:3", *small, env=epoch)
    assert dated != m.build("app:4", *small) and dated == m.build("app:5", *small, env=epoch)
    assert "2023-11-14T22:13:20Z" in m.image("inspect", "app:3")[0]
    for bad in ("-1", "soon", "1e9"):
        m.image("build", "-t", "x", "app.wasm", code=2, env=m.environment | {"SOURCE_DATE_EPOCH": bad})
    assert m.build("app:6", *small, "--compression", "zstd") != m.build("app:7", *small)
    assert m("run", "localhost/app:6", code=7)[0] == "app.wasm\n"


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="berth-images-") as scratch:
        machine = Machine(Path(scratch))
        try:
            globals()[sys.argv[1]](machine)
        except AssertionError as error:
            traceback.print_exc()
            print(f"FAILED: {error}")
            sys.exit(1)
        finally:
            for stop in reversed(machine.stops):
                stop()
