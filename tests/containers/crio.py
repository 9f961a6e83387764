#!/usr/bin/env python3
"""berth-oci under a CRI-O of its own: crio.py pods crun|runc. Exits 77 where it cannot check.

$BERTH_CRIO names a folder with crio and pinns, which no package of Debian 12 has.
"""

import json
import os
import subprocess
from pathlib import Path

from containerd import IMAGE, PAUSE, Cri, in_pod, own_network, write_image
from setting import Runtime, build_pause, find, main, skip, stop_engine, wait_until


class Crio:
    def __init__(self, folder: Path, below: str):
        given = os.environ.get("BERTH_CRIO")
        if not given:
            skip("$BERTH_CRIO names no folder with crio and pinns (Debian 12 has no package of CRI-O)")
        programs = [Path(given) / name for name in ("crio", "pinns")]
        for program in programs:
            if not os.access(program, os.X_OK):
                skip(f"{program} is no program")
        conmon, skopeo = find("conmon"), find("skopeo")
        if not Path("/usr/lib/cni/ptp").exists():
            skip("network plugins are not installed (Debian package containernetworking-plugins); ./dev setup does it")
        own_network()
        self.folder = folder
        self.oci = Runtime(folder, below)
        wrapper = folder / "berth-oci"
        # CRI-O has pods survive when memory is short, for which not every root has the right (CAP_SYS_RESOURCE).
        wrapper.write_text(f"""#!/bin/sh
export BERTH_OCI_RUNTIME={self.oci.path} BERTH_OCI_POLICY={folder}/policy.toml BERTH_OCI_CODE=
bundle=
for word; do
  [ "$bundle" != next ] || bundle=$word
  case $word in --bundle|-b) bundle=next;; --bundle=*) bundle=${{word#--bundle=}};; esac
done
[ -z "$bundle" ] || sed -i 's/"oomScoreAdj": *-[0-9]*/"oomScoreAdj": 0/' "$bundle/config.json"
exec {self.oci.program} "$@"
""")
        wrapper.chmod(0o755)
        (folder / "cni").mkdir()
        (folder / "cni/10-test.conflist").write_text(json.dumps({
            "cniVersion": "0.4.0", "name": "test", "plugins": [
                {"type": "ptp", "ipam": {"type": "host-local", "dataDir": str(folder / "ipam"),
                                         "ranges": [[{"subnet": "10.99.0.0/24"}]]}}]}))
        (folder / "policy.json").write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
        self.socket = folder / "crio.sock"
        (folder / "crio.conf").write_text(f"""
[crio]
root = "{folder}/storage"
runroot = "{folder}/run"
storage_driver = "vfs"
log_dir = "{folder}/pod-logs"
version_file = "{folder}/version"
version_file_persist = "{folder}/version-kept"
clean_shutdown_file = "{folder}/clean"
internal_repair = false
[crio.api]
listen = "{self.socket}"
stream_address = "127.0.0.1"
[crio.image]
pause_image = "{PAUSE}"
pause_command = ""
signature_policy = "{folder}/policy.json"
[crio.network]
network_dir = "{folder}/cni"
plugin_dirs = ["/usr/lib/cni"]
[crio.runtime]
default_runtime = "berth"
pinns_path = "{programs[1]}"
cgroup_manager = "cgroupfs"
conmon_cgroup = "pod"
drop_infra_ctr = false
selinux = false
apparmor_profile = "unconfined"
namespaces_dir = "{folder}/namespaces"
container_exits_dir = "{folder}/exits"
container_attach_socket_dir = "{folder}/attach"
[crio.runtime.runtimes.berth]
runtime_path = "{wrapper}"
runtime_type = "oci"
runtime_root = "{folder}/state-of-runtime"
monitor_path = "{conmon}"
""")
        for name, files, config in (
                (PAUSE, {"pause": build_pause(folder)}, {"Entrypoint": ["/pause"]}),
                (IMAGE, {"guest.wasm": self.oci.wasm, "bin/guest": self.oci.native},
                 {"Entrypoint": ["/guest.wasm"], "Env": ["PATH=/bin", "FROM=image"]})):
            write_image(folder / "image.tar", name, files, config)
            subprocess.run([skopeo, "copy", "--insecure-policy", f"oci-archive:{folder}/image.tar",
                            f"containers-storage:[vfs@{folder}/storage+{folder}/run]{name}"], check=True, capture_output=True)
        self.log = open(folder / "crio.log", "w+")
        self.daemon = subprocess.Popen([programs[0], "--config", folder / "crio.conf", "--config-dir", folder / "none"],
                                       stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL, cwd=folder)
        wait_until(lambda: self.socket.exists() or self.daemon.poll() is not None, "crio", 30)
        assert self.daemon.poll() is None, (folder / "crio.log").read_text()[-3000:]

    def stop(self):
        stop_engine(self.daemon, self.folder)
        self.log.close()


def pods(folder, below):
    """A pod whose pause container, WebAssembly and Linux containers all come through berth-oci."""
    crio = Crio(folder, below)
    try:
        pod = Cri(crio).pod("mixed")
        try:
            in_pod(pod, folder)
        finally:
            pod.remove()
        assert not list((folder / "state-of-runtime").glob("berth/*")), list((folder / "state-of-runtime").glob("berth/*"))
    except Exception:
        print((folder / "crio.log").read_text()[-4000:])
        raise
    finally:
        crio.stop()


if __name__ == "__main__":
    main({"pods": pods}, "usage: crio.py CASE crun|runc, where CASE is one of")
