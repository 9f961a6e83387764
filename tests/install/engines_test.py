#!/usr/bin/env python3
"""`berth install`: what it writes, that engines read it, and that it is undone exactly. engines_test.py CASE. Exits 77
where it cannot check. Everything happens in folders of its own; what reads real paths does so in a mount namespace."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

EXIT_SKIPPED = 77


def skip(reason):
    print(f"SKIPPED: {reason}")
    sys.exit(EXIT_SKIPPED)


def program(name, package):
    path = shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin:/sbin")
    return path or skip(f"{name} is not installed (Debian package {package}); ./dev setup installs it")


class Machine:
    """A file system in a folder, with what an engine brings."""

    def __init__(self, folder: Path):
        self.berth = Path(os.environ["BERTH"]).resolve()
        self.root = folder / "root"
        self.count = 0

    def put(self, path, text=""):
        file = self.root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def has_engine(self, name):
        self.put(f"/usr/bin/{name}").chmod(0o755)

    def __call__(self, *words, code=0, **more):
        done = subprocess.run([self.berth, *map(str, words)], capture_output=True, text=True, timeout=60,
                              **{"stdin": subprocess.DEVNULL, **more})
        assert done.returncode == code, f"{words}: exit {done.returncode}, expected {code}\n{done.stdout}{done.stderr}"
        self.last = done
        return done.stdout

    def install(self, target, *options, code=0):
        return self("install", target, "--root", self.root, "--copy-to", "/opt/berth", "--yes", *options, code=code)

    def uninstall(self, target, *options, code=0):
        return self("uninstall", target, "--root", self.root, "--yes", *options, code=code)

    def snapshot(self):
        """Every folder, and every file with what it holds and may."""
        return {str(path.relative_to(self.root)):
                (path.stat().st_mode, None if path.is_dir() else hashlib.sha256(path.read_bytes()).hexdigest())
                for path in self.root.rglob("*") if "lib/berth" not in str(path) and path.name not in ("lib", "var")}


def in_namespace(root, script, *words):
    """The output of a shell script in a mount namespace where /etc/containers and /opt are those of `root`."""
    prepare = f"mkdir -p /opt && mount --bind {root}/etc/containers /etc/containers && mount --bind {root}/opt /opt && "
    done = subprocess.run(["unshare", "-m", "--propagation", "private", "sh", "-c", prepare + script, "sh", *map(str, words)],
                          capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    return done.stdout


def podman(machine):
    """podman finds the runtime by its name; a private file and nothing else is written, and goes again."""
    podman_path = program("podman", "podman")
    if os.geteuid() != 0:
        skip("a mount namespace needs root")
    machine.install("podman", code=1)
    assert "podman is not installed there" in machine.last.stderr, machine.last.stderr
    machine.has_engine("podman")
    shutil.copytree("/etc/containers", machine.root / "etc/containers", symlinks=True)
    before = machine.snapshot()
    assert "+ berth = [\"/opt/berth/berth-oci\"]" in machine("install", "podman", "--root", machine.root, "--copy-to",
                                                             "/opt/berth", "--dry-run")
    machine("install", "podman", "--root", machine.root, "--copy-to", "/opt/berth", code=2)
    assert "--yes" in machine.last.stderr, machine.last.stderr
    assert machine.snapshot() == before, "shown and refused, and changed all the same"
    machine.install("podman")
    storage = machine.root / "storage"
    read = in_namespace(machine.root, '"$1" --root "$2" --runroot "$2/run" --tmpdir "$2/tmp" --storage-driver vfs '
                                      '--runtime berth info --format "{{.Host.OCIRuntime.Path}}"', podman_path, storage)
    assert read.strip() == "/opt/berth/berth-oci", read
    shutil.rmtree(storage)
    assert "already" in machine.install("podman")
    # Another engine uses the same programs: they stay until it has gone too.
    machine.has_engine("crio")
    machine.install("crio")
    assert tomllib.loads((machine.root / "etc/crio/crio.conf.d/99-berth.conf").read_text())["crio"]["runtime"][
        "runtimes"]["berth"]["runtime_path"] == "/opt/berth/berth-oci"
    machine.uninstall("podman")
    assert not (machine.root / "etc/containers/containers.conf.d/berth.conf").exists()
    assert (machine.root / "opt/berth/berth-oci").exists()
    machine.uninstall("crio")
    (machine.root / "usr/bin/crio").unlink()
    after = machine.snapshot()
    assert after == before, {path for path in after.keys() | before.keys() if after.get(path) != before.get(path)}
    machine.uninstall("podman", code=2)
    assert "nothing was installed" in machine.last.stderr


def docker(machine):
    """daemon.json keeps what it had; a file that is changed afterwards loses Berth's part alone."""
    machine.has_engine("dockerd")
    original = '{\n    "log-driver": "local",\n    "runtimes": {"kata": {"path": "/usr/bin/kata"}}\n}\n'
    file = machine.put("/etc/docker/daemon.json", original)
    file.chmod(0o600)
    machine.install("docker")
    written = json.loads(file.read_text())
    assert written["runtimes"] == {"kata": {"path": "/usr/bin/kata"}, "berth": {"path": "/opt/berth/berth-oci"}}
    assert written["log-driver"] == "local" and file.stat().st_mode & 0o777 == 0o600
    machine.uninstall("docker")
    assert file.read_text() == original
    machine.install("docker")
    written["debug"] = True
    file.write_text(json.dumps(written))
    machine("install", "docker", "--undo", "--root", machine.root, "--yes")
    left = json.loads(file.read_text())
    assert left == {"log-driver": "local", "runtimes": {"kata": {"path": "/usr/bin/kata"}}, "debug": True}, left
    file.write_text('{"runtimes": {"berth": {"path": "/another"}}}')
    machine.install("docker", code=1)
    assert "another runtime called berth" in machine.last.stderr
    file.write_text('{"runtimes": ')
    machine.install("docker", code=1)
    assert "no JSON" in machine.last.stderr
    file.unlink()
    machine.install("docker")
    machine.uninstall("docker")
    assert not file.exists() and not (machine.root / "opt").exists()


