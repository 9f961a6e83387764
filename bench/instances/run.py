#!/usr/bin/env python3
"""Instances from a pool, and calls across the canonical ABI, as ratios to memcpy and, where it is there, to wasmtime.

The component is a large one of JavaScript: --component names one that exports greet(string) -> string, else npm makes one
in build/bench/instances. --wasmtime is an interpreter that has wasmtime's Python package. --tier native takes
native code from $BERTH_CACHE_DIR, and compiles what is missing there: minutes, for JavaScript.
"""

import argparse
import os
import shutil
import subprocess
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
OUTPUT = ROOT / "build" / "bench" / "instances"

WIT = """package local:hello;
world hello {
  export greet: func(name: string) -> string;
}
"""
JAVASCRIPT = 'export function greet(name) { return "Hello, " + name + "!"; }\n'
MAKE = """
import { componentize } from '@bytecodealliance/componentize-js';
import { readFile, writeFile } from 'node:fs/promises';
const disableFeatures = ['stdio', 'random', 'clocks', 'http', 'fetch-event'];
const source = await readFile('hello.js', 'utf8');
const { component } = await componentize(source, { witPath: 'hello.wit', worldName: 'hello', disableFeatures });
await writeFile('hello.wasm', component);
"""


def figures(command, **more) -> dict[str, float]:
    printed = subprocess.run(list(map(str, command)), check=True, stdout=subprocess.PIPE, text=True, **more).stdout
    return {name: float(value) for name, value in (line.split() for line in printed.splitlines())}


def make_component() -> Path | None:
    made = OUTPUT / "hello.wasm"
    if made.exists():
        return made
    if not shutil.which("npm"):
        print("SKIPPED: instances of a JavaScript component: there is no npm here to make one; see --component")
        return None
    (OUTPUT / "hello.wit").write_text(WIT)
    (OUTPUT / "hello.js").write_text(JAVASCRIPT)
    (OUTPUT / "make.mjs").write_text(MAKE)
    for command in (["npm", "init", "-y"], ["npm", "install", "@bytecodealliance/componentize-js"], ["node", "make.mjs"]):
        done = subprocess.run(command, cwd=OUTPUT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode != 0:
            print(f"SKIPPED: instances of a JavaScript component: {' '.join(command)} failed: {done.stdout[-300:]}")
            return None
    return made


def instances(program, arguments, component):
    size = component.stat().st_size / 1e6
    berth = figures([program, "instances", arguments.tier, arguments.idle, component])
    print(f"{component.name}, {size:.1f} MB, tier {arguments.tier}:")
    for uses, what in (("unused", "taken and given back"), ("used", "taken, called, given back")):
        print(f"  {what}: take {berth[uses + '_take_us_p50']:.2f} us (p99 {berth[uses + '_take_us_p99']:.2f}), "
              f"give back {berth[uses + '_end_us_p50']:.1f} us (p99 {berth[uses + '_end_us_p99']:.1f})")
    print(f"  the call itself {berth['call_us_p50']:.0f} us; a new place in the pool {berth['fresh_us_p50']:.0f} us; "
          f"linking once {berth['link_us'] / 1000:.1f} ms")
    print(f"  {berth['idle']:.0f} idle instances: {berth['idle_kb']:.0f} KB each, taken {berth['taken_kb']:.0f} KB, "
          f"called {berth['in_use_kb']:.0f} KB, given back {berth['used_idle_kb']:.0f} KB")
    if not arguments.wasmtime:
        return print("SKIPPED: wasmtime: --wasmtime names no interpreter that has its package")
    theirs = figures([arguments.wasmtime, HERE / "wasmtime_instances.py", component, OUTPUT])
    # What Python adds is in an empty component's, too.
    spent = max(theirs["instance_us"] - theirs["empty_us"], 0.01)
    print(f"  wasmtime, pooling allocator: {theirs['instance_us']:.1f} us a store and instance through Python, of which "
          f"{theirs['empty_us']:.1f} us go for one of an empty component; ratio of the rest to Berth's taking and "
          f"giving back {spent / berth['unused_both_us_p50']:.1f}")


def calls(program, tier):
    f = figures([program, "calls", tier])
    print(f"calls, tier {tier}: host with scalars {f['host_scalars_ns']:.0f} ns, with a string of 16 bytes "
          f"{f['host_string_16_ns']:.0f} ns; from the host {f['enter_ns']:.0f} ns")
    print(f"  between components: scalars {f['component_scalars_ns']:.0f} ns, string of 16 bytes "
          f"{f['component_string_16_ns']:.0f} ns")
    for what in ("bytes", "words", "string"):
        print(f"  {what} of 1 MiB between components: {f[f'component_{what}_1m_ns'] / f['memcpy_1m_ns']:.2f} "
              f"times a memcpy of {f['memcpy_1m_ns'] / 1000:.0f} us")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--berth", required=True)
    parser.add_argument("--component", type=Path)
    parser.add_argument("--tier", choices=["interp", "native"], default="interp")
    parser.add_argument("--idle", type=int, default=1000)
    parser.add_argument("--wasmtime", metavar="PYTHON")
    arguments = parser.parse_args()
    OUTPUT.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("BERTH_CACHE_DIR", str(OUTPUT / "cache"))
    build = Path(arguments.berth).resolve().parents[1]
    subprocess.run(["cmake", "--build", build, "--target", "bench_instances"], check=True, stdout=subprocess.DEVNULL)
    program = build / "bench" / "bench_instances"
    component = arguments.component or make_component()
    if component:
        instances(program, arguments, component.resolve())
    calls(program, "interp")
    calls(program, "native")


if __name__ == "__main__":
    main()
