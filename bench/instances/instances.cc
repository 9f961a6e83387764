// Times instances from a pool, and calls across the canonical ABI; prints lines of "name value" for run.py.
//
//   bench_instances instances TIER COUNT COMPONENT    instances of a component, and what COUNT idle ones take
//   bench_instances calls TIER                        calls to the host and between components
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <fstream>
#include <string>
#include <vector>

#include "component/host_abi.h"
#include "component/instance_pool.h"
#include "engine/cache.h"
#include "engine/code_source.h"
#include "os/clock.h"
#include "os/file.h"
#include "wasi_http/http.h"

namespace {

using namespace berth;  // NOLINT
using component::Value;

[[noreturn]] void stop(const std::string& why) {
  std::fprintf(stderr, "bench_instances: %s\n", why.c_str());
  std::exit(1);
}
std::string text_of(const runtime::InstantiationFailure& failure) {
  if (const auto* error = std::get_if<Error>(&failure)) return error->to_string();
  return std::get<std::unique_ptr<runtime::Unwind>>(failure)->to_string();
}
template <typename T>
T must(std::expected<T, runtime::InstantiationFailure> result) {
  if (!result) stop(text_of(result.error()));
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}
template <typename T>
T must(Result<T> result) {
  if (!result) stop(result.error().to_string());
  return std::move(*result);
}

// Processor time: calls do not wait for anything, and others may keep the machine busy.
i64 thread_ns() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return i64{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

void print(const char* name, double value) { std::printf("%s %.9g\n", name, value); }
double percentile(std::vector<i64>& times, double share) {
  std::ranges::sort(times);
  return static_cast<double>(
      times[std::min(times.size() - 1, static_cast<size_t>(share * static_cast<double>(times.size())))]);
}

// Bytes of this process's own that are resident: what it shares with others counts in parts.
u64 resident() {
  std::ifstream in("/proc/self/smaps_rollup");
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("Pss:")) return std::stoull(line.substr(4)) * 1024;
  }
  stop("/proc/self/smaps_rollup cannot be read");
}

std::unique_ptr<engine::Engine> make_engine(const std::string& tier, const char* cache) {
  engine::Config config;
  config.tier = tier == "native" ? engine::Tier::Native : engine::Tier::Interp;
  if (config.tier == engine::Tier::Native) {
    std::shared_ptr<const engine::Cache> opened = must(engine::Cache::open(cache, u64{4} << 30));
    config.code = engine::make_cached_source(std::move(opened), {}, {}, [](const std::string&) {});
  }
  return must(engine::Engine::create(config));
}
std::shared_ptr<const component::PreparedComponent> load(engine::Engine& engine, std::vector<u8> bytes,
                                                         const std::string& name) {
  auto loaded = component::load_component(std::move(bytes), name, engine.config());
  if (!loaded) stop(loaded.error().message);
  return must(component::prepare(engine, *loaded));
}

void instances(const std::string& tier, u32 count, const std::string& path, const char* cache) {
  const auto engine = make_engine(tier, cache);
  const auto prepared = load(*engine, must(os::read_file(path)), path);
  auto context = must(wasi_p2::Context::create({}));
  const auto define = [&](component::Linker& linker, component::Store& store, runtime::Store& core) {
    wasi_p2::add_to_linker(linker, store, core, *context, *prepared->component);
    wasi_http::add_to_linker(linker, *context, {}, *prepared->component);
  };
  const auto attach = [&](component::Store& store, runtime::Store& core) { context->attach(store, core); };
  i64 start = os::monotonic_ns();
  const auto linked = must(component::Prelinked::make(engine->executor(), prepared, define));
  print("link_us", static_cast<double>(os::monotonic_ns() - start) / 1e3);
  // A function of no arguments or one string, if there is one, stands for a request.
  const auto call = [&](component::InstancePool::Lease& lease) {
    component::Function* function = lease.instance().find_function("greet");
    if (function == nullptr) return;
    const Value name = Value::of_string("world");
    must(lease.store().call(*function, std::span(&name, 1)));
  };
  {
    std::vector<i64> fresh;
    component::InstancePool pool(linked, {.max_instances = 4, .max_idle = 0});
    for (int i = 0; i < 20; ++i) {
      start = os::monotonic_ns();
      auto lease = must(pool.take(attach));
      fresh.push_back(os::monotonic_ns() - start);
    }
    print("fresh_us_p50", percentile(fresh, 0.5) / 1e3);
  }
  component::InstancePool pool(linked, {.max_instances = count + 1, .max_idle = count});
  for (const bool uses : {false, true}) {
    const int rounds = uses ? 300 : 5000;
    std::vector<i64> taking, calling, ending, all;
    for (int i = 0; i < rounds; ++i) {
      const i64 begin = os::monotonic_ns();
      i64 taken = 0, called = 0;
      {
        auto lease = must(pool.take(attach));
        taken = os::monotonic_ns();
        if (uses) call(lease);
        called = os::monotonic_ns();
      }
      const i64 end = os::monotonic_ns();
      taking.push_back(taken - begin), calling.push_back(called - taken), ending.push_back(end - called);
      all.push_back(taken - begin + end - called);
    }
    const std::string prefix = uses ? "used_" : "unused_";
    print((prefix + "take_us_p50").c_str(), percentile(taking, 0.5) / 1e3);
    print((prefix + "take_us_p99").c_str(), percentile(taking, 0.99) / 1e3);
    print((prefix + "end_us_p50").c_str(), percentile(ending, 0.5) / 1e3);
    print((prefix + "end_us_p99").c_str(), percentile(ending, 0.99) / 1e3);
    print((prefix + "both_us_p50").c_str(), percentile(all, 0.5) / 1e3);
    print((prefix + "both_us_p99").c_str(), percentile(all, 0.99) / 1e3);
    if (uses) print("call_us_p50", percentile(calling, 0.5) / 1e3);
  }
  // Idle ones, made and never used; and then all used once and given back.
  const u64 before = resident();
  must(pool.warm(count));
  const u64 idle = pool.idle();
  print("idle", static_cast<double>(idle));
  print("idle_kb", static_cast<double>(resident() - before) / 1024 / static_cast<double>(idle));
  {
    std::vector<component::InstancePool::Lease> leases;
    for (u64 i = 0; i < idle; ++i) leases.push_back(must(pool.take(attach)));
    print("taken_kb", static_cast<double>(resident() - before) / 1024 / static_cast<double>(idle));
    for (auto& lease : leases) call(lease);
    print("in_use_kb", static_cast<double>(resident() - before) / 1024 / static_cast<double>(idle));
  }
  print("used_idle_kb", static_cast<double>(resident() - before) / 1024 / static_cast<double>(idle));
}

