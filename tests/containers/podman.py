#!/usr/bin/env python3
"""berth-oci under podman, on a storage of its own: podman.py CASE crun|runc. Exits 77 where it cannot check."""

import json
import os
import subprocess
import tarfile
from pathlib import Path

from setting import Runtime, find, main, skip, wait_until

# What podman needs without the right to raise limits, and without systemd.
CONTAINERS_CONF = """
[containers]
default_ulimits = ["nofile=20000:20000", "nproc=4096:4096"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
"""
IMAGE = "localhost/guest:1"


class Podman:
    def __init__(self, folder: Path, below: str):
        self.oci = Runtime(folder, below)
        self.podman = find("podman")
        self.folder = folder
        (folder / "containers.conf").write_text(CONTAINERS_CONF)
        # podman's monitor passes on little of its environment, so what the runtime is to use is said by a script.
        wrapper = folder / "berth-oci"
        wrapper.write_text(f"#!/bin/sh\nexport BERTH_OCI_RUNTIME={self.oci.path}\n"
                           f"export BERTH_OCI_POLICY={folder}/policy.toml BERTH_OCI_CODE=\n"
                           f'exec {self.oci.program} --root={self.oci.root} "$@"\n')
        wrapper.chmod(0o755)
        self.flags = ["--root", folder / "storage", "--runroot", folder / "run", "--tmpdir", folder / "tmp",
                      "--storage-driver", "vfs", "--runtime", wrapper]
        self.environment = os.environ | {"CONTAINERS_CONF": str(folder / "containers.conf")}
        with tarfile.open(folder / "image.tar", "w") as tar:
            tar.add(self.oci.wasm, "guest.wasm")
            tar.add(self.oci.native, "bin/guest")
        probe = self.call("info")
        if probe.returncode != 0:
            skip(f"podman does not work here: {probe.stderr.strip().splitlines()[-1]}")
        self("import", "--change", 'ENTRYPOINT ["/guest.wasm"]', "--change", "ENV FROM=image", folder / "image.tar",
             IMAGE)

    def call(self, *words, **more):
        return subprocess.run([self.podman, *map(str, self.flags), *map(str, words)], env=self.environment,
                              capture_output=True, text=True, timeout=100, **{"stdin": subprocess.DEVNULL, **more})

    def __call__(self, *words, code=0, **more):
        done = self.call(*words, **more)
        assert code is None or done.returncode == code, (
            f"podman {words}: exit {done.returncode}, expected {code}\n{done.stdout}{done.stderr}")
        return done.stdout

    def run(self, *words, options=(), code=0, **more):
        return self("run", "--rm", "--network", "none", *options, IMAGE, *words, code=code, **more)

    def start(self, *words, options=(), says):
        name = self("run", "-d", "--network", "none", *options, IMAGE, *words).strip()
        wait_until(lambda: says in self("logs", name), f"{says} in the log")
        return name


def runs(podman):
    """Exit codes, arguments, environment, volumes, user, read-only root, init, terminal."""
    assert podman.run("args", "a", "b c") == "/guest.wasm\nargs\na\nb c\n"
    for code in (0, 7, 255):
        podman.run("exit", code, code=code)
    podman.run("trap", code=134)
    assert podman.run("exit", "3", options=["--entrypoint", "/bin/guest"], code=3) == ""
    assert {"FROM=image", "MORE=x"} <= set(podman.run("env", options=["-e", "MORE=x"]).splitlines())
    volume = podman.folder / "volume"
    volume.mkdir()
    (volume / "text").write_text("in the volume\n")
    assert podman.run("cat", "/v/text", options=["-v", f"{volume}:/v:ro"]) == "in the volume\n"
    assert "Read-only" in podman.run("write", "/v/new", "x", options=["-v", f"{volume}:/v:ro"], code=1)
    podman.run("write", "/v/new", "written", options=["-v", f"{volume}:/v"])
    assert (volume / "new").read_text() == "written"
    assert "Read-only" in podman.run("write", "/new", "x", options=["--read-only"], code=1)
    podman.run("write", "/tmp/new", "x", options=["--read-only", "--tmpfs", "/tmp"])
    podman.run("exit", "4", options=["--user", "1000:1000", "--cap-drop", "all"], code=4)
    assert podman.run("cat", "/etc/hostname", options=["--hostname", "wasm"]).strip() == "wasm"
    assert podman.run("terminal") == "0 0\n"
    assert podman.run("terminal", options=["-t"]).split() == ["1", "1"]
    assert podman.run("stdin", options=["-i"], stdin=None, input="typed\n") == "reading\ntyped\nend of input\n"
    podman.run("exit", "6", options=["--uidmap", "0:100000:5000", "--gidmap", "0:100000:5000"], code=6)


def lives(podman):
    """A container that stays: logs, exec, statistics, pause, update, health checks, stop; and what it leaves."""
    name = podman.start("sleep", says="sleeping", options=["--health-cmd", '["/guest.wasm", "exit", "0"]'])
    podman("exec", name, "/guest.wasm", "exit", "5", code=5)
    podman("exec", name, "guest", "exit", "6", code=6)
    assert "guest.wasm" in podman("exec", name, "ls", "/")
    assert podman("exec", "-e", "X=1", name, "env").splitlines().count("X=1") == 1
    podman("exec", name, "/bin/sh", code=None)
    stats = json.loads(podman("stats", "--no-stream", "--format", "json", name))
    assert int(stats[0]["pids"]) >= 1 and not stats[0]["mem_usage"].startswith("0B"), stats
    podman("pause", name)
    assert podman("inspect", "--format", "{{.State.Status}}", name).strip() == "paused"
    podman("unpause", name)
    podman("healthcheck", "run", name)
    assert "sleep" in podman("top", name)
    podman("stop", "-t", "20", name)
    assert podman("inspect", "--format", "{{.State.ExitCode}} {{.State.OOMKilled}}", name).split() == ["143", "false"]
    podman("start", name)
    podman("kill", name)
    podman("wait", name)
    assert podman("inspect", "--format", "{{.State.ExitCode}}", name).strip() == "137"
    podman("rm", "-f", name)

    def killed(*command):
        """How podman reports a container that takes more memory than it may; not every cgroup version tells it why."""
        podman("run", "--name", "greedy", "--memory", "64m", "--network", "none", *command, "take", "90", code=137)
        report = podman("inspect", "--format", "{{.State.ExitCode}} {{.State.OOMKilled}}", "greedy")
        podman("rm", "-f", "greedy")
        return report

    assert killed(IMAGE) == killed("--entrypoint", "/bin/guest", IMAGE)

    drains = podman.start("stdin", says="reading", options=["--annotation", "run.berth.drain=true"])
    podman("stop", "-t", "20", drains)
    assert podman("logs", drains) == "reading\nend of input\n"
    assert podman("inspect", "--format", "{{.State.ExitCode}}", drains).strip() == "143"
    podman("rm", "-f", drains)
    assert not list(podman.oci.root.glob("*/*")), list(podman.oci.root.glob("*/*"))


CASES = {function.__name__: lambda folder, below, function=function: function(Podman(folder, below))
         for function in (runs, lives)}

if __name__ == "__main__":
    main(CASES, "usage: podman.py CASE crun|runc, where CASE is one of")
