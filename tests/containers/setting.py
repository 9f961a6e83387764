"""What the container tests share: programs that are looked for, guests that are built, bundles, and a mount namespace in
which every runtime finds the cgroups that it knows."""

import contextlib
import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
EXIT_SKIPPED = 77
PR_SET_CHILD_SUBREAPER = 36
INSIDE = "BERTH_TEST_INSIDE"


def skip(reason):
    print(f"SKIPPED: {reason}")
    sys.exit(EXIT_SKIPPED)


def find(program, package=None):
    """The path of an installed program; the test is skipped, with the package's name, where there is none."""
    path = shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin:/sbin")
    if not path:
        skip(f"{program} is not installed (Debian package {package or program}); ./dev setup installs it")
    return path


def enter():
    """Goes on in a mount namespace of its own without cgroup version 2 beside version 1, which crun refuses, and with
    folders for state that nobody else uses."""
    if os.geteuid() != 0:
        skip("containers are made by root here; run the tests as root")
    if os.environ.get(INSIDE):
        return reap_orphans()
    find("unshare", "util-linux")
    os.environ[INSIDE] = "1"
    # The hierarchies of version 1 without the one of version 2 that is mounted into their folder.
    prepare = """
if mountpoint -q /sys/fs/cgroup/unified; then
  cgroups=$(mktemp -d) && mount -t tmpfs -o mode=755 cgroups "$cgroups" || exit 1
  for folder in /sys/fs/cgroup/*/; do
    name=$(basename "$folder")
    [ "$name" = unified ] || { mkdir "$cgroups/$name" && mount --bind "$folder" "$cgroups/$name"; } || exit 1
  done
  mount --rbind "$cgroups" /sys/fs/cgroup && umount -R "$cgroups" && rmdir "$cgroups" || exit 1
fi
exec "$@"
"""
    probe = subprocess.run(["unshare", "-m", "--propagation", "private", "true"], capture_output=True, text=True)
    if probe.returncode != 0:
        skip(f"this machine allows no mount namespace: {probe.stderr.strip()}")
    os.execvp("unshare", ["unshare", "-m", "--propagation", "private", "sh", "-c", prepare, "sh",
                          sys.executable, "-B", *sys.argv])


def adopt_orphans():
    """Makes processes whose parent ends children of this one, as engines' monitors do."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def reap_orphans():
    """Goes on in a child, whose parent waits for what nobody else waits for, as an init does."""
    adopt_orphans()
    child = os.fork()
    while child:
        pid, status = os.wait()
        if pid == child:
            os._exit(abs(os.waitstatus_to_exitcode(status)))


def build_guest(folder: Path):
    """The test guest as (WebAssembly, native static program)."""
    compiler = shutil.which("clang-19")
    if not compiler or not Path("/usr/lib/wasm32-wasi/libc.a").exists():
        skip("the wasi toolchain is not installed (clang-19, lld-19, wasi-libc); ./dev setup installs it")
    wasm, native = folder / "guest.wasm", folder / "guest"
    common = ["-O1", "-Wall", "-Wextra", "-Werror", str(HERE / "guest.c")]
    subprocess.run([compiler, "--target=wasm32-wasi", *common, "-o", str(wasm)], check=True)
    subprocess.run([compiler, "-static", *common, "-o", str(native)], check=True)
    return wasm, native


def build_pause(folder: Path):
    """What keeps a pod's namespaces, and ends when it is asked to, as engines expect."""
    pause = folder / "pause"
    subprocess.run(["clang-19", "-O2", "-static", "-x", "c", "-", "-o", pause], check=True, text=True, input=(
        "#include <signal.h>\n#include <unistd.h>\nstatic void end(int s) { (void)s; _exit(0); }\n"
        "int main(void) { signal(SIGTERM, end); signal(SIGINT, end); while (1) pause(); }\n"))
    return pause


def wait_until(condition, what, seconds=15):
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"waited {seconds} s in vain: {what}"
        time.sleep(0.01)


