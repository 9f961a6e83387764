#!/usr/bin/env python3
"""`berth play` with manifests as Kubernetes takes them: play_test.py CASE. Exits 77 where it cannot check."""

import io
import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

EXIT_SKIPPED = 77
HERE = Path(__file__).resolve().parent


def skip(reason):
    print(f"SKIPPED: {reason}")
    sys.exit(EXIT_SKIPPED)


def wait_until(condition, what, seconds=20):
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"waited {seconds} s in vain: {what}"
        time.sleep(0.02)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def fetch(port, path="/", address="127.0.0.1"):
    """The body of an answer; empty when there is none."""
    try:
        with socket.create_connection((address, port), timeout=5) as s:
            s.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
            answer = b""
            while part := s.recv(4096):
                answer += part
        return answer.partition(b"\r\n\r\n")[2].decode()
    except OSError:
        return ""


def blob(folder: Path, data: bytes, kind):
    digest = hashlib.sha256(data).hexdigest()
    (folder / "blobs/sha256").mkdir(parents=True, exist_ok=True)
    (folder / "blobs/sha256" / digest).write_bytes(data)
    return {"mediaType": f"application/vnd.oci.image.{kind}", "digest": f"sha256:{digest}", "size": len(data)}


def linux_image(folder: Path, program: Path, name):
    """An ordinary image with one static program in it, as an archive."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        tar.add(program, "bin/guest")
    layout = folder / "layout"
    config = {"architecture": "amd64" if os.uname().machine == "x86_64" else "arm64", "os": "linux",
              "config": {"Entrypoint": ["/bin/guest"]},
              "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer.getvalue()).hexdigest()}"]}}
    manifest = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "config": blob(layout, json.dumps(config).encode(), "config.v1+json"),
                "layers": [blob(layout, layer.getvalue(), "layer.v1.tar")]}
    entry = blob(layout, json.dumps(manifest).encode(), "manifest.v1+json") | {
        "annotations": {"org.opencontainers.image.ref.name": name}}
    (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    (layout / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    with tarfile.open(folder / "linux.tar", "w") as tar:
        tar.add(layout, ".")
    return folder / "linux.tar"


class Machine:
    def __init__(self, folder: Path):
        self.folder = folder
        self.berth = Path(os.environ["BERTH"]).resolve()
        self.environment = os.environ | {"BERTH_IMAGES": str(folder / "images"), "BERTH_PLAY_DIR": str(folder / "run"),
                                         "BERTH_CACHE_DIR": str(folder / "cache"), "HOME": str(folder)}
        self.count = 0
        self.running = []
        if not shutil.which("clang-19") or not Path("/usr/lib/wasm32-wasi/libc.a").exists():
            skip("the wasi toolchain is not installed (clang-19, lld-19, wasi-libc); ./dev setup installs it")
        self.compile("guest.wasm", "--target=wasm32-wasi")
        self("image", "build", "-t", "localhost/guest:1", "--no-compile", folder / "guest.wasm")

    def compile(self, name, *options):
        subprocess.run(["clang-19", "-O1", "-Wall", "-Werror", *options, HERE / "guest.c", "-o", self.folder / name],
                       check=True, cwd=self.folder)

    def __call__(self, *words, code=0, **more):
        done = subprocess.run([self.berth, *map(str, words)], env=self.environment, capture_output=True, text=True,
                              timeout=60, **{"stdin": subprocess.DEVNULL, **more})
        assert code is None or done.returncode == code, (
            f"{words}: exit {done.returncode}, expected {code}\n{done.stdout}{done.stderr}")
        self.last = done
        return done.stdout

    def write(self, text):
        self.count += 1
        file = self.folder / f"app{self.count}.yaml"
        file.write_text(text)
        return file

    def play(self, text, *options, code=0):
        """In the foreground, to its end; what it printed."""
        return self("play", "--back-off", "200ms", *options, self.write(text), code=code)

    def begin(self, text, *options):
        """In the background; its name."""
        return self("play", "-d", "--back-off", "200ms", *options, self.write(text)).strip()

    def app(self, name):
        found = [app for app in json.loads(self("ps", "--json")) if app["name"] == name]
        return found[0] if found else None

    def pods(self, name):
        app = self.app(name)
        return app["pods"] if app else []

    def stop(self, name):
        self("stop", name)
        assert not (self.folder / "run" / name).exists(), list((self.folder / "run" / name).rglob("*"))

    def left(self):
        """Processes that are still there."""
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                words = (process / "cmdline").read_bytes()
            except OSError:
                continue
            if str(self.folder).encode() in words and int(process.name) != os.getpid():
                found.append(words)
        return found


def pod(name, args, *, image="localhost/guest:1", more="", container="", policy="Never", labels=""):
    """A manifest of a pod with one container."""
    words = ", ".join(json.dumps(str(word)) for word in args)
    return (f"apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}{', labels: {' + labels + '}' if labels else ''}}}\n"
            f"spec:\n  restartPolicy: {policy}\n  terminationGracePeriodSeconds: 3\n{more}"
            f"  containers:\n  - name: main\n    image: {image}\n    args: [{words}]\n{container}---\n")


CONFIG = """apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {colour: blue, size: "10"}
---
apiVersion: v1
kind: Secret
metadata: {name: keys}
stringData: {token: hush}
data: {coded: Y29kZWQ=}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: kept}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
---
"""


def pods(m):
    """Arguments, environment, ConfigMaps, Secrets, volumes of every kind, init containers, logs, exit codes."""
    host = m.folder / "host"
    host.mkdir()
    (host / "text").write_text("from the host")
    args = ["say", "hello $(COLOUR)", "and", "complain", "trouble", "and", "env", "COLOUR", "and", "env", "TOKEN", "and",
            "env", "P_size", "and", "env", "SELF", "and", "env", "NONE", "and", "show", "/c/colour", "and", "show", "/s/a/b",
            "and", "put", "/c/new", "x", "and", "put", "/e/new", "x", "and", "show", "/e/first", "and", "show", "/h/text",
            "and", "put", "/h/new", "x", "and", "put", "/k/new", "kept", "and", "put", "/tmp-file", "x", "and", "show",
            "/one", "and", "exit", "3"]
    text = CONFIG + pod("a", args, labels="app: a", more="""  volumes:
  - {name: c, configMap: {name: settings}}
  - {name: s, secret: {secretName: keys, items: [{key: coded, path: a/b}]}}
  - {name: e, emptyDir: {}}
  - {name: h, hostPath: {path: %s, type: Directory}}
  - {name: k, persistentVolumeClaim: {claimName: kept}}
  initContainers:
  - name: first
    image: localhost/guest:1
    args: [put, /e/first, made before]
    volumeMounts: [{name: e, mountPath: /e}]
