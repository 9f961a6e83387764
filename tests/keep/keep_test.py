"""Keeps from start to end: a broker that is proved to, and a workload that runs after that.

Cases with a machine boot one under QEMU's software emulation. The kernel is the package that $BERTH_KEEP_KERNEL names,
else one that is downloaded from Debian into $BERTH_KEEP_CACHE (default: build/keep-kernel beside the programs).
"""
import base64
import hashlib
import io
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import tempfile
import time

BERTH = pathlib.Path(os.environ["BERTH"]).resolve()
KEEP = str(BERTH) + "-keep"
HERE = pathlib.Path(__file__).resolve().parent


def skip(why):
    print("SKIPPED: " + why)
    sys.exit(77)


try:
    import broker_double
except ImportError as error:
    skip(f"python3-cryptography is missing ({error}); ./dev setup installs it")


def run(*words, code=0, stdin=b"", env=None, timeout=280):
    done = subprocess.run([str(word) for word in words], input=stdin, capture_output=True, timeout=timeout,
                          env={**os.environ, **(env or {})})
    done.out, done.err = done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
    assert done.returncode == code, (words, done.returncode, done.out, done.err)
    return done


def guest(folder):
    module = folder / "guest.wasm"
    run("clang-19", "--target=wasm32-wasi", "-O2", HERE / "guest.c", "-o", module)
    return module.read_bytes()


def kernel_package():
    if named := os.environ.get("BERTH_KEEP_KERNEL"):
        return pathlib.Path(named)
    cache = pathlib.Path(os.environ.get("BERTH_KEEP_CACHE", BERTH.parent.parent / "keep-kernel"))
    cache.mkdir(parents=True, exist_ok=True)
    if found := sorted(cache.glob("linux-image-*.deb")):
        return found[-1]
    depends = subprocess.run(["apt-cache", "depends", "linux-image-cloud-amd64"], capture_output=True, text=True)
    names = [line.split()[1] for line in depends.stdout.splitlines() if "Depends: linux-image-" in line]
    if not names:
        skip("apt knows no linux-image-cloud-amd64; `apt-get update`, or name a kernel's package in $BERTH_KEEP_KERNEL")
    done = subprocess.run(["apt-get", "download", "-q", names[0]], cwd=cache, capture_output=True, text=True)
    found = sorted(cache.glob("linux-image-*.deb"))
    if done.returncode != 0 or not found:
        skip(f"{names[0]} cannot be downloaded ({done.stderr.strip()}); name a kernel's package in $BERTH_KEEP_KERNEL")
    return found[-1]


def make_image(folder, **environment):
    run(KEEP, "keep", "image", "-o", folder, "--kernel-package", kernel_package(), env=environment)
    return folder


def need_machine():
    if not shutil.which("qemu-system-x86_64"):
        skip("qemu-system-x86_64 is missing; ./dev setup installs it")


def config(**members):
    return json.dumps(members).encode()


def archive(layers, entrypoint=None):
    """An OCI layout in a tar file, of layers: (media type, bytes, annotations). Gives it and its manifest's digest."""
    blobs = {}

    def blob(data):
        digest = hashlib.sha256(data).hexdigest()
        blobs[f"blobs/sha256/{digest}"] = data
        return {"digest": "sha256:" + digest, "size": len(data)}

    settings = {"architecture": "wasm", "os": "wasip1", "config": {"Entrypoint": entrypoint} if entrypoint else {},
                "rootfs": {"type": "layers", "diff_ids": []}}
    manifest = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "config": {"mediaType": "application/vnd.oci.image.config.v1+json", **blob(json.dumps(settings).encode())},
                "layers": [{"mediaType": kind, **blob(data), "annotations": notes} for kind, data, notes in layers]}
    top = blob(json.dumps(manifest).encode())
    blobs["index.json"] = json.dumps({"schemaVersion": 2, "manifests": [
        {"mediaType": manifest["mediaType"], **top}]}).encode()
    blobs["oci-layout"] = b'{"imageLayoutVersion":"1.0.0"}'
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, data in blobs.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue(), top["digest"]


