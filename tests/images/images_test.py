#!/usr/bin/env python3
"""What `berth image` does when all is well: images_test.py CASE. Exits 77 where it cannot check."""

import hashlib
import json
import os
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor

from machine import PLAIN, main, need, skip
from registry import make_authority


def push_and_pull(m):
    """There and back; what is there already is not moved again; other tools see the same."""
    r = m.registry()
    name = f"{r.host}/team/app:1"
    digest = m.build(name, "--env", "WHO=me")
    assert name in m.image("ls")[0] and "linux/amd64,linux/arm64,wasi/wasm" in m.image("ls")[0]
    out, err = m.image("push", PLAIN, name)
    assert out.strip() == f"{name}@{digest}", out
    _, err = m.image("push", PLAIN, name)
    assert "pushed 0 bytes" in err, err
    # To another repository of the same registry: mounted.
    p = m.proxy(r)
    m.image("tag", name, f"{p.host}/team/app:1")
    m.image("push", PLAIN, f"{p.host}/team/app:1", f"{p.host}/second/app:1")
    posts = [path for method, path, _ in p.requests if method == "POST"]
    assert posts and all("mount=" in path for path in posts), posts
    assert not [path for method, path, _ in p.requests if method in ("PUT", "PATCH") and "/blobs/" in path]

    other = m.elsewhere()
    _, err = m.image("pull", PLAIN, name, env=other)
    out, _ = m.image("ls", "--json", env=other)
    [row] = json.loads(out)
    assert row["digest"] == digest and row["holds"] == "wasi/wasm", row
    said = m("run", name, "one", code=7, env=other)
    assert said[0] == "app.wasm\none\n", said
    # A bar on a terminal, gone at the end; on no other occasion.
    code, shown = m.on_terminal("pull", PLAIN, "--all-platforms", name, env=m.elsewhere("bar"))
    assert code == 0 and "pulling " in shown and "█" in shown and shown.index("\x1b[K", shown.rindex("█")), shown
    out, err = m.image("pull", PLAIN, "--all-platforms", f"{r.host}/team/app@{digest}", env=other)
    assert "█" not in err and "\x1b" not in err
    assert out.strip() == f"{r.host}/team/app@{digest}", out
    assert "were there already" in err, err
    assert m("inspect", name, env=other)[0] == m.image("inspect", name, env=other)[0]
    assert "environment  WHO=me" in m.image("inspect", name, env=other)[0]
    m.image("rm", name, f"{r.host}/team/app@{digest}", env=other)
    assert m.blobs(m.folder / "other") == [] and m.image("ls", env=other)[0] == ""
    m.fails("inspect", name, says=["there is no image", "berth image pull"], env=other)

    need("skopeo")
    seen = json.loads(m.must("skopeo", "inspect", PLAIN, f"docker://{name}"))
    assert seen["Digest"] == digest and seen["Architecture"] == "amd64", seen
    assert seen["Labels"]["berth.module"] == "/app.wasm", seen
    # Docker's own format, one image of it.
    m.must("skopeo", "copy", "--format=v2s2", "--src-tls-verify=false", "--dest-tls-verify=false", f"docker://{name}",
           f"docker://{r.host}/team/docker:1")
    m.image("pull", PLAIN, f"{r.host}/team/docker:1", env=other)
    assert "linux/amd64" in m.image("ls", env=other)[0]
    assert m("run", f"{r.host}/team/docker:1", code=7, env=other)[0] == "app.wasm\n"
    # What others put into the store's format is read, and they read ours.
    assert m.must("skopeo", "inspect", "--raw", f"oci:{m.store}:{name}") == m.must(
        "skopeo", "inspect", "--raw", PLAIN, f"docker://{name}")


