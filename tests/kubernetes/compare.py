"""What pods of Kubernetes do, as WebAssembly and as native programs: the same manifest twice, and what kubectl says of it.

Works on any cluster that $KUBECONFIG leads to and that has the runtime class berth, and the image localhost/guest:1 (of
tests/containers/guest.c, as /guest.wasm and /bin/guest) on its node.
"""

import json
import os
import shutil
import subprocess
import time
import urllib.request
from pathlib import Path

KINDS = {"wasm": "/guest.wasm", "linux": "/bin/guest"}
IMAGE = "localhost/guest:1"


def kubectl(*words, code=0, **more):
    done = subprocess.run(["kubectl", *map(str, words)], capture_output=True, text=True, timeout=120,
                          **{"stdin": subprocess.DEVNULL, **more} if "input" not in more else more)
    assert code is None or done.returncode == code, (
        f"kubectl {words}: exit {done.returncode}, expected {code}\n{done.stdout}{done.stderr}")
    return done.stdout if code is not None else done


def apply(*objects):
    kubectl("apply", "-f", "-", input=json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)}))


def wait_until(condition, what, seconds=60):
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"waited {seconds} s in vain: {what() if callable(what) else what}"
        time.sleep(0.3)


def get(kind, name):
    done = kubectl("get", kind, name, "-o", "json", code=None)
    return json.loads(done.stdout) if done.returncode == 0 else None


def describe(name):
    return kubectl("describe", "pod", name, code=None).stdout[-1500:]


class Side:
    """One of the two ways to run the guest."""

    def __init__(self, kind):
        self.kind, self.program = kind, KINDS[kind]

    def name(self, name):
        return f"{name}-{self.kind}"

    def pod(self, name, *args, container=None, spec=None, annotations=None, image=IMAGE):
        """A manifest of a pod with one container that runs the guest."""
        main = {"name": "main", "image": image, "imagePullPolicy": "IfNotPresent", "command": [self.program, *args],
                **(container or {})}
        out = {"apiVersion": "v1", "kind": "Pod",
               "metadata": {"name": self.name(name), "labels": {"app": self.name(name)}, "annotations": annotations or {}},
               "spec": {"restartPolicy": "Never", "terminationGracePeriodSeconds": 10, "containers": [main], **(spec or {})}}
        if self.kind == "wasm":
            out["spec"]["runtimeClassName"] = "berth"
        return out

    def start(self, name, *args, says=None, **more):
        """Makes a pod, and waits until it runs, or has said something."""
        apply(self.pod(name, *args, **more))
        name = self.name(name)
        wait_until(lambda: (self.status(name) or {}).get("state", {}).get("running") and (
            not says or says in self.logs(name)), lambda: f"{name} to run: {describe(name)}")
        return name

    def status(self, name):
        pod = get("pod", name)
        statuses = pod and pod["status"].get("containerStatuses")
        return statuses[0] if statuses else None

    def ended(self, name):
        """(exit code, reason) of the pod's container."""
        state = wait_until(lambda: (self.status(name) or {}).get("state", {}).get("terminated"),
                           lambda: f"{name} to end: {describe(name)}")
        return state["exitCode"], state["reason"]

    def run(self, name, *args, **more):
        """(exit code, reason, log) of a pod."""
        apply(self.pod(name, *args, **more))
        name = self.name(name)
        code, reason = self.ended(name)
        return code, reason, self.logs(name)

    def logs(self, name, *words):
        return kubectl("logs", name, *words, code=None).stdout

    def execute(self, name, *words):
        done = kubectl("exec", name, "--", *words, code=None)
        return done.returncode, done.stdout


CASES = []


def case(function):
    CASES.append(function)
    return function


def alike(what):
    """What both sides give, which must be the same."""
    seen = {kind: what(Side(kind)) for kind in KINDS}
    assert seen["wasm"] == seen["linux"], f"WebAssembly {seen['wasm']}, native {seen['linux']}"
    return seen["wasm"]


@case
def exit_codes():
    for code in (0, 7, 255):
        reason = "Completed" if code == 0 else "Error"
        assert alike(lambda side, code=code: side.run(f"exit{code}", "exit", str(code))[:2]) == (code, reason)
    wasm = Side("wasm").run("trap", "trap")
    assert wasm[:2] == (134, "Error") and "unreachable" in wasm[2], wasm