// --- calls

constexpr std::string_view kCalls = R"((component
  (import "bench:host/calls@1.0.0" (instance $host
    (export "add" (func (param "a" u32) (param "b" u32) (result u32)))
    (export "text" (func (param "t" string) (result u32)))
    (export "bytes" (func (param "b" (list u8)) (result u32)))))
  (alias export $host "add" (func $host-add))
  (alias export $host "text" (func $host-text))
  (alias export $host "bytes" (func $host-bytes))
  (component $callee
    (core module $m
      (memory (export "memory") 64)
      (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 65536))
      (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
      (func (export "text") (param i32 i32) (result i32) (local.get 1)))
    (core instance $i (instantiate $m))
    (func (export "add") (param "a" u32) (param "b" u32) (result u32) (canon lift (core func $i "add")))
    (func (export "text") (param "t" string) (result u32)
      (canon lift (core func $i "text") (memory $i "memory") (realloc (func $i "realloc"))))
    (func (export "bytes") (param "b" (list u8)) (result u32)
      (canon lift (core func $i "text") (memory $i "memory") (realloc (func $i "realloc"))))
    (func (export "words") (param "b" (list u32)) (result u32)
      (canon lift (core func $i "text") (memory $i "memory") (realloc (func $i "realloc")))))
  (instance $callee (instantiate $callee))
  (alias export $callee "add" (func $add))
  (alias export $callee "text" (func $text))
  (alias export $callee "bytes" (func $bytes))
  (alias export $callee "words" (func $words))
  (core module $libc (memory (export "memory") 64)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 65536)))
  (core instance $libc (instantiate $libc))
  (core func $host-add' (canon lower (func $host-add)))
  (core func $host-text' (canon lower (func $host-text) (memory $libc "memory")))
  (core func $host-bytes' (canon lower (func $host-bytes) (memory $libc "memory")))
  (core func $add' (canon lower (func $add)))
  (core func $text' (canon lower (func $text) (memory $libc "memory")))
  (core func $bytes' (canon lower (func $bytes) (memory $libc "memory")))
  (core func $words' (canon lower (func $words) (memory $libc "memory")))
  (core module $main
    (import "libc" "memory" (memory 64))
    (import "" "host-add" (func $host-add (param i32 i32) (result i32)))
    (import "" "host-text" (func $host-text (param i32 i32) (result i32)))
    (import "" "host-bytes" (func $host-bytes (param i32 i32) (result i32)))
    (import "" "add" (func $add (param i32 i32) (result i32)))
    (import "" "text" (func $text (param i32 i32) (result i32)))
    (import "" "bytes" (func $bytes (param i32 i32) (result i32)))
    (import "" "words" (func $words (param i32 i32) (result i32)))
    (table 7 funcref)
    (elem (i32.const 0) func $host-add $host-text $host-bytes $add $text $bytes $words)
    ;; Calls function `f` `n` times with (64, length).
    (func (export "loop") (param $f i32) (param $n i32) (param $length i32) (result i32)
      (local $sum i32)
      (block $done
        (loop $again
          (br_if $done (i32.eqz (local.get $n)))
          (local.set $sum (i32.add (local.get $sum)
            (call_indirect (param i32 i32) (result i32) (i32.const 64) (local.get $length) (local.get $f))))
          (local.set $n (i32.sub (local.get $n) (i32.const 1)))
          (br $again)))
      (local.get $sum))
    (func (export "nothing") (param i32) (result i32) (local.get 0)))
  (core instance $main (instantiate $main
    (with "libc" (instance $libc))
    (with "" (instance
      (export "host-add" (func $host-add')) (export "host-text" (func $host-text'))
      (export "host-bytes" (func $host-bytes')) (export "add" (func $add')) (export "text" (func $text'))
      (export "bytes" (func $bytes')) (export "words" (func $words'))))))
  (func (export "loop") (param "f" u32) (param "n" u32) (param "length" u32) (result u32)
    (canon lift (core func $main "loop")))
  (func (export "nothing") (param "a" u32) (result u32) (canon lift (core func $main "nothing")))))";

struct Nothing {};
u32 host_add(Nothing&, u32 a, u32 b) { return a + b; }
u32 host_text(Nothing&, std::string_view text) { return static_cast<u32>(text.size()); }
u32 host_bytes(Nothing&, std::span<const u8> bytes) { return static_cast<u32>(bytes.size()); }
constexpr component::HostDefinition kFunctions[] = {
    component::host_function<host_add>("add"),
    component::host_function<host_text>("text"),
    component::host_function<host_bytes>("bytes"),
};
constexpr component::HostInterface kInterface = {"bench:host/calls@1.0.0", {}, kFunctions};

void calls(const std::string& tier, const char* cache) {
  const auto engine = make_engine(tier, cache);
  const auto prepared = load(*engine, {kCalls.begin(), kCalls.end()}, "calls");
  Nothing nothing;
  const auto linked = must(component::Prelinked::make(
      engine->executor(), prepared,
      [](component::Linker& linker, component::Store&, runtime::Store&) { linker.define_interface(kInterface); }));
  component::InstancePool pool(linked);
  auto lease = must(pool.take([&](component::Store& store, runtime::Store&) { store.set_host(&nothing); }));
  component::Function* loop = lease.instance().find_function("loop");
  component::Function* empty = lease.instance().find_function("nothing");
  const auto u32_of = [](u64 v) { return Value::of(component::cm::TypeKind::U32, v); };
  const auto run = [&](u32 function, u32 n, u32 length) {
    const Value arguments[] = {u32_of(function), u32_of(n), u32_of(length)};
    const i64 start = thread_ns();
    const auto result = must(lease.store().call(*loop, arguments));
    const i64 took = thread_ns() - start;
    if (result->bits != static_cast<u32>(function % 3 == 0 && function < 6 ? n * (length + 64) : n * length))
      stop("a wrong sum");
    return static_cast<double>(took) / n;
  };
  const auto median = [&](const char* name, u32 function, u32 n, u32 length) {
    std::vector<double> times;
    run(function, n, length);
    for (int i = 0; i < 9; ++i) times.push_back(run(function, n, length));
    std::ranges::sort(times);
    print(name, times[4]);
  };
  constexpr u32 kMega = 1 << 20;
  median("host_scalars_ns", 0, 1'000'000, 1);
  median("host_string_16_ns", 1, 1'000'000, 16);
  median("host_bytes_1m_ns", 2, 10'000, kMega);
  median("component_scalars_ns", 3, 1'000'000, 1);
  median("component_string_16_ns", 4, 1'000'000, 16);
  median("component_string_1m_ns", 4, 1'000, kMega);
  median("component_bytes_1m_ns", 5, 1'000, kMega);
  median("component_words_1m_ns", 6, 1'000, kMega / 4);
  std::vector<u8> from(kMega, 1), to(kMega);
  std::vector<double> copies;
  for (int i = 0; i < 9; ++i) {
    const i64 start = thread_ns();
    for (int k = 0; k < 1000; ++k) {
      std::memcpy(to.data(), from.data(), kMega);
      asm volatile("" : : "r"(to.data()) : "memory");
    }
    copies.push_back(static_cast<double>(thread_ns() - start) / 1000);
  }
  std::ranges::sort(copies);
  print("memcpy_1m_ns", copies[4]);
  std::vector<double> entries;
  for (int i = 0; i < 9; ++i) {
    const Value argument = u32_of(1);
    const i64 start = thread_ns();
    for (int k = 0; k < 10'000; ++k) must(lease.store().call(*empty, std::span(&argument, 1)));
    entries.push_back(static_cast<double>(thread_ns() - start) / 10'000);
  }
  std::ranges::sort(entries);
  print("enter_ns", entries[4]);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string mode = argc > 1 ? argv[1] : "";
  const char* cache = std::getenv("BERTH_CACHE_DIR");
  if (argc > 2 && std::string(argv[2]) == "native" && cache == nullptr) stop("native code needs $BERTH_CACHE_DIR");
  if (mode == "instances" && argc == 5) {
    instances(argv[2], static_cast<u32>(std::stoul(argv[3])), argv[4], cache);
  } else if (mode == "calls" && argc == 3) {
    calls(argv[2], cache);
  } else {
    stop("see the top of instances.cc for how it is called");
  }
  return 0;
}
