"""`berth broker` from outside: what it releases and to whom."""
import concurrent.futures
import contextlib
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time

BERTH = pathlib.Path(os.environ["BERTH"]).resolve()
BROKER = str(BERTH) + "-broker"
HERE = pathlib.Path(__file__).resolve().parent


def skip(why):
    print("SKIPPED: " + why)
    sys.exit(77)


try:
    import guest
    from guest import Guest
except ImportError as error:
    skip(f"python3-cryptography is missing ({error}); ./dev setup installs it")

SECRET = b"open sesame"
POLICY = f"""technologies = ["simulated"]
allow_simulated = true
[simulated]
measurements = ["{guest.MEASUREMENT}"]
"""


def run(*words, code=0, stdin=b"", env=None, timeout=120):
    done = subprocess.run([str(word) for word in words], input=stdin, capture_output=True, timeout=timeout,
                          env={**os.environ, **(env or {})})
    done.out, done.err = done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
    assert done.returncode == code, (words, done.returncode, done.out, done.err)
    return done


class Broker:
    """A running one, of a folder."""

    def __init__(self, folder, *words, address="127.0.0.1:0", policy=POLICY):
        self.folder = folder
        self.words = [BROKER, "serve", "--resources", folder / "secrets", "--policy", folder / "policy.toml", *words]
        (folder / "policy.toml").write_text(policy)
        if not (folder / "secrets").exists():
            self.put("default/app/key", SECRET)
        self.start(address)

    def put(self, name, content):
        run(BROKER, "put", "--resources", self.folder / "secrets", name, "-", stdin=content)

    def start(self, address=None):
        address = address or "%s:%d" % self.address
        self.process = subprocess.Popen([str(w) for w in self.words] + ["--addr", address], stderr=subprocess.PIPE, text=True)
        line = self.process.stderr.readline()
        found = re.search(r"(https?)://127\.0\.0\.1:(\d+)", line)
        assert found, line + self.process.stderr.read()
        self.url, self.address = found[0], ("127.0.0.1", int(found[2]))
        self.lines = []
        threading.Thread(target=lambda stream: self.lines.extend(stream), args=(self.process.stderr,), daemon=True).start()

    def stop(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        return self.process.wait(timeout=30)

    def audit(self):
        text = (self.folder / "secrets.audit").read_text()
        run(BROKER, "audit", self.folder / "secrets.audit")
        return [json.loads(line) for line in text.splitlines()]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def certificate(folder, name="server"):
    files = folder / f"{name}.pem", folder / f"{name}-key.pem"
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
        "/CN=broker", "-addext", "subjectAltName=IP:127.0.0.1", "-out", files[0], "-keyout", files[1])
    return files


def proved(*words, **more):
    someone = Guest(*words, **more)
    status, data = someone.begin()
    assert status == 200, data
    status, data = someone.prove()
    assert status == 200, data
    return someone


def release(folder):
    """Guests with each kind of key, by cookie and by token, over TLS."""
    files = certificate(folder)
    with Broker(folder, "--tls-cert", files[0], "--tls-key", files[1]) as broker:
        for kind in ("P-256", "P-384", "P-521", "RSA-OAEP-256"):
            someone = proved(broker.address, files[0], kind=kind)
            assert someone.get("default/app/key") == SECRET
            assert Guest.get(someone, "default/app/key", token=someone.token) == SECRET
            assert someone.get("default/app/other")[0] == 404
        assert Guest(broker.address, files[0]).get("default/app/key")[0] == 401
        # A new resource is there at once, of any size and bytes.
        large = os.urandom(3 << 20)
        broker.put("default/app/large", large)
        assert someone.get("default/app/large") == large
        # Older guests.
        older = Guest(broker.address, files[0])
        older.begin(version="0.3.0")
        message = older.attestation()
        text = json.dumps(message["runtime-data"], sort_keys=True, separators=(",", ":")).encode()
        message["tee-evidence"] = {"simulated": guest.simulated(guest.hashlib.sha384(text).digest())}
        assert older.prove(message)[0] == 200 and older.get("app/key") == SECRET
        events = [line["event"] for line in broker.audit()]
        assert events.count("proof accepted") == 5 and events.count("resource released") == 10, events
        assert broker.stop() == 0


