"""wasmtime_instances.py COMPONENT FOLDER: microseconds that a store and an instance in it take from wasmtime's pooling
allocator, medians; compiled code is kept in FOLDER."""

import sys
import time
from pathlib import Path

from wasmtime import Config, Engine, Store, WasiConfig
from wasmtime import _ffi as ffi
from wasmtime.component import Component, Linker


def median_us(engine, component, rounds) -> float:
    linker = Linker(engine)
    linker.add_wasip2()
    times = []
    for _ in range(rounds):
        start = time.perf_counter_ns()
        store = Store(engine)
        store.set_wasi(WasiConfig())
        linker.instantiate(store, component)
        store.close()
        times.append(time.perf_counter_ns() - start)
    return sorted(times)[rounds // 2] / 1e3


def main():
    source, folder = Path(sys.argv[1]), Path(sys.argv[2])
    config = Config()
    config.wasm_component_model = True
    pool = ffi.wasmtime_pooling_allocation_config_new()
    ffi.wasmtime_pooling_allocation_config_max_memory_size_set(pool, 256 << 20)
    ffi.wasmtime_pooling_allocation_config_table_elements_set(pool, 50_000)
    ffi.wasmtime_pooling_allocation_config_max_core_instance_size_set(pool, 4 << 20)
    ffi.wasmtime_pooling_allocation_config_max_component_instance_size_set(pool, 4 << 20)
    ffi.wasmtime_pooling_allocation_config_linear_memory_keep_resident_set(pool, 2 << 20)
    ffi.wasmtime_pooling_allocation_strategy_set(config.ptr(), pool)
    engine = Engine(config)
    kept = folder / (source.stem + ".cwasm")
    if not kept.exists():
        kept.write_bytes(Component(engine, source.read_bytes()).serialize())
    component = Component.deserialize_file(engine, str(kept))
    empty = Component(engine, b"\0asm\x0d\0\x01\0")
    print("empty_us", median_us(engine, empty, 2000))
    print("instance_us", median_us(engine, component, 2000))


if __name__ == "__main__":
    main()