def tls_and_login(m):
    """Certificates, credentials, and what is said when they are wrong."""
    need("openssl", "htpasswd")
    authority, certificate, key = make_authority(m.folder / "tls")
    users = m.folder / "users"
    users.write_text(m.must("htpasswd", "-Bbn", "me", "secret"))
    r = m.registry(tls=(certificate, key), users=users)
    name = f"{r.host}/app:1"
    m.build(name)
    m.fails("push", name, says=["cannot reach", "certificate", "--ca-file"])
    m.fails("push", "--ca-file", authority, name, says=["asks who you are", f"berth image login {r.host}"])
    m.fails("push", PLAIN, "--creds", "me:wrong", name, says="refuses the credentials from what was given")
    m.fails("login", "--ca-file", authority, "-u", "me", "--password-stdin", r.host, input="wrong\n", stdin=None,
            says="refuses the credentials")
    assert not (m.folder / "run/containers/auth.json").exists()
    out, _ = m.image("login", "--ca-file", authority, "-u", "me", "--password-stdin", r.host, input="secret\n", stdin=None)
    assert str(m.folder / "run/containers/auth.json") in out, out
    m.image("push", "--ca-file", authority, name)
    # Asked for on a terminal, which does not show the password.
    m.image("logout", r.host)
    code, shown = m.on_terminal("login", "--ca-file", authority, r.host,
                                answers=[("User: ", "me"), ("Password: ", "secret")])
    assert code == 0 and "secret" not in shown and "me" in shown, shown
    need("skopeo")
    m.must("skopeo", "inspect", PLAIN, f"docker://{name}")  # with the credentials that login kept
    m.image("logout", r.host)
    m.fails("logout", r.host, says="there are no credentials")
    m.fails("pull", "--ca-file", authority, name, says="asks who you are")
    # Of docker's making.
    docker = m.folder / "home/.docker/config.json"
    docker.parent.mkdir()
    docker.write_text(json.dumps({"auths": {r.host: {"auth": "bWU6c2VjcmV0"}}}))
    m.image("pull", "--ca-file", authority, name, env=m.elsewhere())
    docker.write_text(json.dumps({"auths": {r.host: {"auth": "bWU6b2xk"}}}))
    m.fails("pull", "--ca-file", authority, name, says=["refuses the credentials", str(docker)])


def deterministic(m):
    """The same input gives the same image, wherever and whenever; the time is only what it is told to be."""
    first = m.image("build", "-t", "app:1", "app.wasm")[0].partition("@")[2]
    (m.folder / "again").mkdir()
    shutil.copy(m.folder / "app.wasm", m.folder / "again/app.wasm")
    os.utime(m.folder / "again/app.wasm", (1, 1))
    (m.folder / "again/app.wasm").chmod(0o600)
    again = m.image("build", "-t", "app:2", "again/app.wasm", env=m.environment | {"TZ": "Asia/Tokyo"})[0]
    assert again.partition("@")[2] == first
    small = ("--arch", "none")
    epoch = m.environment | {"SOURCE_DATE_EPOCH": "1700000000"}
    dated = m.build("app:3", *small, env=epoch)
    assert dated != m.build("app:4", *small) and dated == m.build("app:5", *small, env=epoch)
    assert "2023-11-14T22:13:20Z" in m.image("inspect", "app:3")[0]
    for bad in ("-1", "soon", "1e9"):
        m.image("build", "-t", "x", "app.wasm", code=2, env=m.environment | {"SOURCE_DATE_EPOCH": bad})
    assert m.build("app:6", *small, "--compression", "zstd") != m.build("app:7", *small)
    assert m("run", "localhost/app:6", code=7)[0] == "app.wasm\n"


