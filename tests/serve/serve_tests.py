#!/usr/bin/env python3
"""Runs one case: serve_tests.py CASE --berth BERTH [--tier TIER]. `serve_tests.py list` prints all of them.

`berth serve` against curl, nghttp, h2load and sockets of our own. Components are made of guests/ (see
tests/components/componentize.py). Exits 77 where it cannot run.
"""

import argparse
import http.client
import http.server
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from serving import Server, Unavailable, build, exchange, receive_all, self_signed, whole

EXIT_SKIPPED = 77
CASES = {}


def case(function):
    CASES[function.__name__] = function
    return function


class Bench:
    def __init__(self, berth, tier, folder):
        self.berth, self.tier, self.folder = berth, tier, folder
        self.program = build("server", folder)

    def serve(self, *options, what=None, **more):
        return Server(self.berth, what or self.program, "--tier", self.tier, *options, **more)

    def routes(self, text):
        path = self.folder / "routes.toml"
        new = self.folder / "routes.new"
        new.write_text(text)
        new.rename(path)
        return path


def need(*programs):
    for program in programs:
        if not shutil.which(program):
            raise Unavailable(f"{program} is not installed")


def curl(*arguments, check=True, **more):
    return subprocess.run(["curl", "-sS", "--max-time", "60", *map(str, arguments)], capture_output=True, check=check,
                          **more)


GET = b"GET /hello HTTP/1.1\r\nhost: a\r\n\r\n"


@case
def requests(b):
    with b.serve("--threads", "2") as s:
        status, headers, body = s.get("/hello")
        assert (status, body) == (200, b"hello, world\n"), (status, body)
        assert headers["content-length"] == "13" and re.fullmatch(r"[0-9a-f]{16}", headers["x-request-id"]), headers
        assert "date" in headers
        status, headers, body = s.get("/show?a=b&c", method="PUT", body=b"x", headers={"X-One": "1", "Te": "trailers",
                                                                                       "Upgrade": "websocket"})
        assert body.startswith(b"3 http 127.0.0.1:%d /show?a=b&c\n" % s.port), body
        assert b"x-one: 1\n" in body and b"content-length: 1\n" in body and b"\nx-request-id: " in body
        for absent in (b"\nhost:", b"\nte:", b"\nupgrade:", b"\nconnection:"):
            assert absent not in body, body
        assert s.get("/status?404")[0] == 404 and s.get("/status?204")[2] == b"" and s.get("/status?304")[2] == b""
        status, headers, body = s.get("/hello", method="HEAD")
        assert (status, body) == (200, b""), (status, body)
        # An instance for each request, and one connection for all of them.
        c = http.client.HTTPConnection("127.0.0.1", s.port, timeout=20)
        for _ in range(50):
            c.request("GET", "/counter")
            assert c.getresponse().read() == b"1"
        c.close()


@case
def reuse(b):
    with b.serve("--reuse", "3", "--threads", "1") as s:
        seen = [s.get("/counter")[2] for _ in range(7)]
        assert seen == [b"1", b"2", b"3", b"1", b"2", b"3", b"1"], seen


