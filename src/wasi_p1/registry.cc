// The table of WASI's functions, and what makes host functions of them: parameters are taken from
// their slots by type, results become an errno in the first slot. The types in the table are those
// of the C++ functions, so that neither can be changed alone.
#include <array>
#include <string_view>
#include <tuple>

#include "wasi_p1/calls.h"
#include "wasi_p1/wasi.h"

namespace berth::wasi_p1 {

namespace {

constexpr std::string_view kPreview1 = "wasi_snapshot_preview1", kUnstable = "wasi_unstable";

template <typename T>
struct Parameter;
template <>
struct Parameter<u32> {
  static constexpr wasm::ValKind kKind = wasm::ValKind::I32;
  static u32 take(abi::Slot s) { return static_cast<u32>(s); }
};
template <>
struct Parameter<u64> {
  static constexpr wasm::ValKind kKind = wasm::ValKind::I64;
  static u64 take(abi::Slot s) { return s; }
};
template <>
struct Parameter<i64> {
  static constexpr wasm::ValKind kKind = wasm::ValKind::I64;
  static i64 take(abi::Slot s) { return static_cast<i64>(s); }
};
template <typename T>
struct Parameter<Pointer<T>> {
  static constexpr wasm::ValKind kKind = wasm::ValKind::I32;
  static Pointer<T> take(abi::Slot s) { return {static_cast<u32>(s)}; }
};

runtime::Outcome<void> finish(const Expected<>& result, abi::Slot* values) {
  if (!result && result.error().is_interrupt()) return runtime::trap(abi::TrapCode::Interrupted);
  values[0] = result ? 0 : static_cast<u16>(result.error().code());
  return {};
}
runtime::Outcome<void> finish(Exit exit, abi::Slot*) { return runtime::exit_guest(static_cast<i32>(exit.code)); }
runtime::Outcome<void> finish(const Expected<std::optional<Exit>>& result, abi::Slot* values) {
  if (result && *result) return finish(**result, values);
  return finish(result ? Expected<>() : std::unexpected(result.error()), values);
}

template <auto Method>
struct Function;
template <typename R, typename... P, R (Calls::*Method)(P...)>
struct Function<Method> {
  static constexpr std::array<wasm::ValKind, sizeof...(P)> kParams{Parameter<P>::kKind...};
  static constexpr bool kReturns = !std::is_same_v<R, Exit>;

  static runtime::HostFunction make(WasiContext& context) {
    State* state = &context.state();
    // One pointer: std::function keeps it in place.
    return [state](runtime::Caller& caller, abi::Slot* values) {
      return call(*state, caller.memory(), values, std::index_sequence_for<P...>());
    };
  }

