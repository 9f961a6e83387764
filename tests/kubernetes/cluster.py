#!/usr/bin/env python3
"""berth-oci in a cluster of one node, with the real programs of Kubernetes: cluster.py. Exits 77 where it cannot check.

$BERTH_KUBERNETES names a folder with kube-apiserver, kube-controller-manager, kube-scheduler, kubelet, kube-proxy and etcd,
and perhaps kubectl and another containerd with its shim. Everything runs in namespaces of its own, and is gone afterwards.
`berth install kubernetes` sets the node up; then pods are compared with native ones (compare.py), and the examples are run.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(ROOT / "tests" / "containers")]
from setting import build_guest, build_pause, find, skip  # noqa: E402

PROGRAMS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "etcd")
ADDRESS = "10.55.0.2"
INSIDE = "BERTH_TEST_NODE"


def enter():
    """Goes on in namespaces of a node, whose processes end with this one."""
    given = os.environ.get("BERTH_KUBERNETES")
    if not given:
        skip("$BERTH_KUBERNETES names no folder with the programs of Kubernetes (kube-apiserver and others, etcd)")
    if os.geteuid() != 0:
        skip("a node is root's; run the tests as root")
    os.environ["PATH"] = f"{Path(given).resolve()}:{os.environ['PATH']}:/usr/sbin:/sbin"
    missing = [name for name in PROGRAMS if not os.access(Path(given) / name, os.X_OK)]
    if missing:
        skip(f"{given} has no {', '.join(missing)}")
    for program, package in (("containerd", None), ("runc", None), ("openssl", None), ("iptables", None), ("ip", "iproute2")):
        find(program, package)
    if not Path("/usr/lib/cni/bridge").exists():
        skip("the network plugins are not installed (Debian package containernetworking-plugins)")
    find("kubectl", "kubernetes-client")
    if os.environ.get(INSIDE):
        return Path(os.environ[INSIDE])
    folder = Path(tempfile.mkdtemp(prefix="berth-kubernetes-", dir="/var/tmp"))
    os.environ[INSIDE] = str(folder)
    node = subprocess.Popen(["unshare", "-m", "-n", "-u", "-p", "-f", "--kill-child", "--propagation", "private",
                             HERE / "node.sh", folder, sys.executable, "-B", Path(__file__).resolve(), *sys.argv[1:]])
    try:
        code = node.wait()
    finally:
        node.kill()
        node.wait()
        remove_cgroups()
        shutil.rmtree(folder, ignore_errors=True)
    sys.exit(code)


def remove_cgroups():
    for _ in range(50):
        left = sorted(Path("/sys/fs/cgroup").glob("**/berth-test-node/**/"), key=lambda path: -len(path.parts))
        if not left:
            return
        for group in left:
            try:
                group.rmdir()
            except OSError:
                time.sleep(0.02)


class Node:
    def __init__(self, folder: Path):
        self.folder = folder
        self.keys = folder / "keys"
        self.keys.mkdir()
        self.running = []
        self.berth = Path(os.environ["BERTH"]).resolve()

    def begin(self, *words):
        log = open(self.folder / f"{Path(words[0]).name}.log", "a")
        self.running.append(subprocess.Popen([str(word) for word in words], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                             start_new_session=True))

    def openssl(self, *words):
        subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True, cwd=self.keys)

    def certificate(self, name, subject):
        (self.keys / f"{name}.ext").write_text(
            f"subjectAltName=IP:127.0.0.1,IP:{ADDRESS},IP:10.96.0.1,DNS:kubernetes.default.svc,DNS:localhost,DNS:node\n"
            "extendedKeyUsage=serverAuth,clientAuth\n")
        self.openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{name}.key", "-out",
                     f"{name}.csr", "-subj", subject)
        self.openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
                     "-extfile", f"{name}.ext", "-out", f"{name}.crt")

    def config_for(self, name, subject):
        self.certificate(name, subject)
        path = self.folder / f"{name}.kubeconfig"
        path.write_text(f"""apiVersion: v1
kind: Config
clusters: [{{name: c, cluster: {{server: "https://127.0.0.1:6443", certificate-authority: {self.keys}/ca.crt}}}}]
users: [{{name: u, user: {{client-certificate: {self.keys}/{name}.crt, client-key: {self.keys}/{name}.key}}}}]
contexts: [{{name: x, context: {{cluster: c, user: u}}}}]
current-context: x
""")
        return path

    def set_up_containerd(self):
        Path("/etc/cni/net.d/10-bridge.conflist").write_text("""{"cniVersion": "1.0.0", "name": "pods", "plugins": [
  {"type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": false, "hairpinMode": true,
   "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.88.0.0/16"}]], "routes": [{"dst": "0.0.0.0/0"}]}},
  {"type": "portmap", "capabilities": {"portMappings": true}}]}
