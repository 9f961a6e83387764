#!/usr/bin/env python3
"""berth-oci under a Docker engine of its own: docker.py runs|lives crun|runc. Exits 77 where it cannot check.

The engine is Debian's package docker.io where it is installed, or the one in the folder $BERTH_DOCKER (with dockerd,
docker and docker-init), as an unpacked package has it in usr/sbin and usr/bin.
"""

import json
import os
import shutil
import signal
import subprocess
import tarfile
import time
from pathlib import Path

from setting import Runtime, find, main, skip, wait_until

IMAGE = "guest:1"


def find_docker(program):
    folders = os.environ.get("BERTH_DOCKER", "")
    path = shutil.which(program, path=":".join(f"{folders}{below}" for below in ("", "/usr/sbin", "/usr/bin", "/sbin", "/bin"))
                        if folders else os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if not path:
        skip(f"{program} is not there (Debian package docker.io, which ./dev setup leaves out, since it starts a service; "
             "$BERTH_DOCKER names a folder with one)")
    return path


class Docker:
    """An engine with networks left out, so that it changes nothing of the machine's."""

    def __init__(self, folder: Path, below: str):
        self.oci = Runtime(folder, below)
        self.folder = folder
        self.docker, dockerd, init = (find_docker(name) for name in ("docker", "dockerd", "docker-init"))
        find("containerd")
        wrapper = folder / "berth-oci"
        wrapper.write_text(f"#!/bin/sh\nexport BERTH_OCI_RUNTIME={self.oci.path}\n"
                           f"export BERTH_OCI_POLICY={folder}/policy.toml BERTH_OCI_CODE=\n"
                           f'exec {self.oci.program} "$@"\n')
        wrapper.chmod(0o755)
        self.socket = folder / "docker.sock"
        self.log = open(folder / "dockerd.log", "w")
        environment = os.environ | {"PATH": f"{Path(dockerd).parent}:{Path(init).parent}:{os.environ['PATH']}:/usr/sbin:/sbin"}
        self.daemon = subprocess.Popen(
            [dockerd, "--host", f"unix://{self.socket}", "--data-root", folder / "data", "--exec-root", folder / "exec",
             "--pidfile", folder / "pid", "--config-file", folder / "none.json", "--bridge", "none", "--iptables=false",
             "--ip6tables=false", "--ip-forward=false", "--ip-masq=false", "--storage-driver", "vfs", "--exec-opt",
             "native.cgroupdriver=cgroupfs", "--cgroup-parent", f"/berth-test-{os.getpid()}", "--init-path", init,
             "--add-runtime", f"berth={wrapper}"],
            env=environment, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, start_new_session=True)
        (folder / "none.json").write_text("{}")
        wait_until(lambda: self.call("info").returncode == 0 or self.daemon.poll() is not None, "dockerd", 60)
        if self.daemon.poll() is not None:
            skip("dockerd does not work here: " + (folder / "dockerd.log").read_text()[-400:])
        with tarfile.open(folder / "image.tar", "w") as tar:
            tar.add(self.oci.wasm, "guest.wasm")
            tar.add(self.oci.native, "bin/guest")
        self("import", "--change", 'ENTRYPOINT ["/guest.wasm"]', "--change", "ENV FROM=image", folder / "image.tar", IMAGE)

    def stop(self):
        for name in self("ps", "-aq").split():
            self("rm", "-f", name)
        self.daemon.send_signal(signal.SIGTERM)
        self.daemon.wait(30)
        self.log.close()

    def call(self, *words, **more):
        return subprocess.run([self.docker, "--host", f"unix://{self.socket}", *map(str, words)], capture_output=True,
                              text=True, timeout=100, **{"stdin": subprocess.DEVNULL, **more})

    def __call__(self, *words, code=0, **more):
        done = self.call(*words, **more)
        assert code is None or done.returncode == code, (
            f"docker {words}: exit {done.returncode}, expected {code}\n{done.stdout}{done.stderr}"
            f"{(self.folder / 'dockerd.log').read_text()[-2000:]}")
        self.said = done.stderr
        return done.stdout

    def run(self, *words, options=(), code=0):
        return self("run", "--rm", "--runtime", "berth", "--network", "none", *options, IMAGE, *words, code=code)


def runs(docker):
    """Exit codes, arguments, environment, volumes, users and limits, of WebAssembly and of a Linux program."""
    assert docker.run("args", "a", "b c").splitlines() == ["/guest.wasm", "args", "a", "b c"]
    for code in (0, 7, 255):
        docker.run("exit", str(code), code=code)
    docker.run("trap", code=134)
    assert "unreachable" in docker.said
    linux = ["--entrypoint", "/bin/guest"]
    docker.run("exit", "9", options=linux, code=9)
    shared = docker.folder / "shared"
    shared.mkdir()
    docker.run("write", "/shared/a", "x", options=["-v", f"{shared}:/shared"])
    assert (shared / "a").read_text() == "x"
    docker.run("write", "/shared/b", "x", options=["-v", f"{shared}:/shared:ro"], code=1)
    docker.run("write", "/new", "x", options=["--read-only"], code=1)
    for options in ([], linux):
        docker.run("take", "90", options=["--name", "greedy", "-m", "64m", *options], code=137)
    docker("run", "-d", "--name", "oom", "--runtime", "berth", "--network", "none", "-m", "64m", IMAGE, "take", "90")
    assert docker("wait", "oom").strip() == "137"
    assert json.loads(docker("inspect", "oom"))[0]["State"]["OOMKilled"] is True
    docker.run("exit", "5", options=["--init"], code=5)


def lives(docker):
    """exec, logs, stats, top, pause, update, stop and kill of a container that stays."""
    name = docker("run", "-d", "--runtime", "berth", "--network", "none", "-e", "A=1", IMAGE, "sleep").strip()
    wait_until(lambda: "sleeping" in docker("logs", name), "the guest")
    assert docker.oci.below in str(docker.oci.path)
    docker("exec", name, "/guest.wasm", "exit", "3", code=3)
    docker("exec", name, "/bin/guest", "exit", "4", code=4)
    assert "guest.wasm" in docker("exec", name, "ls", "/").split()
    assert "A=1" in docker("exec", name, "env").splitlines()
    assert "berth" in docker("top", name)
    docker("pause", name)
    assert json.loads(docker("inspect", name))[0]["State"]["Status"] == "paused"
    docker("unpause", name)
    docker("update", "--memory", "48m", "--memory-swap", "48m", name)
    assert "48MiB" in docker("stats", "--no-stream", name)
    began = time.monotonic()
    docker("stop", "-t", "20", name)
    assert time.monotonic() - began < 15
    assert json.loads(docker("inspect", name))[0]["State"]["ExitCode"] == 143
    docker("start", name)
    wait_until(lambda: json.loads(docker("inspect", name))[0]["State"]["Running"], "the second start")
    docker("kill", name)
    assert docker("wait", name).strip() == "137"
    docker("rm", name)
    drains = docker("run", "-d", "-i", "--runtime", "berth", "--network", "none", "-e", "BERTH_DRAIN=true", IMAGE,
                    "stdin").strip()
    wait_until(lambda: "reading" in docker("logs", drains), "the guest")
    docker("stop", "-t", "20", drains)
    assert docker("logs", drains).splitlines() == ["reading", "end of input"], docker("logs", drains)


def with_docker(check):
    def run(folder, below):
        docker = Docker(folder, below)
        try:
            check(docker)
        finally:
            docker.stop()
    return run


if __name__ == "__main__":
    main({"runs": with_docker(runs), "lives": with_docker(lives)}, "usage: docker.py CASE crun|runc, where CASE is one of")