""" % host, container="""    env:
    - {name: COLOUR, valueFrom: {configMapKeyRef: {name: settings, key: colour}}}
    - {name: TOKEN, valueFrom: {secretKeyRef: {name: keys, key: token}}}
    - {name: SELF, valueFrom: {fieldRef: {fieldPath: "metadata.labels['app']"}}}
    - {name: NONE, valueFrom: {configMapKeyRef: {name: settings, key: none, optional: true}}}
    envFrom: [{prefix: P_, configMapRef: {name: settings}}]
    volumeMounts:
    - {name: c, mountPath: /c}
    - {name: s, mountPath: /s}
    - {name: e, mountPath: /e}
    - {name: h, mountPath: /h, readOnly: true}
    - {name: k, mountPath: /k}
    - {name: c, mountPath: /one, subPath: colour}
""")
    out = m.play(text, "--name", "whole", code=1)
    for line in ("hello blue", "trouble", "COLOUR=blue", "TOKEN=hush", "P_size=10", "SELF=a", "NONE=(unset)",
                 "/c/colour: blue", "/s/a/b: coded", "cannot write /c/new", "wrote /e/new", "/e/first: made before",
                 "/h/text: from the host", "cannot write /h/new", "wrote /k/new", "wrote /tmp-file", "/one: blue"):
        assert f"a | {line}\n" in out, f"{line} is not in\n{out}{m.last.stderr}"
    assert "ended with exit code 3" in m.last.stderr, m.last.stderr
    assert not (host / "new").exists()
    # A claim outlives the application; the image's own files are never written to.
    assert "/k/new: kept" in m.play(CONFIG + pod("b", ["show", "/k/new", "and", "show", "/tmp-file"], container=(
        "    volumeMounts: [{name: k, mountPath: /k}]\n"), more=(
        "  volumes: [{name: k, persistentVolumeClaim: {claimName: kept}}]\n")), code=1)
    assert "cannot read /tmp-file" in m.last.stdout
    assert m.play(pod("c", ["say", "done"])) == "c | done\n"
    assert "cannot write /x" in m.play(pod("d", ["put", "/x", "x"], container="    securityContext: {readOnlyRootFilesystem: true}\n"),
                                       code=1)


def restarts(m):
    """Restart policies with back-off; logs of this and the previous run; what ps says."""
    name = m.begin(pod("crash", ["say", "began", "and", "exit", "7"], policy="Always"))
    wait_until(lambda: m.pods(name)[0]["restarts"] >= 2, "two restarts")
    wait_until(lambda: m.pods(name)[0]["status"] == "CrashLoopBackOff", "a back-off")
    table = m("ps")
    assert "CrashLoopBackOff" in table and "back-off" in table and "exit code 7" in table, table
    assert m("logs", "crash") == "began\n" and m("logs", "cra", "--previous") == "began\n"
    assert m("logs", "--timestamps", "crash").endswith("Z began\n")
    m.stop(name)
    # OnFailure goes on until it is well; a file tells the runs apart.
    text = CONFIG + pod("try", ["show", "/k/marker", "and", "put", "/k/marker", "x"], policy="OnFailure", container=(
        "    volumeMounts: [{name: k, mountPath: /k}]\n"), more=(
        "  volumes: [{name: k, persistentVolumeClaim: {claimName: kept}}]\n"))
    out = m.play(text)
    assert out.count("cannot read /k/marker") == 1 and "/k/marker: x" in out, out
    name = m.begin(pod("ticks", ["say", "1", "and", "sleep", "300", "and", "say", "2", "and", "say", "3", "and", "sleep",
                                 "400"], policy="Never") + pod("stays", ["sleep", "100000"]))
    wait_until(lambda: m.pods(name)[0]["containers"][0]["log"], "the start")
    with subprocess.Popen([m.berth, "logs", "-f", "ticks"], env=m.environment, stdout=subprocess.PIPE, text=True) as follow:
        assert [follow.stdout.readline() for _ in range(3)] == ["1\n", "2\n", "3\n"]
        assert follow.wait(20) == 0, "following goes on although the container has ended"
    assert m("logs", "--tail", "1", "ticks") == "3\n"
    wait_until(lambda: m.pods(name)[0]["status"] == "Completed", "the end")
    m.stop(name)


DEPLOYMENT = """apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata:
      labels: {app: web}
      annotations: {run.berth.tcp-listen: "0.0.0.0:8080", run.berth.drain: "true"}
    spec:
      terminationGracePeriodSeconds: 5
      containers:
      - name: main
        image: localhost/guest:1
        args: [serve, $(ME)]
        env: [{name: ME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]
        ports: [{name: http, containerPort: 8080}]
        startupProbe: {httpGet: {path: /, port: http}, periodSeconds: 1, failureThreshold: 10}
        readinessProbe: {tcpSocket: {port: 8080}, periodSeconds: 1}
        livenessProbe: {httpGet: {path: /live, port: 8080}, periodSeconds: 1, failureThreshold: 1}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 8000, targetPort: http}]}