""")
        Path("/etc/containerd/config.toml").write_text("""version = 2
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/pause:1"
  restrict_oom_score_adj = true
  disable_apparmor = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
""")
        # What the installer calls; systemd itself is not there.
        systemctl = Path("/usr/local/bin/systemctl")
        systemctl.write_text('#!/bin/sh\n[ "$*" = "restart containerd" ] || exit 5\nkill $(cat /run/containerd.pid)\nsleep 1\n')
        systemctl.chmod(0o755)
        loop = self.folder / "containerd.sh"
        loop.write_text("#!/bin/sh\nwhile :; do containerd & echo $! > /run/containerd.pid; wait; done\n")
        loop.chmod(0o755)
        self.begin(loop)

    def images(self):
        import containerd as writer  # of the container tests
        wasm, native = build_guest(self.folder)
        pause = build_pause(self.folder)
        made = {"localhost/pause:1": ({"pause": pause}, {"Entrypoint": ["/pause"]}),
                "localhost/guest:1": ({"guest.wasm": wasm, "bin/guest": native}, {"Entrypoint": ["/guest.wasm"]}),
                "localhost/berth-node:1": ({name: self.berth.with_name(name) for name in ("berth", "berth-oci", "berth-install")},
                                           {"Entrypoint": ["/berth-install"]})}
        archives = []
        for name, (files, config) in made.items():
            archives.append(self.folder / f"{len(archives)}.tar")
            writer.write_image(archives[-1], name, files, config)
        for name, source in (("greeter", ROOT / "examples/kubernetes/greeter.c"), ("wordcount", ROOT / "examples/wordcount/wordcount.c")):
            module = self.folder / f"{name}.wasm"
            subprocess.run(["clang-19", "--target=wasm32-wasi", "-O1", source, "-o", module], check=True)
            environment = os.environ | {"BERTH_IMAGES": str(self.folder / "images")}
            listen = ["--listen", "0.0.0.0:8080"] if name == "greeter" else []
            archives.append(self.folder / f"{name}.tar")
            for words in (["build", "-t", f"localhost/{name}:1", "--no-compile", *listen, module],
                          ["save", "-o", archives[-1], f"localhost/{name}:1"]):
                subprocess.run([self.berth, "image", *words], check=True, env=environment, capture_output=True)
        for archive in archives:
            done = subprocess.run(["ctr", "-n", "k8s.io", "images", "import", archive], capture_output=True, text=True)
            assert done.returncode == 0, done.stderr

    def set_up_control(self):
        self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "ca.key", "-out",
                     "ca.crt", "-subj", "/CN=ca", "-days", "2")
        self.openssl("genrsa", "-out", "accounts.key", "2048")
        for name, subject in (("server", "/CN=kube-apiserver"), ("to-kubelet", "/O=system:masters/CN=to-kubelet"),
                              ("front", "/CN=front"), ("kubelet", "/CN=node")):
            self.certificate(name, subject)
        keys = self.keys
        self.begin("etcd", "--data-dir", self.folder / "etcd", "--listen-client-urls", "http://127.0.0.1:2379",
                   "--advertise-client-urls", "http://127.0.0.1:2379", "--listen-peer-urls", "http://127.0.0.1:2380")
        self.begin("kube-apiserver", "--etcd-servers=http://127.0.0.1:2379", "--bind-address=0.0.0.0", "--secure-port=6443",
                   f"--advertise-address={ADDRESS}", f"--tls-cert-file={keys}/server.crt", f"--tls-private-key-file={keys}/server.key",
                   f"--client-ca-file={keys}/ca.crt", "--authorization-mode=Node,RBAC", "--allow-privileged=true",
                   "--service-account-issuer=https://kubernetes.default.svc", f"--service-account-key-file={keys}/accounts.key",
                   f"--service-account-signing-key-file={keys}/accounts.key", "--service-cluster-ip-range=10.96.0.0/16",
                   f"--kubelet-client-certificate={keys}/to-kubelet.crt", f"--kubelet-client-key={keys}/to-kubelet.key",
                   "--kubelet-preferred-address-types=InternalIP", f"--requestheader-client-ca-file={keys}/ca.crt",
                   "--requestheader-allowed-names=front", "--requestheader-username-headers=X-Remote-User",
                   f"--proxy-client-cert-file={keys}/front.crt", f"--proxy-client-key-file={keys}/front.key")
        configs = {name: self.config_for(name, f"/O={group}/CN={user}") for name, group, user in (
            ("admin", "system:masters", "admin"), ("manager", "system:masters", "manager"),
            ("scheduler", "system:masters", "scheduler"), ("proxy", "system:masters", "proxy"),
            ("node", "system:nodes", "system:node:node"))}
        os.environ["KUBECONFIG"] = str(configs["admin"])
        self.wait(lambda: subprocess.run(["kubectl", "get", "--raw", "/readyz"], capture_output=True).returncode == 0,
                  "kube-apiserver", 180)
        self.begin("kube-controller-manager", f"--kubeconfig={configs['manager']}", f"--root-ca-file={keys}/ca.crt",
                   f"--service-account-private-key-file={keys}/accounts.key", "--use-service-account-credentials=true",
                   "--leader-elect=false", "--authentication-skip-lookup")
        self.begin("kube-scheduler", f"--kubeconfig={configs['scheduler']}", "--leader-elect=false", "--authentication-skip-lookup")
        self.begin("kube-proxy", f"--kubeconfig={configs['proxy']}", "--hostname-override=node", "--cluster-cidr=10.88.0.0/16",
                   "--conntrack-max-per-core=0", "--proxy-mode=iptables")
        settings = self.folder / "kubelet.yaml"
        settings.write_text(f"""apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