def build_options(m):
    """What a manifest file and options say ends up in the image, and what is wrong with them is said."""
    (m.folder / "conf").mkdir()
    (m.folder / "conf/app.conf").write_text("port = 1")
    (m.folder / "conf/sub").mkdir()
    (m.folder / "conf/sub/tool").write_text("x")
    (m.folder / "conf/sub/tool").chmod(0o755)
    shutil.copy(m.folder / "app.wasm", m.folder / "tool.wasm")
    (m.folder / "image.toml").write_text("""
modules = ["app.wasm", "tool.wasm"]
entrypoint = "app.wasm"
args = ["serve", "--now"]
user = "1000:1000"
author = "somebody"
[env]
LANG = "C"
[files]
"/etc/app" = "conf"
[labels]
"org.opencontainers.image.source" = "here"
[annotations]
"a.b" = "c"
[asks]
dirs = ["/data", "/etc/app:ro"]
listen = ["0.0.0.0:8080"]
""")
    m.image("build", "-t", "app:1", "--no-compile", "--manifest", "image.toml", "--env", "WHO=me", "--label", "l=1")
    seen = {p: json.loads(m.image("inspect", "--json", "--platform", p, "app:1")[0])["shown"]
            for p in ("linux/amd64", "linux/arm64", "wasi/wasm")}
    amd64, wasm = seen["linux/amd64"], seen["wasi/wasm"]
    assert amd64["entrypoint"] == ["/.berth/berth", "run", "--inherit-env", "--dir", "/data", "--dir", "/etc/app:ro",
                                   "--tcp-listen", "0.0.0.0:8080", "--argv0", "/app.wasm", "--", "/app.wasm"], amd64
    assert wasm["entrypoint"] == ["/app.wasm"] and seen["linux/arm64"]["entrypoint"] == ["/app.wasm"]
    assert seen["linux/arm64"]["labels"]["berth.needs"] == "berth" and "berth.needs" not in amd64["labels"]
    assert wasm["annotations"]["module.wasm.image/variant"] == "compat"
    for face in seen.values():
        assert face["arguments"] == ["serve", "--now"] and face["user"] == "1000:1000" and face["author"] == "somebody"
        assert face["environment"] == ["LANG=C", "WHO=me", "BERTH_ROOT=ro", "BERTH_TCP_LISTEN=0.0.0.0:8080"], face
        labels = {"org.opencontainers.image.source": "here", "l": "1", "berth.module": "/app.wasm",
                  "berth.asks.dirs": "/data /etc/app:ro", "run.berth.tcp-listen": "0.0.0.0:8080", "run.berth.root": "ro"}
        assert labels.items() <= face["labels"].items(), face["labels"]
        assert face["annotations"]["a.b"] == "c" and face["annotations"]["run.berth.root"] == "ro"
    text = m.image("inspect", "app:1")[0]
    for words in ("to listen on 0.0.0.0:8080", "/data /etc/app:ro", "somebody", "it works with files"):
        assert words in text, text
    module = m.image("unpack", "app:1")[0].strip()
    root = module.removesuffix("/app.wasm")
    assert open(f"{root}/etc/app/app.conf").read() == "port = 1" and os.access(f"{root}/etc/app/sub/tool", os.X_OK)
    assert open(f"{root}/tool.wasm", "rb").read() == (m.folder / "app.wasm").read_bytes()

    for text, says in {"modules = 'x'": "modules is no array", "x = 1": "x is unknown", "[asks]\nnet = 1": "asks.net is",
                       "modules = [": "image.toml:1", "[env]\nA = 1": "env.A is no string",
                       "modules = ['none.wasm']": "none.wasm"}.items():
        (m.folder / "image.toml").write_text(text)
        m.fails("build", "-t", "bad", "--manifest", "image.toml", says=says)
    (m.folder / "text.wasm").write_text("(module)")
    (m.folder / "bad.wasm").write_bytes(b"\0asm\1\0\0\0\xff")
    m.fails("build", "-t", "bad", "text.wasm", says="is no WebAssembly module")
    # Text becomes binary, of modules and of components.
    (m.folder / "words.wat").write_text('(module (func (export "_start")))')
    (m.folder / "parts.wat").write_text("(component (core module (func)))")
    (m.folder / "wrong.wat").write_text("(module\n  (func (export))\n)")
    m.image("build", "-t", "text:1", "--no-compile", "--entrypoint", "words.wat", "parts.wat", "words.wat")
    module = m.image("unpack", "text:1")[0].strip()
    assert module.endswith("/words.wasm") and open(module, "rb").read(8) == b"\0asm\1\0\0\0"
    assert open(module.replace("words", "parts"), "rb").read(8) == b"\0asm\x0d\0\1\0"
    m.image("rm", "text:1")
    m.fails("build", "-t", "bad", "wrong.wat", says="wrong.wat:2:")
    m.fails("build", "-t", "bad", "bad.wasm", says="bad.wasm")
    for words, says in ((("app.wasm",), "the image has no name"), (("-t", "Bad", "app.wasm"), "names are lower case"),
                        (("-t", "x"), "no module was named"), (("-t", "x", "--entrypoint", "y", "app.wasm"), "none of"),
                        (("-t", "x", "--file", "app.c:x/../y", "app.wasm"), "can be no path"),
                        (("-t", "x", "--file", "app.c:/app.wasm", "app.wasm"), "two files are called"),
                        (("-t", "x", "--user", "me", "app.wasm"), "takes numbers"),
                        (("-t", "x", "--format", "artifact", "app.wasm", "tool.wasm"), "one module")):
        out, err = m.image("build", "--no-compile", *words, code=2)
        assert says in err, f"{words}: {err}"
    assert m.image("ls")[0].count("\n") == 2