---
"""


def services(m):
    """Replicas with one port each; a service that spreads over those that are ready; probes; draining; top."""
    port = free_port()
    name = m.begin(DEPLOYMENT, "-p", f"{port}:web")
    wait_until(lambda: [p["ready"] for p in m.pods(name)] == [True, True], f"two ready pods: {m('ps')}")
    names = {p["name"] for p in m.pods(name)}
    wait_until(lambda: {fetch(port).strip() for _ in range(6)} == names, "answers of both")
    address = m.app(name)["services"][0]["address"]
    assert fetch(8000, address=address).strip() in names
    sick = fetch(port, "/sick").strip()
    wait_until(lambda: [p["restarts"] for p in m.pods(name) if p["name"] == sick] == [1], "a restart of the sick one")
    wait_until(lambda: [p["ready"] for p in m.pods(name)] == [True, True], "both ready again")
    assert "drained" in m("logs", "--previous", sick)
    rows = m("top").splitlines()
    assert len(rows) == 3 and "%" in rows[1] and "iB" in rows[1], rows
    m("play", "-d", "--name", name, m.write(DEPLOYMENT), code=2)
    assert "is being played" in m.last.stderr, m.last.stderr
    m.stop(name)
    assert fetch(port) == ""
    # An answer is handed on although the server did not wait for the question.
    name = m.begin(pod("hasty", ["blurt"], container="    ports: [{containerPort: 8080}]\n").replace(
        "name: hasty", "name: hasty, annotations: {run.berth.tcp-listen: '0.0.0.0:8080'}"), "-p", f"{port}:hasty")
    wait_until(lambda: "serving" in m("logs", "hasty", code=None), "the server")
    answers = [fetch(port) for _ in range(20)]
    assert answers == ["blurted\n"] * 20, answers
    m.stop(name)


def jobs(m):
    """Completions, parallelism, failures; the exit code."""
    def job(name, args, rest="", policy="Never"):
        words = ", ".join(json.dumps(str(word)) for word in args)
        return (f"apiVersion: batch/v1\nkind: Job\nmetadata: {{name: {name}}}\nspec:\n{rest}  template:\n    spec:\n"
                f"      restartPolicy: {policy}\n      containers:\n      - {{name: main, image: localhost/guest:1, "
                f"args: [{words}]}}\n---\n")
    out = m.play(job("many", ["say", "once"], "  completions: 3\n  parallelism: 2\n"))
    assert out.count("once") == 3 and "job many: complete" in m.last.stderr, out + m.last.stderr
    out = m.play(job("fails", ["say", "tried", "and", "exit", "1"], "  backoffLimit: 1\n"), code=1)
    assert out.count("tried") == 2 and "backoffLimit of 1" in m.last.stderr, out + m.last.stderr
    out = m.play(job("again", ["say", "tried", "and", "exit", "1"], "  backoffLimit: 1\n", policy="OnFailure"), code=1)
    assert "backoffLimit" in m.last.stderr and out.count("tried") >= 2, out + m.last.stderr


def linux_sidecar(m):
    """A Linux program beside WebAssembly: localhost is both's, services are found by name."""
    if os.geteuid() != 0:
        skip("containers of Linux programs are made by root; run the tests as root")
    runtime = shutil.which("runc", path="/usr/sbin:/usr/bin:/sbin:/bin")
    if not runtime:
        skip("runc is not installed (Debian package runc); ./dev setup installs it")
    m.environment["BERTH_OCI_RUNTIME"] = runtime
    m.compile("guest", "-static", "-Wno-unused-command-line-argument")
    m("image", "load", "-i", linux_image(m.folder, m.folder / "guest", "localhost/linux:1"))
    text = DEPLOYMENT.replace("replicas: 2", "replicas: 1") + """apiVersion: v1
kind: Pod
metadata: {name: both, annotations: {run.berth.tcp-listen: "127.0.0.1:9000"}}
spec:
  terminationGracePeriodSeconds: 2
  restartPolicy: Never
  volumes: [{name: shared, emptyDir: {}}]
  containers:
  - {name: wasm, image: localhost/guest:1, args: [serve, beside],
     volumeMounts: [{name: shared, mountPath: /shared}]}
  - name: linux
    image: localhost/linux:1
    args: [fetch, localhost, "9000", and, fetch, web, "8000", and, fetch, web.default.svc, "8000", and, put, /shared/note, x,
           and, env, WEB_SERVICE_PORT, and, sleep, "600000"]
    volumeMounts: [{name: shared, mountPath: /shared}]
    livenessProbe: {exec: {command: [/bin/guest, show, /shared/note]}, initialDelaySeconds: 2}
"""
    name = m.begin(text)
    wait_until(lambda: "WEB_SERVICE_PORT=8000" in m("logs", "both", "-c", "linux"), "the Linux program's lines", 30)
    log = m("logs", "both", "-c", "linux")
    assert "localhost says beside\n" in log and "web says web-" in log and "web.default.svc says web-" in log, log
    assert "wrote /shared/note" in log
    pid = [c["pid"] for c in m.pods(name)[0]["containers"] if c["name"] == "linux"][0]
    assert pid > 0 and m.pods(name)[0]["restarts"] == 0
    m.stop(name)
    cgroups = [path for path in Path("/sys/fs/cgroup").glob("*/berth-play/*") if path.is_dir() and name in path.name]
    assert not cgroups, cgroups