@case
def bodies(b):
    need("curl")
    data = os.urandom(3 << 20)
    (b.folder / "body").write_bytes(data)
    with b.serve() as s:
        for how in ([], ["-H", "transfer-encoding: chunked"]):
            assert curl("--data-binary", f"@{b.folder}/body", *how, s.url("/echo")).stdout == data
        assert s.get("/count", "POST", data)[2] == str(len(data)).encode()
        assert s.get("/echo", "POST", iter([b"one ", b"two ", b"three"]))[2] == b"one two three"
        assert s.get("/echo", "POST", b"")[2] == b""
        assert len(s.get("/big?5000000")[2]) == 5000000
        # Trailers both ways.
        answer = exchange(s, b"POST /trailers HTTP/1.1\r\nhost: a\r\nte: trailers\r\nconnection: close\r\n"
                             b"transfer-encoding: chunked\r\n\r\n3;x=\"y\"\r\nabc\r\n0\r\nX-After: 1\r\n\r\n")
        assert answer.endswith(b"3\r\nabc\r\n0\r\nx-after: 1\r\nx-seen: trailers\r\n\r\n"), answer
        # A client that asks first.
        with s.connect() as c:
            c.sendall(b"POST /echo HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n")
            assert c.recv(1000).startswith(b"HTTP/1.1 100 Continue\r\n\r\n")
            c.sendall(b"12345")
            got = b""
            while b"12345" not in got:
                got += c.recv(1000)
        # and is not let: the body is not wanted, so that the connection ends.
        answer = exchange(s, b"POST /hello HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n") and b"connection: close" in answer, answer
        # A body that nobody reads is skipped, and the connection kept, unless it is long.
        answer = exchange(s, b"POST /hello HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\n12345"
                             b"GET /counter HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
        assert answer.count(b"HTTP/1.1 200 OK") == 2, answer
        # What the guest announces and does not keep to.
        assert s.get("/length")[2] == b"12345"
        for path in ("/short", "/long"):
            try:
                _, _, body = s.get(path)
                raise AssertionError(f"{path}: {body}")
            except (http.client.IncompleteRead, http.client.RemoteDisconnected, ConnectionError):
                pass
        # Before the response there may be another.
        answer = exchange(s, b"GET /inform HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 103 Early Hints\r\nlink: </style.css>; rel=preload\r\n\r\nHTTP/1.1 200"), answer


@case
def protocol(b):
    long = b"x: " + b"y" * 40000
    with b.serve() as s:
        for request, status in [
            (b"GET /hello HTTP/1.1\r\n\r\n", 400),  # no host
            (b"GET /hello HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n", 400),
            (b"GET /hello HTTP/1.1\r\nhost: a b\r\n\r\n", 400),
            (b"GET /hello HTTP/2.5\r\nhost: a\r\n\r\n", 505),
            (b"GET /he\x01llo HTTP/1.1\r\nhost: a\r\n\r\n", 400),
            (b"GET hello HTTP/1.1\r\nhost: a\r\n\r\n", 400),
            (b"GE(T /hello HTTP/1.1\r\nhost: a\r\n\r\n", 400),
            (b"nonsense\r\n\r\n", 400),
            (b"GET /hello HTTP/1.1\r\nhost: a\r\nx : y\r\n\r\n", 400),
            (b"GET /hello HTTP/1.1\r\nhost: a\r\n" + long + b"\r\n\r\n", 431),
            (b"GET /hello HTTP/1.1\r\nhost: a\r\n" + b"a: b\r\n" * 8000 + b"\r\n", 431),
            (b"POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n", 400),
            (b"POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: -1\r\n\r\n", 400),
            (b"POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n", 400),
            (b"POST /echo HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip, chunked\r\n\r\n", 501),
            (b"POST /echo HTTP/1.1\r\nhost: a\r\ntransfer-encoding: xchunked\r\n\r\n", 501),
            (b"POST /echo HTTP/1.1\r\nhost: a\r\nexpect: x\r\ncontent-length: 1\r\n\r\n", 417),
            (b"CONNECT a:1 HTTP/1.1\r\nhost: a\r\n\r\n", 501),
        ]:
            answer = exchange(s, request)
            assert answer.startswith(b"HTTP/1.1 %d " % status), (request[:80], answer[:200])
            assert b"connection: close\r\n" in answer
        for request in [
            b"\r\n\r\nGET /hello HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
            b"GET http://other.example/hello HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
            b"GET /hello HTTP/1.0\r\n\r\n",
        ]:
            answer = exchange(s, request)
            assert answer.startswith(b"HTTP/1.1 200 OK\r\n") and answer.endswith(b"hello, world\n"), answer
        assert b" other.example /show" in exchange(s, b"GET http://other.example/show HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
        # One after the other on a connection, sent all at once; in pieces of any size.
        answer = exchange(s, GET * 20 + b"GET /counter HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
        assert answer.count(b"hello, world\n") == 20 and answer.endswith(b"1"), answer[-300:]
        with s.connect() as c:
            for byte in b"POST /echo HTTP/1.1\r\nhost: a\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n4\r\nabcd\r\n0\r\n\r\n":
                c.sendall(bytes([byte]))
            assert whole(receive_all(c)) == b"abcd"
        # HTTP/1.0 has neither chunks nor, unless asked, another request.
        answer = exchange(s, b"GET /big?100000 HTTP/1.0\r\n\r\n")
        assert b"transfer-encoding" not in answer and len(answer.partition(b"\r\n\r\n")[2]) == 100000
        with s.connect() as c:
            for _ in range(2):
                c.sendall(b"GET /hello HTTP/1.0\r\nconnection: keep-alive\r\n\r\n")
                assert b"connection: keep-alive" in c.recv(4096)
        # Half-closed: who has said everything can still hear the answer.
        with s.connect() as c:
            c.sendall(b"GET /sleep?200 HTTP/1.1\r\nhost: a\r\n\r\n")
            c.shutdown(socket.SHUT_WR)
            assert receive_all(c).endswith(b"slept\n")
        # Chunks that are none, in the middle of a body that is answered meanwhile.
        with s.connect() as c:
            c.sendall(b"POST /echo HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n4\r\nabcdXX\r\n")
            assert not receive_all(c).endswith(b"0\r\n\r\n")


@case
def http2(b):
    need("curl", "nghttp", "h2load", "openssl")
    certificate, key = self_signed(b.folder)
    data = b.folder / "data"
    data.write_bytes(os.urandom(2 << 20))
    with b.serve("--addr", "127.0.0.1:0", "--tls-addr", "127.0.0.1:0", "--tls-cert", str(certificate), "--tls-key",
                 str(key)) as s:
        for how, url in ((["--http2-prior-knowledge"], s.url("", 0)), (["--http2", "--cacert", certificate], s.url("", 1)),
                         (["--http1.1", "--cacert", certificate], s.url("", 1))):
            version = "1.1" if "--http1.1" in how else "2"
            scheme = url.partition(":")[0].encode()
            done = curl(*how, "-w", "%{http_version}", url + "/show?x", "-H", "x-one: 1", "-b", "a=1; b=2")
            assert done.stdout.startswith(b"0 " + scheme + b" 127.0.0.1:") and b"x-one: 1\n" in done.stdout, done
            assert done.stdout.endswith(version.encode()), done
            assert b"cookie: a=1; b=2\n" in done.stdout, done
            assert curl(*how, "--data-binary", f"@{data}", url + "/echo").stdout == data.read_bytes()
            assert len(curl(*how, url + "/big?3000000").stdout) == 3000000
            assert curl(*how, "-I", url + "/hello").stdout.startswith(f"HTTP/{version} 200".encode())
            assert curl(*how, "-o", "/dev/null", "-w", "%{http_code}", url + "/trap").stdout == b"500"
            assert curl(*how, url + "/late-trap", check=False).returncode in (18, 52, 92, 56), "a cut response looks whole"
            # Some versions of curl give up when they have several requests on a connection before it is there.
            if "--http2-prior-knowledge" not in how:
                assert curl(*how, "-Z", *[f"{url}/counter"] * 20).stdout == b"1" * 20
        # A client that sends a body which nobody wants is told to stop.
        done = subprocess.run(["nghttp", "-d", data, s.url("/hello")], capture_output=True, timeout=60)
        assert b"hello, world" in done.stdout, done
        done = subprocess.run(["nghttp", "-v", "--trailer", "x-after: 1", "-H", "te: trailers", "-d", data,
                               s.url("/trailers")], capture_output=True, check=True, timeout=60)
        assert b"x-seen: trailers" in done.stdout and b"x-after: 1" in done.stdout, done.stdout[-2000:]
        for url in (s.url("/hello", 0), s.url("/hello", 1)):
            done = subprocess.run(["h2load", "-n", "2000", "-c", "10", "-m", "20", url], capture_output=True, check=True,
                                  timeout=100)
            assert b"2000 succeeded, 0 failed" in done.stdout, done.stdout
        # Too much in the head.
        done = curl("--http2-prior-knowledge", "-w", "%{http_code}", "-H", "x: " + "y" * 40000, s.url("/hello"), check=False)
        assert b"431" in done.stdout, done
        # TLS without ALPN, and what is no TLS at all.
        context = ssl.create_default_context(cafile=certificate)
        with context.wrap_socket(s.connect(index=1), server_hostname="localhost") as c:
            c.sendall(b"GET /hello HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
            assert receive_all(c).endswith(b"hello, world\n")
        with s.connect(index=1) as c:
            c.sendall(GET)
            receive_all(c)
        # A broken frame ends the connection and nothing else.
        with s.connect() as c:
            c.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 100)
            receive_all(c)
        assert s.get("/hello")[0] == 200


@case
def failures(b):
    with b.serve("--timeout", "2s", "--max-memory", "16MiB", "--threads", "1", "--admin", "127.0.0.1:0") as s:
        status, headers, body = s.get("/trap")
        assert status == 500 and headers["x-request-id"].encode() in body and b"unreachable" not in body, (status, body)
        s.wait_for("request " + headers["x-request-id"] + ", route .*: trap: .*unreachable")
        status, headers, body = s.get("/nothing")
        assert status == 500 and headers["x-request-id"].encode() in body
        s.wait_for("without a response")
        assert s.get("/error")[0] == 502
        for path in ("/late-trap", "/unfinished"):
            try:
                raise AssertionError(s.get(path))
            except (http.client.IncompleteRead, http.client.RemoteDisconnected, ConnectionError):
                pass
        # Grows to its limit, and no further; the next finds nothing of it.
        for _ in range(3):
            pages = int(s.get("/allocate")[2])
            assert 0 < pages * 65536 <= 16 << 20, pages
        assert s.get("/recurse?1000000")[0] == 500
        s.wait_for("call stack exhausted")
        # One that never ends is stopped, and meanwhile others are answered, all by one thread.
        with ThreadPoolExecutor(8) as pool:
            loops = [pool.submit(s.get, "/loop") for _ in range(4)]
            time.sleep(0.2)
            assert s.get("/hello")[0] == 200
            assert not any(f.done() for f in loops), "others wait for one that computes"
            assert [f.result()[0] for f in loops] == [504] * 4
        s.wait_for("no progress within the route's timeout")
        metrics = s.metrics()
        name = b.program.name
        assert metrics[f'berth_timeouts_total{{route="{name}"}}'] == 4, metrics
        assert metrics[f'berth_requests_total{{route="{name}",code="504"}}'] == 4
        assert metrics[f'berth_instances{{route="{name}"}}'] == 0


@case
def waiting(b):
    """Guests that wait, or that work, share one thread."""
    with b.serve("--threads", "1") as s:
        with ThreadPoolExecutor(100) as pool:
            began = time.monotonic()
            done = list(pool.map(lambda _: s.get("/sleep?500")[2], range(100)))
            assert done == [b"slept\n"] * 100
            assert time.monotonic() - began < 20  # one after the other they take 50
            work = [pool.submit(s.get, "/work?3000") for _ in range(3)]
            time.sleep(0.2)
            assert s.get("/sleep?50")[2] == b"slept\n"
            assert not any(w.done() for w in work), "others wait for one that computes"
            assert [w.result()[2] for w in work] == [b"worked\n"] * 3
        # Written as it comes.
        with s.connect() as c:
            c.sendall(b"GET /slow?3 HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
            parts = []
            while part := c.recv(1000):
                parts.append(part)
            assert len(parts) >= 3, parts


@case
def routes(b):
    hello = build("hello", b.folder)
    (b.folder / "data").mkdir()
    text = f"""
admin = "127.0.0.1:0"
threads = 2
[limits]
head_timeout = "300ms"
max_headers = "4KiB"
[[route]]
name = "main"
path = "/"
component = "{b.program.name}"
max_body = "1KiB"
[[route]]
host = "hello.example"
component = "{hello.name}"
[[route]]
host = "*.wild.example"
component = "{hello.name}"
[[route]]
path = "/sub"
component = "{hello.name}"
[[route]]
name = "few"
exact = "/sleep"
component = "{b.program.name}"
concurrency = 2
"""
    path = b.routes(text)
    with b.serve(what=path) as s:
        hello_text, other = b"hello, world\n", b"no such path\n"
        for host, where, wanted in [
            ("a", "/x", other), ("hello.example", "/x", hello_text), ("HELLO.example:80", "/x", hello_text),
            ("b.wild.example", "/", hello_text), ("wild.example", "/", other), ("a", "/sub", hello_text),
            ("a", "/sub/x?y", hello_text), ("a", "/subx", other),
        ]:
            assert s.get(where, headers={"host": host})[2] == wanted, (host, where)
        with ThreadPoolExecutor(5) as pool:
            codes = sorted(r[0] for r in pool.map(lambda _: s.get("/sleep?700"), range(5)))
            assert codes == [200, 200, 503, 503, 503], codes
        assert s.get("/echo", "POST", b"x" * 1024)[0] == 200
        assert s.get("/echo", "POST", b"x" * 1025)[0] == 413
        assert s.get("/count", "POST", iter([b"x" * 1000] * 5))[0] == 413
        assert exchange(s, b"GET / HTTP/1.1\r\nhost: a\r\nx: " + b"y" * 5000 + b"\r\n\r\n").startswith(b"HTTP/1.1 431 ")
        # A head that trickles in is not waited for.
        with s.connect() as c:
            began = time.monotonic()
            c.sendall(b"GET / HTTP/1.1\r\n")
            try:
                for _ in range(20):
                    time.sleep(0.05)
                    c.sendall(b"a: b\r\n")
            except OSError:
                pass
            assert receive_all(c).startswith(b"HTTP/1.1 408 ") and time.monotonic() - began < 5
        assert s.metrics()['berth_requests_total{route="few",code="503"}'] == 3

        # New routes without a lost request.
        failures, ended = [], threading.Event()

        def ask():
            c = http.client.HTTPConnection("127.0.0.1", s.port, timeout=20)
            while not ended.is_set():
                try:
                    c.request("GET", "/sub")
                    r = c.getresponse()
                    if (r.status, r.read()) not in ((200, hello_text), (404, other)):
                        failures.append(r.status)
                except Exception as error:  # noqa: BLE001
                    failures.append(error)
                    return
            c.close()

        askers = [threading.Thread(target=ask) for _ in range(3)]
        for a in askers:
            a.start()
        b.routes(text.replace('path = "/sub"', 'path = "/sub2"'))
        s.wait_for("reloaded: 5 routes")
        assert s.get("/sub2")[2] == hello_text and s.get("/sub")[2] == other
        # One that is wrong changes nothing, and says what is wrong.
        for bad, says in (("[[route]]\ncomponent = 5", "component is not a text"), ("nonsense", r"routes.toml:1:\d+: "),
                          ("[[route]]\ncomponent = \"missing.wasm\"", "missing.wasm"),
                          ("[[route]]\ncomponent = \"a\"\ntimeouts = \"1s\"", "did you mean timeout")):
            count = s.text().count("served on")
            b.routes(bad)
            s.wait_for(says)
            deadline = time.monotonic() + 20
            while s.text().count("served on") == count and time.monotonic() < deadline:
                time.sleep(0.02)
            assert s.get("/sub2")[2] == hello_text
        b.routes(text)
        s.wait_for(r"(?s)reloaded.*reloaded")
        s.process.send_signal(signal.SIGHUP)
        s.wait_for(r"(?s)reloaded.*reloaded.*reloaded")
        ended.set()
        for a in askers:
            a.join()
        assert not failures, failures
        metrics = s.metrics()
        assert metrics['berth_reloads_total{result="failed"}'] == 4, metrics
        assert metrics['berth_reloads_total{result="ok"}'] >= 3


def wait_for_guests(server, b, count):
    deadline = time.monotonic() + 20
    while server.metrics().get(f'berth_instances{{route="{b.program.name}"}}') != count and time.monotonic() < deadline:
        time.sleep(0.02)


@case
def drain(b):
    with b.serve("--admin", "127.0.0.1:0") as s, ThreadPoolExecutor(2) as pool, s.connect() as idle:
        under_way = pool.submit(s.get, "/sleep?1000")
        wait_for_guests(s, b, 1)
        s.process.send_signal(signal.SIGTERM)
        s.wait_for("draining")
        assert idle.recv(100) == b"", "an idle connection is closed"
        try:
            s.connect(timeout=2).close()
            c = s.connect(timeout=2)
            c.sendall(GET)
            assert c.recv(1000) == b""
        except OSError:
            pass
        c = http.client.HTTPConnection(*s.admin, timeout=20)
        c.request("GET", "/readyz")
        assert c.getresponse().status == 503
        c.close()
        status, headers, body = under_way.result()
        assert (status, body) == (200, b"slept\n") and headers["connection"] == "close", headers
        s.stop()
    # Not longer than allowed.
    with b.serve("--drain", "300ms", "--admin", "127.0.0.1:0") as s, s.connect() as c:
        c.sendall(b"GET /sleep?20000 HTTP/1.1\r\nhost: a\r\n\r\n")
        wait_for_guests(s, b, 1)
        s.stop(expect=1)
        assert s.wait_for("not finished in time")
    # At once, when asked again.
    with b.serve("--admin", "127.0.0.1:0") as s, s.connect() as c:
        c.sendall(b"GET /sleep?20000 HTTP/1.1\r\nhost: a\r\n\r\n")
        wait_for_guests(s, b, 1)
        s.process.send_signal(signal.SIGTERM)
        s.wait_for("draining")
        s.process.send_signal(signal.SIGTERM)
        assert s.process.wait(10) == 128 + signal.SIGTERM
        s.stop(expect=None)


@case
def logs(b):
    with b.serve("--access-log", "-") as s:
        s.get("/hello?x=\"y\"")
        s.get("/status?404", "POST", b"x")
        exchange(s, b"GET\r\n\r\n")
    when = r"\[\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\]"
    for line, wanted in zip(s.output, [rf'127\.0\.0\.1 - - {when} "GET /hello\?x=\\"y\\" HTTP/1\.1" 200 13',
                                       rf'127\.0\.0\.1 - - {when} "POST /status\?404 HTTP/1\.1" 404 7',
                                       rf'127\.0\.0\.1 - - {when} "- - HTTP/1\.1" 400 -'], strict=True):
        assert re.fullmatch(wanted, line), (line, wanted)
    log = b.folder / "access.log"
    with b.serve("--access-log", str(log), "--log-format", "json") as s:
        _, headers, _ = s.get("/count", "POST", b"12345", {"user-agent": "te\"st"})
        deadline = time.monotonic() + 10
        while not log.read_text() and time.monotonic() < deadline:
            time.sleep(0.02)
        log.rename(b.folder / "moved.log")
        s.process.send_signal(signal.SIGUSR1)
        while not log.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        s.get("/hello")
    record = json.loads((b.folder / "moved.log").read_text())
    assert record["status"] == 200 and record["bytes_received"] == 5 and record["user_agent"] == "te\"st", record
    assert record["request_id"] == headers["x-request-id"] and record["route"] == b.program.name, record
    assert json.loads(log.read_text())["path"] == "/hello"


class Upstream(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = b"from upstream " * 10000
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@case
def outgoing(b):
    need("openssl")
    upstream = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Upstream)
    threading.Thread(target=upstream.serve_forever, daemon=True).start()
    certificate, key = self_signed(b.folder)
    secure = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Upstream)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    secure.socket = context.wrap_socket(secure.socket, server_side=True)
    threading.Thread(target=secure.serve_forever, daemon=True).start()
    port, secure_port = upstream.server_address[1], secure.server_address[1]
    denied, certificate_error = b"15", b"13"
    text = b"from upstream " * 10000
    trusting = os.environ | {"SSL_CERT_FILE": str(certificate)}
    with b.serve("--allow-http", f"127.0.0.1:{port}", "--allow-http", f"localhost:{secure_port}", "--threads", "1",
                 environment=trusting) as s:
        assert s.get(f"/proxy?http:127.0.0.1:{port}/")[2] == text
        assert s.get(f"/proxy?https:localhost:{secure_port}/")[2] == text
        for target in ("http:127.0.0.1:1/", "http:example.org/", f"http:localhost:{port}/", f"https:127.0.0.1:{secure_port}/"):
            status, _, body = s.get(f"/proxy?{target}")
            assert (status, body) == (502, denied), (target, status, body)
        with ThreadPoolExecutor(20) as pool:
            assert all(r[2] == text for r in pool.map(lambda _: s.get(f"/proxy?http:127.0.0.1:{port}/"), range(40)))
    # A certificate of nobody's, and one of another name.
    with b.serve("--allow-http", f"localhost:{secure_port}") as s:
        assert s.get(f"/proxy?https:localhost:{secure_port}/")[2] == certificate_error


@case
def cgi(b):
    need("clang-19", "curl")
    program = b.folder / "cgi.wasm"
    source = Path(__file__).resolve().parent / "guests" / "cgi.c"
    if not Path("/usr/lib/wasm32-wasi/libc.a").exists():
        raise Unavailable("wasi-libc is not installed")
    subprocess.run(["clang-19", "--target=wasm32-wasi", "-O1", "-Wall", "-Wextra", "-Werror", source, "-o", program],
                   check=True)
    with b.serve("--env", "OWN=value", "--timeout", "1s", what=program) as s:
        status, headers, body = s.get("/a/b?c=d", headers={"x-one": "1", "proxy": "evil"})
        assert status == 200 and headers["content-type"] == "text/plain", (status, headers, body)
        lines = body.decode().splitlines()
        for wanted in ("GATEWAY_INTERFACE=CGI/1.1", "REQUEST_METHOD=GET", "PATH_INFO=/a/b", "QUERY_STRING=c=d",
                       "REMOTE_ADDR=127.0.0.1", "HTTP_X_ONE=1", "OWN=value", "SERVER_NAME=127.0.0.1",
                       f"SERVER_PORT={s.port}"):
            assert wanted in lines, (wanted, lines)
        assert not any(line.startswith("HTTP_PROXY") for line in lines)
        (b.folder / "body").write_bytes(os.urandom(1 << 20))
        answer = curl("-i", "-H", "expect:", "--data-binary", f"@{b.folder}/body", s.url("/echo")).stdout
        assert answer.startswith(b"HTTP/1.1 201 Created\r\n") and b"\r\nX-Made: yes\r\n" in answer, answer[:300]
        assert answer.endswith((b.folder / "body").read_bytes())
        assert s.get("/exit")[0] == 500 and s.get("/trap")[0] == 500 and s.get("/garbage")[0] == 500
        assert s.get("/redirect")[0] == 302
        assert s.get("/loop")[0] == 504
        assert s.get("/empty")[0] == 500


@case
def crowds(b):
    """Many connections at once, of which some are slow, half-closed or broken off."""
    with b.serve("--threads", "2", "--timeout", "2s", "--admin", "127.0.0.1:0") as s:
        for _ in range(100):
            s.get("/hello")
        before = s.resident()
        idle = [s.connect() for _ in range(800)]
        slow = [s.connect() for _ in range(30)]
        for c in slow:
            c.sendall(b"GET /big?3000000 HTTP/1.1\r\nhost: a\r\n\r\n")  # and does not read
        half = [s.connect() for _ in range(30)]
        for c in half:
            c.sendall(b"GET /sleep?500 HTTP/1.1\r\nhost: a\r\n\r\n")
            c.shutdown(socket.SHUT_WR)
        for _ in range(50):
            c = s.connect()
            c.sendall(b"POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\nabc")
            c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
            c.close()
        with ThreadPoolExecutor(10) as pool:
            assert all(r[2] == b"hello, world\n" for r in pool.map(lambda _: s.get("/hello"), range(300)))
        assert all(receive_all(c).endswith(b"slept\n") for c in half)
        assert s.metrics()["berth_connections"] >= 830
        for c in idle + slow + half:
            c.close()
        deadline = time.monotonic() + 20
        while s.metrics()["berth_connections"] > 1 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert s.metrics()["berth_connections"] <= 1
        assert s.resident() < before + (48 << 20), (before, s.resident())


@case
def usage(b):
    def run(*arguments):
        done = subprocess.run([str(b.berth), "serve", *map(str, arguments)], capture_output=True, timeout=60)
        return done.returncode, done.stderr.decode()

    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = "127.0.0.1:%d" % taken.getsockname()[1]
        for arguments, code, says in [
            (["--addr", address, b.program], 1, "cannot listen on"),
            (["--addr", "nonsense", b.program], 1, "ends in a colon and a port"),
            (["--timeout", "x", b.program], 2, "takes a time"),
            (["--allow-http", "a:b:c", b.program], 2, "--allow-http"),
            (["--tls-addr", "127.0.0.1:0", b.program], 2, "needs a certificate"),
            (["--addr", "127.0.0.1:0", b.folder / "missing.wasm"], 1, "missing.wasm"),
            (["--addr", "127.0.0.1:0", b.folder / "missing.toml"], 2, "missing.toml"),
            ([], 2, "usage"),
        ]:
            got, text = run(*arguments)
            assert got == code and says in text, (arguments, got, text)
    plain = b.folder / "plain.wat"
    plain.write_text("(component)")
    got, text = run("--addr", "127.0.0.1:0", plain)
    assert got == 1 and "does not answer requests" in text, text


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("case", choices=[*CASES, "list"])
    parser.add_argument("--berth", type=Path, default=os.environ.get("BERTH"))
    parser.add_argument("--tier", default="interp")
    chosen = parser.parse_args()
    if chosen.case == "list":
        print("\n".join(CASES))
        return 0
    with tempfile.TemporaryDirectory(prefix="berth-serve-") as folder:
        os.environ["BERTH_CACHE_DIR"] = f"{folder}/cache"
        try:
            CASES[chosen.case](Bench(chosen.berth.resolve(), chosen.tier, Path(folder)))
        except Unavailable as reason:
            print(f"SKIPPED: {reason}")
            return EXIT_SKIPPED
        except (AssertionError, subprocess.SubprocessError) as error:
            print(f"{chosen.case}: {error}")
            raise
    return 0


if __name__ == "__main__":
    sys.exit(main())
