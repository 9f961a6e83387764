#!/usr/bin/env python3
"""What native code does for a container: milliseconds from start to exit of a small C program that does nothing, and
rounds of work in a tenth of a second, in the interpreter, at the first start on a node, at later ones, and of the same
program compiled natively. By bundles over crun, and by podman. As root."""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[1] / "tests" / "containers")]
from podman import IMAGE, Podman  # noqa: E402
from setting import enter, wait_until  # noqa: E402


def milliseconds(call, rounds):
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        call()
        times.append((time.perf_counter() - began) * 1000)
    return times


def best_rounds(log):
    return max((int(line.split()[0]) for line in log.splitlines() if line[:1].isdigit()), default=0)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--berth", required=True)
    parser.add_argument("--rounds", type=int, default=20)
    arguments = parser.parse_args()
    os.environ["BERTH"] = str(Path(arguments.berth).resolve())
    enter()
    with tempfile.TemporaryDirectory(prefix="berth-bench-") as name:
        folder = Path(name)
        podman = Podman(folder, "crun")
        oci = podman.oci
        code = folder / "code"
        bundles = {kind: [oci.bundle([path, "exit", "0"]) for _ in range(arguments.rounds)]
                   for kind, path in (("interpreted", "/guest.wasm"), ("first", "/guest.wasm"),
                                      ("later", "/guest.wasm"), ("native program", "/bin/guest"))}

        def use(kind):
            """Containers are now started so."""
            folder_for_code = str(code) if kind in ("first", "later") else ""
            oci.environment["BERTH_OCI_CODE"] = folder_for_code
            wrapper = folder / "berth-oci"
            lines = wrapper.read_text().splitlines()
            lines[2] = f"export BERTH_OCI_POLICY={folder}/policy.toml BERTH_OCI_CODE={folder_for_code}"
            wrapper.write_text("\n".join(lines) + "\n")

        def forget():
            wait_until(lambda: list(code.glob("*/*.berth")), "the compiler", 60)
            time.sleep(0.2)
            subprocess.run(["rm", "-r", code], check=True)

        for kind, names in bundles.items():
            use(kind)
            times = []
            for bundle in names:
                times += milliseconds(lambda: oci("run", "--bundle", folder / bundle, bundle), 1)
                if kind == "first" and bundle != names[-1]:
                    forget()
            print(f"crun, start to exit, {kind}: {statistics.median(times):.1f} ms, at best {min(times):.1f} ms",
                  flush=True)
        for kind, program in (("interpreted", []), ("later", []), ("native program", ["--entrypoint", "/bin/guest"])):
            use(kind)
            times = milliseconds(lambda: podman("run", "--rm", "--network", "none", *program, IMAGE, "exit", "0"), 5)
            container = podman("run", "-d", "--network", "none", *program, IMAGE, "rounds").strip()
            time.sleep(3)
            done = best_rounds(podman("logs", container))
            podman("rm", "-f", "-t", "0", container)
            print(f"podman, {kind}: start to exit {statistics.median(times):.0f} ms; {done} rounds in 0.1 s", flush=True)
        use("first")
        subprocess.run(["rm", "-r", code], check=True)
        container = podman("run", "-d", "--network", "none", IMAGE, "rounds").strip()
        time.sleep(8)
        lines = [int(line.split()[0]) for line in podman("logs", container).splitlines() if line[:1].isdigit()]
        podman("rm", "-f", "-t", "0", container)
        fast = next((i for i, count in enumerate(lines) if count > 2 * lines[0]), None)
        print(f"podman, first start: {lines[0]} rounds in 0.1 s, {max(lines)} natively from "
              f"{'never' if fast is None else f'{fast * 0.1:.1f} s'} on")


if __name__ == "__main__":
    main()
