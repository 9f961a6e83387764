#!/usr/bin/env python3
"""berth-oci with bundles, as engines call it: bundles.py CASE crun|runc. Exits 77 where it cannot check."""

import ctypes
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

from setting import HERE, Runtime, main, wait_until

CASES = {}


def case(function, adopts=False):
    CASES[function.__name__] = lambda folder, below: checked(function, Runtime(folder, below, adopts))
    return function


def adopting_case(function):
    return case(function, adopts=True)


def checked(function, runtime):
    function(runtime)
    # What runs in the foreground is removed by a process that outlives it for a moment.
    wait_until(lambda: not runtime.leftovers(), f"nothing to be left: {runtime.leftovers()}", 5)


@case
def lifecycle(oci):
    """Every transition of the runtime specification, with what callers read on the way."""
    name = oci.create("/guest.wasm", "sleep", annotations={"org.example.note": "kept"})
    before = (oci.folder / name / "config.json").read_bytes()
    state = oci.state(name)
    assert state["id"] == name and state["status"] == "created" and state["pid"] > 0, state
    assert state["bundle"] == str(oci.folder / name), state
    assert state["annotations"] == {"org.example.note": "kept"}, state
    assert int((oci.folder / name / "pid").read_text()) == state["pid"]
    oci("create", "--bundle", oci.folder / name, name, code=1)
    assert "exists" in oci.last.stderr, oci.last.stderr
    if oci.below == "crun":
        # What waits there is crun, from a file that nobody can change, in the first of two starts that it makes otherwise.
        program = Path(f"/proc/{state['pid']}/exe")
        assert os.readlink(program).startswith("/memfd:crun "), os.readlink(program)
        with program.open("rb") as file:
            assert fcntl.fcntl(file, fcntl.F_GET_SEALS) == 15, "crun's file in memory can be written to"
    oci("start", name)
    wait_until(lambda: "sleeping" in oci.log(name), "the guest")
    assert oci.state(name)["status"] == "running"
    listed = json.loads(oci("list", "--format", "json"))
    assert [(c["id"], c["bundle"]) for c in listed] == [(name, str(oci.folder / name))], listed
    assert oci("list", "-q").split() == [name]
    assert json.loads(oci("ps", "--format", "json", name)) == [state["pid"]]
    oci("delete", name, code=1)  # it runs
    oci("kill", name, "KILL")
    oci.wait_stopped(name)
    oci("kill", name, "TERM", code=1)
    assert any(text in oci.last.stderr.lower() for text in ("not running", "no such process")), oci.last.stderr
    assert (oci.folder / name / "config.json").read_bytes() == before, "the caller's bundle was changed"
    oci("delete", name)
    for words in (("state", name), ("start", name), ("kill", name, "9"), ("delete", name)):
        oci(*words, code=1)
        assert "does not exist" in oci.last.stderr, (words, oci.last.stderr)
    oci("delete", "--force", name)


