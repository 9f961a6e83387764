#!/usr/bin/env python3
"""What WebAssembly costs in a container, beyond a native program in a container of the same runtime.

Start to exit of an empty program, by `run` and by the commands that engines use (create, start, delete); and the
memory of one that sleeps. As root. --peer names a crun with a WebAssembly handler of its own, to compare with.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parents[1] / "tests" / "containers")]
import modules  # noqa: E402
from setting import adopt_orphans, configuration, enter, find  # noqa: E402

SLEEP = """
(module
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "_start")
    (i32.store (i32.const 16) (i32.const 1))
    (i64.store (i32.const 24) (i64.const 3600000000000))
    (drop (call $poll (i32.const 0) (i32.const 64) (i32.const 1) (i32.const 128)))))
"""
NATIVE = "#include <unistd.h>\nint main(int n, char **a) { (void)a; return n > 1 ? pause() : 0; }\n"


def come_first():
    """Takes the processor before others on a shared machine: a process that waits for its turn is not slow."""
    os.setsid()
    os.setpriority(os.PRIO_PROCESS, 0, -15)
    group = Path("/proc/self/autogroup")
    if group.exists():
        group.write_text("-15")


class Bench:
    def __init__(self, folder, berth):
        self.folder = folder
        self.oci = berth.with_name("berth-oci")
        adopt_orphans()
        subprocess.run(["clang-19", "-O2", "-static", "-x", "c", "-", "-o", folder / "native"], input=NATIVE,
                       text=True, check=True)
        modules.written(folder / "empty.wasm", modules.empty)
        (folder / "sleep.wat").write_text(SLEEP)

    def bundle(self, name, program, *args, annotations=None):
        root = self.folder / name / "rootfs"
        for path in ("dev", "proc", "sys"):
            (root / path).mkdir(parents=True)
        (root / program).write_bytes((self.folder / program).read_bytes())
        (root / program).chmod(0o755)
        config = configuration(f"{name}-{os.getpid()}", [f"/{program}", *args], annotations=annotations or {},
                               resources={"cpu": {"shares": 100000}})
        (self.folder / name / "config.json").write_text(json.dumps(config))
        return self.folder / name

    def call(self, program, *words):
        done = subprocess.run([str(word) for word in (*program, *words)], stdin=subprocess.DEVNULL,
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        if done.returncode != 0:
            raise SystemExit(f"{program} {words}: exit code {done.returncode}\n{done.stderr}")

    def by_run(self, program, bundle):
        """Milliseconds."""
        began = time.perf_counter()
        self.call(program, "run", "--bundle", bundle, "bench")
        return (time.perf_counter() - began) * 1000

    def by_steps(self, program, bundle):
        """Milliseconds, of create, start, the program itself and delete."""
        began = time.perf_counter()
        with open(os.devnull, "w") as nothing:
            subprocess.run([*map(str, program), "create", "--bundle", bundle, "--pid-file", self.folder / "pid", "bench"],
                           stdin=subprocess.DEVNULL, stdout=nothing, stderr=nothing, check=True)
        self.call(program, "start", "bench")
        os.waitpid(int((self.folder / "pid").read_text()), 0)
        self.call(program, "delete", "bench")
        return (time.perf_counter() - began) * 1000

    def memory(self, program, bundle):
        """KiB that the cgroup of a sleeping container holds, and what of them is the process's own (not in files)."""
        with open(os.devnull, "w") as nothing:
            subprocess.run([*map(str, program), "create", "--bundle", bundle, "--pid-file", self.folder / "pid", "bench"],
                           stdin=subprocess.DEVNULL, stdout=nothing, stderr=nothing, check=True)
        self.call(program, "start", "bench")
        time.sleep(0.5)
        pid = int((self.folder / "pid").read_text())
        name = json.loads((bundle / "config.json").read_text())["linux"]["cgroupsPath"]
        files = [path for path in (Path(f"/sys/fs/cgroup/memory{name}/memory.usage_in_bytes"),
                                   Path(f"/sys/fs/cgroup{name}/memory.current")) if path.exists()]
        usage = int(files[0].read_text()) // 1024
        own = sum(int(line.split()[1]) for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
                  if line.startswith("Private_Dirty"))
        self.call(program, "kill", "bench", "KILL")
        os.waitpid(pid, 0)
        self.call(program, "delete", "bench")
        return usage, own


def processor_time():
    """Milliseconds, of all processes that have ended and been waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (used.ru_utime + used.ru_stime) * 1000


def times_of(rounds, measure, *pairs):
    """(median, tenth percentile, median of the processor time) of each (program, bundle), measured by turns. The
    percentile is nearer to what they take when nobody else wants the processor, and the processor time nearer still."""
    times, used = [[] for _ in pairs], [[] for _ in pairs]
    for number in range(rounds + 2):
        for i, pair in enumerate(pairs):
            before = processor_time()
            value = measure(*pair)
            if number >= 2:  # the first ones fill caches
                times[i].append(value)
                used[i].append(processor_time() - before)
    return [(statistics.median(values), sorted(values)[len(values) // 10], statistics.median(own))
            for values, own in zip(times, used)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--berth", required=True)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--peer", help="a crun that runs WebAssembly itself")
    arguments = parser.parse_args()
    enter()
    come_first()
    # In memory, as /run is, where engines keep state.
    with tempfile.TemporaryDirectory(prefix="berth-bench-", dir="/dev/shm") as name:
        folder = Path(name)
        bench = Bench(folder, Path(arguments.berth).resolve())
        native = bench.bundle("native-bundle", "native")
        wasm = bench.bundle("wasm-bundle", "empty.wasm")
        native_sleep = bench.bundle("native-sleep", "native", "sleep")
        wasm_sleep = bench.bundle("wasm-sleep", "sleep.wat")
        for below in ("crun", "runc"):
            path = find(below)
            plain = [path, "--root", folder / "plain"]
            ours = ["env", f"BERTH_OCI_RUNTIME={path}", f"BERTH_OCI_CODE={folder}/code", bench.oci, "--root", folder / "ours"]
            (folder / "plain").mkdir(exist_ok=True)
            pairs = [(["env", *plain], native), (ours, wasm), (ours, native)]
            if arguments.peer and below == "crun":
                peer = bench.bundle("peer-bundle", "empty.wasm", annotations={"run.oci.handler": "wasm"})
                pairs.append((["env", arguments.peer, "--root", folder / "peer"], peer))
                (folder / "peer").mkdir()
            for what, measure in (("run", bench.by_run), ("create, start, delete", bench.by_steps)):
                base, berth, through, *peer = times_of(arguments.rounds, measure, *pairs)
                for name_of, i in (("median", 0), ("tenth percentile", 1), ("processor time", 2)):
                    print(f"{below}, {what}, {name_of}: native {base[i]:.1f} ms, WebAssembly {berth[i]:.1f} ms, ratio "
                          f"{berth[i] / base[i]:.2f}; native through berth-oci {through[i]:.1f} ms" +
                          "".join(f"; {Path(arguments.peer).name} {other[i]:.1f} ms" for other in peer), flush=True)
            base = [bench.memory(["env", *plain], native_sleep) for _ in range(3)]
            berth = [bench.memory(ours, wasm_sleep) for _ in range(3)]
            (usage, own), (base_usage, base_own) = min(berth), min(base)
            print(f"{below}, memory of one that sleeps: native {base_usage} KiB, WebAssembly {usage} KiB, "
                  f"{usage - base_usage} KiB more; written to by the process {base_own} and {own} KiB", flush=True)


if __name__ == "__main__":
    main()