@case
def out_of_memory():
    limits = {"resources": {"limits": {"memory": "64Mi"}}}
    assert alike(lambda side: side.run("oom", "take", "90", container=limits)[:2]) == (137, "OOMKilled")
    assert alike(lambda side: side.run("fits", "take", "30", container=limits)[0]) == 0


@case
def configuration():
    apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"colour": "blue"}},
          {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys"}, "stringData": {"token": "hush"}})
    spec = {"volumes": [{"name": "c", "configMap": {"name": "settings"}}, {"name": "s", "secret": {"secretName": "keys"}},
                        {"name": "e", "emptyDir": {}}, {"name": "m", "emptyDir": {"medium": "Memory"}},
                        {"name": "d", "downwardAPI": {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]}}],
            "securityContext": {"runAsUser": 1000, "runAsGroup": 1000, "fsGroup": 2000}}
    mounts = [{"name": "c", "mountPath": "/c"}, {"name": "s", "mountPath": "/s"}, {"name": "e", "mountPath": "/e"},
              {"name": "m", "mountPath": "/m"}, {"name": "d", "mountPath": "/d"},
              {"name": "c", "mountPath": "/one", "subPath": "colour"}]
    container = {"volumeMounts": mounts, "env": [
        {"name": "COLOUR", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "colour"}}},
        {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "token"}}},
        {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}],
        "securityContext": {"readOnlyRootFilesystem": True}}
    read = lambda side, path: side.run("read" + path.replace("/", "-").lower()[-30:], "cat", path, spec=spec, container=container)  # noqa: E731
    for path, text in (("/c/colour", "blue"), ("/s/token", "hush"), ("/one", "blue"),
                       ("/var/run/secrets/kubernetes.io/serviceaccount/namespace", "default")):
        assert alike(lambda side, path=path: read(side, path)) == (0, "Completed", text), path
    assert 'app="read-d-labels-wasm"' in read(Side("wasm"), "/d/labels")[2]
    write = lambda side, path: side.run("write" + path.replace("/", "-"), "write", path, "x", spec=spec, container=container)[0]  # noqa: E731
    for path, code in (("/e/new", 0), ("/m/new", 0), ("/c/new", 1), ("/s/new", 1), ("/new", 1)):
        assert alike(lambda side, path=path: write(side, path)) == code, path
    out = alike(lambda side: sorted(line for line in side.run("env", "env", spec=spec, container=container)[2].splitlines()
                                    if line.split("=")[0] in ("COLOUR", "TOKEN", "NODE", "KUBERNETES_SERVICE_HOST")))
    assert len(out) == 4 and "TOKEN=hush" in out, out


@case
def exec_and_logs():
    def talk(side):
        name = side.start("talks", "sleep", says="sleeping")
        seen = [side.execute(name, side.program, "exit", "3")[0], side.execute(name, side.program, "args", "a b")[1].splitlines()[1:],
                side.execute(name, "/none")[0], side.logs(name), side.logs(name, "--tail=1")]
        piped = kubectl("exec", "-i", name, "--", side.program, "stdin", code=None, input="words")
        return seen, piped.returncode
    alike(talk)
    helpers = Side("wasm")
    code, out = helpers.execute("talks-wasm", "ls", "/")
    assert code == 0 and "guest.wasm" in out.split(), out
    assert helpers.execute("talks-wasm", "cat", "/etc/hostname") == (0, "talks-wasm\n")