def usage(folder):
    """Errors that say what to do."""
    def says(code, *words):
        return run(BROKER, *words, code=code).err

    here = ["--resources", folder / "secrets"]
    (folder / "policy.toml").write_text(POLICY)
    policy = ["--policy", folder / "policy.toml"]
    assert "there is no command" in says(2, "server")
    assert "--policy" in says(2, "serve", *here)
    assert "berth broker put" in says(1, "serve", *here, *policy)
    assert "REPOSITORY/TYPE/TAG" in says(2, "put", *here, "../key", "-")
    run(BROKER, "put", *here, "default/app/key", "-", stdin=SECRET)
    assert run(BROKER, "ls", *here).out == "default/app/key\n"
    assert run(BROKER, "get", *here, "default/app/key").stdout == SECRET
    assert "berth broker ls" in says(1, "get", *here, "default/app/none")
    assert "No such file" in says(1, "put", *here, "default/app/key", folder / "missing")
    assert "--tls-key" in says(2, "serve", *here, *policy, "--tls-cert", "x")
    assert "--insecure-http" in says(2, "serve", *here, *policy, "--addr", "0.0.0.0:0")
    assert "missing.toml" in says(1, "serve", *here, "--policy", folder / "missing.toml")
    (folder / "wrong.toml").write_text("technologies = [\"sev\"]\n")
    assert "wrong.toml:1" in says(1, "serve", *here, "--policy", folder / "wrong.toml")
    (folder / "secrets" / "plain").write_text("plain")
    assert "plain is no resource" in says(1, "serve", *here, *policy)
    (folder / "secrets" / "plain").unlink()
    os.chmod(folder / "secrets.key", 0o644)
    assert "chmod 600" in says(1, "ls", *here)
    os.chmod(folder / "secrets.key", 0o600)
    run(BROKER, "rm", *here, "default/app/key")
    assert run(BROKER, "ls", *here).out == ""
    (folder / "log").write_text('{"previous":""}\n{"previous":"00"}\n')
    assert "line 2" in says(1, "audit", folder / "log")
    for command in ("serve", "put", "get", "ls", "rm", "audit"):
        assert command in run(BROKER, "help").out and "usage: " in run(BROKER, command, "--help").out


def clients(folder):
    """A thousand at once: each gets what it proved itself for, and nobody anything else."""
    count = int(os.environ.get("BERTH_BROKER_CLIENTS", "1000"))
    with Broker(folder) as broker:
        def one(index):
            good = index % 10 != 0
            someone = Guest(broker.address, measurement=guest.MEASUREMENT if good else "22" * 48)
            status, data = someone.begin()
            if status != 200:
                return "refused" if status == 429 and not good else f"auth: {status} {data}"
            status, data = someone.prove()
            got = someone.get("default/app/key")
            if good:
                return "served" if status == 200 and got == SECRET else f"{status} {data} {got}"
            return "refused" if status in (401, 429) and got[0] in (401, 429) else f"released: {status} {got}"

        with concurrent.futures.ThreadPoolExecutor(64) as pool:
            start = time.monotonic()
            outcomes = list(pool.map(one, [i for i in range(count) if i % 10]))
            took = time.monotonic() - start
            # Those who fail often are slowed down, so they come last.
            outcomes += list(pool.map(one, [i for i in range(count) if i % 10 == 0]))
        print(f"{count - count // 10} guests by 64 threads in {took:.1f} s")
        assert set(outcomes) == {"served", "refused"}, set(outcomes)
        assert outcomes.count("refused") == len(range(0, count, 10))
        released = [line for line in broker.audit() if line["event"] == "resource released"]
        assert len(released) == outcomes.count("served")