def containerd(machine):
    """containerd itself reads what was written, in both versions of its file; what does not fit is refused."""
    machine.has_engine("containerd")
    real = program("containerd", "containerd")
    file = machine.root / "etc/containerd/config.toml"

    def read():
        """What containerd understands; its plugins' options are only there in the file."""
        done = subprocess.run([real, "-c", file, "config", "dump"], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return tomllib.loads(done.stdout)["plugins"]["io.containerd.grpc.v1.cri"]["containerd"]["runtimes"]

    machine.install("containerd")
    runtime = read()["berth"]
    assert runtime["options"]["BinaryName"] == "/opt/berth/berth-oci", runtime
    assert runtime["runtime_type"] == "io.containerd.runc.v2" and runtime["pod_annotations"] == ["run.berth.*"]
    machine.uninstall("containerd")
    assert not file.exists()
    original = ('# by hand\nversion = 2\n\n[plugins]\n  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]\n'
                '    runtime_type = "io.containerd.runc.v2"\n'
                '    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]\n      SystemdCgroup = true')
    machine.put("/etc/containerd/config.toml", original)
    machine.install("containerd")
    runtimes = read()
    assert runtimes["runc"]["options"]["SystemdCgroup"] is True and runtimes["berth"]["options"]["SystemdCgroup"] is True
    assert file.read_text().startswith(original), "the rest of the file was changed"
    file.write_text("# more\n" + file.read_text())
    machine.uninstall("containerd")
    assert file.read_text() == "# more\n" + original + "\n"
    file.write_text(original.replace("version = 2", "version = 3").replace("io.containerd.grpc.v1.cri",
                                                                           "io.containerd.cri.v1.runtime"))
    machine.install("containerd")
    third = tomllib.loads(file.read_text())["plugins"]["io.containerd.cri.v1.runtime"]["containerd"]["runtimes"]
    assert third["berth"]["options"] == {"BinaryName": "/opt/berth/berth-oci", "SystemdCgroup": True}, third
    machine.uninstall("containerd")
    before = machine.snapshot()
    for text, reason in (
            ('disabled_plugins = ["cri"]\nversion = 2\n', "switches off"),
            ('[plugins.cri]\n', "version 1"),
            ('version = 2\nplugins = {"io.containerd.grpc.v1.cri" = {}}\n', "nothing can be appended"),
            ('version = \n', "line 1"),
            ('version = 2\n[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.berth]\n', "another runtime")):
        file.write_text(text)
        machine.install("containerd", code=1)
        assert reason in machine.last.stderr, machine.last.stderr
        assert file.read_text() == text
    file.write_text("")
    assert machine.snapshot().keys() == before.keys(), "something was installed although it was refused"


def kubernetes(machine):
    """Manifests are printed, or handed to kubectl."""
    alone = machine("install", "kubernetes")
    assert "kind: RuntimeClass" in alone and "handler: berth" in alone and "DaemonSet" not in alone
    policy = machine.put("/policy.toml", 'root = "ro"\n\n[[rule]]\nnamespace = "a"\n')
    options = ["--image", "registry.example/berth:1", "--policy", policy, "--engine", "crio"]
    everything = machine("install", "kubernetes", *options)
    for part in ("kind: DaemonSet", "image: registry.example/berth:1", "- crio", '    root = "ro"', "kind: ConfigMap"):
        assert part in everything, part
    assert "@" not in everything
    tools = machine.root / "tools"
    tools.mkdir(parents=True)
    (tools / "kubectl").write_text(f'#!/bin/sh\necho "$@" >{tools}/words; cat >{tools}/input; exit 0\n')
    (tools / "kubectl").chmod(0o755)
    environment = os.environ | {"PATH": f"{tools}:{os.environ['PATH']}"}
    machine("install", "kubernetes", *options, "--apply", "--yes", env=environment)
    assert (tools / "words").read_text() == "apply -f -\n" and (tools / "input").read_text() == everything
    machine("uninstall", "kubernetes", *options, "--yes", env=environment)
    assert (tools / "words").read_text() == "delete --ignore-not-found -f -\n"
    machine("install", "podmann", code=2)
    assert "did you mean podman" in machine.last.stderr


def safe(machine):
    """What anybody could exchange is not made root's to start; a full disk leaves nothing."""
    if os.geteuid() != 0:
        skip("programs are installed by root")
    folder = machine.root / "programs"
    folder.mkdir(parents=True)
    for name in ("berth", "berth-oci", "berth-install"):
        shutil.copy(machine.berth.with_name(name), folder)
    (folder / "berth-oci").chmod(0o777)
    machine.berth = folder / "berth"
    machine("install", "podman", "--yes", "--config", machine.root / "podman.conf", "--force", code=1)
    assert "can be changed by others" in machine.last.stderr, machine.last.stderr
    full = machine.root / "full"
    full.mkdir()
    script = ('mount -t tmpfs -o size=3m none "$2" && ! "$1" install podman --force --yes --root "$2" --copy-to /opt/berth >&2 '
              '&& find "$2" -type f')
    done = subprocess.run(["unshare", "-m", "--propagation", "private", "sh", "-c", script, "sh", folder / "berth", full],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and done.stdout == "", done
    assert "No space left" in done.stderr, done.stderr


CASES = {case.__name__: case for case in (podman, docker, containerd, kubernetes, safe)}

if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="berth-install-") as name:
        CASES[sys.argv[1]](Machine(Path(name)))
