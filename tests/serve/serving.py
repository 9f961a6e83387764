"""Starts `berth serve` and talks to it: for the tests beside this file and for bench/serve."""

import http.client
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
GUESTS = HERE / "guests"
sys.path.insert(0, str(HERE.parent / "components"))
import componentize  # noqa: E402

Unavailable = componentize.Unavailable


def build(name, folder):
    output = Path(folder) / f"{name}.wat"
    return output if output.exists() else componentize.build_handler(GUESTS / f"{name}.c", output)


class Server:
    """A server on ports of its own. `what`: a component, or a file of routes."""

    def __init__(self, berth, what, *options, expect_start=True, environment=None):
        command = [str(berth), "serve", *([] if "--addr" in options else ["--addr", "127.0.0.1:0"]), *options, str(what)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)
        self.lines, self.output = [], []
        self.addresses, self.admin = [], None
        self._ready = threading.Event()
        self._is_stopped = False
        text = Path(what).read_text() if str(what).endswith(".toml") and Path(what).exists() else ""
        self._has_admin = "--admin" in options or "admin" in text
        self._expected = max(1, sum(o in ("--addr", "--tls-addr") for o in options))
        self._threads = [threading.Thread(target=self._read, daemon=True),
                         threading.Thread(target=self._read_output, daemon=True)]
        for thread in self._threads:
            thread.start()
        if expect_start and not self._ready.wait(120):
            self.process.kill()
            raise AssertionError("the server did not start:\n" + self.text())
        if expect_start and not self.addresses:
            raise AssertionError("the server ended at once:\n" + self.text())

    def _read(self):
        for line in self.process.stderr:
            line = line.decode(errors="replace").rstrip("\n")
            self.lines.append(line)
            if match := re.match(r"serving on (https?)://(.*):(\d+)/$", line):
                self.addresses.append((match[1], match[2].strip("[]"), int(match[3])))
                if not self._has_admin and len(self.addresses) >= self._expected:
                    self._ready.set()
            elif match := re.match(r"metrics on http://(.*):(\d+)/metrics$", line):
                self.admin = (match[1], int(match[2]))
                self._ready.set()
        self._ready.set()

    def _read_output(self):
        for line in self.process.stdout:
            self.output.append(line.decode(errors="replace").rstrip("\n"))

    def text(self):
        return "\n".join(self.lines)

    @property
    def port(self):
        return self.addresses[0][2]

    def url(self, path="/", index=0):
        scheme, host, port = self.addresses[index]
        return f"{scheme}://{host}:{port}{path}"

    def connect(self, timeout=20, index=0):
        s = socket.create_connection(self.addresses[index][1:], timeout=timeout)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return s

    def get(self, path, method="GET", body=None, headers=None, timeout=30):
        """(status, headers, body) of one request on a connection of its own."""
        c = http.client.HTTPConnection(*self.addresses[0][1:], timeout=timeout)
        try:
            c.request(method, path, body=body, headers=headers or {})
            r = c.getresponse()
            return r.status, {k.lower(): v for k, v in r.getheaders()}, r.read()
        finally:
            c.close()

    def metrics(self):
        c = http.client.HTTPConnection(*self.admin, timeout=20)
        c.request("GET", "/metrics")
        text = c.getresponse().read().decode()
        c.close()
        return {name: float(value) for name, value in re.findall(r"^(\w+(?:\{.*\})?) (\S+)$", text, re.M)}

    def resident(self):
        """Bytes."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s*(\d+)", status)[1]) << 10

    def wait_for(self, pattern, seconds=20):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if re.search(pattern, self.text()):
                return True
            time.sleep(0.02)
        raise AssertionError(f"{pattern} is not said:\n{self.text()}")

    def stop(self, expect=0):
        if self._is_stopped:
            return
        self._is_stopped = True
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=60)
        for thread in self._threads:
            thread.join(5)
        assert expect is None or code == expect, f"exit code {code}\n{self.text()}"

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            self.stop()
        elif self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def exchange(server, data, timeout=20):
    """Sends bytes, and reads until the server closes."""
    with server.connect(timeout) as s:
        s.sendall(data)
        return receive_all(s)


def receive_all(s):
    parts = []
    try:
        while part := s.recv(65536):
            parts.append(part)
    except ConnectionResetError:
        pass
    return b"".join(parts)


def whole(answer):
    """The body of an answer, its chunks put together; None when it is not whole."""
    head, _, rest = answer.partition(b"\r\n\r\n")
    if b"transfer-encoding: chunked" not in head.lower():
        return rest
    body = b""
    while True:
        size, end, rest = rest.partition(b"\r\n")
        if not end:
            return None
        length = int(size.partition(b";")[0], 16)
        if length == 0:
            return body
        body, rest = body + rest[:length], rest[length + 2:]


def self_signed(folder):
    """(certificate, key) for localhost."""
    certificate, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
                    "-keyout", key, "-out", certificate], check=True, capture_output=True)
    return certificate, key