@case
def terminated():
    """SIGTERM at the end of a pod; what the kubelet reports of it is seen by a watch, since the pod goes."""
    def end(side, name, *args, **more):
        name = side.start(name, *args, **more)
        watch = subprocess.Popen(["kubectl", "get", "pod", name, "-o", "json", "--watch"], stdout=subprocess.PIPE, text=True)
        began = time.monotonic()
        log = subprocess.Popen(["kubectl", "logs", "-f", name], stdout=subprocess.PIPE, text=True)
        time.sleep(1)
        kubectl("delete", "pod", name, "--wait=true")
        took = time.monotonic() - began
        watch.terminate()
        text, decoder, at, codes = watch.communicate()[0], json.JSONDecoder(), 0, []
        while at < len(text):
            pod, at = decoder.raw_decode(text, at)
            at += len(text[at:]) - len(text[at:].lstrip())
            for status in pod["status"].get("containerStatuses", []):
                if "terminated" in status["state"]:
                    codes.append(status["state"]["terminated"]["exitCode"])
        return codes[-1] if codes else None, took, log.communicate(timeout=30)[0]
    code, took, _ = end(Side("wasm"), "ends", "sleep", says="sleeping")
    assert code == 143 and took < 8, (code, took)
    code, took, log = end(Side("wasm"), "drains", "stdin", says="reading", container={"stdin": True},
                          annotations={"run.berth.drain": "true"})
    assert code == 143 and took < 8 and log.splitlines() == ["reading", "end of input"], (code, took, log)


@case
def probes():
    server = {"ports": [{"containerPort": 8080}], "readinessProbe": {"httpGet": {"port": 8080}, "periodSeconds": 1},
              "startupProbe": {"tcpSocket": {"port": 8080}, "periodSeconds": 1},
              "livenessProbe": {"exec": {"command": ["/guest.wasm", "exit", "0"]}, "periodSeconds": 1}}
    side = Side("wasm")
    name = side.start("probed", "serve", says="serving", container=server, annotations={"run.berth.tcp-listen": "0.0.0.0:8080"})
    wait_until(lambda: side.status(name)["ready"], lambda: describe(name))
    time.sleep(3)
    assert side.status(name)["restartCount"] == 0, describe(name)
    forward = subprocess.Popen(["kubectl", "port-forward", f"pod/{name}", ":8080"], stdout=subprocess.PIPE, text=True)
    try:
        port = forward.stdout.readline().split(":")[1].split()[0]
        assert "pong" in urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10).read().decode()
    finally:
        forward.terminate()
        forward.wait()

    def sick(side):
        apply(side.pod("sick", "sleep", spec={"restartPolicy": "Always", "terminationGracePeriodSeconds": 1}, container={
            "livenessProbe": {"exec": {"command": [side.program, "exit", "1"]}, "periodSeconds": 1, "failureThreshold": 1}}))
        wait_until(lambda: (side.status(side.name("sick")) or {}).get("restartCount", 0) > 0, "a restart", 90)
        return True
    alike(sick)


@case
def lifecycle():
    def hooked(side):
        spec = {"volumes": [{"name": "e", "emptyDir": {}}]}
        hook = {"exec": {"command": [side.program, "write", "/e/began", "x"]}}
        name = side.start("hooked", "sleep", says="sleeping", spec=spec, container={
            "volumeMounts": [{"name": "e", "mountPath": "/e"}],
            "lifecycle": {"postStart": hook, "preStop": {"exec": {"command": [side.program, "exit", "0"]}}}})
        return side.execute(name, side.program, "cat", "/e/began")
    assert alike(hooked) == (0, "x")
    assert alike(lambda side: side.run("init", "cat", "/e/made", container={"volumeMounts": [{"name": "e", "mountPath": "/e"}]}, spec={
        "volumes": [{"name": "e", "emptyDir": {}}],
        "initContainers": [{"name": "first", "image": IMAGE, "imagePullPolicy": "IfNotPresent",
                            "command": [side.program, "write", "/e/made", "before"],
                            "volumeMounts": [{"name": "e", "mountPath": "/e"}]}]})) == (0, "Completed", "before")


@case
def jobs():
    def job(side, name, *args, **spec):
        template = side.pod(name, *args)
        apply({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": side.name(name)},
               "spec": {"template": {"spec": template["spec"]}, **spec}})
        status = wait_until(lambda: [c["type"] for c in get("job", side.name(name))["status"].get("conditions", [])
                                     if c["type"] in ("Complete", "Failed")], f"job {name}", 90)
        return status[0]
    assert alike(lambda side: job(side, "works", "exit", "0", completions=2, parallelism=2)) == "Complete"
    policy = {"rules": [{"action": "FailJob", "onExitCodes": {"operator": "In", "values": [9, 134]}}]}
    assert alike(lambda side: job(side, "stops", "exit", "9", podFailurePolicy=policy)) == "Failed"
    assert job(Side("wasm"), "traps", "trap", podFailurePolicy=policy) == "Failed"