def artifact(m):
    """The CNCF's artifact: made, exchanged, run; and one that somebody else made of a component."""
    need("skopeo")
    r = m.registry()
    name = f"{r.host}/artifact:1"
    m.image("build", "-t", name, "--format", "artifact", "app.wasm")
    m.image("push", PLAIN, name)
    manifest = json.loads(m.must("skopeo", "inspect", "--raw", PLAIN, f"docker://{name}"))
    module = (m.folder / "app.wasm").read_bytes()
    assert manifest["mediaType"] == "application/vnd.oci.image.manifest.v1+json"
    assert manifest["config"]["mediaType"] == "application/vnd.wasm.config.v0+json"
    [layer] = manifest["layers"]
    assert (layer["mediaType"], layer["digest"]) == ("application/wasm", "sha256:" + hashlib.sha256(module).hexdigest())
    _, _, config = r.request("GET", f"/v2/artifact/blobs/{manifest['config']['digest']}")
    assert json.loads(config) == {"created": "1970-01-01T00:00:00Z", "architecture": "wasm", "os": "wasip1",
                                  "layerDigests": [layer["digest"]]}
    other = m.elsewhere()
    m.image("pull", PLAIN, name, env=other)
    assert m("run", name, "x", code=7, env=other)[0] == "module.wasm\nx\n"
    assert "an artifact of WebAssembly, wasip1" in m.image("inspect", name, env=other)[0]

    # (component (import "wasi:cli/run" (func (type 0))) (export "a" (func 0))), its types left out.
    name_a, name_b = b"wasi:cli/stdin@0.2.0", b"wasi:cli/run@0.2.0"
    imports = bytes([1, 0, len(name_a)]) + name_a + bytes([5, 0])
    exports = bytes([1, 0, len(name_b)]) + name_b + bytes([5, 0, 0])
    component = b"\0asm\x0d\0\1\0" + bytes([10, len(imports)]) + imports + bytes([11, len(exports)]) + exports
    (m.folder / "component.wasm").write_bytes(component)
    m.image("build", "-t", "component:1", "--format", "artifact", "component.wasm")
    [config] = [json.loads(text) for text in ((m.store / "blobs/sha256" / b).read_bytes() for b in m.blobs())
                if b"component" in text and text.startswith(b"{") and b"wasip2" in text]
    assert config["component"] == {"exports": [name_b.decode()], "imports": [name_a.decode()]}, config


