#!/usr/bin/env python3
"""berth-oci under a containerd of its own: containerd.py ctr|pods crun|runc. Exits 77 where it cannot check.

`pods` drives the interface that Kubernetes drives, by gRPC; $BERTH_CONTAINERD names another containerd to test.
"""

import fcntl
import hashlib
import io
import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import tarfile
import time
from pathlib import Path

DEBIAN_PYTHON = "/usr/bin/python3"
try:
    import grpc
except ImportError:
    # Debian's packages are for Debian's Python.
    if os.path.realpath(sys.executable) != os.path.realpath(DEBIAN_PYTHON) and os.path.exists(DEBIAN_PYTHON):
        os.execv(DEBIAN_PYTHON, [DEBIAN_PYTHON, "-B", *sys.argv])
    grpc = None

from setting import HERE, Runtime, find, main, skip, stop_engine, wait_until

IMAGE, PAUSE = "localhost/guest:1", "localhost/pause:1"
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1
CLONE_NEWNET = 0x40000000


def write_image(path: Path, name: str, files: dict, config: dict):
    """Writes an image of one layer as an archive that engines import."""
    def add(tar, member, data, mode=0o644):
        info = tarfile.TarInfo(member)
        info.size, info.mode = len(data), mode
        tar.addfile(info, io.BytesIO(data))

    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        for member, source in files.items():
            add(tar, member, Path(source).read_bytes(), 0o755)
    blobs = {}

    def blob(data, media):
        digest = hashlib.sha256(data).hexdigest()
        blobs[digest] = data
        return {"mediaType": f"application/vnd.oci.image.{media}", "digest": f"sha256:{digest}", "size": len(data)}

    layer_blob = blob(layer.getvalue(), "layer.v1.tar")
    described = {"architecture": "amd64" if os.uname().machine == "x86_64" else "arm64", "os": "linux",
                 "config": config, "rootfs": {"type": "layers", "diff_ids": [layer_blob["digest"]]}}
    config_blob = blob(json.dumps(described).encode(), "config.v1+json")
    manifest = blob(json.dumps({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
                                "config": config_blob, "layers": [layer_blob]}).encode(), "manifest.v1+json")
    manifest["annotations"] = {"io.containerd.image.name": name, "org.opencontainers.image.ref.name": name}
    with tarfile.open(path, "w") as tar:
        add(tar, "oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
        add(tar, "index.json", json.dumps({"schemaVersion": 2, "manifests": [manifest]}).encode())
        for digest, data in blobs.items():
            add(tar, f"blobs/sha256/{digest}", data)


def own_network():
    """A network namespace with nothing but a loopback device."""
    import ctypes
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) != 0:
        skip(f"this machine allows no network namespace: {os.strerror(ctypes.get_errno())}")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        request = struct.pack("16sH22x", b"lo", 0)
        flags = struct.unpack("16sH22x", fcntl.ioctl(s, SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(s, SIOCSIFFLAGS, struct.pack("16sH22x", b"lo", flags | IFF_UP))


class Containerd:
    def __init__(self, folder: Path, below: str):
        own_network()
        self.program = os.environ.get("BERTH_CONTAINERD") or find("containerd")
        self.ctr_program = shutil.which("ctr", path=os.path.dirname(self.program)) or find("ctr", "containerd")
        if not Path("/usr/lib/cni/ptp").exists():
            skip("network plugins are not installed (Debian package containernetworking-plugins); ./dev setup does it")
        self.folder = folder
        self.oci = Runtime(folder, below)
        self.wrapper = folder / "berth-oci"
        self.wrapper.write_text(f"#!/bin/sh\nexport BERTH_OCI_RUNTIME={self.oci.path}\n"
                                f"export BERTH_OCI_POLICY={folder}/policy.toml BERTH_OCI_CODE=\n"
                                f'exec {self.oci.program} "$@"\n')
        self.wrapper.chmod(0o755)
        cni = folder / "cni"
        cni.mkdir()
        (cni / "10-test.conflist").write_text(json.dumps({
            "cniVersion": "0.4.0", "name": "test", "plugins": [
                {"type": "ptp", "ipam": {"type": "host-local", "dataDir": str(folder / "ipam"),
                                         "ranges": [[{"subnet": "10.99.0.0/24"}]]}}]}))
        self.socket = folder / "containerd.sock"
        (folder / "config.toml").write_text(self.configuration())
        self.log = open(folder / "containerd.log", "w+")
        self.daemon = subprocess.Popen([self.program, "--config", folder / "config.toml"], stdout=self.log,
                                       stderr=self.log, stdin=subprocess.DEVNULL, cwd=folder)
        wait_until(lambda: self.socket.exists() and self.call("version").returncode == 0 or self.ended(), "containerd")
        for name, files, config in (
                (PAUSE, {"pause": self.oci.native}, {"Entrypoint": ["/pause", "sleep"]}),
                (IMAGE, {"guest.wasm": self.oci.wasm, "bin/guest": self.oci.native},
                 {"Entrypoint": ["/guest.wasm"], "Env": ["PATH=/bin", "FROM=image"]})):
            write_image(folder / "image.tar", name, files, config)
            for namespace in ("k8s.io", "default"):
                load = ["-n", namespace, "images", "import", "--snapshotter", "native"]
                # Later than 1.6, the daemon unpacks by itself, but only for snapshotters that it is configured for.
                if self.call(*load, "--local", folder / "image.tar").returncode != 0:
                    self(*load, folder / "image.tar")

    def configuration(self):
        folder = self.folder
        runtime = """
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.berth]
      runtime_type = "io.containerd.runc.v2"
      pod_annotations = ["run.berth.*"]
      container_annotations = ["run.berth.*"]
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.berth.options]
        BinaryName = "%s"
""" % self.wrapper
        return f"""
version = 2
root = "{folder}/root"
state = "{folder}/state-of-containerd"
[grpc]
  address = "{self.socket}"
[ttrpc]
  address = "{self.socket}.ttrpc"
[plugins."io.containerd.internal.v1.opt"]
  path = "{folder}/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE}"
  restrict_oom_score_adj = true
  disable_apparmor = true
  stream_server_address = "127.0.0.1"
  stream_server_port = "0"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{folder}/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "native"
    default_runtime_name = "berth"
{runtime}"""

    def ended(self):
        assert self.daemon.poll() is None, f"containerd ended: {(self.folder / 'containerd.log').read_text()[-6000:]}"
        return False

    def call(self, *words, **more):
        return subprocess.run([str(word) for word in (self.ctr_program, "--address", self.socket, *words)],
                              capture_output=True, text=True, timeout=60, **{"stdin": subprocess.DEVNULL, **more})

    def __call__(self, *words, code=0, **more):
        done = self.call(*words, **more)
        assert code is None or done.returncode == code, (
            f"ctr {words}: exit {done.returncode}, expected {code}\n{done.stdout}{done.stderr}"
            f"{(self.folder / 'containerd.log').read_text()[-1500:]}")
        self.said = done.stderr
        return done.stdout

    def stop(self):
        stop_engine(self.daemon, self.folder)
        self.log.close()


def ctr(containerd):
    """`ctr run`: exit codes, exec, kill, and what a native program in the same image does."""
    run = ["run", "--rm", "--snapshotter", "native", "--runtime", "io.containerd.runc.v2", "--runc-binary",
           containerd.wrapper]

    def own(name):  # other tests have containers in the same folder of containerd's
        return f"{name}{os.getpid()}"

    kept = own("f")
    assert containerd(*run, IMAGE, own("a"), "/guest.wasm", "args", "x") == "/guest.wasm\nargs\nx\n"
    containerd(*run, IMAGE, own("b"), "/guest.wasm", "exit", "7", code=7)
    containerd(*run, IMAGE, own("c"), "/guest.wasm", "trap", code=134)
    containerd(*run, IMAGE, own("d"), "/bin/guest", "exit", "8", code=8)
    containerd(*run, "--memory-limit", 64 << 20, IMAGE, own("e"), "/guest.wasm", "take", "90", code=137)
    containerd(*(word for word in run if word != "--rm"), "-d", IMAGE, kept, "/guest.wasm", "sleep")
    containerd("task", "exec", "--exec-id", "x", kept, "/guest.wasm", "exit", "5", code=5)
    assert "guest.wasm" in containerd("task", "exec", "--exec-id", "y", kept, "ls", "/")
    containerd("task", "pause", kept)
    assert "PAUSED" in containerd("task", "ls")
    containerd("task", "resume", kept)
    containerd("task", "kill", "-s", "SIGTERM", kept)
    wait_until(lambda: "STOPPED" in containerd("task", "ls"), "the task to stop")
    containerd("task", "delete", kept)
    assert "exit code 143" in containerd.said, containerd.said
    containerd("container", "delete", kept)


class Cri:
    """The container runtime interface of one containerd."""

    def __init__(self, containerd):
        if grpc is None:
            skip("gRPC for Python is not installed (Debian package python3-grpcio); ./dev setup installs it")
        stubs = containerd.folder / "stubs"
        stubs.mkdir()
        subprocess.run([find("protoc", "protobuf-compiler"), f"--proto_path={HERE}", f"--python_out={stubs}",
                        HERE / "cri.proto"], check=True)
        sys.path.insert(0, str(stubs))
        import cri_pb2
        self.types = cri_pb2
        self.channel = grpc.insecure_channel(f"unix://{containerd.socket}",
                                             options=[("grpc.default_authority", "localhost")])
        self.folder = containerd.folder

    def __call__(self, method, request, answer="Empty", service="RuntimeService"):
        return self.channel.unary_unary(
            f"/runtime.v1.{service}/{method}", request_serializer=type(request).SerializeToString,
            response_deserializer=getattr(self.types, answer).FromString)(request, timeout=60)

    def pod(self, name):
        t = self.types
        namespaces = t.NamespaceOption(network=t.POD, pid=t.CONTAINER, ipc=t.POD)
        config = t.PodSandboxConfig(
            metadata=t.PodSandboxMetadata(name=name, uid=f"{name}-{os.getpid()}", namespace="prod-web"),
            hostname=name, log_directory=str(self.folder / "logs"), linux=t.LinuxPodSandboxConfig(
                cgroup_parent=f"/berth-test-{os.getpid()}",
                security_context=t.LinuxSandboxSecurityContext(namespace_options=namespaces)))
        sandbox = self("RunPodSandbox", t.RunPodSandboxRequest(config=config, runtime_handler="berth"), "SandboxId")
        return Pod(self, config, sandbox.pod_sandbox_id, namespaces)


class Pod:
    def __init__(self, cri, config, sandbox, namespaces):
        self.cri, self.config, self.sandbox, self.namespaces = cri, config, sandbox, namespaces

    def start(self, name, *command, env=(), mounts=(), memory=0, annotations=None, readonly=False, image=IMAGE, args=()):
        t = self.cri.types
        config = t.ContainerConfig(
            metadata=t.ContainerMetadata(name=name), image=t.ImageSpec(image=image, user_specified_image=image), command=command, args=args,
            envs=[t.KeyValue(key=key, value=value) for key, value in env],
            mounts=[t.Mount(container_path=inside, host_path=str(outside), readonly=ro) for inside, outside, ro in mounts],
            annotations=annotations or {}, log_path=f"{name}.log", linux=t.LinuxContainerConfig(
                resources=t.LinuxContainerResources(memory_limit_in_bytes=memory, cpu_shares=128),
                security_context=t.LinuxContainerSecurityContext(namespace_options=self.namespaces,
                                                                 readonly_rootfs=readonly)))
        container = self.cri("CreateContainer", t.CreateContainerRequest(
            pod_sandbox_id=self.sandbox, config=config, sandbox_config=self.config), "ContainerId").container_id
        self.cri("StartContainer", t.ContainerId(container_id=container))
        return container

    def log(self, name):
        """What a container printed, out of the log that kubelets read."""
        path = self.cri.folder / "logs" / f"{name}.log"
        lines = path.read_text().splitlines() if path.exists() else []
        return "\n".join(line.split(" ", 3)[3] for line in lines)

    def status(self, container):
        return self.cri("ContainerStatus", self.cri.types.ContainerId(container_id=container),
                        "ContainerStatusResponse").status

    def ended(self, container):
        """(exit code, reason) of a container, when it has ended."""
        wait_until(lambda: self.status(container).state == self.cri.types.EXITED, "a container to end")
        status = self.status(container)
        return status.exit_code, status.reason

    def run(self, name, *command, **more):
        return self.ended(self.start(name, *command, **more))

    def execute(self, container, *command):
        done = self.cri("ExecSync", self.cri.types.ExecSyncRequest(container_id=container, cmd=command, timeout=10),
                        "ExecSyncResponse")
        return done.exit_code, done.stdout.decode()

    def processor_time(self, container):
        return self.cri("ContainerStats", self.cri.types.ContainerId(container_id=container),
                        "ContainerStatsResponse").stats.cpu.usage_core_nano_seconds.value

    def stop(self, container, seconds=20):
        self.cri("StopContainer", self.cri.types.ContainerId(container_id=container, timeout=seconds))

    def remove(self):
        sandbox = self.cri.types.SandboxId(pod_sandbox_id=self.sandbox)
        self.cri("StopPodSandbox", sandbox)
        self.cri("RemovePodSandbox", sandbox)


def pods(containerd):
    """A pod whose pause container, WebAssembly and Linux containers all come through berth-oci."""
    cri = Cri(containerd)
    pod = cri.pod("mixed")
    try:
        in_pod(pod, containerd.folder)
    finally:
        pod.remove()
    state = list(containerd.folder.glob("state-of-containerd/**/berth/*"))
    assert not state, state


def in_pod(pod, folder):
    server = pod.start("server", "/guest.wasm", "serve", env=[("BERTH_TCP_LISTEN", "0.0.0.0:8080"), ("A", "1")])
    wait_until(lambda: "serving" in pod.log("server"), "the server")
    assert pod.run("client", "/bin/guest", "fetch", "8080")[0] == 0, pod.log("client")
    assert "pong" in pod.log("client")

    assert pod.execute(server, "/guest.wasm", "exit", "3") == (3, "")
    assert pod.execute(server, "/bin/guest", "exit", "4")[0] == 4
    code, out = pod.execute(server, "ls", "/")
    assert code == 0 and "guest.wasm" in out.split(), out
    assert pod.execute(server, "cat", "/nothing")[0] == 1
    assert "A=1" in pod.execute(server, "env")[1].splitlines()

    for code in (0, 7, 255):
        assert pod.run(f"exit{code}", "/guest.wasm", "exit", str(code))[0] == code
    assert pod.run("trap", "/guest.wasm", "trap")[0] == 134
    assert "unreachable" in pod.log("trap")
    wasm = pod.run("greedy", "/guest.wasm", "take", "90", memory=64 << 20)
    assert wasm == pod.run("greedy-native", "/bin/guest", "take", "90", memory=64 << 20) and wasm[0] == 137, wasm

    # A ConfigMap, a Secret and an empty folder, as a kubelet mounts them.
    settings, empty = folder / "settings", folder / "empty"
    (settings / "..1").mkdir(parents=True)
    empty.mkdir()
    (settings / "..1/key").write_text("value\n")
    (settings / "..data").symlink_to("..1")
    (settings / "key").symlink_to("..data/key")
    mounts = [("/etc/settings", settings, True), ("/scratch", empty, False)]
    assert pod.run("reads", "/guest.wasm", "cat", "/etc/settings/key", mounts=mounts)[0] == 0
    assert pod.log("reads") == "value"
    assert pod.run("refused", "/guest.wasm", "write", "/etc/settings/new", "x", mounts=mounts)[0] == 1
    assert pod.run("writes", "/guest.wasm", "write", "/scratch/new", "x", mounts=mounts, readonly=True)[0] == 0
    assert (empty / "new").read_text() == "x"
    assert pod.run("read-only", "/guest.wasm", "write", "/new", "x", readonly=True)[0] == 1
    assert pod.run("hostname", "/guest.wasm", "cat", "/etc/hostname")[0] == 0
    assert pod.log("hostname") == "mixed"

    busy = pod.start("busy", "/guest.wasm", "spin", memory=64 << 20)
    first = pod.processor_time(busy)
    wait_until(lambda: pod.processor_time(busy) > first + 20_000_000, "processor time to grow")
    pod.cri("UpdateContainerResources", pod.cri.types.UpdateContainerResourcesRequest(
        container_id=busy, linux=pod.cri.types.LinuxContainerResources(memory_limit_in_bytes=48 << 20)))
    began = time.monotonic()
    pod.stop(busy)
    assert pod.ended(busy)[0] == 143 and time.monotonic() - began < 10

    drains = pod.start("drains", "/guest.wasm", "stdin", annotations={"run.berth.drain": "true"})
    wait_until(lambda: "reading" in pod.log("drains"), "the guest")
    pod.stop(drains)
    assert pod.ended(drains)[0] == 143
    assert pod.log("drains").splitlines() == ["reading", "end of input"]


def pull(containerd):
    """What `berth image` builds and pushes, containerd pulls for Kubernetes, and it runs as WebAssembly."""
    registry = find("docker-registry")
    folder = containerd.folder
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    (folder / "registry.yml").write_text(f"""version: 0.1
storage: {{filesystem: {{rootdirectory: {folder}/registry}}}}
http: {{addr: "127.0.0.1:{port}"}}
""")
    name = f"127.0.0.1:{port}/team/app:1"
    environment = os.environ | {"BERTH_IMAGES": str(folder / "images")}

    def berth(*words):
        done = subprocess.run([containerd.oci.berth, *words], env=environment, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr

    with open(folder / "registry.log", "w") as log:
        process = subprocess.Popen([registry, "serve", folder / "registry.yml"], stdout=log, stderr=log)
    try:
        berth("image", "build", "-t", name, "--no-compile", containerd.oci.wasm)
        wait_until(lambda: subprocess.run(
            [containerd.oci.berth, "image", "push", "--quiet", "--tls-verify=false", name], env=environment,
            capture_output=True).returncode == 0, "the registry")
        cri = Cri(containerd)
        t = cri.types
        pulled = cri("PullImage", t.PullImageRequest(image=t.ImageSpec(image=name)), "PullImageResponse", "ImageService")
        assert pulled.image_ref, pulled
    finally:
        process.terminate()
        process.wait()
    pod = cri.pod("pulled")
    try:
        assert pod.run("code", image=name, args=["exit", "7"])[0] == 7, pod.log("code")
        assert pod.run("args", image=name, args=["args", "x"])[0] == 0
        assert pod.log("args").splitlines() == ["/guest.wasm", "args", "x"], pod.log("args")
        long = pod.start("long", image=name, args=["sleep"])
        wait_until(lambda: "sleeping" in pod.log("long"), "the guest")
        # It is the node's berth that runs it, not the one that the image brings.
        assert "/dev/.berth/berth" in pod.execute(long, "ps")[1], pod.execute(long, "ps")
        pod.stop(long)
    finally:
        pod.remove()


def with_containerd(check):
    def run(folder, below):
        containerd = Containerd(folder, below)
        try:
            check(containerd)
        finally:
            containerd.stop()
    return run


if __name__ == "__main__":
    main({"ctr": with_containerd(ctr), "pods": with_containerd(pods), "pull": with_containerd(pull)},
         "usage: containerd.py CASE crun|runc, where CASE is one of")