@case
def metrics():
    """What autoscalers go by moves, and is of the same size for both."""
    node = json.loads(kubectl("get", "nodes", "-o", "json"))["items"][0]["metadata"]["name"]
    sides = [Side(kind) for kind in KINDS]
    names = [side.start("busy", "spin", container={"resources": {"limits": {"cpu": "200m", "memory": "64Mi"}}}) for side in sides]

    def used():
        stats = json.loads(kubectl("get", "--raw", f"/api/v1/nodes/{node}/proxy/stats/summary"))
        found = {pod["podRef"]["name"]: pod["containers"][0] for pod in stats["pods"] if pod.get("containers")}
        return {name: (found[name]["cpu"].get("usageCoreNanoSeconds", 0), found[name]["memory"].get("workingSetBytes", 0))
                if name in found else (0, 0) for name in names}
    wait_until(lambda: all(cpu > 0 for cpu, _ in used().values()), "statistics", 60)
    before, began = used(), time.monotonic()
    wait_until(lambda: all(used()[name][0] > before[name][0] for name in names), "processor time to grow", 60)
    time.sleep(15)
    after, took = used(), time.monotonic() - began
    rates = [(after[name][0] - before[name][0]) / 1e9 / took for name in names]
    assert all(0.05 < rate < 0.4 for rate in rates), rates
    assert all(memory > 0 for _, memory in after.values()), after
    resource = kubectl("get", "--raw", f"/api/v1/nodes/{node}/proxy/metrics/resource")
    assert all(f'pod="{name}"' in resource for name in names), resource
    print(f"  processors: {rates[0]:.2f} and {rates[1]:.2f}; memory: {[m // 1024 for _, m in after.values()]} KiB")


@case
def resized():
    """Limits that change while the container runs."""
    def resize(side):
        limits = {"resources": {"requests": {"cpu": "100m", "memory": "32Mi"}, "limits": {"cpu": "200m", "memory": "64Mi"}}}
        name = side.start("grows", "sleep", says="sleeping", container=limits)
        kubectl("patch", "pod", name, "--subresource", "resize", "--patch", json.dumps({"spec": {"containers": [
            {"name": "main", "resources": {"requests": {"cpu": "150m", "memory": "48Mi"}, "limits": {"cpu": "300m", "memory": "96Mi"}}}]}}))
        wait_until(lambda: side.status(name).get("resources", {}).get("limits", {}).get("memory") == "96Mi", lambda: describe(name))
        return side.status(name)["resources"]["limits"], side.status(name)["restartCount"]
    assert alike(resize) == ({"cpu": "300m", "memory": "96Mi"}, 0)


@case
def neighbours():
    """WebAssembly and a Linux program in one pod, and in one process namespace."""
    side = Side("wasm")
    spec = {"containers": [
        {"name": "main", "image": IMAGE, "imagePullPolicy": "IfNotPresent", "command": ["/guest.wasm", "serve"]},
        {"name": "client", "image": IMAGE, "imagePullPolicy": "IfNotPresent", "command": ["/bin/guest", "fetch", "8080"]}],
        "shareProcessNamespace": True, "restartPolicy": "OnFailure"}
    apply(side.pod("both", spec=spec, annotations={"run.berth.tcp-listen": "127.0.0.1:8080"}))
    wait_until(lambda: "pong" in side.logs("both-wasm", "-c", "client"), lambda: describe("both-wasm"))


@case
def refused():
    """What cannot be started is said where users look."""
    side = Side("wasm")
    apply(side.pod("misspelt", "sleep", annotations={"run.berth.tcp-lisen": "1"}))
    wait_until(lambda: "run.berth.tcp-lisen" in describe("misspelt-wasm"), lambda: describe("misspelt-wasm"))
    apply(Side("wasm").pod("missing", container={"command": ["/none.wasm"]}))
    wait_until(lambda: "none.wasm" in describe("missing-wasm"), lambda: describe("missing-wasm"))


