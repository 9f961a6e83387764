"""A real registry on loopback, and a proxy in front of it that can be made to misbehave."""

import http.client
import os
import shutil
import socket
import subprocess
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

SECONDS = 60


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_until(condition, what):
    for _ in range(SECONDS * 20):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError(f"{what} did not happen within {SECONDS} seconds")


class Registry:
    """docker-registry with its data in `folder`; with `tls` (certificate, key) and `users` (an htpasswd file) if given."""

    def __init__(self, folder: Path, tls=None, users=None):
        self.port = free_port()
        self.host = f"localhost:{self.port}"
        self.folder = folder
        folder.mkdir(parents=True)
        config = ["version: 0.1", "log: {level: error, accesslog: {disabled: true}}",
                  f"storage: {{filesystem: {{rootdirectory: {folder}/data}}, delete: {{enabled: true}}}}",
                  "http:", f"  addr: 127.0.0.1:{self.port}"]
        if tls:
            config += ["  tls:", f"    certificate: {tls[0]}", f"    key: {tls[1]}"]
        if users:
            config += [f"auth: {{htpasswd: {{realm: tests, path: {users}}}}}"]
        (folder / "config.yml").write_text("\n".join(config) + "\n")
        with open(folder / "log", "wb") as log:
            self.process = subprocess.Popen(["docker-registry", "serve", folder / "config.yml"], stdout=log,
                                            stderr=subprocess.STDOUT, cwd=folder)
        wait_until(self.is_up, "the registry's start")

    def is_up(self):
        assert self.process.poll() is None, (self.folder / "log").read_text()
        with socket.socket() as s:
            return s.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self):
        self.process.terminate()
        self.process.wait(SECONDS)

    def request(self, method, path, body=None, headers=None):
        request = urllib.request.Request(f"http://{self.host}{path}", data=body, method=method, headers=headers or {})
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:
            return answer.status, dict(answer.headers), answer.read()

    def put_blob(self, repository, data, digest):
        _, headers, _ = self.request("POST", f"/v2/{repository}/blobs/uploads/", b"")
        location = headers["Location"]
        path = location[location.index("/v2/"):]
        self.request("PUT", f"{path}{'&' if '?' in path else '?'}digest={digest}", data,
                     {"Content-Type": "application/octet-stream"})


class Proxy:
    """Passes requests on to a registry. `before(handler)` may answer itself and return True; `body(path, bytes)` may
    change what comes back; `cut(handler, size)` gives after how many bytes of a body of that size the connection is cut, or None."""

    def __init__(self, registry):
        self.registry = registry
        self.before = lambda handler: False
        self.body = lambda path, data: data
        self.cut = lambda handler, size: None
        self.pause = 0
        self.requests = []
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def answer(self, status, headers=None, body=b""):
                self.send_response(status)
                for name, value in (headers or {}).items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            def pass_on(self):
                self.sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                proxy.requests.append((self.command, self.path, dict(self.headers)))
                if proxy.before(self):
                    return
                connection = http.client.HTTPConnection("127.0.0.1", proxy.registry.port, timeout=SECONDS)
                connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
                for name, value in self.headers.items():
                    connection.putheader(name, value)
                connection.endheaders(self.sent)
                answer = connection.getresponse()
                data = answer.read()
                if self.command == "GET" and answer.status in (200, 206):
                    data = proxy.body(self.path, data)
                self.send_response(answer.status)
                for name, value in answer.getheaders():
                    if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                        self.send_header(name, value)
                length = answer.getheader("Content-Length") if self.command == "HEAD" else len(data)
                self.send_header("Content-Length", str(length))
                self.end_headers()
                cut = proxy.cut(self, len(data))
                if cut is not None:
                    self.wfile.write(data[:cut])
                    self.wfile.flush()
                    self.close_connection = True
                    self.connection.shutdown(socket.SHUT_RDWR)
                    return
                for at in range(0, len(data), 65536):
                    self.wfile.write(data[at:at + 65536])
                    if proxy.pause:
                        time.sleep(proxy.pause)

            do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = pass_on

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                pass  # clients that go away are what is tested

        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        self.host = f"localhost:{self.port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


def make_authority(folder: Path):
    """A throwaway authority and a certificate for localhost: (authority, certificate, key)."""
    folder.mkdir(parents=True)

    def openssl(*words):
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)
    (folder / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    for name in ("ca", "server"):
        openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", f"{name}.key")
    openssl("req", "-x509", "-new", "-key", "ca.key", "-days", "2", "-subj", "/CN=tests", "-out", "ca.crt")
    openssl("req", "-new", "-key", "server.key", "-subj", "/CN=localhost", "-out", "server.csr")
    openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
            "-extfile", "names", "-out", "server.crt")
    return folder / "ca.crt", folder / "server.crt", folder / "server.key"


def have(*programs):
    """Those of the programs that are missing."""
    path = os.environ["PATH"] + ":/usr/sbin:/sbin"
    return [p for p in programs if not shutil.which(p, path=path)]