def with_another(data, digest):
    """The archive with an index that prefers another manifest to that of the digest."""
    other = archive([("application/wasm", b"\0asm\1\0\0\0", {})])
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for source in (data, other[0]):
            for info in tarfile.open(fileobj=io.BytesIO(source)):
                if info.name.startswith("blobs/"):
                    tar.addfile(info, tarfile.open(fileobj=io.BytesIO(source)).extractfile(info.name))
        kind = "application/vnd.oci.image.manifest.v1+json"
        index = json.dumps({"schemaVersion": 2, "manifests": [
            {"mediaType": kind, "digest": other[1], "size": 1, "platform": {"architecture": "wasm", "os": "wasi"}},
            {"mediaType": kind, "digest": digest, "size": 1}]}).encode()
        info = tarfile.TarInfo("index.json")
        info.size = len(index)
        tar.addfile(info, io.BytesIO(index))
    return out.getvalue()


def layer_of(module):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        info = tarfile.TarInfo("./app.wasm")
        info.size, info.mode = len(module), 0o755
        tar.addfile(info, io.BytesIO(module))
    return out.getvalue()


KEY = bytes(range(32))
RESOURCES = {"default/app/password": b"open sesame", "default/key/1": KEY}


def outcome(broker, *words, backend="none", stdin=b"", code=0, **more):
    # With software emulation: /dev/kvm may be there and not work.
    return run(KEEP, "keep", "run", "--backend", backend, "--accel", "tcg", "--broker", broker.url, "--config", "default/app/config", *words,
               stdin=stdin, code=code, **more)


def check_output(done, arguments, stdin):
    lines = done.out.splitlines()
    assert lines == [f"arg {a}" for a in arguments] + ["env hello", "secret open sesame", "passwd hidden", f"stdin {stdin}"], done.out
    assert "to stderr" in done.err and "INSECURE" in done.err, done.err


def native_of(folder, module):
    """The module with native code for any processor; nothing where there is no compiler."""
    if not BERTH.with_name("berth-compiler").exists():
        print("without native code: berth-compiler is not built")
        return None
    (folder / "native.wasm").write_bytes(module)
    run(BERTH, "compile", "--cpu", "generic", "-o", folder / "native.berth", folder / "native.wasm")
    return (folder / "native.berth").read_bytes()


def connect(port, seconds):
    end = time.monotonic() + seconds
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
                connection.settimeout(seconds)
                connection.sendall(b"ping")
                if answer := connection.recv(64):
                    return answer
        except OSError:
            pass
        assert time.monotonic() < end, "nobody answers at the published port"
        time.sleep(0.3)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def encrypted_image(module):
    sealed, notes = broker_double.encrypt_layer(layer_of(module), "default/key/1", KEY)
    return archive([("application/vnd.oci.image.layer.v1.tar+gzip+encrypted", sealed, notes)], ["/app.wasm"])


FULL = {"env": {"GREETING": "hello"}, "secrets": {"password": "default/app/password"}}