@case
def user_namespaces():
    def known():  # as the kubelet says every few seconds
        found = json.loads(kubectl("get", "nodes", "-o", "json"))["items"][0]["status"].get("runtimeHandlers", [])
        features = {handler.get("name"): handler.get("features", {}).get("userNamespaces", False) for handler in found}
        return features if "berth" in features else None
    handlers = wait_until(known, "the node to know the runtime")
    assert handlers["berth"] == handlers["runc"], handlers
    if not handlers["runc"]:
        return print("  not tried: the runtime below knows no user namespaces with volumes (runc 1.2 and later do)")
    def run(side):
        return side.run("mapped", "write", "/e/new", "x", container={"volumeMounts": [{"name": "e", "mountPath": "/e"}]},
                        spec={"hostUsers": False, "volumes": [{"name": "e", "emptyDir": {}}]})
    assert alike(run) == (0, "Completed", "")
    assert alike(lambda side: side.run("unmapped", "cat", "/none", spec={"hostUsers": False})[0]) == 1


# What needs more than a cluster: the examples' images, and a berth on this machine.

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "kubernetes"


def fetch(url):
    try:
        return urllib.request.urlopen(url, timeout=5).read().decode()
    except OSError:
        return ""


def examples():
    """The example manifests; a roll-out during which no request is lost."""
    for name in ("app", "jobs", "scale"):
        kubectl("apply", "-f", EXAMPLES / f"{name}.yaml")
    kubectl("rollout", "status", "deployment/greeter", "--timeout=60s")
    address = f"http://{get('service', 'greeter')['spec']['clusterIP']}/"
    wait_until(lambda: len({fetch(address).split(",")[1] for _ in range(4)}) == 2, "both replicas to answer")
    assert fetch(address).startswith("good day, says greeter-")
    rolled = subprocess.Popen(["kubectl", "rollout", "restart", "deployment/greeter"], stdout=subprocess.DEVNULL)
    answers = []
    end = time.monotonic() + 25
    while time.monotonic() < end:
        answers.append(fetch(address))
    assert rolled.wait() == 0
    lost = sum(not answer for answer in answers)
    assert len({answer.split(",")[1] for answer in answers if answer}) >= 3, "nothing was rolled out"
    assert lost <= len(answers) // 100, f"{lost} of {len(answers)} requests were lost"
    kubectl("create", "job", "now", "--from=cronjob/nightly")
    for job in ("once", "now"):
        kubectl("wait", "--for=condition=complete", f"job/{job}", "--timeout=60s")
    assert "bytes in /wordcount.wasm" in kubectl("logs", "job/once") or "wordcount" in kubectl("logs", "job/once")
    assert get("hpa", "greeter")["spec"]["maxReplicas"] == 10
    for name in ("app", "jobs", "scale"):
        kubectl("delete", "-f", EXAMPLES / f"{name}.yaml", "--wait=false")


PLAYED = """apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {colour: blue}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {publishNotReadyAddresses: true, selector: {app: web}, ports: [{port: 8000, targetPort: 8080}]}
---
apiVersion: v1
kind: Pod
metadata: {name: both, labels: {app: web}, annotations: {run.berth.tcp-listen: "0.0.0.0:8080"}}
spec:
  runtimeClassName: berth
  restartPolicy: OnFailure
  terminationGracePeriodSeconds: 5
  volumes: [{name: c, configMap: {name: settings}}]
  containers:
  - {name: server, image: "localhost/guest:1", imagePullPolicy: IfNotPresent, command: [/guest.wasm, serve],
     volumeMounts: [{name: c, mountPath: /c}], readinessProbe: {tcpSocket: {port: 8080}, periodSeconds: 1}}
  - {name: client, image: "localhost/guest:1", imagePullPolicy: IfNotPresent, command: [/bin/guest, fetch, "8080"]}
---
apiVersion: batch/v1
kind: Job
metadata: {name: reads}
spec:
  template:
    spec:
      runtimeClassName: berth
      restartPolicy: Never
      volumes: [{name: c, configMap: {name: settings}}]
      containers: [{name: main, image: "localhost/guest:1", imagePullPolicy: IfNotPresent, command: [/guest.wasm, cat, /c/colour],
                    volumeMounts: [{name: c, mountPath: /c}]}]
---
apiVersion: batch/v1
kind: Job
metadata: {name: fails}
spec:
  backoffLimit: 1
  template:
    spec:
      runtimeClassName: berth
      restartPolicy: Never
      containers: [{name: main, image: "localhost/guest:1", imagePullPolicy: IfNotPresent, command: [/guest.wasm, trap]}]
---
apiVersion: v1
kind: Pod
metadata: {name: hungry}
spec:
  runtimeClassName: berth
  restartPolicy: Never
  containers:
  - {name: main, image: "localhost/guest:1", imagePullPolicy: IfNotPresent, command: [/guest.wasm, take, "90"],
     resources: {limits: {memory: 64Mi}}}
"""


