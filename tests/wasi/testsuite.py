"""Runs the WASI 0.1 programs of a checkout of WebAssembly/wasi-testsuite, whose format is described in its
doc/specification.md: beside NAME.wasm a NAME.json may give args, env, the folder to grant as "/" (root), and what
is expected. The folder is copied, so that a checkout is never changed.
"""

import json
import shutil
import subprocess
from pathlib import Path

SECONDS = 30


def run_one(program, berth, scratch):
    """The reason why the program failed, or None."""
    described = program.with_suffix(".json")
    wanted = json.loads(described.read_text()) if described.exists() else {}
    command = [str(berth), "run"]
    for name, value in wanted.get("env", {}).items():
        command += ["--env", f"{name}={value}"]
    if "root" in wanted:
        folder = scratch / program.stem
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(program.parent / wanted["root"], folder, symlinks=True)
        command += ["--dir", f"{folder}::/"]
    command += [str(program), *wanted.get("args", [])]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=SECONDS)
    except subprocess.TimeoutExpired:
        return f"not done after {SECONDS} s"
    errors = done.stderr[-500:].decode(errors="replace").strip()
    if done.returncode != wanted.get("exit_code", 0):
        return f"exit code {done.returncode}: {errors}"
    for stream, got in (("stdout", done.stdout), ("stderr", done.stderr)):
        if stream in wanted and got.decode(errors="replace") != wanted[stream]:
            return f"{stream} was {got!r}"
    return None


def run(suite: Path, berth: Path, scratch: Path):
    """(number passed, {name: reason} of those that failed)"""
    passed, failures = 0, {}
    for program in sorted(suite.glob("tests/*/testsuite/wasm32-wasip1/*.wasm")):
        name = f"{program.relative_to(suite / 'tests').parts[0]}/{program.stem}"
        reason = run_one(program, berth, scratch)
        if reason is None:
            passed += 1
        else:
            failures[name] = reason
    return passed, failures