DEFAULT_MOUNTS = [
    {"destination": "/proc", "type": "proc", "source": "proc"},
    {"destination": "/dev", "type": "tmpfs", "source": "tmpfs",
     "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]},
    {"destination": "/dev/pts", "type": "devpts", "source": "devpts",
     "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]},
    {"destination": "/dev/shm", "type": "tmpfs", "source": "shm", "options": ["nosuid", "noexec", "nodev", "mode=1777"]},
    {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["nosuid", "noexec", "nodev", "ro"]},
]


def configuration(name, args, **more):
    """A config.json as engines write it. `more` replaces parts of process, or sets top-level members."""
    process = {"terminal": False, "user": {"uid": 0, "gid": 0}, "args": list(args),
               "env": ["PATH=/usr/bin:/bin", "TERM=xterm"], "cwd": "/",
               "capabilities": {kind: ["CAP_KILL"] for kind in ("bounding", "effective", "permitted")},
               "noNewPrivileges": True}
    config = {"ociVersion": "1.0.2", "process": process, "root": {"path": "rootfs", "readonly": False},
              "hostname": "test", "mounts": list(DEFAULT_MOUNTS), "annotations": {},
              "linux": {"cgroupsPath": f"/berth-test/{name}",
                        "resources": {"devices": [{"allow": False, "access": "rwm"}]},
                        "namespaces": [{"type": kind} for kind in ("pid", "network", "ipc", "uts", "mount")],
                        "maskedPaths": ["/proc/kcore"], "readonlyPaths": ["/proc/sys"]}}
    for key, value in more.items():
        if key in ("args", "env", "cwd", "user", "terminal", "capabilities"):
            process[key] = value
        elif key == "mounts":
            config["mounts"] += value
        elif key in ("resources", "seccomp", "uidMappings", "gidMappings"):
            config["linux"][key] = value
        elif key == "namespaces":
            config["linux"]["namespaces"] += value
        else:
            config[key] = value
    return config


def cgroups_of(name):
    """Where a container's cgroups are, while there are any."""
    mount = Path("/sys/fs/cgroup")
    return [folder / "berth-test" / name for folder in (mount, *mount.iterdir()) if folder.is_dir()]


class Runtime:
    """berth-oci over one runtime, its state in a folder of its own. With `adopts`, processes of containers become this
    one's, and it must wait for them."""

    def __init__(self, folder: Path, below: str, adopts=False):
        self.folder = folder
        self.berth = Path(os.environ["BERTH"]).resolve()
        self.program = self.berth.with_name("berth-oci")
        self.below = below
        self.path = find(below)
        self.root = folder / "state"
        self.environment = os.environ | {"BERTH_OCI_RUNTIME": self.path,
                                         "BERTH_OCI_POLICY": str(folder / "policy.toml"),
                                         "BERTH_OCI_CODE": ""}
        self.environment.pop("LISTEN_FDS", None)
        self.wasm, self.native = build_guest(folder)
        self.count = 0
        if adopts:
            adopt_orphans()

    def bundle(self, args, rootfs=(), **more):
        """A new bundle with the guests in its root filesystem, as /guest.wasm and /bin/guest; its name is also a
        container's. `rootfs` are (path, contents)."""
        self.count += 1
        name = f"t{os.getpid()}-{self.count}"
        bundle = self.folder / name
        root = bundle / "rootfs"
        for path in ("bin", "dev", "proc", "sys", "etc", "data"):
            (root / path).mkdir(parents=True)
        shutil.copy(self.wasm, root / "guest.wasm")
        shutil.copy(self.native, root / "bin/guest")
        for path, contents in rootfs:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(contents)
        (bundle / "config.json").write_text(json.dumps(configuration(name, args, **more)))
        return name

    def words(self, *words, options=()):
        return [str(word) for word in (self.program, "--root", self.root, *options, *words)]

    def __call__(self, *words, code=0, options=(), **more):
        """Runs a command; its standard output. Anything but `code` is a failure, None takes all."""
        done = subprocess.run(self.words(*words, options=options), env=self.environment, capture_output=True, text=True,
                              timeout=60, **{"stdin": subprocess.DEVNULL, **more})
        assert code is None or done.returncode == code, (
            f"{words}: exit {done.returncode}, expected {code}\n{done.stdout}{done.stderr}")
        self.last = done
        return done.stdout

    def run(self, *args, code=0, **more):
        """Runs a container to its end; what it printed."""
        name = self.bundle(args, **more)
        return self("run", "--bundle", self.folder / name, name, code=code)

    def create(self, *args, options=(), **more):
        """Creates a container, which writes to a file; its name."""
        name = self.bundle(args, **more)
        with open(self.folder / name / "log", "w") as log:
            done = subprocess.run(self.words("create", "--bundle", self.folder / name, "--pid-file",
                                             self.folder / name / "pid", *options, name),
                                  env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, timeout=60)
        assert done.returncode == 0, self.log(name)
        return name

    def start(self, *args, says=None, **more):
        name = self.create(*args, **more)
        self("start", name)
        if says:
            wait_until(lambda: says in self.log(name), f"{says} in the log: {self.log(name)}")
        return name

    def exit_code(self, name):
        """Waits for a created container to end, as engines do, who adopt its process; its exit code as they say it."""
        pid = int((self.folder / name / "pid").read_text())
        wait_until(lambda: os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT), f"{name} to end")
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        return code if code >= 0 else 128 - code

    def log(self, name):
        return (self.folder / name / "log").read_text()

    def state(self, name):
        return json.loads(self("state", name))

    def wait_stopped(self, name):
        wait_until(lambda: self.state(name)["status"] == "stopped", f"{name} to stop")

    def delete(self, name):
        self("delete", "--force", name)

    def leftovers(self):
        """What is still there although every container was deleted."""
        found = [str(path) for path in self.root.glob("*/*")]
        for number in range(1, self.count + 1):
            found += [str(path) for path in cgroups_of(f"t{os.getpid()}-{number}") if path.exists()]
        mounts = Path("/proc/self/mounts").read_text()
        found += [line for line in mounts.splitlines() if str(self.folder) in line]
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if f"{self.folder}/".encode() in (process / "cmdline").read_bytes() and int(process.name) != os.getpid():
                    found.append(f"process {process.name}: {(process / 'cmdline').read_bytes()!r}")
            except OSError:
                continue
        return found


def main(cases, usage):
    """Runs the case that the command line names, in a folder that goes afterwards."""
    if len(sys.argv) < 2 or sys.argv[1] not in cases:
        print(usage, *cases, sep="\n  ")
        sys.exit(2)
    enter()
    with tempfile.TemporaryDirectory(prefix="berth-containers-") as folder:
        # What runs as another user in a user namespace must get to the root filesystem.
        os.chmod(folder, 0o755)
        try:
            cases[sys.argv[1]](Path(folder), *sys.argv[2:])
        except AssertionError as error:
            print(f"FAILED: {error}")
            raise
        finally:
            end_what_is_left(folder)
            remove_parents()


def stop_engine(daemon, folder):
    """Ends an engine that runs in `folder`, and takes away the mounts that it leaves there."""
    daemon.send_signal(signal.SIGTERM)
    try:
        daemon.wait(timeout=20)
    except subprocess.TimeoutExpired:
        daemon.kill()
        daemon.wait()
    with open("/proc/self/mounts") as mounts:
        below = [line.split()[1] for line in mounts if str(folder) in line]
    for mount in reversed(below):
        subprocess.run(["umount", "-l", mount], check=False)


def remove_parents():
    """Removes the cgroups that an engine was told to put its containers below, which are empty by then."""
    for parent in Path("/sys/fs/cgroup").glob(f"**/berth-test-{os.getpid()}"):
        with contextlib.suppress(OSError):
            parent.rmdir()


def end_what_is_left(folder):
    """Ends engines' monitors that a failed test has left, and what runs in their containers: processes that name the
    folder, or whose own mounts do. There are none after a test that has passed."""
    own = os.readlink("/proc/self/ns/mnt")
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if int(process.name) == os.getpid():
                continue
            named = folder.encode() in (process / "cmdline").read_bytes()
            inside = os.readlink(process / "ns/mnt") != own and folder in (process / "mountinfo").read_text()
            if named or inside:
                print(f"left behind, and ended: {process.name} {(process / 'cmdline').read_bytes()!r}")
                os.kill(int(process.name), signal.SIGKILL)
        except (OSError, ValueError):
            continue
    with open("/proc/self/mounts") as mounts:
        below = [line.split()[1] for line in mounts if folder in line]
    for mount in reversed(below):
        subprocess.run(["umount", "-l", mount], check=False)