def played():
    """One manifest by kubectl apply and by berth play: the same answers, logs, exit codes and reasons."""
    def in_cluster():
        kubectl("apply", "-f", "-", input=PLAYED)
        address = get("service", "web")["spec"]["clusterIP"]
        side = Side("wasm")
        wait_until(lambda: "pong" in side.logs("both", "-c", "client"), lambda: describe("both"))
        wait_until(lambda: fetch(f"http://{address}:8000/"), "the service")
        wait_until(lambda: all(any(c["type"] in ("Complete", "Failed") for c in get("job", name)["status"].get("conditions", []))
                               for name in ("reads", "fails")), "the jobs", 90)
        pods = {pod["metadata"]["name"]: pod for pod in json.loads(kubectl("get", "pods", "-o", "json"))["items"]}
        codes = sorted(pod["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"] for name, pod in pods.items()
                       if name.startswith("fails-"))
        ended = pods["hungry"]["status"]["containerStatuses"][0]["state"]["terminated"]
        seen = {"answer": fetch(f"http://{address}:8000/"), "client": side.logs("both", "-c", "client").splitlines()[-1:],
                "reads": kubectl("logs", "job/reads"), "fails": codes,
                "jobs": {name: [c["type"] for c in get("job", name)["status"]["conditions"] if c["type"] in ("Complete", "Failed")]
                         for name in ("reads", "fails")}, "hungry": (ended["exitCode"], ended["reason"])}
        kubectl("delete", "-f", "-", "--wait=false", input=PLAYED)
        return seen

    def on_this_machine():
        berth = os.environ["BERTH"]
        folder = Path(os.environ["BERTH_TEST_NODE"])
        environment = os.environ | {"BERTH_IMAGES": str(folder / "played"), "BERTH_OCI_RUNTIME": shutil.which("runc")}

        def call(*words, **more):
            return subprocess.run([berth, *words], env=environment, capture_output=True, text=True, timeout=60, **more).stdout
        call("image", "load", "-i", str(folder / "1.tar"))
        (folder / "played.yaml").write_text(PLAYED)
        name = call("play", "-d", "--back-off", "1s", str(folder / "played.yaml")).strip()

        def app():
            return [found for found in json.loads(call("ps", "--json")) if found["name"] == name][0]

        def pods(prefix):
            return [pod for pod in app()["pods"] if pod["name"].startswith(prefix)]
        wait_until(lambda: "pong" in call("logs", "both", "-c", "client"), lambda: call("ps"))
        address = app()["services"][0]["address"]
        wait_until(lambda: fetch(f"http://{address}:8000/"), "the service")
        wait_until(lambda: all(job["status"] != "Running" for job in app()["jobs"]), lambda: call("ps"))
        hungry = wait_until(lambda: [c for c in pods("hungry")[0]["containers"] if "exitCode" in c], lambda: call("ps"))[0]
        seen = {"answer": fetch(f"http://{address}:8000/"), "client": call("logs", "both", "-c", "client").splitlines()[-1:],
                "reads": call("logs", pods("reads-")[0]["name"]),
                "fails": sorted(pod["containers"][0]["exitCode"] for pod in pods("fails-")),
                "jobs": {job["name"]: [job["status"]] for job in app()["jobs"]}, "hungry": (hungry["exitCode"], hungry["reason"])}
        call("stop", name)
        return seen
    cluster, machine = in_cluster(), on_this_machine()
    assert cluster == machine, f"kubectl apply: {cluster}\nberth play: {machine}"
    assert cluster["fails"] == [134, 134] and cluster["hungry"] == (137, "OOMKilled") and cluster["reads"].strip() == "blue", cluster


MORE = [examples, played]


def clean():
    for kind in ("job", "pod", "configmap", "secret"):
        kubectl("delete", kind, "--all", "--wait=false", "--grace-period=1", code=None)