@case
def again(oci):
    """One name again and again, in the foreground: the next one never meets the last one's state; a killed one's goes."""
    name = oci.bundle(["/guest.wasm", "exit", "7"])
    for _ in range(40):
        oci("run", "--bundle", oci.folder / name, name, code=7)
    sleeps = oci.bundle(["/guest.wasm", "sleep"])
    with subprocess.Popen(oci.words("run", "--bundle", oci.folder / sleeps, sleeps), env=oci.environment,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as running:
        assert running.stdout.readline() == b"sleeping\n"
        oci("run", "--bundle", oci.folder / name, sleeps, code=1)
        assert "exists" in oci.last.stderr, oci.last.stderr
        assert oci.state(sleeps)["bundle"] == str(oci.folder / sleeps)
        assert "guest.wasm" in oci("exec", sleeps, "ls", "/")
        oci("kill", sleeps, "TERM")
        assert running.wait() == 143
    # Killed with all that has started it, the runtime below leaves its state; a forced delete takes all of it.
    with subprocess.Popen(oci.words("run", "--bundle", oci.folder / sleeps, sleeps), env=oci.environment,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as running:
        assert running.stdout.readline() == b"sleeping\n"
        running.kill()
    oci("delete", "--force", sleeps)
    assert not list(oci.root.glob(f"*/{sleeps}")), list(oci.root.glob(f"*/{sleeps}"))


@adopting_case
def exit_codes(oci):
    """What a native program would be reported to have ended with, and 134 for a trap."""
    for code in (0, 7, 255):
        oci.run("/guest.wasm", "exit", str(code), code=code)
        oci.run("/bin/guest", "exit", str(code), code=code)
    oci.run("/guest.wasm", "trap", code=134)
    assert "unreachable" in oci.last.stderr, oci.last.stderr
    for number, command in ((signal.SIGTERM, "sleep"), (signal.SIGTERM, "spin"), (signal.SIGINT, "sleep"),
                            (signal.SIGKILL, "sleep")):
        name = oci.start("/guest.wasm", command, says="ing\n")
        oci("kill", name, str(int(number)))
        assert oci.exit_code(name) == 128 + number, number
        oci.delete(name)
    assert "cannot read" not in oci.run("/broken.wasm", rootfs=[("broken.wasm", "\0asm")], code=1)
    assert "broken.wasm" in oci.last.stderr, oci.last.stderr


@case
def semantics(oci):
    """Arguments, environment, user, mounts and the root filesystem are the container's."""
    assert oci.run("/guest.wasm", "args", "", "a b", "--dir=/x") == "/guest.wasm\nargs\n\na b\n--dir=/x\n"
    out = oci.run("guest.wasm", "args", env=["PATH=/nowhere:/"]).splitlines()
    assert out[0] == "guest.wasm", out
    out = oci.run("/guest.wasm", "env", env=["A=1", "B=x=y z"], cwd="/data").splitlines()
    assert {"A=1", "B=x=y z", "PWD=/data"} <= set(out), out

    outside = oci.folder / "outside"
    (outside / "ro").mkdir(parents=True)
    (outside / "rw").mkdir()
    (outside / "ro/text").write_text("from the host\n")
    (outside / "file").write_text("one file\n")
    mounts = [{"destination": "/ro", "type": "bind", "source": str(outside / "ro"), "options": ["rbind", "ro"]},
              {"destination": "/rw", "type": "bind", "source": str(outside / "rw"), "options": ["rbind"]},
              {"destination": "/etc/file", "type": "bind", "source": str(outside / "file"), "options": ["bind", "ro"]},
              {"destination": "/tmp", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid"]}]
    for readonly in (False, True):
        root = {"path": "rootfs", "readonly": readonly}
        refused = "Read-only file system"
        assert oci.run("/guest.wasm", "cat", "/ro/text", mounts=mounts, root=root) == "from the host\n"
        assert oci.run("/guest.wasm", "cat", "/etc/file", mounts=mounts, root=root) == "one file\n"
        assert refused in oci.run("/guest.wasm", "write", "/ro/new", "x", mounts=mounts, root=root, code=1)
        oci.run("/guest.wasm", "write", "/rw/new", "written", mounts=mounts, root=root)
        assert (outside / "rw/new").read_text() == "written"
        oci.run("/guest.wasm", "write", "/tmp/new", "x", mounts=mounts, root=root)
        written = oci.run("/guest.wasm", "write", "/data/new", "x", mounts=mounts, root=root, code=1 if readonly else 0)
        assert (refused in written) == readonly, written
    # As a user without rights: the kernel's answer, and nothing beyond the grants.
    user = {"uid": 1000, "gid": 1000}
    assert "denied" in oci.run("/guest.wasm", "write", "/data/new", "x", user=user, code=1)
    # What shows the system is there for native programs only; a guest could reach its own sandbox through it.
    for path in ("/proc/self/mem", "/proc/self/maps", "/proc/1/environ", "/sys/kernel/notes", "/dev/mem"):
        assert "cannot read" in oci.run("/guest.wasm", "cat", path, code=1), path
    # Less than the container has, when asked for.
    annotations = {"run.berth.root": "none"}
    assert "cannot read" in oci.run("/guest.wasm", "cat", "/etc/file", mounts=mounts, annotations=annotations, code=1)
    assert oci.run("/guest.wasm", "cat", "/ro/text", mounts=mounts, annotations=annotations) == "from the host\n"
    # A standard input with something in it.
    name = oci.bundle(["/guest.wasm", "stdin"])
    assert oci("run", "--bundle", oci.folder / name, name, stdin=None, input="typed\n") == \
        "reading\ntyped\nend of input\n"
    # Without a /dev of its own, a profile of system calls, a later version of the specification.
    name = oci.bundle(["/guest.wasm", "exit", "0"], ociVersion="1.2.1",
                      seccomp={"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"],
                               "syscalls": [{"names": ["kexec_load"], "action": "SCMP_ACT_ERRNO"}]})
    config = json.loads((oci.folder / name / "config.json").read_text())
    config["mounts"] = [m for m in config["mounts"] if not m["destination"].startswith("/dev")]
    (oci.folder / name / "config.json").write_text(json.dumps(config))
    oci("run", "--bundle", oci.folder / name, name)
    oci.run("/bin/guest", "exit", "0", ociVersion="1.2.1")


@case
def detection(oci):
    """By what the file holds, found as the container would find it, and nowhere else."""
    wat = '(; a comment ;) (module (func (export "_start")))'
    oci.run("/app.wat", rootfs=[("app.wat", wat)])
    oci.run("app", rootfs=[("bin/app", "")], code=1)  # no program at all: the runtime says so
    name = oci.bundle(["hidden"], env=["PATH=/opt"])
    root = oci.folder / name / "rootfs"
    (root / "opt").mkdir()
    (root / "opt/hidden").symlink_to("/guest.wasm")
    os.rename(oci.folder / name / "rootfs/guest.wasm", root / "guest.wasm")
    oci("run", "--bundle", oci.folder / name, name, code=99)
    # A link in an image never leads to a file of the host.
    name = oci.bundle(["/leak"])
    root = oci.folder / name / "rootfs"
    (root / "leak").symlink_to(oci.wasm)
    oci("run", "--bundle", oci.folder / name, name, code=None)
    assert oci.last.returncode not in (0, 99), oci.last
    (root / "leak").unlink()
    (root / "leak").symlink_to("../" * 20 + str(oci.wasm))
    oci("run", "--bundle", oci.folder / name, name, code=None)
    assert oci.last.returncode not in (0, 99), oci.last
    # Something that must not be opened.
    name = oci.bundle(["/fifo"])
    os.mkfifo(oci.folder / name / "rootfs/fifo", 0o755)
    oci("run", "--bundle", oci.folder / name, name, code=None)
    assert oci.last.returncode != 0
    # In a volume, as ConfigMaps have it: a link to a link.
    volume = oci.folder / "volume"
    (volume / "..1").mkdir(parents=True)
    (volume / "..1/app.wasm").write_bytes(oci.wasm.read_bytes())
    (volume / "..data").symlink_to("..1")
    (volume / "app.wasm").symlink_to("..data/app.wasm")
    mount = {"destination": "/volume", "type": "bind", "source": str(volume), "options": ["rbind", "ro"]}
    oci.run("/volume/app.wasm", "exit", "5", mounts=[mount], code=5)
    # Behind an engine's own init.
    oci.run("/dev/init", "--", "/guest.wasm", "exit", "5",
            mounts=[{"destination": "/dev/init", "type": "bind", "source": str(init_program(oci)),
                     "options": ["bind", "ro"]}], code=5)


def init_program(oci):
    source = oci.folder / "init.c"
    source.write_text('#include <unistd.h>\nint main(int n, char** a) { return n < 3 ? 1 : execv(a[2], a + 2); }\n')
    subprocess.run(["clang-19", "-static", "-o", oci.folder / "init", source], check=True)
    return oci.folder / "init"


@case
def executes(oci):
    """exec: modules, native programs, and tools where there are none; both ways in which engines call it."""
    name = oci.start("/guest.wasm", "sleep", says="sleeping", env=["PATH=/bin", "FROM=container"])
    assert oci("exec", name, "/guest.wasm", "args", "x") == "/guest.wasm\nargs\nx\n"
    oci("exec", name, "/guest.wasm", "exit", "9", code=9)
    oci("exec", name, "guest", "exit", "8", code=8)
    assert "FROM=container" in oci("exec", name, "/guest.wasm", "env")
    assert "guest.wasm" in oci("exec", name, "ls", "/")
    assert "guest.wasm" in oci("exec", name, "/bin/ls", "-la", "/")
    assert oci("exec", name, "cat", "/etc/hello", code=1) == ""
    (oci.folder / name / "rootfs/etc/hello").write_text("hello\n")
    assert oci("exec", name, "cat", "/etc/hello") == "hello\n"
    assert "FROM=container" in oci("exec", name, "env").splitlines()
    assert "sleep" in oci("exec", name, "ps")
    assert "Size: 6" in oci("exec", name, "stat", "/etc/hello")
    oci("exec", name, "sh", "-c", "true", code=None)
    assert oci.last.returncode != 0

    process = {"args": ["/guest.wasm", "write", "/data/made", "by exec"], "env": ["PATH=/bin"], "cwd": "/",
               "user": {"uid": 0, "gid": 0}, "terminal": False}
    (oci.folder / "process.json").write_text(json.dumps(process))
    oci("exec", "--process", oci.folder / "process.json", "--detach", "--pid-file", oci.folder / "exec.pid", name)
    assert int((oci.folder / "exec.pid").read_text()) > 0
    made = oci.folder / name / "rootfs/data/made"
    wait_until(lambda: made.exists() and made.read_text() == "by exec", "what was executed")
    process["args"] = ["ls", "/data"]
    (oci.folder / "process.json").write_text(json.dumps(process))
    assert oci("exec", "-p", oci.folder / "process.json", name) == "made\n"
    oci("kill", name, "KILL")
    oci.wait_stopped(name)
    oci("exec", name, "ls", code=None)
    assert oci.last.returncode != 0
    oci.delete(name)

    native = oci.start("/bin/guest", "sleep", says="sleeping")
    oci("exec", native, "/bin/guest", "exit", "8", code=8)
    oci("exec", native, "ls", code=None)
    assert oci.last.returncode != 0, "a native container has what is in its image"
    oci.delete(native)


@case
def resources(oci):
    """The memory limit is the guest's and the kernel's; what the container uses is measured; it can be paused."""
    limits = {"memory": {"limit": 64 << 20}}
    assert oci.run("/guest.wasm", "grow", "32", resources=limits) == "grown\n"
    assert oci.run("/guest.wasm", "grow", "72", resources=limits) == "refused\n"
    assert oci.run("/guest.wasm", "grow", "32", resources=limits,
                   annotations={"run.berth.max-memory": "16MiB"}) == "refused\n"
    assert oci.run("/guest.wasm", "grow", "32", env=["BERTH_MAX_MEMORY=16MiB"]) == "refused\n"
    # What is written to is the kernel's to end, as with a native program.
    oci.run("/guest.wasm", "take", "80", resources=limits, code=137)
    assert "refused after" in oci.run("/guest.wasm", "take", "40", resources=limits,
                                      annotations={"run.berth.max-memory": "32MiB"}, code=3)

    name = oci.start("/guest.wasm", "spin", says="spinning")
    usage = cgroup_file("cpuacct", name, "cpuacct.usage", "cpu.stat")
    first = usage()
    wait_until(lambda: usage() != first, "the processor time to grow")
    oci("pause", name)
    assert oci.state(name)["status"] == "paused"
    at_pause = usage()
    time.sleep(0.2)
    assert usage() == at_pause
    oci("resume", name)
    assert oci.state(name)["status"] == "running"
    wait_until(lambda: usage() != at_pause, "the processor time to grow again")
    (oci.folder / "resources.json").write_text(json.dumps({"memory": {"limit": 48 << 20}, "cpu": {"shares": 64}}))
    oci("update", "--resources", oci.folder / "resources.json", name)
    limit = cgroup_file("memory", name, "memory.limit_in_bytes", "memory.max")
    assert int(limit()) == 48 << 20
    with open(oci.folder / "resources.json") as file:
        oci("update", "--resources=-", name, stdin=file)
    oci.delete(name)


def cgroup_file(hierarchy, name, first_version, second_version):
    for path in (f"/sys/fs/cgroup/{hierarchy}/berth-test/{name}/{first_version}",
                 f"/sys/fs/cgroup/berth-test/{name}/{second_version}"):
        if os.path.exists(path):
            return lambda: Path(path).read_text()
    raise AssertionError(f"no cgroup of {name}")


@adopting_case
def drain(oci):
    """SIGTERM, when the guest has asked to be told."""
    annotations = {"run.berth.drain": "true"}
    name = oci.start("/guest.wasm", "stdin", says="reading", annotations=annotations)
    time.sleep(0.1)
    assert oci.state(name)["status"] == "running", "an input that is /dev/null stays open until the guest is to end"
    oci("kill", name, "TERM")
    assert oci.exit_code(name) == 143
    assert oci.log(name) == "reading\nend of input\n"
    oci.delete(name)
    # One that does not care is ended by the second.
    name = oci.start("/guest.wasm", "spin", says="spinning", annotations=annotations)
    oci("kill", name, "TERM")
    time.sleep(0.1)
    assert oci.state(name)["status"] == "running"
    oci("kill", name, "TERM")
    assert oci.exit_code(name) == 143
    oci.delete(name)
    # A server.
    name = oci.start("/guest.wasm", "serve", says="serving",
                     annotations=annotations | {"run.berth.tcp-listen": "127.0.0.1:8080"})
    assert b"pong" in ask(oci.state(name)["pid"], 8080)
    oci("kill", name, "TERM")
    assert oci.exit_code(name) == 143
    assert oci.log(name) == "serving\ndrained\n"
    oci.delete(name)


def ask(pid, port, question=b""):
    """What a server says that listens in the network namespace of a process."""
    answer = []

    def connect():
        with open(f"/proc/{pid}/ns/net") as namespace:
            set_namespace(namespace.fileno())
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            connection.sendall(question)
            parts = iter(lambda: connection.recv(4096), b"")
            answer.append(b"".join(parts))

    thread = threading.Thread(target=connect)  # a thread's namespace is its own
    thread.start()
    thread.join()
    return answer[0]


def set_namespace(descriptor):
    if ctypes.CDLL(None, use_errno=True).setns(descriptor, 0) != 0:
        raise OSError(ctypes.get_errno(), "setns")


@case
def errors(oci):
    """Errors are said, and written to the log as lines of JSON."""
    log = oci.folder / "log.json"
    flags = ("--log", log, "--log-format", "json")
    name = oci.bundle(["/guest.wasm"], annotations={"run.berth.tpc-listen": "x"})
    oci("create", "--bundle", oci.folder / name, name, options=flags, code=1)
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert lines[-1]["level"] == "error" and "run.berth.tpc-listen" in lines[-1]["msg"] and "time" in lines[-1], lines
    oci("create", "--bundle=" + str(oci.folder / "nowhere"), "x", options=[f"--log={log}", "--log-format=json"], code=1)
    assert "nowhere" in json.loads(log.read_text().splitlines()[-1])["msg"]
    oci("create", "--bundle", oci.folder / name, "../x", code=1)
    assert "invalid container id" in oci.last.stderr
    oci("state", code=1)
    version = oci("--version").splitlines()
    assert [line.split(" ")[0] for line in version] == ["berth-oci", "commit:", "spec:"], version
    features = json.loads(oci("features"))
    assert features["ociVersionMax"] >= "1.2.0", features
    assert features["linux"]["mountExtensions"]["idmap"]["enabled"] is False and features["linux"]["namespaces"]
    assert ("mountOptions" in features) == (oci.below == "runc"), "what the runtime below can is passed on"
    oci("exec", "nobody", "ls", code=1)
    assert "does not exist" in oci.last.stderr


@case
def components(oci):
    """Components of WASI 0.2: the container's network, as far as is asked for and granted."""
    sys.path.insert(0, str(HERE.parent / "components"))
    import componentize
    text = componentize.build([HERE / "reach.c"], oci.folder / "reach.wat", "0.2.0",
                              ["-I", str(HERE.parent / "components/guests")]).read_text()
    near, far, listen, bind = "connect 127.0.0.1:9", "connect 192.0.2.1:80", "listen 0.0.0.0:8080", "bind 0.0.0.0:5353"

    def allowed(annotations):
        lines = oci.run("/reach.wat", rootfs=[("reach.wat", text)], annotations=annotations).splitlines()
        assert [line.rsplit(" ", 1)[0] for line in lines] == [near, far, listen, bind], lines
        return [line.rsplit(" ", 1)[0] for line in lines if line.endswith(" allowed")]

    def refused(annotations, *words):
        oci.run("/reach.wat", rootfs=[("reach.wat", text)], annotations=annotations, code=1)
        assert all(word in oci.last.stderr for word in words), oci.last.stderr

    # Without a policy, what any program in the container could connect to; what it serves, it asks for.
    assert allowed({}) == [near, far]
    assert allowed({"run.berth.allow-net": "127.0.0.1:1-10"}) == [near]
    assert allowed({"run.berth.allow-net": ""}) == []
    serves = {"run.berth.tcp-listen": "0.0.0.0:8080", "run.berth.udp-bind": "0.0.0.0:5353"}
    assert allowed(serves) == [near, far, listen, bind]
    # With one, what it grants: all of that where nothing is asked for, else what is asked for.
    policy = oci.folder / "policy.toml"
    policy.write_text('tcp-listen = ["*:8080"]\nudp-bind = ["*:5353"]\nallow-net = ["192.0.2.0/24", "*.org:80-90"]\n')
    assert allowed({}) == [far]
    assert allowed(serves | {"run.berth.allow-net": "a.org:80"}) == [listen, bind]
    for asked in ("a.org", "a.org:91", "*", "127.0.0.1"):
        refused({"run.berth.allow-net": asked}, f"allow-net {asked}, which")
    refused({"run.berth.udp-bind": "0.0.0.0:5354"}, "udp-bind 0.0.0.0:5354")
    policy.write_text("")
    assert allowed({}) == []
    policy.write_text("allow-net = [80]\n")
    refused({}, "policy.toml, line 1: allow-net")


@adopting_case
def serves(oci):
    """A component that answers requests does so on the port that is asked for, and drains."""
    sys.path.insert(0, str(HERE.parent / "components"))
    import componentize
    text = componentize.build_handler(HERE.parent / "serve/guests/hello.c", oci.folder / "hello.wat").read_text()
    for port, asked in ((8080, {}), (9000, {"env": ["PORT=9000"]}), (9001, {"annotations": {"run.berth.serve": "9001"}})):
        name = oci.start("/hello.wat", says=f"serving on http://[::]:{port}/", rootfs=[("hello.wat", text)], **asked)
        answer = ask(oci.state(name)["pid"], port, b"GET / HTTP/1.0\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n") and answer.endswith(b"hello, world\n"), answer
        oci("kill", name, "TERM")
        assert oci.exit_code(name) == 0, oci.log(name)
        oci.delete(name)
    (oci.folder / "policy.toml").write_text("")
    oci.run("/hello.wat", rootfs=[("hello.wat", text)], annotations={"run.berth.serve": "8080"}, code=1)
    assert "serve :8080, which" in oci.last.stderr, oci.last.stderr


@case
def policy(oci):
    """A workload asks; the node grants, or says why not."""
    (oci.folder / "policy.toml").write_text(
        'tcp-listen = ["127.0.0.1:8000-8100"]\nroot = "ro"\nmax-memory = "32MiB"\n'
        '[[rule]]\nnamespace = "prod-*"\ntcp-listen = ["*:*"]\n')
    listens = {"run.berth.tcp-listen": "127.0.0.1:8080"}
    oci.run("/guest.wasm", "exit", "0", annotations=listens)
    oci.run("/guest.wasm", "exit", "0", annotations={"run.berth.tcp-listen": "0.0.0.0:8080"}, code=1)
    assert "tcp-listen 0.0.0.0:8080" in oci.last.stderr and "policy.toml" in oci.last.stderr, oci.last.stderr
    oci.run("/guest.wasm", "exit", "0", env=["BERTH_TCP_LISTEN=127.0.0.1:9000"], code=1)
    assert "127.0.0.1:9000" in oci.last.stderr
    oci.run("/guest.wasm", "exit", "0", annotations={"run.berth.tcp-listen": "0.0.0.0:9080",
                                                     "io.kubernetes.cri.sandbox-namespace": "prod-web"})
    assert "Read-only" in oci.run("/guest.wasm", "write", "/data/new", "x", code=1)
    oci.run("/guest.wasm", "exit", "0", annotations={"run.berth.root": "rw"}, code=1)
    assert "root=rw" in oci.last.stderr
    assert oci.run("/guest.wasm", "grow", "48") == "refused\n"
    oci.run("/bin/guest", "exit", "0")
    (oci.folder / "policy.toml").write_text('tcp-listen = ["8080"]\n')
    oci.run("/guest.wasm", "exit", "0", code=1)
    assert "policy.toml, line 1: tcp-listen" in oci.last.stderr, oci.last.stderr


if __name__ == "__main__":
    main(CASES, "usage: bundles.py CASE crun|runc, where CASE is one of")
