#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "wasi_p1/wasi.h"

namespace berth::wasi_p1 {
namespace {

// Host functions need no code to be run.
class NoCode final : public runtime::Executor {
  std::unique_ptr<runtime::ModuleCode> prepare(std::shared_ptr<const wasm::Module>) override { return nullptr; }
  runtime::Outcome<void> invoke(abi::FunctionInstance&, abi::StoreContext&, abi::Slot*) override {
    return runtime::trap(abi::TrapCode::HostError);
  }
  void backtrace(const abi::StoreContext&, std::vector<runtime::Frame>&) override {}
};

constexpr std::string_view kNames[] = {
    "args_get",
    "args_sizes_get",
    "clock_res_get",
    "clock_time_get",
    "environ_get",
    "environ_sizes_get",
    "fd_advise",
    "fd_allocate",
    "fd_close",
    "fd_datasync",
    "fd_fdstat_get",
    "fd_fdstat_set_flags",
    "fd_fdstat_set_rights",
    "fd_filestat_get",
    "fd_filestat_set_size",
    "fd_filestat_set_times",
    "fd_pread",
    "fd_prestat_dir_name",
    "fd_prestat_get",
    "fd_pwrite",
    "fd_read",
    "fd_readdir",
    "fd_renumber",
    "fd_seek",
    "fd_sync",
    "fd_tell",
    "fd_write",
    "path_create_directory",
    "path_filestat_get",
    "path_filestat_set_times",
    "path_link",
    "path_open",
    "path_readlink",
    "path_remove_directory",
    "path_rename",
    "path_symlink",
    "path_unlink_file",
    "poll_oneoff",
    "proc_exit",
    "proc_raise",
    "random_get",
    "sched_yield",
    "sock_accept",
    "sock_recv",
    "sock_send",
    "sock_shutdown",
};

class Registry : public testing::Test {
 protected:
  Registry() : store(executor), linker(store) {
    auto made = WasiContext::create({});
    EXPECT_TRUE(made);
    context = std::move(*made);
  }

  abi::FunctionInstance& function(std::string_view name, std::string_view module = "wasi_snapshot_preview1") {
    return *std::get<abi::FunctionInstance*>(*linker.find(module, name));
  }

  NoCode executor;
  runtime::Store store;
  runtime::Linker linker;
  std::unique_ptr<WasiContext> context;
};

TEST_F(Registry, DefinesEveryFunctionOfTheSpecification) {
  static_assert(std::size(kNames) == 46);
  ASSERT_TRUE(add_to_linker(linker, store, *context));
  for (std::string_view name : kNames) {
    EXPECT_TRUE(linker.find("wasi_snapshot_preview1", name)) << name;
    EXPECT_TRUE(is_wasi_function("wasi_snapshot_preview1", name)) << name;
    EXPECT_EQ(linker.find("wasi_unstable", name).has_value(), name != "sock_accept") << name;
  }
  EXPECT_FALSE(is_wasi_function("env", "fd_write"));
  EXPECT_FALSE(is_wasi_function("wasi_snapshot_preview1", "thread_spawn"));
}

TEST_F(Registry, TypesAreTheSpecifications) {
  ASSERT_TRUE(add_to_linker(linker, store, *context));
  auto type = [&](std::string_view name) { return wasm::to_string(function(name).type->definition->func); };
  EXPECT_EQ(type("proc_exit"), "[i32] -> []");
  EXPECT_EQ(type("sched_yield"), "[] -> [i32]");
  EXPECT_EQ(type("clock_time_get"), "[i32 i64 i32] -> [i32]");
  EXPECT_EQ(type("fd_seek"), "[i32 i64 i32 i32] -> [i32]");
  EXPECT_EQ(type("path_open"), "[i32 i32 i32 i32 i32 i64 i64 i32 i32] -> [i32]");
  EXPECT_EQ(type("path_filestat_set_times"), "[i32 i32 i32 i32 i64 i64 i32] -> [i32]");
  EXPECT_EQ(type("sock_recv"), "[i32 i32 i32 i32 i32 i32] -> [i32]");
}

TEST_F(Registry, OnlyWhatAModuleImports) {
  wasm::Module module;
  module.imports.push_back({"wasi_snapshot_preview1", "fd_write", wasm::ExternKind::Func, 0});
  module.imports.push_back({"wasi_unstable", "fd_read", wasm::ExternKind::Func, 1});
  module.imports.push_back({"wasi_snapshot_preview1", "unheard_of", wasm::ExternKind::Func, 2});
  module.imports.push_back({"wasi_snapshot_preview1", "fd_close", wasm::ExternKind::Memory, 0});
  module.imports.push_back({"wasi_snapshot_preview1", "fd_write", wasm::ExternKind::Func, 3});
  ASSERT_TRUE(add_to_linker(linker, store, *context, &module));
  EXPECT_TRUE(linker.find("wasi_snapshot_preview1", "fd_write"));
  EXPECT_TRUE(linker.find("wasi_unstable", "fd_read"));
  EXPECT_FALSE(linker.find("wasi_snapshot_preview1", "fd_read"));
  EXPECT_FALSE(linker.find("wasi_snapshot_preview1", "unheard_of"));
  EXPECT_FALSE(linker.find("wasi_snapshot_preview1", "fd_close"));
}

TEST_F(Registry, ErrnosExitsAndTrapsComeBack) {
  ASSERT_TRUE(add_to_linker(linker, store, *context));
  abi::Slot values[9] = {};
  ASSERT_TRUE(store.call_raw(function("sched_yield"), values));
  EXPECT_EQ(static_cast<u32>(values[0]), 0u);
  values[0] = 77;
  ASSERT_TRUE(store.call_raw(function("fd_close"), values));
  EXPECT_EQ(static_cast<u32>(values[0]), 8u);  // badf

  values[0] = 33;
  auto exit = store.call_raw(function("proc_exit"), values);
  ASSERT_FALSE(exit);
  EXPECT_EQ(exit.error()->kind, runtime::UnwindKind::Exit);
  EXPECT_EQ(exit.error()->exit_code, 33);

  values[0] = 6;
  exit = store.call_raw(function("proc_raise"), values);
  ASSERT_FALSE(exit);
  EXPECT_EQ(exit.error()->exit_code, 134);
  values[0] = 18;
  ASSERT_TRUE(store.call_raw(function("proc_raise"), values));
  EXPECT_EQ(static_cast<u32>(values[0]), 58u);  // notsup
}

// `berth run` has a millisecond for everything.
TEST_F(Registry, RegistersInMicroseconds) {
  auto start = std::chrono::steady_clock::now();
  ASSERT_TRUE(add_to_linker(linker, store, *context));
  auto spent = std::chrono::steady_clock::now() - start;
  RecordProperty("microseconds", std::to_string(std::chrono::duration<double, std::micro>(spent).count()));
  EXPECT_LT(spent, std::chrono::milliseconds(20));  // generous for sanitizers and busy machines
}

}  // namespace
}  // namespace berth::wasi_p1