cgroupDriver: cgroupfs
cgroupRoot: /berth-test-node
failCgroupV1: false
failSwapOn: false
containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
authentication: {{anonymous: {{enabled: true}}, webhook: {{enabled: false}}}}
authorization: {{mode: AlwaysAllow}}
enforceNodeAllocatable: []
evictionHard: {{memory.available: "50Mi", nodefs.available: "1%", imagefs.available: "1%"}}
tlsCertFile: {keys}/kubelet.crt
tlsPrivateKeyFile: {keys}/kubelet.key
""")
        for hierarchy in Path("/sys/fs/cgroup").iterdir():
            if (hierarchy / "cgroup.procs").exists():
                (hierarchy / "berth-test-node").mkdir(exist_ok=True)
                for name in ("cpuset.cpus", "cpuset.mems"):
                    if (hierarchy / name).exists():
                        (hierarchy / "berth-test-node" / name).write_text((hierarchy / name).read_text())
        self.begin("kubelet", f"--config={settings}", f"--kubeconfig={configs['node']}", "--hostname-override=node",
                   f"--node-ip={ADDRESS}")

    def wait(self, condition, what, seconds=60):
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                raise AssertionError(f"waited {seconds} s in vain: {what}\n" + "".join(
                    f"== {log.name}\n" + "".join(log.read_text(errors="replace").splitlines(True)[-4:])
                    for log in sorted(self.folder.glob("*.log"))))
            time.sleep(0.5)

    def start(self):
        Path("/etc/hosts").write_text(f"127.0.0.1 localhost\n{ADDRESS} node\n")
        self.set_up_containerd()
        self.set_up_control()
        self.wait(lambda: subprocess.run(["ctr", "version"], capture_output=True).returncode == 0, "containerd")
        self.images()
        import compare
        self.wait(lambda: "Ready" in compare.kubectl("get", "node", "node", "--no-headers", code=None).stdout.split(), "the node")
        self.wait(lambda: compare.get("serviceaccount", "default"), "the account of pods")

    def install(self):
        """As docs/containers.md says, by the manifests that Berth prints."""
        from compare import kubectl
        kubectl("label", "node", "node", "run.berth/node=true")
        manifests = subprocess.run([self.berth, "install", "kubernetes", "--image", "localhost/berth-node:1"], check=True,
                                   capture_output=True, text=True).stdout
        kubectl("apply", "-f", "-", input=manifests)
        self.wait(lambda: kubectl("-n", "berth-system", "get", "daemonset", "berth-node", "-o", "jsonpath={.status.numberReady}",
                                  code=None).stdout == "1", "the installer", 120)
        self.wait(lambda: "runtimes.berth" in Path("/etc/containerd/config.toml").read_text(), "containerd's settings")
        self.wait(lambda: subprocess.run(["ctr", "version"], capture_output=True).returncode == 0, "containerd again")

    def stop(self):
        for process in reversed(self.running):
            process.send_signal(signal.SIGKILL)


def main():
    node = Node(enter())
    # What runs native pods is below Berth as well, so that both are asked the same.
    os.environ["BERTH_OCI_RUNTIME"] = find("runc")
    import compare
    try:
        node.start()
        node.install()
        only = sys.argv[1:]
        failed = []
        for check in (*compare.CASES, *compare.MORE):
            if only and check.__name__ not in only:
                continue
            began = time.monotonic()
            try:
                check()
            except (AssertionError, LookupError, OSError, subprocess.SubprocessError) as error:
                failed.append(check.__name__)
                print(f"FAILED {check.__name__}: {error!r}", flush=True)
            else:
                print(f"ok {check.__name__}, {time.monotonic() - began:.0f} s", flush=True)
            compare.clean()
        sys.exit(f"failed: {' '.join(failed)}" if failed else 0)
    finally:
        node.stop()


if __name__ == "__main__":
    sys.path.insert(0, str(HERE))
    main()
