#!/usr/bin/env python3
"""The same image under container engines, with Berth on the machine and without: engines_test.py CASE. Exits 77 where it
cannot check.

What is the same in each case: the image comes from a registry, `berth image build` has put it there, and whether it runs as
a container of Linux or as WebAssembly is a matter of which runtime is asked for.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "containers"))

import machine
from machine import PLAIN, need, skip
from registry import wait_until
from setting import enter

CONTAINERS_CONF = """
[containers]
default_ulimits = ["nofile=20000:20000", "nproc=4096:4096"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
"""


def published(m):
    r = m.registry()
    name = f"{r.host}/app:1"
    m.image("build", "-t", name, "--env", "WHO=image", "--arg", "default", "app.wasm")
    m.image("push", PLAIN, name)
    return r, name


def berth_oci(m, below):
    """berth-oci over that runtime, as engines call it: their monitors pass on little of the environment."""
    program = m.berth.with_name("berth-oci")
    if not program.exists():
        skip("berth-oci is not built")
    wrapper = m.folder / f"berth-oci-{below}"
    wrapper.write_text(f"#!/bin/sh\nexport BERTH_OCI_RUNTIME={shutil.which(below, path='/usr/sbin:/usr/bin')}\n"
                       f"export BERTH_OCI_POLICY={m.folder}/policy.toml BERTH_OCI_CODE=\nexec {program} \"$@\"\n")
    wrapper.chmod(0o755)
    return wrapper


def podman(m):
    """Pulled and run by podman: over crun and runc alone, where the image brings its own Berth, and over berth-oci."""
    need("podman", "crun", "skopeo")
    r, name = published(m)
    (m.folder / "containers.conf").write_text(CONTAINERS_CONF)
    environment = m.environment | {"CONTAINERS_CONF": str(m.folder / "containers.conf")}
    for variable in ("XDG_RUNTIME_DIR", "BERTH_IMAGES"):
        environment.pop(variable)

    def podman(*words, code=0):
        done = m.run("podman", "--root", m.folder / "storage", "--runroot", m.folder / "run-podman", "--tmpdir",
                     m.folder / "tmp", "--storage-driver", "vfs", *words, env=environment, stdin=subprocess.DEVNULL)
        if done.returncode != code and "does not work here" in done.stderr:
            skip(done.stderr)
        assert done.returncode == code, f"podman {words}: exit {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout
    podman("pull", "-q", PLAIN, name)
    data = m.folder / "data"
    data.mkdir()
    runtimes = {"crun": shutil.which("crun"), "runc": shutil.which("runc", path="/usr/sbin:/usr/bin")}
    runtimes |= {"berth over crun": berth_oci(m, "crun")}
    for runtime, program in runtimes.items():
        if not program:
            continue
        (data / "in").write_text(runtime)
        options = ["--runtime", program, "run", "--rm", "--network", "none"]
        out = podman(*options, "-v", f"{data}:/data", name, "one", "two", code=7)
        lines = out.splitlines()
        # The module, its arguments, and the image's environment.
        assert lines == ["/app.wasm", "one", "two", "WHO=image"], f"{runtime}: {out}"
        assert (data / "out").read_text() == runtime
        (data / "out").unlink()
        out = podman(*options, "--env", "WHO=me", "--user", "1000:1000", "--read-only", name, code=7)
        assert out.splitlines() == ["/app.wasm", "default", "WHO=me"], f"{runtime}: {out}"
        # Only berth-oci minds what its annotations are called: it runs the module itself, not the image's Berth.
        done = podman(*options, "--annotation", "run.berth.no-such=1", name, code=126 if "berth" in runtime else 7)
    # The module's own face, for those who bring a runtime.
    podman("pull", "-q", PLAIN, "--platform", "wasi/wasm", f"{r.host}/app:1")
    out = podman("--runtime", runtimes["berth over crun"], "run", "--rm", "--network", "none", "--platform", "wasi/wasm",
                 name, "x", code=7)
    assert out.splitlines() == ["/app.wasm", "x", "WHO=image"], out


def buildah(m):
    """Taken by buildah, as the base of another image, which podman's tools push and `berth image` pulls."""
    need("buildah", "skopeo")
    r, name = published(m)
    environment = m.environment | {"BUILDAH_ISOLATION": "chroot"}
    flags = ["--root", m.folder / "storage", "--runroot", m.folder / "run-buildah", "--storage-driver", "vfs"]

    def buildah(*words):
        return m.must("buildah", *flags, *words, env=environment)
    container = buildah("from", "--quiet", PLAIN, name).strip()
    (m.folder / "added").write_text("added")
    buildah("add", "--quiet", container, m.folder / "added", "/added")
    buildah("config", "--label", "more=1", container)
    buildah("commit", "--quiet", PLAIN, container, f"docker://{r.host}/derived:1")
    other = m.elsewhere()
    m.image("pull", PLAIN, f"{r.host}/derived:1", env=other)
    assert m("run", f"{r.host}/derived:1", "x", code=7, env=other)[0] == "app.wasm\nx\n"
    shown = json.loads(m.image("inspect", "--json", f"{r.host}/derived:1", env=other)[0])["shown"]
    assert shown["labels"]["more"] == "1" and shown["module"] == "/app.wasm", shown
    module = Path(m.image("unpack", f"{r.host}/derived:1", env=other)[0].strip())
    assert (module.parent / "added").read_text() == "added"


def containerd(m):
    """Pulled and run by containerd, over runc alone and over berth-oci."""
    need("containerd", "ctr", "runc")
    r, name = published(m)
    folder, socket = m.folder, m.folder / "containerd.sock"
    (folder / "config.toml").write_text(f"""
version = 2
root = "{folder}/root"
state = "{folder}/state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
  address = "{socket}"
[ttrpc]
  address = "{socket}.ttrpc"
[plugins."io.containerd.internal.v1.opt"]
  path = "{folder}/opt"
""")
    with open(folder / "containerd.log", "wb") as log:
        daemon = subprocess.Popen(["containerd", "--config", folder / "config.toml"], stdout=log, stderr=log)

    def stop():
        daemon.terminate()
        daemon.wait(30)
    m.stops.append(stop)

    def ctr(*words, code=0):
        done = m.run("ctr", "--address", socket, *words)
        assert code is None or done.returncode == code, f"ctr {words}: exit {done.returncode}\n{done.stdout}{done.stderr}"
        return done
    wait_until(lambda: ctr("version", code=None).returncode == 0, "containerd's start")
    ctr("images", "pull", "--plain-http", "--snapshotter", "native", name)
    for runtime, program in (("runc", shutil.which("runc", path="/usr/sbin:/usr/bin")), ("berth", berth_oci(m, "runc"))):
        done = ctr("run", "--rm", "--snapshotter", "native", "--runtime", "io.containerd.runc.v2", "--runc-binary", program,
                   name, f"image-test-{runtime}-{os.getpid()}", code=7)
        lines = done.stdout.splitlines()
        assert lines == ["/app.wasm", "default", "WHO=image"], f"{runtime}: {done.stdout}"


if __name__ == "__main__":
    enter()
    machine.main(globals())