def limits(m):
    """Memory and processor limits of WebAssembly and of Linux programs, as the kernel keeps them."""
    if os.geteuid() != 0:
        text = pod("big", ["take", "90"], container="    resources: {limits: {memory: 64Mi}}\n")
        assert "refused after" in m.play(text, code=1)
        skip("only growth beyond a limit is refused for others than root; run the tests as root")
    hungry = "    resources: {limits: {memory: 64Mi}}\n"
    for image, args in linux_and_wasm(m):
        name = m.begin(pod("big", [*args, "take", "90"], image=image, container=hungry) +
                       pod("fits", [*args, "take", "30"], image=image, container=hungry) + pod("stays", ["sleep", "100000"]))
        wait_until(lambda: len(m.pods(name)) == 3 and all(p["status"] not in ("Running", "ContainerCreating")
                                                          for p in m.pods(name)[:2]), f"the end: {m('ps')}")
        by_name = {p["name"]: p for p in m.pods(name)}
        big = by_name["big"]["containers"][0]
        assert (big["reason"], big["exitCode"], by_name["big"]["status"]) == ("OOMKilled", 137, "OOMKilled"), (image, big)
        assert by_name["fits"]["status"] == "Completed", m("logs", "fits")
        m.stop(name)
    # A tenth of a processor, beside one without a limit.
    for image, args in linux_and_wasm(m):
        slow = "    resources: {limits: {cpu: 100m}}\n"
        name = m.begin(pod("slow", [*args, "spin", "100000"], image=image, container=slow))
        wait_until(lambda: m.pods(name) and m.pods(name)[0]["status"] == "Running", "the start")
        container = m.pods(name)[0]["containers"][0]
        before = time.monotonic(), container["cpuMicroseconds"]
        time.sleep(2)
        used = (m.pods(name)[0]["containers"][0]["cpuMicroseconds"] - before[1]) / 1e6 / (time.monotonic() - before[0])
        assert used < 0.2, f"{image} took {used:.2f} of a processor"
        m.stop(name)
    left = [path for path in Path("/sys/fs/cgroup").glob("*/berth-play/*") if path.is_dir() and "app" in path.name]
    assert not left, left