def restart(folder):
    """The broker is killed again and again while guests come: they begin anew and all get theirs."""
    with Broker(folder) as broker:
        token = proved(broker.address).token

        def one(_):
            for _ in range(200):
                with contextlib.suppress(OSError, guest.http.client.HTTPException):
                    someone = Guest(broker.address)
                    if someone.begin()[0] == 200 and someone.prove()[0] == 200:
                        got = someone.get("default/app/key")
                        if got == SECRET:
                            return True
                        assert got[0] == 401, got
                time.sleep(0.05)
            return False

        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            work = [pool.submit(one, i) for i in range(200)]
            for kill in range(5):
                time.sleep(0.3)
                broker.stop(signal.SIGKILL if kill % 2 else signal.SIGTERM)
                broker.start()
            assert all(future.result() for future in work)
        old = Guest(broker.address)
        assert old.request("GET", "/kbs/v0/resource/default/app/key", headers={"Authorization": "Bearer " + token})[0] == 200
        broker.audit()


def attackers(folder):
    """In the middle, with what others proved, with keys and nonces that are not theirs."""
    own, other = certificate(folder), certificate(folder, "other")
    with Broker(folder, "--tls-cert", own[0], "--tls-key", own[1]) as broker:
        # Somebody answers in the broker's place: the guest sees it by the certificate, before it says anything.
        try:
            Guest(broker.address, other[0]).begin()
            raise AssertionError("a certificate of nobody's was taken")
        except guest.ssl.SSLCertVerificationError:
            pass
        victim = proved(broker.address, own[0])
        thief = Guest(broker.address, own[0])
        # Whoever relays what a guest says, and exchanges the key, the nonce, or the whole message.
        thief.begin()
        nonce = thief.nonce
        honest = Guest(broker.address, own[0])
        honest.nonce = nonce
        stolen = honest.attestation()
        stolen["runtime-data"]["tee-pubkey"] = thief.jwk
        assert thief.prove(stolen)[0] == 401
        thief.begin()
        assert thief.prove(victim.attestation())[0] == 401
        replay = victim.attestation()
        thief.begin()
        replay["runtime-data"]["nonce"] = thief.nonce
        assert thief.prove(replay)[0] == 401
        # A challenge is answered once, also when the answer was wrong.
        thief.begin()
        assert thief.prove({"runtime-data": {}})[0] == 401
        assert thief.prove()[0] == 401
        # A cookie without its guest's key gives ciphertext only.
        eavesdropper = Guest(broker.address, own[0])
        eavesdropper.cookie = victim.cookie
        try:
            eavesdropper.get("default/app/key")
            raise AssertionError("decrypted with another key")
        except guest.keywrap.InvalidUnwrap:
            pass
        for cookie in ("kbs-session-id=", "kbs-session-id=" + "0" * 64, "other=1", "kbs-session-id"):
            eavesdropper.cookie = cookie
            assert eavesdropper.get("default/app/key")[0] == 401, cookie
        # Simulated evidence, where only hardware will do.
        for path in ("../secrets.key", "..%2fsecrets.key", ".broker/token-key", ".broker/x/token-key", "a/b/c/d", "", "//", "default/app/key/"):
            assert victim.get(path)[0] == 404, path
        assert victim.request("POST", "/kbs/v0/resource/default/app/key", b"mine")[0] == 405
        assert victim.get("default/app/key") == SECRET
        # Nonsense of every kind.
        for body in (b"", b"{", b"[]", b"null", b"\xff", b"{}" * 1000, b"[" * 5000, b'{"version":1}', b'{"version":"0.4.0","tee":{}}'):
            assert victim.request("POST", "/kbs/v0/auth", body)[0] in (400, 401), body[:20]
            thief.begin()
            assert thief.request("POST", "/kbs/v0/attest", body)[0] in (401, 429), body[:20]
        assert victim.request("POST", "/kbs/v0/attest", b"x" * (7 << 20))[0] == 413
        events = broker.audit()
        assert len([line for line in events if line["event"] == "resource released"]) == 2, events
    (folder / "second").mkdir()
    with Broker(folder / "second", policy="technologies = [\"snp\"]\n[snp]\nany_measurement = true\n") as broker:
        thief = Guest(broker.address)
        thief.begin()
        status, data = thief.prove()
        assert status == 401 and b"simulated" in data, data


