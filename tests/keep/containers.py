#!/usr/bin/env python3
"""berth-oci starting keeps for containers: containers.py CASE crun|runc. Exits 77 where it cannot check."""
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "containers"))
from setting import Runtime, main

import keep_test
from broker_double import Broker

CASES = {}


def case(function):
    CASES[function.__name__] = lambda folder, below: function(Runtime(folder, below), folder)
    return function


def keep_bundle(oci, annotations, args=("/guest.wasm",), **more):
    name = oci.bundle(list(args), annotations={f"run.berth.{key}": value for key, value in annotations.items()}, **more)
    file = oci.folder / name / "config.json"
    config = json.loads(file.read_text())
    # The broker is on this machine's loopback.
    config["linux"]["namespaces"] = [n for n in config["linux"]["namespaces"] if n["type"] != "network"]
    file.write_text(json.dumps(config))
    return name


def node_file(oci, folder, **keys):
    file = folder / "oci.toml"
    file.write_text("".join(f'{key.replace("_", "-")} = "{value}"\n' for key, value in keys.items()))
    oci.environment["BERTH_OCI_CONFIG"] = str(file)


@case
def refused(oci, folder):
    """What is missing is said when the container is created."""
    node_file(oci, folder)

    def says(annotations, text, **more):
        name = keep_bundle(oci, annotations, **more)
        oci("create", "--bundle", oci.folder / name, name, code=1)
        assert text in oci.last.stderr, (text, oci.last.stderr)

    asked = {"keep": "vm", "broker": "http://127.0.0.1:1", "keep-config": "default/app/config"}
    says({**asked, "keep": "cca"}, "snp, tdx or vm")
    says({"keep": "vm", "keep-config": "a/b"}, "run.berth.broker")
    says({"keep": "vm", "broker": "http://127.0.0.1:1"}, "run.berth.keep-config")
    if not any(Path(place, "initrd").exists() for place in ("/usr/local/lib/berth/keep", "/usr/lib/berth/keep")):
        says(asked, "berth keep image")
    node_file(oci, folder, keep_image=folder)
    says(asked, "takes its arguments from the broker", args=("/guest.wasm", "more"))
    says(asked, "too little", resources={"memory": {"limit": 64 << 20}})
    # By the runtime's name, as runtime classes have it.
    link = oci.program.with_name("berth-oci-snp")
    own = folder / "bin"
    own.mkdir()
    for program in ("berth-oci", "berth", "berth-keep", "berth-keep-init"):
        os.symlink(oci.program.with_name(program), own / program)
    os.symlink(oci.program, own / link.name)
    oci.program = own / link.name
    says(asked, "its runtime class is for snp")
    says({"keep-config": "a/b"}, "run.berth.broker")


@case
def runs(oci, folder):
    """A pod's module in an emulated machine: its output and exit code are the container's."""
    keep_test.need_machine()
    image = keep_test.make_image(folder / "image")
    node_file(oci, folder, keep_image=image)
    module = (folder / "guest.wasm").read_bytes()
    config = {"module": {"digest": "sha256:" + hashlib.sha256(module).hexdigest()}, "args": ["exit", "7"]}
    with Broker({"default/app/config": json.dumps(config).encode()}) as broker:
        name = keep_bundle(oci, {"keep": "vm", "broker": broker.url, "keep-config": "default/app/config"})
        done = subprocess.run(oci.words("run", "--bundle", oci.folder / name, name), env=oci.environment, capture_output=True,
                              text=True, timeout=280, stdin=subprocess.DEVNULL)
        assert done.returncode == 7, done
        assert "INSECURE" in done.stderr and broker.released == ["default/app/config"], (done, broker.released)


main(CASES, __doc__)