def delivery(folder):
    """Without a machine: every way to be given a workload, and what is refused."""
    module = guest(folder)
    resources = {**RESOURCES, "default/app/module": module}
    with broker_double.Broker(resources) as broker:
        def given(description, *words, code=0, **more):
            broker.released.clear()
            resources["default/app/config"] = config(module=description, **more)
            return outcome(broker, *words, code=code, stdin=b"x" * 100_000)

        check_output(given({"resource": "default/app/module"}, args=["7", "two words"], code=7, **FULL), ["7", "two words"], 100_000)
        assert broker.released == ["default/app/config", "default/app/module", "default/app/password"]

        file = folder / "app.wasm"
        if native := native_of(folder, module):
            file.write_bytes(native)
            check_output(given({"digest": "sha256:" + hashlib.sha256(native).hexdigest()}, file, native=True, **FULL), [], 100_000)
        file.write_bytes(module)
        digest = "sha256:" + hashlib.sha256(module).hexdigest()
        check_output(given({"digest": digest}, file, **FULL), [], 100_000)
        file.write_bytes(module + b"\0")
        refused = given({"digest": digest}, file, code=1, **FULL)
        assert digest in refused.err and "is to run" in refused.err, refused.err
        assert "default/app/password" not in broker.released

        image = folder / "image.tar"
        data, manifest = archive([("application/wasm", module, {})])
        image.write_bytes(data)
        check_output(given({"image": {"digest": manifest}}, image, **FULL), [], 100_000)
        assert "is to run" in given({"image": {"digest": "sha256:" + "0" * 64}}, image, code=1).err
        # The index is the host's: it may name another image first, and the right one besides.
        image.write_bytes(with_another(data, manifest))
        check_output(given({"image": {"digest": manifest}}, image, **FULL), [], 100_000)
        assert "not encrypted" in given({"image": {"key": "default/key/1"}}, image, code=1).err
        assert "have any other run" in given({"image": {}}, image, code=1).err

        data, manifest = encrypted_image(module)
        image.write_bytes(data)
        check_output(given({"image": {"key": "default/key/1"}}, image, args=["3"], code=3, **FULL), ["3"], 100_000)
        check_output(given({"image": {"key": "default/key/1", "digest": manifest}}, image, **FULL), [], 100_000)
        # By a key that others may have, too.
        resources["default/key/2"] = KEY
        assert "its owner says default/key/2" in given({"image": {"key": "default/key/2"}}, image, code=1).err
        check_output(given({"image": {"digest": manifest}}, image, **FULL), [], 100_000)
        resources["default/key/1"] = bytes(32)
        assert "another key" in given({"image": {"key": "default/key/1"}}, image, code=1).err
        del resources["default/key/1"]
        assert "does not release default/key/1" in given({"image": {"key": "default/key/1"}}, image, code=1).err
        resources["default/key/1"] = KEY
        sealed, notes = broker_double.encrypt_layer(layer_of(module), "default/key/1", KEY)
        changed = bytearray(sealed)
        changed[100] ^= 1
        image.write_bytes(archive([("application/vnd.oci.image.layer.v1.tar+gzip+encrypted", bytes(changed), notes)])[0])
        assert "was changed" in given({"image": {"key": "default/key/1"}}, image, code=1).err
        image.write_bytes(b"no archive")
        assert "cannot be read" in given({"image": {"key": "default/key/1"}}, image, code=1).err

        for wrong, says in [({"module": {"resource": "../etc"}}, "no name of a resource"), ({"modul": 1}, "not known"), ({}, "missing"),
                            ({"module": {"resource": "default/app/module"}, "secrets": {"../x": "a/b"}}, "no name for a file")]:
            resources["default/app/config"] = json.dumps(wrong).encode()
            assert says in outcome(broker, code=1).err
        del resources["default/app/config"]
        assert "there is no default/app/config" in outcome(broker, code=1).err


def proof(folder):
    """Without a machine: who is refused, and that nothing is released then; what a keep refuses itself."""
    module = guest(folder)
    resources = {**RESOURCES, "default/app/module": module, "default/app/config": config(module={"resource": "default/app/module"}, **FULL)}
    with broker_double.Broker(resources, measurement="00" * 48) as broker:
        refused = outcome(broker, code=1)
        assert "does not accept this keep's proof" in refused.err and "measurement" in refused.err, refused.err
        assert refused.out == "" and broker.released == []
        assert broker.asked == ["/kbs/v0/auth", "/kbs/v0/attest"], broker.asked
    with broker_double.Broker(resources, host_data="11" * 32) as broker:
        assert "host data" in outcome(broker, code=1).err and broker.released == []
    with broker_double.Broker(resources) as broker:
        shown = json.loads(run(KEEP, "keep", "run", "--backend", "none", "--broker", broker.url, "--config", "default/app/config",
                               "--dry-run").out)
        broker.measurement, broker.host_data = shown["measurement"], shown["host_data"]
        check_output(outcome(broker), [], 0)
        # What was proved, judged by a policy that pins what was foretold.
        text, report_data = broker.evidence[-1]
        (folder / "evidence").write_text(text)

        def judged(measurement, code, allow="true"):
            (folder / "policy.toml").write_text(
                f'technologies = ["simulated"]\nallow_simulated = {allow}\n[simulated]\nmeasurements = ["{measurement}"]\n'
                f'host_data = ["{shown["host_data"]}"]\n')
            return run(str(BERTH) + "-attest", "verify", "--policy", folder / "policy.toml", "--nonce", report_data.hex(),
                       folder / "evidence", code=code)

        judged(shown["measurement"], 0)
        assert "measurement" in judged("22" * 48, 1).out
        judged(shown["measurement"], 2, allow="false")
        launch = {"broker": broker.url, "config": "default/app/config", "version": 1}
        assert shown["host_data"] == hashlib.sha256(json.dumps(launch, separators=(",", ":")).encode()).hexdigest()

    def swap(name, answer):
        if name == "default/app/module":
            text = list(answer["ciphertext"])
            text[10] = "A" if text[10] != "A" else "B"
            answer["ciphertext"] = "".join(text)
        return answer

    with broker_double.Broker(resources, tamper=swap) as broker:
        assert "was changed" in outcome(broker, code=1).err

    # By TLS: only who the named certificate vouches for.
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
        "/CN=broker", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", folder / "key.pem", "-out", folder / "cert.pem")
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
        "/CN=broker", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", folder / "key2.pem", "-out", folder / "cert2.pem")
    with broker_double.Broker(resources, certificate=(folder / "cert.pem", folder / "key.pem")) as broker:
        check_output(outcome(broker, "--broker-ca", folder / "cert.pem"), [], 0)
        assert "its certificate" in outcome(broker, "--broker-ca", folder / "cert2.pem", code=1).err
        assert "--broker-ca" in outcome(broker, code=1).err


