"""A command of Python's own library: arguments, environment, standard streams, files, clocks and randomness."""

import os
import random
import sys
import time

import wit_world
from componentize_py_types import Err
from wit_world import exports


class Run(exports.Run):
    def run(self):
        print("arguments", sys.argv[1:], os.environ.get("NAME"), os.environ.get("HOME"))
        print("input", sys.stdin.read().strip().upper())
        print("an error", file=sys.stderr)
        before = time.monotonic()
        time.sleep(0.001)
        print("clocks", time.monotonic() - before >= 0.001, time.time() > 1.7e9)
        print("random", len(os.urandom(9)), random.random() != random.random())
        os.makedirs("/work/a/b")
        with open("/work/a/b/file", "w") as file:
            file.write("one\ntwo\n")
        with open("/work/a/b/file", "a") as file:
            file.write("three\n")
        with open("/work/a/b/file") as file:
            print("lines", [line.strip() for line in file])
        os.rename("/work/a/b/file", "/work/a/moved")
        print("size", os.stat("/work/a/moved").st_size, sorted(os.listdir("/work/a")))
        for path in ("/none", "/work/none", "/work/a/moved/x", "/work/../etc/passwd"):
            try:
                open(path)
                print("opened", path)
            except OSError as error:
                print("refused", path, error.errno)
        os.unlink("/work/a/moved")
        os.rmdir("/work/a/b")
        os.rmdir("/work/a")
        print("left", os.listdir("/work"))
        total = sum(hash((i, str(i)[::-1])) % 7 for i in range(20000) if isinstance(i, int)) >= 0
        print("computed", total, sum(i * i for i in range(10000)))
        sys.stdout.flush()
        raise Err(None)
