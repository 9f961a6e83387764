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
        os.makedirs("/folder/a/b")
        with open("/folder/a/b/file", "w") as file:
            file.write("one\ntwo\n")
        with open("/folder/a/b/file", "a") as file:
            file.write("three\n")
        with open("/folder/a/b/file") as file:
            print("lines", [line.strip() for line in file])
        os.rename("/folder/a/b/file", "/folder/a/moved")
        print("size", os.stat("/folder/a/moved").st_size, sorted(os.listdir("/folder/a")))
        for path in ("/none", "/folder/none", "/folder/a/moved/x", "/folder/../etc/passwd"):
            try:
                open(path)
                print("opened", path)
            except OSError as error:
                print("refused", path, error.errno)
        os.unlink("/folder/a/moved")
        os.rmdir("/folder/a/b")
        os.rmdir("/folder/a")
        print("left", os.listdir("/folder"))
        total = sum(hash((i, str(i)[::-1])) % 7 for i in range(20000) if isinstance(i, int)) >= 0
        print("computed", total, sum(i * i for i in range(10000)))
        sys.stdout.flush()
        raise Err(None)
