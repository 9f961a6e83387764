"""Compiles and runs modules with wasmtime's Python package, by whose interpreter this is run.

  wasmtime_run.py compile MODULE ARTIFACT     prints the seconds it took, by the clock and of the processor
  wasmtime_run.py run SECONDS FUNCTION ARTIFACT [ARG…]
                                              FUNCTION is an export to be called with numbers, or - for a
                                              WASI program; the file SECONDS gets its processor time
  wasmtime_run.py binary TEXT MODULE          translates the text format
"""

import resource
import sys
import time
from pathlib import Path

import wasmtime


def engine() -> wasmtime.Engine:
    config = wasmtime.Config()
    config.cranelift_opt_level = "speed"
    config.wasm_function_references = True
    config.wasm_gc = True
    config.wasm_exceptions = True
    return wasmtime.Engine(config)


def compile_module(module: str, artifact: str):
    wasm, made_by = Path(module).read_bytes(), engine()
    clock, processor = time.perf_counter(), time.process_time()
    compiled = wasmtime.Module(made_by, wasm)
    print(time.perf_counter() - clock, time.process_time() - processor)
    Path(artifact).write_bytes(compiled.serialize())


def run(seconds: str, function: str, artifact: str, *arguments: str):
    made_by = engine()
    module = wasmtime.Module.deserialize_file(made_by, artifact)
    store, linker = wasmtime.Store(made_by), wasmtime.Linker(made_by)
    if function == "-":
        linker.define_wasi()
        wasi = wasmtime.WasiConfig()
        wasi.argv = [artifact, *arguments]
        wasi.inherit_stdin()
        wasi.inherit_stdout()
        wasi.inherit_stderr()
        store.set_wasi(wasi)
    instance = linker.instantiate(store, module)
    called = instance.exports(store)["_start" if function == "-" else function]
    before = resource.getrusage(resource.RUSAGE_SELF)
    try:
        result = called(store, *([] if function == "-" else map(int, arguments)))
    except wasmtime.ExitTrap as end:
        if end.code != 0:
            raise
    after = resource.getrusage(resource.RUSAGE_SELF)
    if function != "-":
        print(result)
    Path(seconds).write_text(f"{after.ru_utime - before.ru_utime} {after.ru_stime - before.ru_stime}")


def binary(text: str, module: str):
    Path(module).write_bytes(wasmtime.wat2wasm(Path(text).read_text()))


if __name__ == "__main__":
    {"compile": compile_module, "run": run, "binary": binary}[sys.argv[1]](*sys.argv[2:])