def reload(folder):
    """SIGHUP: a stricter policy counts at once, a broken one changes nothing."""
    with Broker(folder) as broker:
        someone = proved(broker.address)
        assert someone.get("default/app/key") == SECRET

        def again(text, says):
            (folder / "policy.toml").write_text(text)
            broker.process.send_signal(signal.SIGHUP)
            for _ in range(100):
                if any(says in line for line in broker.lines):
                    broker.lines.clear()
                    return
                time.sleep(0.05)
            raise AssertionError(broker.lines)

        again("nonsense", "stay as they were")
        assert someone.get("default/app/key") == SECRET
        again(POLICY.replace(guest.MEASUREMENT, "22" * 48), "anew")
        assert someone.get("default/app/key")[0] == 403
        assert someone.get("default/app/key", token=someone.token)[0] == 403
        someone.begin()
        assert someone.prove()[0] == 401
        again(POLICY, "anew")
        # The audit log may be moved away.
        (folder / "secrets.audit").rename(folder / "old.audit")
        again(POLICY, "anew")
        someone.begin()
        assert someone.prove()[0] == 200 and someone.get("default/app/key") == SECRET
        assert [line["event"] for line in broker.audit()] == ["proof accepted", "resource released"]
        run(BROKER, "audit", folder / "old.audit")
    # Which resources a policy is for.
    (folder / "strict.toml").write_text(POLICY.replace(guest.MEASUREMENT, "22" * 48))
    with Broker(folder) as broker:
        broker.put("strict/app/key", b"strict")
        broker.stop()
        broker.words[broker.words.index("--policy")] = f"--policy=strict/*={folder / 'strict.toml'}"
        del broker.words[broker.words.index(folder / "policy.toml")]
        broker.words += ["--policy", folder / "policy.toml"]
        broker.start()
        someone = proved(broker.address)
        assert someone.get("default/app/key") == SECRET and someone.get("strict/app/key")[0] == 403
        special = proved(broker.address, measurement="22" * 48)
        assert special.get("strict/app/key") == b"strict" and special.get("default/app/key")[0] == 403


def full_disk(folder):
    """What cannot be recorded is not released; nothing is lost of what is there."""
    with Broker(folder, "--audit", "/dev/full") as broker:
        someone = Guest(broker.address)
        someone.begin()
        assert someone.prove()[0] == 503
        assert someone.get("default/app/key")[0] == 401
        assert broker.stop() == 0
    limited = ["prlimit", "--fsize=100", BROKER, "put", "--resources", folder / "secrets", "default/app/key", "-"]
    assert "default/app/key" in run(*limited, stdin=b"x" * 1000, code=1).err
    assert run(BROKER, "get", "--resources", folder / "secrets", "default/app/key").stdout == SECRET
    assert run(BROKER, "ls", "--resources", folder / "secrets").out == "default/app/key\n"


def certificates(folder):
    """Requests for certificates with evidence in them, as Enarx's keeps send them."""
    samples = pathlib.Path(os.environ.get("BERTH_EVIDENCE", HERE.parent.parent.parent / "shared" / "evidence")) / "enarx"
    if not samples.is_dir():
        skip(f"the samples in {samples} are missing; $BERTH_EVIDENCE names the folder above it")
    header = {"Content-Type": "application/pkcs10"}
    any_snp = "technologies = [\"snp\"]\n[snp]\nany_measurement = true\n"
    request = (samples / "snp-milan.csr").read_bytes()
    with Broker(folder, "--name", "keep.example", "--collateral", samples.parent / "snp" / "milan-ask-ark.pem", policy=any_snp) as broker:
        asker = Guest(broker.address)
        status, answer = asker.request("POST", "/", request, header)
        if status == 200:
            (folder / "chain.der").write_bytes(answer)
            shown = run("openssl", "asn1parse", "-inform", "DER", "-in", folder / "chain.der").out
            assert shown.count("d=1 ") == 2 and "keep.example" in answer.decode(errors="replace"), shown
        else:
            # The samples' revocation lists end some day.
            assert status == 401 and (b"revo" in answer or b"until" in answer or b"stale" in answer), answer
        print("snp-milan.csr:", status, answer[:200] if status != 200 else "issued")
        for position in range(0, len(request), 97):
            changed = bytearray(request)
            changed[position] ^= 1
            status, answer = asker.request("POST", "/", bytes(changed), header)
            assert status in (401, 429), (position, status, answer)
        assert asker.request("POST", "/", request, {"Content-Type": "text/plain"})[0] in (415, 429)
    (folder / "second").mkdir()
    with Broker(folder / "second") as broker:
        status, answer = Guest(broker.address).request("POST", "/", request, header)
        assert status == 401, answer


