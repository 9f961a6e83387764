#!/usr/bin/env python3
"""Requests per second of `berth serve` with an instance for each request, against nginx returning the same bytes and,
where --wasmtime names one, wasmtime's server with the same component; and what large bodies and crowds take.

All runs alternate in one go; each figure is the median of its runs. Needs nginx, wrk, h2load, curl and openssl.
"""

import argparse
import os
import re
import resource
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parents[1] / "tests" / "serve")]
from measuring import print_table  # noqa: E402
from serving import Server, build, self_signed  # noqa: E402

NGINX = """
daemon off; master_process on; worker_processes {workers}; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 20000; }}
http {{
  access_log off; keepalive_requests 1000000000;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{ listen 127.0.0.1:{port}; default_type text/plain; location / {{ return 200 "hello, world\\n"; }} }}
}}
"""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(port):
    for _ in range(500):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.02)
    raise SystemExit(f"nobody listens on port {port}")


class Other:
    """A peer's server."""

    def __init__(self, command, port):
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.port = port
        wait_for(port)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(20)


def wrk(port, seconds, connections, path="/"):
    """(requests per second, milliseconds at the 99th percentile)"""
    done = subprocess.run(["wrk", "-t", "1", "-c", str(connections), "-d", f"{seconds}s", "--latency",
                           f"http://127.0.0.1:{port}{path}"], capture_output=True, text=True, check=True)
    rate = float(re.search(r"Requests/sec:\s*([\d.]+)", done.stdout)[1])
    assert "Non-2xx" not in done.stdout, done.stdout
    amount, unit = re.search(r"99%\s*([\d.]+)(us|ms|s)", done.stdout).groups()
    return rate, float(amount) * {"us": 1e-3, "ms": 1, "s": 1e3}[unit]


def speed(folder, arguments):
    hello = build("hello", folder)
    servers, stops = {}, []
    workers = os.cpu_count()
    s = Server(arguments.berth, hello, "--tier", arguments.tier, "--threads", str(workers))
    servers["berth serve"] = s.port
    stops.append(s.stop)
    nginx_folder = folder / "nginx"
    nginx_folder.mkdir()
    port = free_port()
    (folder / "nginx.conf").write_text(NGINX.format(folder=nginx_folder, port=port, workers=workers))
    nginx = Other(["nginx", "-c", folder / "nginx.conf", "-e", nginx_folder / "error.log"], port)
    servers["nginx"] = port
    stops.append(nginx.stop)
    if arguments.wasmtime:
        # The text is ours; peers read the binary that wasm-tools or Berth makes of it.
        port = free_port()
        peer = Other([arguments.wasmtime, "serve", "--addr", f"127.0.0.1:{port}", hello], port)
        servers["wasmtime serve"] = port
        stops.append(peer.stop)
    else:
        print("NOT COMPARED: wasmtime's server; --wasmtime names the program")
    try:
        for c in arguments.connections:
            rates = {name: [] for name in servers}
            late = {name: [] for name in servers}
            for name, port in servers.items():
                wrk(port, 1, c)
            for _ in range(arguments.runs):
                for name, port in servers.items():
                    rate, p99 = wrk(port, arguments.seconds, c)
                    rates[name].append(rate)
                    late[name].append(p99)
            base = statistics.median(rates["nginx"])
            print(f"\n{c} connections, requests per second ({arguments.runs} runs of {arguments.seconds} s each)")
            print_table(["", "median", "least", "most", "of nginx", "99 % within ms"],
                        [[name, f"{statistics.median(r):.0f}", f"{min(r):.0f}", f"{max(r):.0f}",
                          f"{statistics.median(r) / base:.2f}", f"{statistics.median(late[name]):.2f}"]
                         for name, r in rates.items()])
    finally:
        for stop in stops:
            stop()