def linux_and_wasm(m):
    """(image, words before the arguments), of the guest as WebAssembly, and as a Linux program where there is runc."""
    yield "localhost/guest:1", []
    runtime = shutil.which("runc", path="/usr/sbin:/usr/bin:/sbin:/bin")
    if runtime:
        m.environment["BERTH_OCI_RUNTIME"] = runtime
        if not (m.folder / "guest").exists():
            m.compile("guest", "-static", "-Wno-unused-command-line-argument")
            m("image", "load", "-i", linux_image(m.folder, m.folder / "guest", "localhost/linux:1"))
        yield "localhost/linux:1", []


def hooks(m):
    """postStart, before which nothing is ready; preStop, before SIGTERM and within the grace; sidecars."""
    shared = "    volumeMounts: [{name: e, mountPath: /e}]\n"
    volume = "  volumes: [{name: e, hostPath: {path: %s}}]\n" % m.folder
    wasm = ["/guest.wasm"]

    def hook(*words):
        return "{exec: {command: [" + ", ".join(json.dumps(word) for word in [*wasm, *words]) + "]}}"
    name = m.begin(pod("hooked", ["sleep", "100000"], policy="Always", more=volume, container=shared + (
        f"    lifecycle: {{postStart: {hook('sleep', '500', 'and', 'put', '/e/began', 'x')}, "
        f"preStop: {hook('put', '/e/ending', 'x')}}}\n")))
    wait_until(lambda: m.pods(name) and m.pods(name)[0]["containers"][0]["state"] == "running", "the start")
    assert m.pods(name)[0]["ready"] == (m.folder / "began").exists()
    wait_until(lambda: m.pods(name)[0]["ready"], "postStart")
    assert (m.folder / "began").exists() and not (m.folder / "ending").exists()
    m.stop(name)
    assert (m.folder / "ending").exists()
    # A hook that fails ends the container; one that takes too long is not waited for.
    name = m.begin(pod("fails", ["sleep", "100000"], container=f"    lifecycle: {{postStart: {hook('exit', '3')}}}\n"))
    wait_until(lambda: m.app(name) is None, "the end")
    name = m.begin(pod("slow", ["sleep", "100000"], container="    lifecycle: {preStop: {sleep: {seconds: 60}}}\n").replace(
        "PeriodSeconds: 3", "PeriodSeconds: 1"))
    wait_until(lambda: m.pods(name) and m.pods(name)[0]["ready"], "the start")
    began = time.monotonic()
    m.stop(name)
    assert 0.9 < time.monotonic() - began < 10, time.monotonic() - began
    # A sidecar is there before the others, and ends after them.
    out = m.play(pod("main", ["show", "/e/beside", "and", "say", "main ends"], more=volume + """  initContainers:
  - name: beside
    image: localhost/guest:1
    restartPolicy: Always
    args: [put, /e/beside, "there", and, say, beside, and, sleep, "600000"]
    volumeMounts: [{name: e, mountPath: /e}]
    startupProbe: {exec: {command: [/guest.wasm, show, /e/beside]}, periodSeconds: 1}
  - {name: next, image: localhost/guest:1, args: [say, next]}
""", container=shared))
    lines = out.splitlines()
    assert lines.index("main | next") < lines.index("main | /e/beside: there") < lines.index("main | main ends"), out