def encrypted_image(folder):
    """An image is encrypted for a broker and for a key: a keep runs it, and skopeo opens it."""
    run("clang-19", "--target=wasm32-wasi", "-O2", HERE.parent / "keep" / "guest.c", "-o", folder / "app.wasm")
    images = {"BERTH_IMAGES": str(folder / "images"), "BERTH_CACHE_DIR": str(folder / "cache")}
    (folder / "layer.key").write_bytes(os.urandom(32))
    run("openssl", "genrsa", "-out", folder / "private.pem", "2048")
    run("openssl", "rsa", "-in", folder / "private.pem", "-pubout", "-out", folder / "public.pem")
    image = str(BERTH) + "-image"
    run(image, "build", "-t", "example.org/app:1", folder / "app.wasm", env=images)
    assert "nobody could decrypt" in run(image, "encrypt", "example.org/app:1", "example.org/app:2", code=2, env=images).err
    run(image, "encrypt", "--broker-key", f"default/key/app={folder / 'layer.key'}", "--recipient", f"jwe:{folder / 'public.pem'}",
        "example.org/app:1", "example.org/app:secret", env=images)
    assert "encrypted already" in run(image, "encrypt", "--recipient", folder / "public.pem", "example.org/app:secret", "example.org/x:1",
                                      code=2, env=images).err
    run(image, "save", "-o", folder / "image.tar", "example.org/app:secret", env=images)
    assert b"berth-keep guest" not in (folder / "image.tar").read_bytes()
    with Broker(folder) as broker:
        broker.put("default/key/app", (folder / "layer.key").read_bytes())
        broker.put("default/app/password", b"open sesame")
        broker.put("default/app/config", json.dumps({
            "module": {"image": {"key": "default/key/app"}}, "args": ["9"], "env": {"GREETING": "hello"},
            "secrets": {"password": "default/app/password"}}).encode())
        words = [str(BERTH) + "-keep", "keep", "run", "--backend", "none", "--broker", broker.url, "--config", "default/app/config",
                 folder / "image.tar"]
        # The simulated measurement of no machine at all is zero; the policy says otherwise.
        assert "does not accept this keep's proof" in run(*words, code=1).err
        shown = json.loads(run(*words[:-1], "--dry-run").out)
        (folder / "policy.toml").write_text(POLICY.replace(guest.MEASUREMENT, shown["measurement"]))
        broker.process.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + 10
        while not any("anew" in line for line in broker.lines) and time.monotonic() < deadline:
            time.sleep(0.05)
        done = run(*words, code=9)
        assert "secret open sesame" in done.out, done.out
        run(BROKER, "rm", "--resources", folder / "secrets", "default/key/app")
        assert "does not release default/key/app" in run(*words, code=1).err
    if run("sh", "-c", "command -v skopeo || true").out:
        layout = f"oci-archive:{folder / 'image.tar'}"
        run("skopeo", "copy", "--override-arch", "amd64", "--override-os", "linux", "--decryption-key", folder / "private.pem", layout,
            f"dir:{folder / 'opened'}")
        kinds = {layer["mediaType"] for layer in json.loads((folder / "opened" / "manifest.json").read_text())["layers"]}
        assert kinds and not any("encrypted" in kind for kind in kinds), kinds
    else:
        print("without skopeo, which is not installed")


if __name__ == "__main__":
    cases = {case.__name__: case for case in (release, usage, clients, restart, attackers, reload, full_disk, certificates, encrypted_image)}
    with tempfile.TemporaryDirectory(prefix="berth-broker-test-") as name:
        cases[sys.argv[1]](pathlib.Path(name))
