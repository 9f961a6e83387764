#!/usr/bin/env python3
"""berth-oci killed at random moments, and called by many at once: crashes.py CASE crun|runc. Exits 77 where it cannot
check. $BERTH_CRASHES says how many times it is killed (default: 100, over each of both runtimes)."""

import os
import random
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from setting import Runtime, cgroups_of, main, wait_until

TIMES = int(os.environ.get("BERTH_CRASHES", "100"))


def left_by(oci, names):
    """What containers of these names have left: state, cgroups, mounts in any namespace, processes."""
    found = []
    for name in names:
        found += [str(path) for path in oci.root.glob(f"*/{name}")]
        found += [str(path) for path in cgroups_of(name) if path.exists()]
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes()
            if int(process.name) == os.getpid() or (process / "stat").read_text().rpartition(")")[2].split()[0] == "Z":
                continue
            mounts = (process / "mountinfo").read_text()
        except OSError:
            continue
        found += [f"{process.name}: {command!r}" for name in names
                  if f"/{name}/rootfs " in mounts or f"/{name}/".encode() in command or name.encode() in command.split(b"\0")]
    return found


def kills(oci):
    """kill -9 in the middle of every command. Two times `delete --force` after it clean up, whatever was going on."""
    moments = random.Random(20261122)
    name = oci.bundle(["/guest.wasm", "sleep"])
    durations = {}

    def words(command):
        return {"create": ["create", "--bundle", oci.folder / name], "delete": ["delete", "--force"],
                "exec": ["exec", "--detach"]}.get(command, [command])

    def timed(command, *more):
        began = time.monotonic()
        oci(*words(command), name, *more)
        durations[command] = time.monotonic() - began

    # Once to the end, to know how long each command takes.
    with open(os.devnull, "w") as nothing:
        began = time.monotonic()
        subprocess.run(oci.words(*words("create"), name), env=oci.environment, stdin=subprocess.DEVNULL,
                       stdout=nothing, stderr=nothing, check=True)
        durations["create"] = time.monotonic() - began
        timed("start")
        timed("exec", "/guest.wasm", "exit", "0")
        timed("state")
        timed("delete")
        reached = {command: 0 for command in durations}
        for round_number in range(TIMES):
            victim = moments.choice(["create", "create", "create", "start", "exec", "state", "delete", "delete"])
            for command in ("create", "start", "exec", "state", "delete"):
                more = ["/guest.wasm", "exit", "0"] if command == "exec" else []
                process = subprocess.Popen(oci.words(*words(command), name, *more), env=oci.environment,
                                           stdin=subprocess.DEVNULL, stdout=nothing, stderr=nothing,
                                           start_new_session=True)
                if command != victim:
                    assert process.wait(timeout=60) == 0, f"round {round_number}: {command}, before {victim} was killed"
                    continue
                time.sleep(moments.random() * 1.2 * durations[command])
                # Every second time with all that it has started, the runtime below above all.
                (os.killpg if round_number % 2 else os.kill)(process.pid, signal.SIGKILL)
                reached[victim] += process.wait() == -signal.SIGKILL
                break
            for attempt in range(2):
                done = subprocess.run(oci.words("delete", "--force", name), env=oci.environment, capture_output=True,
                                      text=True, timeout=60)
            assert done.returncode == 0, f"round {round_number}, {victim} killed: {done.stderr}"
            try:
                wait_until(lambda: not left_by(oci, [name]), "nothing to be left", seconds=5)
            except AssertionError:
                raise AssertionError(f"round {round_number}, {victim} killed, left: {left_by(oci, [name])}") from None
    print(f"killed in time: {reached}")


def together(oci):
    """Many callers, of many containers and of the same one: each container is made once and goes whole."""
    names = [oci.bundle(["/guest.wasm", "sleep"]) for _ in range(6)]

    def call(*words):
        with open(os.devnull, "w") as nothing:
            return subprocess.run(oci.words(*words), env=oci.environment, stdin=subprocess.DEVNULL, stdout=nothing,
                                  stderr=nothing, timeout=60).returncode

    with ThreadPoolExecutor(24) as pool:
        made = [pool.submit(call, "create", "--bundle", oci.folder / name, name) for name in names for _ in range(4)]
        codes = [future.result() for future in made]
        assert [codes[i:i + 4].count(0) for i in range(0, 24, 4)] == [1] * 6, codes
        assert not any(pool.map(lambda name: call("start", name), names))
        mixed = [pool.submit(call, *words) for name in names
                 for words in (["state", name], ["exec", name, "/guest.wasm", "exit", "0"], ["delete", "--force", name],
                               ["list"], ["delete", "--force", name])]
        for future in mixed:
            future.result()
        # An exec that loses the race may be in the way of the last delete.
        list(pool.map(lambda name: call("delete", "--force", name), names))
    wait_until(lambda: not left_by(oci, names), f"nothing to be left: {left_by(oci, names)}")


if __name__ == "__main__":
    main({"kills": lambda folder, below: kills(Runtime(folder, below)),
          "together": lambda folder, below: together(Runtime(folder, below))},
         "usage: crashes.py CASE crun|runc, where CASE is one of")