def big_bodies(folder, arguments):
    """A body of --gigabytes each way over HTTP/2 with TLS, and the server's memory meanwhile."""
    server = build("server", folder)
    certificate, key = self_signed(folder)
    size = int(arguments.gigabytes * (1 << 30))
    with Server(arguments.berth, server, "--tier", arguments.tier, "--addr", "127.0.0.1:0", "--tls-addr", "127.0.0.1:0",
                "--tls-cert", str(certificate), "--tls-key", str(key)) as s:
        s.get("/hello")
        rows = []
        for name, url, more in (("HTTP/2, TLS, down", s.url(f"/big?{size}", 1), ["--http2"]),
                                ("HTTP/2, TLS, up", s.url("/count", 1), ["--http2", "-T", "-"]),
                                ("HTTP/1.1, down", s.url(f"/big?{size}", 0), []),
                                ("HTTP/1.1, up", s.url("/count", 0), ["-T", "-"]),
                                ("HTTP/1.1, both", s.url("/echo", 0), ["-T", "-"])):
            before = most = s.resident()
            feed = None
            if "-T" in more:
                feed = subprocess.Popen(["head", "-c", str(size), "/dev/zero"], stdout=subprocess.PIPE)
            began = time.monotonic()
            client = subprocess.Popen(["curl", "-sS", "--cacert", certificate, *more, "-X", "POST" if feed else "GET",
                                       "-o", "/dev/null", "-w", "%{http_code} %{size_download} %{size_upload}", url],
                                      stdin=feed.stdout if feed else subprocess.DEVNULL, stdout=subprocess.PIPE)
            while client.poll() is None:
                most = max(most, s.resident())
                time.sleep(0.02)
            seconds = time.monotonic() - began
            code, down, up = client.stdout.read().split()
            # Of a body in chunks, curl counts those as well.
            assert code == b"200" and (int(down) == size or int(up) >= size), (name, code, down, up)
            rows.append([name, f"{size / seconds / 1e6:.0f}", f"{before / (1 << 20):.1f}", f"{most / (1 << 20):.1f}"])
        print(f"\nbodies of {arguments.gigabytes} GiB")
        print_table(["", "MB/s", "MiB resident before", "at most"], rows)


def crowd(folder, arguments):
    """Open connections that do nothing, and others beside them."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if most < arguments.crowd + 1000:
        raise SystemExit(f"SKIPPED: the crowd; only {most} files may be open here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    server = build("server", folder)
    with Server(arguments.berth, server, "--tier", arguments.tier, "--timeout", "1s", "--max-memory", "16MiB", "--admin",
                "127.0.0.1:0") as s:
        wrk(s.port, 1, 32, "/hello")
        before = s.resident()
        idle = [s.connect() for _ in range(arguments.crowd)]
        deadline = time.monotonic() + 20
        while s.metrics()["berth_connections"] < arguments.crowd and time.monotonic() < deadline:
            time.sleep(0.1)
        with_idle = s.resident()
        alone = wrk(s.port, arguments.seconds, 32, "/hello")
        bad = [subprocess.Popen(["wrk", "-t1", "-c4", f"-d{arguments.seconds + 1}s", "--timeout", "30",
                                 f"http://127.0.0.1:{s.port}{path}"], stdout=subprocess.DEVNULL)
               for path in ("/loop", "/trap", "/allocate")]
        time.sleep(0.5)
        beside = wrk(s.port, arguments.seconds, 32, "/hello")
        for process in bad:
            process.wait()
        for c in idle:
            c.close()
        deadline = time.monotonic() + 20
        while s.metrics()["berth_connections"] > 1 and time.monotonic() < deadline:
            time.sleep(0.1)
        time.sleep(2)
        after = s.resident()
        mib = 1 << 20
        print(f"\n{arguments.crowd} open connections")
        print_table(["", ""], [
            ["MiB resident before", f"{before / mib:.1f}"],
            ["with them", f"{with_idle / mib:.1f}"],
            ["KiB for each", f"{(with_idle - before) / 1024 / arguments.crowd:.2f}"],
            ["afterwards", f"{after / mib:.1f}"],
            ["requests per second beside them", f"{alone[0]:.0f}"],
            ["99 % within ms", f"{alone[1]:.1f}"],
            ["with 4 that loop, 4 that trap, 4 that allocate", f"{beside[0]:.0f}"],
            ["99 % within ms then", f"{beside[1]:.1f}"],
        ])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--berth", type=Path, required=True)
    parser.add_argument("--wasmtime", default=shutil.which("wasmtime"))
    parser.add_argument("--connections", type=int, nargs="+", default=[32, 256])
    parser.add_argument("--tier", default="native")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--gigabytes", type=float, default=1)
    parser.add_argument("--crowd", type=int, default=10000)
    parser.add_argument("--only", choices=["speed", "bodies", "crowd"])
    arguments = parser.parse_args()
    arguments.berth = arguments.berth.resolve()
    for program in ("nginx", "wrk", "curl", "openssl", "clang-19"):
        if not shutil.which(program) and not Path(f"/usr/sbin/{program}").exists():
            raise SystemExit(f"SKIPPED: {program} is not installed")
    os.environ["PATH"] += ":/usr/sbin"
    with tempfile.TemporaryDirectory(prefix="berth-bench-serve-") as folder:
        os.environ["BERTH_CACHE_DIR"] = f"{folder}/cache"
        for name, part in (("speed", speed), ("bodies", big_bodies), ("crowd", crowd)):
            if arguments.only in (None, name):
                part(Path(folder), arguments)
    return 0


if __name__ == "__main__":
    sys.exit(main())