def patience(folder):
    """A broker that comes late, is not well for a while, or is started anew in the middle: nothing is lost."""
    module = guest(folder)
    resources = {**RESOURCES, "default/app/module": module, "default/app/config": config(module={"resource": "default/app/module"}, **FULL)}
    with broker_double.Broker(resources, forgets=1) as broker:
        check_output(outcome(broker), [], 0)
        assert broker.asked.count("/kbs/v0/attest") == 2, broker.asked
    with broker_double.Broker(resources, forgets=9) as broker:
        refused = outcome(broker, code=1)
        assert "nothing has been proved" in refused.err and broker.released == [], refused.err
    with broker_double.Broker(resources, ails=2) as broker:
        check_output(outcome(broker), [], 0)
    port = free_port()
    running = subprocess.Popen([KEEP, "keep", "run", "--backend", "none", "--broker", f"http://127.0.0.1:{port}", "--config",
                                "default/app/config"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    time.sleep(1)
    with broker_double.Broker(resources, port=port):
        out, err = running.communicate(timeout=60)
        assert running.returncode == 0 and b"env hello" in out, (running.returncode, out, err)


def usage(folder):
    """Errors that say what to do."""
    def says(code, *words, env=None):
        return run(KEEP, "keep", *words, code=code, env=env).err

    here = ["--broker", "http://127.0.0.1:1", "--config", "default/app/config"]
    assert "--broker is missing" in says(2, "run")
    assert "--config is missing" in says(2, "run", "--broker", "http://127.0.0.1:1")
    assert "no backend" in says(2, "run", *here, "--backend", "cca")
    assert "Gramine" in says(2, "run", *here, "--backend", "sgx")
    assert "--memory" in says(2, "run", *here, "--memory", "1MiB")
    assert "--publish" in says(2, "run", *here, "--publish", "80:http")
    assert "no URL" in says(1, "run", "--backend", "none", "--broker", "ftp://x", "--config", "default/app/config")
    assert "no name of a broker's resource" in says(1, "run", "--backend", "none", "--broker", "http://127.0.0.1:1", "--config", "x")
    assert "cannot reach the broker" in says(1, "run", *here, "--backend", "none")
    assert "no file" in says(1, "run", *here, "--backend", "none", "./missing.wasm")
    assert "vmlinuz" in says(1, "run", *here, "--backend", "vm", "--image", folder)
    if not os.path.exists("/dev/kvm") or not os.access("/dev/kvm", os.W_OK):
        assert "--backend vm" in says(1, "run", *here)
        assert "/dev/kvm" in says(1, "run", *here, "--backend", "snp")
        assert "/dev/kvm" in says(1, "run", *here, "--backend", "tdx")
    assert "no package" in says(1, "image", "-o", folder / "image", "--kernel-package", HERE / "guest.c")
    assert "did you mean" in says(2, "runn")
    # What would be started on confidential machines.
    image = folder / "image"
    image.mkdir()
    (image / "vmlinuz").write_bytes(b"kernel\n")
    (image / "initrd").write_bytes(b"initrd\n")
    (image / "cmdline").write_text("console=ttyS0\n")
    sys.path.insert(0, str(HERE.parent / "measure"))
    import measure_test
    (folder / "fw").write_bytes(measure_test.firmware())
    snp = ["run", "--backend", "snp", "--image", image, "--ovmf", folder / "fw", "--vcpus", "2", "--dry-run"]
    assert "https" in says(1, *snp, *here)
    tls = ["--broker", "https://127.0.0.1:1", "--config", "default/app/config"]
    assert "--broker-ca" in says(1, *snp, *tls)
    (folder / "ca.pem").write_text("certificates")
    shown = json.loads(run(KEEP, "keep", *snp, *tls, "--broker-ca", folder / "ca.pem").out)
    expected = measure_test.measure("--image", image, "--ovmf", folder / "fw", "--vcpus", 2, "--vcpu-type", "EPYC-v4")
    assert shown["measurement"] == expected
    host_data = base64.b64encode(bytes.fromhex(shown["host_data"])).decode()
    command = " ".join(shown["command"])
    assert f"kernel-hashes=on,host-data={host_data}" in command and "confidential-guest-support=tee" in command, command


def evidence(folder):
    """Evidence of this machine: none, simulated, and a quote as Gramine gives it (of $BERTH_EVIDENCE, where that is)."""
    attest = str(BERTH) + "-attest"
    if not os.path.exists("/dev/sev-guest") and not os.path.exists("/dev/tdx_guest"):
        assert "gives no evidence" in run(attest, "evidence", code=1).err
    assert "no provider" in run(attest, "evidence", "--provider", "tpm", code=2).err
    assert "hexadecimal" in run(attest, "evidence", "--nonce", "0", code=2).err
    assert "simulated" in run(attest, "evidence", "--host-data", "00" * 32, code=2).err
    made = run(attest, "evidence", "--provider", "simulated", "--nonce", "00ff", "--host-data", "11" * 32)
    assert "INSECURE" in made.err
    claims = broker_double.check_simulated(made.out, b"\x00\xff")
    assert claims["host_data"] == "11" * 32 and claims["measurement"] == "00" * 48
    (folder / "simulated").write_text(made.out)
    assert "simulated" in run(attest, "verify", folder / "simulated", code=1).out
    samples = pathlib.Path(os.environ.get("BERTH_EVIDENCE", HERE.parent.parent.parent / "shared" / "evidence"))
    quote = samples / "sgx" / "quote-v3.bin"
    if not quote.exists():
        print(f"without the sample {quote}; $BERTH_EVIDENCE names the folder")
        return
    device = folder / "dev" / "attestation"
    device.mkdir(parents=True)
    shutil.copy(quote, device / "quote")
    (device / "attestation_type").write_text("dcap")
    (device / "user_report_data").write_bytes(b"")
    data = quote.read_bytes()[48 + 320:48 + 384].hex()  # behind the header, at the end of the report
    run(attest, "evidence", "--root", folder, "--nonce", data, "-o", folder / "out")
    assert (folder / "out").read_bytes() == quote.read_bytes() and (device / "user_report_data").read_bytes().hex() == data
    assert "not of what was asked for" in run(attest, "evidence", "--root", folder, "--nonce", "00", code=1).err


def image(folder):
    """The same bytes, whoever builds it, where and how."""
    first, second = folder / "one", folder / "a" / "deeper" / "two"
    second.parent.mkdir(parents=True)
    make_image(first)
    old = os.umask(0o077)
    try:
        make_image(second, TZ="Asia/Tokyo", LC_ALL="C.UTF-8", LANG="de_DE.UTF-8", USER="nobody", SOURCE_DATE_EPOCH="1")
    finally:
        os.umask(old)
    for name in ("vmlinuz", "initrd", "cmdline"):
        assert (first / name).read_bytes() == (second / name).read_bytes(), name
    # From the kernel's files in a folder, listed in whatever order, and as another user where we are root.
    unpacked, third = folder / "unpacked", folder / "three"
    run("dpkg-deb", "-x", kernel_package(), unpacked)
    kernel = next((unpacked / "boot").glob("vmlinuz-*"))
    words = [KEEP, "keep", "image", "-o", third, "--kernel", kernel, "--modules",
             unpacked / "lib" / "modules" / kernel.name.removeprefix("vmlinuz-")]
    if os.geteuid() == 0:
        os.chmod(folder, 0o777)
        words = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *words]
    run(*words)
    assert (third / "initrd").read_bytes() == (first / "initrd").read_bytes()
    # As a reader of archives sees it: nothing but what is meant to be there, and nothing of this machine.
    listing = subprocess.run(["cpio", "-tv", "--quiet"], stdin=open(first / "initrd", "rb"), capture_output=True, text=True) \
        if shutil.which("cpio") else None
    if listing:
        names = [line.split()[-1] for line in listing.stdout.splitlines()]
        assert {"init", "berth", "dev/console"} <= set(names) and not any("sh" == n.rsplit("/")[-1] for n in names), names
    one = run(KEEP, "measure", "--backend", "sim", "--image", first).out
    assert one == run(KEEP, "measure", "--backend", "sim", "--image", second).out and len(one) == 97


def machine(folder):
    """A machine boots, proves itself, receives an encrypted image's key, runs it, returns its exit code."""
    need_machine()
    module, place = guest(folder), make_image(folder / "keep")
    measurement = run(KEEP, "measure", "--backend", "sim", "--image", place).out.strip()
    native = native_of(folder, module)
    data, _ = encrypted_image(native or module)
    (folder / "image.tar").write_bytes(data)
    resources = {**RESOURCES, "default/app/config": config(module={"image": {"key": "default/key/1"}}, native=bool(native), args=["42"],
                                                           **FULL)}
    with broker_double.Broker(resources, measurement=measurement) as broker:
        start = time.monotonic()
        done = outcome(broker, "--image", place, folder / "image.tar", backend="vm", stdin=b"y" * 300_000, code=42)
        print(f"from start to exit code: {time.monotonic() - start:.1f} s")
        check_output(done, ["42"], 300_000)
        # An artifact that is not trusted would be interpreted, and a note would say so.
        assert "native code" not in done.err, done.err
        assert broker.released == ["default/app/config", "default/key/1", "default/app/password"], broker.released


def machine_serves(folder):
    """A port of the host's that leads to one of the keep's."""
    need_machine()
    module, place, port = guest(folder), make_image(folder / "keep"), free_port()
    resources = {"default/app/module": module, "default/app/config": config(
        module={"resource": "default/app/module"}, args=["serve"], tcp_listen=["0.0.0.0:8080"])}
    with broker_double.Broker(resources) as broker:
        running = subprocess.Popen([KEEP, "keep", "run", "--backend", "vm", "--accel", "tcg", "--image", place, "--broker", broker.url,
                                    "--config", "default/app/config", "--publish", f"{port}:8080"], stdin=subprocess.DEVNULL)
        try:
            assert connect(port, 150) == b"ping"
            assert running.wait(60) == 6
        finally:
            if running.poll() is None:
                running.kill()


def machine_refused(folder):
    """Nothing is released to a machine with one byte changed; one that is told to ends in good order."""
    need_machine()
    module, place = guest(folder), make_image(folder / "keep")
    measurement = run(KEEP, "measure", "--backend", "sim", "--image", place).out.strip()
    resources = {**RESOURCES, "default/app/module": module,
                 "default/app/config": config(module={"resource": "default/app/module"}, args=["wait"], tcp_listen=["0.0.0.0:8080"])}
    with broker_double.Broker(resources, measurement=measurement) as broker:
        # SIGTERM reaches the workload, whose signal the exit code has.
        running = subprocess.Popen([KEEP, "keep", "run", "--backend", "vm", "--accel", "tcg", "--image", place, "--broker", broker.url, "--config",
                                    "default/app/config"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
        try:
            assert running.stdout.readline() == b"waiting\n", running.stderr.read()
            running.send_signal(signal.SIGTERM)
            _, errors = running.communicate(timeout=60)
            assert running.returncode == 128 + signal.SIGTERM, (running.returncode, errors)
        finally:
            if running.poll() is None:
                running.kill()
        broker.released.clear()
        (place / "cmdline").write_text((place / "cmdline").read_text().strip() + " debug\n")
        refused = outcome(broker, "--image", place, backend="vm", code=1)
        assert "does not accept this keep's proof" in refused.err and broker.released == [] and refused.out == "", refused.err


if __name__ == "__main__":
    cases = {case.__name__: case for case in (delivery, proof, patience, usage, evidence, image, machine, machine_serves, machine_refused)}
    with tempfile.TemporaryDirectory(prefix="berth-keep-test-") as name:
        cases[sys.argv[1]](pathlib.Path(name))