 private:
  template <size_t... I>
  static runtime::Outcome<void> call(State& state, std::span<u8> memory, [[maybe_unused]] abi::Slot* values,
                                     std::index_sequence<I...>) {
    Calls calls(state, memory);
    return finish((calls.*Method)(Parameter<P>::take(values[I])...), values);
  }
};

struct Entry {
  std::string_view name;
  bool in_preview1, in_unstable;
  std::span<const wasm::ValKind> params;
  bool returns;
  runtime::HostFunction (*make)(WasiContext&);
};

enum In : u8 { Preview1 = 1, Unstable = 2, Both = 3 };

template <auto Method>
constexpr Entry entry(std::string_view name, In in = Both) {
  using F = Function<Method>;
  return {name, (in & Preview1) != 0, (in & Unstable) != 0, F::kParams, F::kReturns, &F::make};
}

constexpr Entry kFunctions[] = {
    entry<&Calls::args_get>("args_get"),
    entry<&Calls::args_sizes_get>("args_sizes_get"),
    entry<&Calls::clock_res_get>("clock_res_get"),
    entry<&Calls::clock_time_get>("clock_time_get"),
    entry<&Calls::environ_get>("environ_get"),
    entry<&Calls::environ_sizes_get>("environ_sizes_get"),
    entry<&Calls::fd_advise>("fd_advise"),
    entry<&Calls::fd_allocate>("fd_allocate"),
    entry<&Calls::fd_close>("fd_close"),
    entry<&Calls::fd_datasync>("fd_datasync"),
    entry<&Calls::fd_fdstat_get>("fd_fdstat_get"),
    entry<&Calls::fd_fdstat_set_flags>("fd_fdstat_set_flags"),
    entry<&Calls::fd_fdstat_set_rights>("fd_fdstat_set_rights"),
    entry<&Calls::fd_filestat_get>("fd_filestat_get", Preview1),
    entry<&Calls::fd_filestat_get_unstable>("fd_filestat_get", Unstable),
    entry<&Calls::fd_filestat_set_size>("fd_filestat_set_size"),
    entry<&Calls::fd_filestat_set_times>("fd_filestat_set_times"),
    entry<&Calls::fd_pread>("fd_pread"),
    entry<&Calls::fd_prestat_dir_name>("fd_prestat_dir_name"),
    entry<&Calls::fd_prestat_get>("fd_prestat_get"),
    entry<&Calls::fd_pwrite>("fd_pwrite"),
    entry<&Calls::fd_read>("fd_read"),
    entry<&Calls::fd_readdir>("fd_readdir"),
    entry<&Calls::fd_renumber>("fd_renumber"),
    entry<&Calls::fd_seek>("fd_seek", Preview1),
    entry<&Calls::fd_seek_unstable>("fd_seek", Unstable),
    entry<&Calls::fd_sync>("fd_sync"),
    entry<&Calls::fd_tell>("fd_tell"),
    entry<&Calls::fd_write>("fd_write"),
    entry<&Calls::path_create_directory>("path_create_directory"),
    entry<&Calls::path_filestat_get>("path_filestat_get", Preview1),
    entry<&Calls::path_filestat_get_unstable>("path_filestat_get", Unstable),
    entry<&Calls::path_filestat_set_times>("path_filestat_set_times"),
    entry<&Calls::path_link>("path_link"),
    entry<&Calls::path_open>("path_open"),
    entry<&Calls::path_readlink>("path_readlink"),
    entry<&Calls::path_remove_directory>("path_remove_directory"),
    entry<&Calls::path_rename>("path_rename"),
    entry<&Calls::path_symlink>("path_symlink"),
    entry<&Calls::path_unlink_file>("path_unlink_file"),
    entry<&Calls::poll_oneoff>("poll_oneoff", Preview1),
    entry<&Calls::poll_oneoff_unstable>("poll_oneoff", Unstable),
    entry<&Calls::proc_exit>("proc_exit"),
    entry<&Calls::proc_raise>("proc_raise"),
    entry<&Calls::random_get>("random_get"),
    entry<&Calls::sched_yield>("sched_yield"),
    entry<&Calls::sock_accept>("sock_accept", Preview1),
    entry<&Calls::sock_recv>("sock_recv"),
    entry<&Calls::sock_send>("sock_send"),
    entry<&Calls::sock_shutdown>("sock_shutdown"),
};

const Entry* find(std::string_view module, std::string_view name) {
  bool preview1 = module == kPreview1;
  if (!preview1 && module != kUnstable) return nullptr;
  for (const Entry& e : kFunctions) {
    if (e.name == name && (preview1 ? e.in_preview1 : e.in_unstable)) return &e;
  }
  return nullptr;
}

Result<> define(runtime::Linker& linker, runtime::Store& store, WasiContext& context, std::string_view module,
                const Entry& e) {
  wasm::FuncType type;
  type.params.assign(e.params.begin(), e.params.end());
  if (e.returns) type.results.push_back(wasm::kI32);
  return linker.define(module, e.name, store.make_function(type, e.make(context)));
}

}  // namespace

Result<> add_to_linker(runtime::Linker& linker, runtime::Store& store, WasiContext& context,
                       const wasm::Module* only_for) {
  context.state().store_interrupt = &store.context().interrupt;
  if (only_for != nullptr) {
    for (const wasm::Import& i : only_for->imports) {
      if (i.kind != wasm::ExternKind::Func || linker.find(i.module, i.name)) continue;
      if (const Entry* e = find(i.module, i.name)) TRY(define(linker, store, context, i.module, *e));
    }
    return {};
  }
  for (const Entry& e : kFunctions) {
    if (e.in_preview1) TRY(define(linker, store, context, kPreview1, e));
    if (e.in_unstable) TRY(define(linker, store, context, kUnstable, e));
  }
  return {};
}

bool is_wasi_function(std::string_view module, std::string_view name) { return find(module, name) != nullptr; }

}  // namespace berth::wasi_p1