def save_and_load(m):
    """Archives, exchanged with skopeo in both directions; damaged ones are refused."""
    need("skopeo")
    digest = m.build("app:1")
    m.image("save", "-o", "app.tar", "app:1")
    first = (m.folder / "app.tar").read_bytes()
    m.image("save", "-o", "app.tar", "app:1")
    assert (m.folder / "app.tar").read_bytes() == first
    seen = json.loads(m.must("skopeo", "inspect", "oci-archive:app.tar"))
    assert seen["Digest"] == digest
    other = m.elsewhere()
    assert m.image("load", "-i", "app.tar", env=other)[0].strip() == f"localhost/app:1@{digest}"
    assert m("run", "localhost/app:1", code=7, env=other)[0] == "app.wasm\n"
    m.must("skopeo", "copy", "oci-archive:app.tar", "oci-archive:one.tar:localhost/one:1")
    m.image("load", "-i", "one.tar", env=other)
    assert "linux/amd64" in m.image("ls", env=other)[0]
    third = m.elsewhere("third")
    for at in range(2000, len(first), len(first) // 7):
        (m.folder / "bad.tar").write_bytes(first[:at] + bytes([first[at] ^ 0x55]) + first[at + 1:])
        done = m.image("load", "-i", "bad.tar", env=third, code=None)
        if "cannot load" not in done[1]:  # between two files, where nothing is
            m("run", "localhost/app:1", code=7, env=third)
            m.image("rm", "app:1", env=third)
    (m.folder / "bad.tar").write_bytes(first[:len(first) // 2])
    m.fails("load", "-i", "bad.tar", env=third, says="cannot load bad.tar")
    assert m.image("ls", env=third)[0] == ""
    m.fails("save", "-o", "/nonexistent/x.tar", "app:1", says="cannot write")


def concurrent(m):
    """Many processes that build, pull and remove at once; nothing is lost and nothing is left."""
    r = m.registry()
    name = f"{r.host}/app:1"
    m.build(name)
    m.image("push", PLAIN, name)
    other = m.elsewhere()

    def work(i):
        if i % 4 == 0:
            m.image("build", "-t", f"built:{i}", "--arch", "none", "--label", f"i={i}", "app.wasm", env=other)
        m.image("tag", name, f"tagged:{i}", env=other) if i % 4 == 3 else m.image("pull", PLAIN, name, env=other)
        if i % 4 == 1:
            m.image("rm", f"tagged:{i - 2}", env=other, code=None)
        assert m("run", name, str(i), code=7, env=other)[0] == f"app.wasm\n{i}\n"

    m.image("pull", PLAIN, name, env=other)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(16)))
    names = [row["name"] for row in json.loads(m.image("ls", "--json", env=other)[0])]
    assert {f"localhost/built:{i}" for i in (0, 4, 8, 12)} < set(names), names
    m.image("rm", *names, env=other)
    m.image("rm", "none", env=other, code=1)
    assert m.blobs(m.folder / "other") == [], m.blobs(m.folder / "other")
    assert not any((m.folder / "other" / part).iterdir() for part in ("ingest", "unpacked") if
                   list((m.folder / "other" / part).iterdir()))


def ahead_of_time(m):
    """Native code in the image, at pull, and by `berth cache warm`."""
    r = m.registry()
    name = f"{r.host}/app:1"
    m.image("build", "-t", name, "--cpu", "generic", "app.wasm")
    face = json.loads(m.image("inspect", "--json", "--platform", "linux/amd64", name)[0])["shown"]
    assert "--artifact" in face["entrypoint"] and face["labels"]["berth.native"] == "x86_64-linux generic", face
    m.image("push", PLAIN, name)
    m.image("pull", PLAIN, "--compile", name, env=m.elsewhere())
    assert "app.wasm" in m("cache", "ls")[0]
    m("cache", "prune", "--all")
    m("cache", "warm", name)
    if m.berth.with_name("berth-oci").exists():
        kept, = (m.folder / "code").glob("*/*.berth")
        assert kept.stat().st_mode & 0o777 == 0o644, "containers may not be able to read it"
    out = m("cache", "ls")[0]
    assert out.startswith("1 artifact") or "1 artifact," in out, out
    no_compiler = m.environment | {"BERTH_COMPILER": "/nonexistent"}
    assert m("run", "--tier", "native", name, code=7, env=no_compiler)[0] == "app.wasm\n"
    # The artifact of the Linux face: taken because it is named, whoever made it.
    m("compile", "--cpu", "generic", "-o", "native.berth", "app.wasm")
    foreign = m.environment | {"BERTH_CACHE_DIR": str(m.folder / "none"), "BERTH_COMPILER": "/nonexistent"}
    out, err = m("run", "--artifact", "native.berth", "app.wasm", code=7, env=foreign)
    assert (out, err) == ("app.wasm\n", ""), err
    (m.folder / "other.wasm").write_bytes((m.folder / "app.wasm").read_bytes() + b"\0\2\1x")
    out, err = m("run", "--artifact", "native.berth", "other.wasm", code=7, env=foreign)
    assert out == "other.wasm\n" and "it is of another module" in err, err
    assert "cannot open" in m("run", "--artifact", "none.berth", "app.wasm", code=1)[1]


if __name__ == "__main__":
    main(globals())
