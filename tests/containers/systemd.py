#!/usr/bin/env python3
"""berth-oci with cgroups that systemd makes, as most clusters have them: systemd.py scopes crun|runc. Exits 77 where it
cannot check.

systemd runs as the first process of namespaces of its own, beside a message bus (systemd_box.sh), and the test within.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from setting import HERE, Runtime, find, main, skip, wait_until

BOX = "BERTH_TEST_BOX"
OPTION = ("--systemd-cgroup",)


def enter_box():
    if os.environ.get(BOX):
        return
    if os.geteuid() != 0:
        skip("systemd is root's; run the tests as root")
    for program, package in (("/lib/systemd/systemd", "systemd"), ("/usr/bin/dbus-daemon", "dbus")):
        if not os.access(program, os.X_OK):
            skip(f"{program} is not installed (Debian package {package})")
    if not Path("/sys/fs/cgroup/systemd/cgroup.procs").exists():
        skip("this machine has no version 1 of cgroups with systemd's hierarchy, which is what this test sets up")
    find("nsenter", "util-linux")
    name = f"berth-test-{os.getpid()}"
    with tempfile.TemporaryDirectory(prefix="berth-systemd-") as folder:
        box = subprocess.Popen(["sh", HERE / "systemd_box.sh", folder, name], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True, start_new_session=True)
        try:
            def reach_bus():
                # The box has other children before systemd, so it is looked for each time.
                children = subprocess.run(["pgrep", "-P", str(box.pid)], capture_output=True, text=True).stdout.split()
                if box.poll() is not None or not children:
                    return box.poll() is not None
                words = ["nsenter", "-t", children[0], "-m", "-n", "-u", "-p", "-C", "-r", "-w"]
                return words if subprocess.run([*words, "busctl", "list"], capture_output=True).returncode == 0 else None

            inside = wait_until(reach_bus, "the bus", 60)
            if box.poll() is not None:
                skip(f"systemd cannot run in namespaces here: {box.stdout.read()[-300:]}")
            # Of systemd's two hierarchies crun takes only the older one, as long as it is alone.
            code = subprocess.run([*inside, "unshare", "-m", "--propagation", "private", "sh", "-c",
                                   'umount /sys/fs/cgroup/unified 2>/dev/null; exec "$@"', "sh", sys.executable, "-B",
                                   Path(__file__).resolve(), *sys.argv[1:]], env=os.environ | {BOX: name}).returncode
        finally:
            os.killpg(box.pid, signal.SIGKILL)
            box.wait()
            for _ in range(100):
                left = sorted(Path("/sys/fs/cgroup").glob(f"*/{name}/**/"), key=lambda path: -len(path.parts))
                for group in left:
                    try:
                        group.rmdir()
                    except OSError:
                        time.sleep(0.02)
                if not left:
                    break
    sys.exit(code)


def systemctl(*words):
    return subprocess.run(["systemctl", *words], capture_output=True, text=True).stdout.strip()


def folders(name):
    return list(Path("/sys/fs/cgroup").glob(f"*/system.slice/berth-{name}.scope"))


def scopes(folder, below):
    """A container is a scope, with its limits; what is killed half-way leaves none behind."""
    oci = Runtime(folder, below, adopts=True)

    def bundle(*args, **more):
        name = oci.bundle(args, **more)
        path = folder / name / "config.json"
        config = json.loads(path.read_text())
        config["linux"]["cgroupsPath"] = f"system.slice:berth:{name}"
        path.write_text(json.dumps(config))
        return name

    def create(*args, **more):
        name = bundle(*args, **more)
        with open(folder / name / "log", "w") as log:
            done = subprocess.run(oci.words("create", "--bundle", folder / name, "--pid-file", folder / name / "pid", name,
                                            options=OPTION), env=oci.environment, stdin=subprocess.DEVNULL, stdout=log,
                                  stderr=log, timeout=60)
        assert done.returncode == 0, oci.log(name)
        return name

    name = create("/guest.wasm", "sleep", resources={"memory": {"limit": 64 << 20}})
    oci("start", name, options=OPTION)
    wait_until(lambda: "sleeping" in oci.log(name), "the guest")
    assert systemctl("is-active", f"berth-{name}.scope") == "active"
    assert f"/system.slice/berth-{name}.scope" in Path(f"/proc/{oci.state(name)['pid']}/cgroup").read_text()
    oci("exec", name, "/guest.wasm", "exit", "3", code=3, options=OPTION)
    oci("update", "--memory", str(48 << 20), name, options=OPTION)
    limits = [int((path / below / "memory.limit_in_bytes").read_text()) for path in folders(name) for below in ("", "container")
              if (path / below / "memory.limit_in_bytes").exists()]
    assert 48 << 20 in limits, limits
    oci("kill", name, "KILL", options=OPTION)
    assert oci.exit_code(name) == 137
    oci("delete", name, options=OPTION)
    assert systemctl("is-active", f"berth-{name}.scope") == "inactive" and not folders(name), folders(name)
    name = create("/guest.wasm", "take", "90", resources={"memory": {"limit": 64 << 20}})
    oci("start", name, options=OPTION)
    assert oci.exit_code(name) == 137, oci.log(name)
    oci("delete", name, options=OPTION)

    for number in range(30):
        name = bundle("/guest.wasm", "sleep")
        making = subprocess.Popen(oci.words("create", "--bundle", folder / name, "--pid-file", folder / name / "pid", name,
                                            options=OPTION), env=oci.environment, stdin=subprocess.DEVNULL,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(0.003 * (number + 1))
        for process in Path("/proc").glob("[0-9]*"):  # berth-oci, and the runtime that it has started
            try:
                if name.encode() in (process / "cmdline").read_bytes() and int(process.name) != os.getpid():
                    os.kill(int(process.name), signal.SIGKILL)
            except OSError:
                continue
        making.wait()
        oci("delete", "--force", name, options=OPTION)
        left = systemctl("is-active", f"berth-{name}.scope")
        assert left != "active" and not folders(name), f"after {number}: {left} {folders(name)}"


if __name__ == "__main__":
    enter_box()
    os.environ["BERTH_TEST_INSIDE"] = "1"
    main({"scopes": scopes}, "usage: systemd.py CASE crun|runc, where CASE is one of")