def crons(m):
    """CronJobs: when their time comes, one after the other, and only so many are kept."""
    text = """apiVersion: batch/v1
kind: CronJob
metadata: {name: ticks}
spec:
  schedule: "@every 1s"
  concurrencyPolicy: %s
  successfulJobsHistoryLimit: 1
  jobTemplate:
    spec:
      template:
        spec:
          terminationGracePeriodSeconds: 0
          restartPolicy: Never
          containers: [{name: main, image: localhost/guest:1, args: [%s]}]
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: nightly}
spec:
  schedule: "0 3 * * *"
  timeZone: Etc/UTC
  jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: [{name: main, image: localhost/guest:1}]}}}}
"""
    name = m.begin(text % ("Allow", "say, tick"))
    seen = set()

    def jobs():
        found = [job["name"] for job in m.app(name)["jobs"]]
        seen.update(found)
        return found
    wait_until(lambda: jobs() is not None and len(seen) >= 4, "four jobs")
    wait_until(lambda: len([j for j in m.app(name)["jobs"] if j["status"] == "Complete"]) == 1 and len(m.pods(name)) <= 2,
               f"old jobs to go: {m('ps')}")
    assert "tick" in m("logs", wait_until(lambda: [p for p in m.pods(name) if p["status"] == "Completed"], "one")[0]["name"],
                       code=None)
    table = m("ps")
    assert "cronjob nightly: next at " in table and " 03:00:00" in subprocess.run(
        [m.berth, "ps"], env=m.environment | {"TZ": "UTC"}, capture_output=True, text=True).stdout, table
    m.stop(name)
    name = m.begin(text % ("Forbid", 'sleep, "600000"'))
    wait_until(lambda: len(m.app(name)["jobs"]) == 1, "a job")
    time.sleep(2.5)
    assert len(m.app(name)["jobs"]) == 1
    m.stop(name)
    name = m.begin(text % ("Replace", 'sleep, "600000"'))
    first = wait_until(lambda: m.app(name)["jobs"], "a job")[0]["name"]
    wait_until(lambda: [j["name"] for j in m.app(name)["jobs"]] not in ([], [first]) and len(m.pods(name)) <= 2, "the next")
    assert first not in [j["name"] for j in m.app(name)["jobs"]]
    m.stop(name)
    m.play((text % ("Allow", "say, x")).replace("Etc/UTC", "Mars/Base"), code=2)
    assert 'timeZone "Mars/Base" is not known' in m.last.stderr, m.last.stderr


