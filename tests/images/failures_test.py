#!/usr/bin/env python3
"""What `berth image` does when things go wrong: failures_test.py CASE. Exits 77 where it cannot check."""

import base64
import hashlib
import json
import os
import re
import signal
import socket
import subprocess
import time
import urllib.parse

from machine import PLAIN, main, need, skip
from registry import free_port, wait_until


def published(m, *words):
    """An image in a registry, with a file of random bytes so that its layers are large, behind a proxy."""
    r = m.registry()
    (m.folder / "large").write_bytes(os.urandom(3_000_000))
    name = f"{r.host}/app:1"
    m.build(name, "--arch", "none", "--file", "large:/large", *words)
    m.image("push", PLAIN, name)
    p = m.proxy(r)
    return r, p, f"{p.host}/app:1", m.elsewhere()


def nothing_there(m, store="other"):
    """No image is named, and what lies there as a blob is what its name says."""
    assert m.image("ls", env=m.elsewhere(store))[0] == ""
    for path in (m.folder / store / "blobs/sha256").iterdir():
        assert hashlib.sha256(path.read_bytes()).hexdigest() == path.name, f"{path} is not whole"


def interrupted(m):
    """Connections that are cut: what has come is kept, and asked for no second time."""
    r, p, name, other = published(m)
    cuts = [700_000, 200_000, 400_000]

    def cut(handler, size):
        return cuts.pop(0) if handler.command == "GET" and size > 1_000_000 and cuts else None
    p.cut = cut
    m.image("pull", PLAIN, name, env=other)
    ranges = [headers["Range"] for _, path, headers in p.requests if "Range" in headers]
    starts = [int(re.fullmatch(r"bytes=(\d+)-", r)[1]) for r in ranges]
    assert len(starts) == 3 and starts == sorted(starts) and starts[0] > 0, ranges
    assert m("run", name, code=7, env=other)[0] == "app.wasm\n"

    # A process that is killed half-way; the next one goes on, and nothing was named before.
    third = m.elsewhere("third")
    p.cut, p.pause = (lambda handler, size: None), 0.05
    process = subprocess.Popen([m.berth, "image", "pull", PLAIN, name], env=third, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    ingest = m.folder / "third/ingest"
    wait_until(lambda: ingest.exists() and any(f.stat().st_size > 1_000_000 for f in ingest.iterdir()), "a part's coming")
    process.send_signal(signal.SIGKILL)
    process.wait()
    nothing_there(m, "third")
    p.pause = 0
    p.requests.clear()
    _, err = m.image("pull", PLAIN, name, env=third)
    [start] = [headers["Range"] for _, path, headers in p.requests if "Range" in headers]
    assert int(start[6:-1]) > 1_000_000, start
    # A registry that knows no ranges, or sends other ones than asked for.
    for status, headers in ((200, {}), (206, {"Content-Range": "bytes 5-10/100"})):
        store = m.elsewhere(f"ranges-{status}")
        cuts = [500_000]
        p.cut = lambda handler, size: cuts.pop() if cuts and size > 1_000_000 else None

        def before(handler):
            if "Range" not in handler.headers:
                return False
            p.before = lambda handler: False
            if status == 200:
                del handler.headers["Range"]
                return False
            handler.answer(status, headers, b"wrong!")
            return True
        p.before = before
        m.image("pull", PLAIN, name, env=store, code=None)
        m.image("pull", PLAIN, name, env=store)
        assert m("run", name, code=7, env=store)[0] == "app.wasm\n"


def tampered(m):
    """A layer, a configuration or a manifest that was changed is refused, with the reason."""
    r, p, name, other = published(m)

    def flip(what):
        def body(path, data):
            if what not in path or len(data) < 100:
                return data
            return data[:90] + bytes([data[90] ^ 1]) + data[91:]
        return body
    p.body = flip("/blobs/")
    m.fails("pull", PLAIN, name, env=other, says=["is not what it should be: its digest is", "do not use this image"])
    nothing_there(m)
    assert list((m.folder / "other/ingest").iterdir()) == []
    p.body = lambda path, data: data + b"x" if "/blobs/" in path else data
    m.fails("pull", PLAIN, name, env=other, says="is larger than the")
    p.body = lambda path, data: data[:-1] if "/blobs/" in path else data
    m.fails("pull", PLAIN, name, env=other, says="ends a layer")
    p.body = flip("/manifests/")
    m.fails("pull", PLAIN, name, env=other, says="is not what it should be")
    nothing_there(m)
    # In the registry itself.
    p.body = lambda path, data: data
    digest = m.image("pull", PLAIN, name, env=m.elsewhere("good"))[0].strip().partition("@")[2]
    [blob] = [b for b in (r.folder / "data").rglob("data") if b.stat().st_size > 1_000_000]
    data = bytearray(blob.read_bytes())
    data[1000] ^= 1
    blob.write_bytes(data)
    m.fails("pull", PLAIN, f"{p.host}/app@{digest}", env=m.elsewhere("fresh"), says="is not what it should be")
    # In the store: it is not run, pushed or saved.
    good = m.elsewhere("good")
    [blob] = [b for b in (m.folder / "good/blobs/sha256").iterdir() if b.stat().st_size > 1_000_000]
    data = bytearray(blob.read_bytes())
    data[1000] ^= 1
    blob.write_bytes(data)
    _, err = m("run", name, code=1, env=good)
    assert "damaged" in err or "cannot be unpacked" in err, err
    m.fails("save", "-o", "x.tar", name, env=good, says="is damaged")
    assert not (m.folder / "x.tar").exists()
    # A start that belongs to something else is dropped when the whole turns out wrong.
    m.image("push", PLAIN, f"{r.host}/app:1", f"{r.host}/second:1")
    (m.folder / "fifth/ingest").mkdir(parents=True)
    [blob] = [b for b in (m.folder / "images/blobs/sha256").iterdir() if b.stat().st_size > 1_000_000]
    (r.folder / "data/docker/registry/v2/blobs/sha256" / blob.name[:2] / blob.name / "data").write_bytes(blob.read_bytes())
    (m.folder / f"fifth/ingest/sha256-{blob.name}").write_bytes(b"x" * 1000)
    m.image("pull", PLAIN, name, env=m.elsewhere("fifth"))


def malformed(m):
    """Manifests that are none: each is refused, says why, and leaves nothing."""
    r, p, name, other = published(m)
    a = "sha256:" + "a" * 64
    descriptor = {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": a, "size": 5}
    image = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": descriptor,
             "layers": []}
    index = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": []}
    texts = ["", "{", "[]", "null", "\x00\x01", "{}", "[" * 100_000, json.dumps(image)[:-5], '{"a":1,"a":2}']
    for change in ({"schemaVersion": 1}, {"schemaVersion": "2"}, {"config": None}, {"config": {}}, {"layers": None},
                   {"layers": {}}, {"layers": [5]}, {"layers": [descriptor | {"digest": "sha256:../../../etc/passwd"}]},
                   {"layers": [descriptor | {"size": -1}]}, {"layers": [descriptor | {"size": 2**63}]},
                   {"layers": [descriptor] * 1001}, {"annotations": []}, {"annotations": {"a": 1}},
                   {"mediaType": "text/html"}, {"manifests": []}, {"config": descriptor | {"size": 2**40}}):
        texts.append(json.dumps(image | change))
    for change in ({}, {"manifests": None}, {"manifests": [1]}, {"manifests": [descriptor]},
                   {"manifests": [descriptor | {"mediaType": image["mediaType"], "digest": "md5:00"}]}):
        texts.append(json.dumps(index | change))
    for text in texts:
        data = text.encode("latin-1")

        def before(handler):
            if "/manifests/" not in handler.path:
                return False
            handler.answer(200, {"Content-Type": "application/octet-stream"}, data)
            return True
        p.before = before
        done = m.fails("pull", PLAIN, name, env=other)
        assert done.startswith("berth image: ") and "internal" not in done, f"{text[:80]}: {done}"
        nothing_there(m)
    print(f"{len(texts)} manifests")


def unreachable(m):
    """What is said when a registry is not there, or says no."""
    port = free_port()
    m.fails("pull", f"localhost:{port}/app:1", says=[f"cannot reach localhost:{port}", "is the registry running"])
    m.fails("pull", "registry.invalid/app:1", says=["cannot reach registry.invalid", "is the name right"])
    m.fails("pull", "app:1", says=["names no registry", "berth image tag"])
    m.fails("push", "app:1", says="there is no image localhost/app:1 here")
    r, p, name, other = published(m)
    m.fails("pull", name, says=["plain HTTP", "--tls-verify=false"])
    m.fails("pull", PLAIN, f"{p.host}/app:2", says=["there is no", "app:2 in the registry"])
    error = json.dumps({"errors": [{"code": "X", "message": "because of this"}]}).encode()
    for status, says in ((403, "does not allow it: because of this"), (404, "there is no"), (429, "too many requests"),
                         (500, "answered 500: because of this"), (401, "asks who you are"), (418, "answered 418")):
        count = 0

        def before(handler):
            nonlocal count
            if "/manifests/" not in handler.path:
                return False
            count += 1
            handler.answer(status, {"WWW-Authenticate": 'Basic realm="x"'} if status == 401 else {}, error)
            return True
        if status in (429, 500):
            continue  # below, where they pass
        p.before = before
        m.fails("pull", PLAIN, name, says=says, env=other)
    # What passes is tried again.
    for status in (429, 500, 503):
        left = 2

        def before(handler):
            nonlocal left
            left -= 1
            if left < 0:
                return False
            handler.answer(status, {}, error)
            return True
        p.before = before
        m.image("pull", PLAIN, name, env=m.elsewhere(f"again-{status}"))
        assert left < 0
    p.before = lambda handler: bool(handler.answer(503, {}, error)) or True
    start = time.monotonic()
    m.fails("pull", PLAIN, name, says=["answered 503: because of this", "try again later"], env=other)
    assert time.monotonic() - start < 30
    # A login page instead of a registry; a redirection in a circle; an answer that never ends.
    p.before = lambda handler: bool(handler.answer(200, {"Content-Type": "text/html"}, b"<html>please log in</html>")) or True
    m.fails("pull", PLAIN, name, says="it is no JSON", env=other)
    p.before = lambda handler: bool(handler.answer(302, {"Location": handler.path})) or True
    m.fails("pull", PLAIN, name, says="redirects", env=other)
    p.before = lambda handler: bool(handler.answer(200, {}, b" " * 9_000_000)) or True
    m.fails("pull", PLAIN, name, says="larger than it may be", env=other)
    nothing_there(m)


def token_login(m):
    """Bearer tokens: asked for with the scope, sent where they belong and nowhere else."""
    r, p, name, other = published(m)
    scopes = []
    elsewhere_saw = []

    def before(handler):
        url = urllib.parse.urlsplit(handler.path)
        if url.path == "/token":
            query = urllib.parse.parse_qs(url.query)
            scopes.append(query["scope"])
            user = base64.b64decode(handler.headers.get("Authorization", "Basic Og==")[6:]).decode()
            if "push" in str(scopes[-1]) and user != "me:secret":
                handler.answer(401, {}, b"{}")
            else:
                handler.answer(200, {}, json.dumps({"token": "t-" + str(len(scopes))}).encode())
            return True
        if not handler.headers.get("Authorization", "").startswith("Bearer t-"):
            realm = f'Bearer realm="http://{p.host}/token",service="tests"'
            handler.answer(401, {"WWW-Authenticate": realm + ',scope="repository:app:pull"'})
            return True
        if "/blobs/sha256" in url.path and handler.command == "GET":
            # As registries do that keep blobs elsewhere.
            handler.answer(307, {"Location": f"http://127.0.0.1:{q.port}{handler.path}"})
            return True
        return False
    p.before = before
    q = m.proxy(r)

    def look(handler):
        elsewhere_saw.append(handler.headers.get("Authorization"))
        return False
    q.before = look
    m.image("pull", PLAIN, name, env=other)
    assert scopes[0] == ["repository:app:pull"] and elsewhere_saw and set(elsewhere_saw) == {None}, (scopes, elsewhere_saw)
    m.image("tag", f"{r.host}/app:1", f"{p.host}/new:1")
    m.fails("push", PLAIN, f"{p.host}/new:1", says=["does not give new to everybody", "berth image login"])
    m.fails("push", PLAIN, "--creds", "me:no", f"{p.host}/new:1", says="refuses the credentials")
    m.image("push", PLAIN, "--creds", "me:secret", f"{p.host}/new:1")
    assert ["repository:new:pull,push"] in scopes, scopes


def uploads(m):
    """In pieces, where a proxy takes no large requests or the connection is cut; nothing twice."""
    r, p, name, other = published(m)
    m.image("tag", f"{r.host}/app:1", f"{p.host}/pieces:1")

    def refuse_large(handler):
        if handler.command in ("PUT", "PATCH") and len(handler.sent) > 1_000_000:
            handler.answer(413)
            return True
        return False
    p.before = refuse_large
    m.fails("push", PLAIN, f"{p.host}/pieces:1", says=["takes no request of that size", "--chunk-size"])
    m.image("push", PLAIN, "--chunk-size", "500KiB", f"{p.host}/pieces:1")
    pieces = [headers["Content-Range"] for method, _, headers in p.requests if method == "PATCH" and
              "Content-Range" in headers]
    assert "0-511999" in pieces and "512000-1023999" in pieces, pieces
    m.image("pull", PLAIN, f"{r.host}/pieces:1", env=other)
    assert m("run", f"{r.host}/pieces:1", code=7, env=other)[0] == "app.wasm\n"
    # A piece that fails for a while is sent again from where the registry has got to.
    failures = 2

    def fail_some(handler):
        nonlocal failures
        if handler.command == "PATCH" and failures > 0 and not handler.headers["Content-Range"].startswith("0-"):
            failures -= 1
            handler.answer(503)
            return True
        return False
    p.before = fail_some
    (m.folder / "large").write_bytes(os.urandom(2_000_000))
    m.build(f"{p.host}/again:1", "--arch", "none", "--file", "large:/large")
    m.image("push", PLAIN, "--chunk-size", "500KiB", f"{p.host}/again:1")
    assert failures == 0
    m.image("pull", PLAIN, f"{r.host}/again:1", env=m.elsewhere("fresh"))


def sign(m, r, repository, digest, key, reference=None, payload=None):
    """Puts a signature there as cosign does, by OpenSSL."""
    reference = reference or f"{r.host}/{repository}"
    payload = payload or json.dumps({
        "critical": {"identity": {"docker-reference": reference}, "image": {"docker-manifest-digest": digest},
                     "type": "cosign container image signature"}, "optional": None}).encode()
    (m.folder / "payload").write_bytes(payload)
    options = ["-rawin"] if "ed25519" in key else ["-rawin", "-digest", "sha256"]
    subprocess.run(["openssl", "pkeyutl", "-sign", "-inkey", key, *options, "-in", "payload", "-out", "signature"],
                   cwd=m.folder, check=True, capture_output=True)
    signature = base64.b64encode((m.folder / "signature").read_bytes()).decode()

    def blob(data, kind):
        sha = "sha256:" + hashlib.sha256(data).hexdigest()
        r.put_blob(repository, data, sha)
        return {"mediaType": kind, "size": len(data), "digest": sha}
    config = blob(b"{}", "application/vnd.oci.image.config.v1+json")
    layer = blob(payload, "application/vnd.dev.cosign.simplesigning.v1+json")
    layer["annotations"] = {"dev.cosignproject.cosign/signature": signature}
    manifest = json.dumps({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
                           "config": config, "layers": [layer]}).encode()
    r.request("PUT", f"/v2/{repository}/manifests/{digest.replace(':', '-')}.sig", manifest,
              {"Content-Type": "application/vnd.oci.image.manifest.v1+json"})


def signatures(m):
    """Asked for by option or policy: the right key, another one, none, of another image or name."""
    need("openssl")
    r = m.registry()
    name = f"{r.host}/app:1"
    digest = m.build(name, "--arch", "none")
    m.image("push", PLAIN, name)
    for kind, words in (("p256", ["ecparam", "-name", "prime256v1", "-genkey", "-noout"]),
                        ("other", ["ecparam", "-name", "prime256v1", "-genkey", "-noout"]),
                        ("ed25519", ["genpkey", "-algorithm", "ed25519"]),
                        ("rsa", ["genpkey", "-algorithm", "rsa", "-pkeyopt", "rsa_keygen_bits:2048"])):
        subprocess.run(["openssl", *words, "-out", f"{kind}.key"], cwd=m.folder, check=True, capture_output=True)
        subprocess.run(["openssl", "pkey", "-in", f"{kind}.key", "-pubout", "-out", f"{kind}.pub"], cwd=m.folder,
                       check=True, capture_output=True)
    other = m.elsewhere()

    def pull(*words, name=name, **options):
        return m.image("pull", PLAIN, *words, name, env=other, **options)

    def refused(says, *words, name=name):
        m.fails("pull", PLAIN, *words, name, env=other, says=says)
        nothing_there(m)

    refused("has no signature, and --verify-key asks for one", "--verify-key", "p256.pub")
    for kind in ("p256", "ed25519", "rsa"):
        sign(m, r, "app", digest, f"{kind}.key")
        pull("--verify-key", f"{kind}.pub")
        m.image("rm", name, env=other)
        refused("it is not by the key in other.pub", "--verify-key", "other.pub")
    sign(m, r, "app", digest, "p256.key", reference="elsewhere.example/app")
    refused("it is for elsewhere.example/app", "--verify-key", "p256.pub")
    second = m.build(f"{r.host}/app:2", "--arch", "none", "--label", "second=1")
    m.image("push", PLAIN, f"{r.host}/app:2")
    payload = json.dumps({"critical": {"identity": {"docker-reference": f"{r.host}/app"},
                                       "image": {"docker-manifest-digest": second},
                                       "type": "cosign container image signature"}}).encode()
    sign(m, r, "app", digest, "p256.key", payload=payload)
    refused("it is of another image", "--verify-key", "p256.pub")
    sign(m, r, "app", digest, "p256.key", payload=b"no json")
    refused("its payload is no JSON", "--verify-key", "p256.pub")
    refused("cannot open none.pub", "--verify-key", "none.pub")
    refused("holds no public key", "--verify-key", "app.c")

    # The policy of podman and CRI-O.
    def policy(requirements, scope=None):
        docker = {scope or f"{r.host}/app": requirements}
        (m.folder / "policy.json").write_text(json.dumps(
            {"default": [{"type": "reject"}], "transports": {"docker": docker}}))
        return "--policy", "policy.json"
    signed = {"type": "sigstoreSigned", "keyPath": str(m.folder / "p256.pub"),
              "signedIdentity": {"type": "matchRepository"}}
    sign(m, r, "app", digest, "p256.key")
    pull(*policy([signed]))
    m.image("rm", name, env=other)
    pull(*policy([{"type": "insecureAcceptAnything"}], r.host))
    m.image("rm", name, env=other)
    refused("it is for", *policy([{k: v for k, v in signed.items() if k != "signedIdentity"}]))  # cosign names no tag
    pull(*policy([{k: v for k, v in signed.items() if k != "signedIdentity"}]), name=f"{r.host}/app@{digest}")
    m.image("rm", f"{r.host}/app@{digest}", env=other)
    refused("it is not by the key", *policy([signed | {"keyPath": str(m.folder / "other.pub")}]))
    refused("does not allow", *policy([{"type": "reject"}]))
    refused("does not allow", *policy([{"type": "insecureAcceptAnything"}], "other.example"))
    refused("what Berth cannot check: signedBy", *policy([{"type": "signedBy"}]))
    usual = m.folder / "home/.config/containers/policy.json"
    usual.parent.mkdir(parents=True)
    usual.write_text((m.folder / "policy.json").read_text())
    refused(f"policy.json asks for what Berth cannot check")


def full_disk(m):
    """Reported as such, nothing half-written is used, and what came is kept for when there is room."""
    r, p, name, other = published(m)
    small = m.folder / "small"
    small.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "berth-test", small], capture_output=True, text=True)
    if mounted.returncode != 0:
        skip(f"only root can make a small file system: {mounted.stderr.strip()}")
    m.stops.append(lambda: subprocess.run(["umount", small], check=True))
    there = m.environment | {"BERTH_IMAGES": str(small / "images")}
    m.fails("pull", PLAIN, name, env=there, says=["No space left on device", "make room there"])
    assert m.image("ls", env=there)[0] == ""
    kept = sum(f.stat().st_size for f in (small / "images/ingest").iterdir())
    assert kept > 100_000, kept
    m.fails("build", "-t", "app:1", "--no-compile", "app.wasm", env=there, says="No space left on device")
    m.fails("save", "-o", small / "x.tar", f"{r.host}/app:1", says=["cannot write", "No space left"])
    assert list(small.glob("x.tar*")) == []
    subprocess.run(["mount", "-o", "remount,size=16m", small], check=True)
    p.requests.clear()
    m.image("pull", PLAIN, name, env=there)
    assert any("Range" in headers for _, _, headers in p.requests)
    assert m("run", name, code=7, env=there)[0] == "app.wasm\n"
    # A place that cannot be written to.
    m.fails("ls", env=m.environment | {"BERTH_IMAGES": "/proc/nothing"}, says="BERTH_IMAGES")


if __name__ == "__main__":
    main(globals())