def refusals(m):
    """What is wrong is said, all of it, before anything starts."""
    bad = pod("a", ["say", "x"]).replace("args:", "arguments:") + "apiVersion: v1\nkind: Sevrice\nmetadata: {name: s}\n"
    m.play(bad, code=2)
    for part in ('unknown field "spec.containers[0].arguments"', "kind Sevrice", "line 1, Pod a", "Sevrice s"):
        assert part in m.last.stderr, m.last.stderr
    m.play("a: [1, 2\n", code=1)
    m.play(pod("a", [], image="localhost/none:1"), code=1)
    assert "localhost/none:1" in m.last.stderr, m.last.stderr
    m.play(pod("a", [], container="    env: [{name: A, valueFrom: {secretKeyRef: {name: no, key: b}}}]\n"), code=1)
    assert 'secret "no" not found' in m.last.stderr, m.last.stderr
    m.play(pod("a", []) + "apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: {ports: [{port: 80}]}\n", "-p", "1:zzz",
           code=2)
    assert "no service or pod called zzz" in m.last.stderr, m.last.stderr
    assert "has no effect here" in (m("play", "--check", m.write(pod("a", [], more="  hostPID: true\n"))) or m.last.stderr)
    m.play("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n", code=2)
    assert "nothing to run" in m.last.stderr
    m("stop", "zzz", code=2)
    m("logs", "zzz", code=2)
    assert m("ps") == "nothing is being played\n"


def killed(m):
    """kill -9 of the process that plays: what it ran ends, and the next one starts as if nothing had been."""
    text = pod("a", ["say", "up", "and", "sleep", "600000"], policy="Always",
               container="    resources: {limits: {memory: 64Mi, cpu: 1}}\n")
    name = m.begin(text, "--name", "k")
    wait_until(lambda: "up" in m("logs", "a", code=None), "the pod")
    lock = str(m.folder / "run" / name / "lock")
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if any(os.readlink(fd) == lock for fd in (process / "fd").iterdir()):
                os.kill(int(process.name), signal.SIGKILL)
        except OSError:
            continue
    wait_until(lambda: "was killed" in m("ps"), "the end")
    wait_until(lambda: not m.left(), f"its processes to end: {m.left()}")
    assert m.begin(text, "--name", "k") == name
    wait_until(lambda: "up" in m("logs", "a", code=None), "the pod")
    m.stop(name)
    left = [path for path in Path("/sys/fs/cgroup").glob("*/berth-play/k-a-*") if path.is_dir()]
    assert not left, left


CASES = {case.__name__: case for case in (pods, restarts, services, jobs, linux_sidecar, limits, hooks, crons, refusals, killed)}

if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="berth-play-") as name:
        os.chmod(name, 0o755)
        machine = Machine(Path(name))
        try:
            CASES[sys.argv[1]](machine)
        finally:
            for app in machine("ps", "--json", code=None) and json.loads(machine.last.stdout) or []:
                machine("stop", app["name"], code=None)
        left = wait_until(lambda: not machine.left(), f"left behind: {machine.left()}", 10)
