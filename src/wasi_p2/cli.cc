// wasi:cli: environment, exit, the standard streams, terminals.

#include "wasi_p2/types.h"

namespace berth::wasi_p2 {

using component::host_function;
using component::HostDefinition;
using component::HostInterface;
using component::HostResource;

namespace {

class TerminalInput final : public Resource {};
class TerminalOutput final : public Resource {};

std::vector<std::tuple<std::string, std::string>> get_environment(State& state) {
  return {state.environment.begin(), state.environment.end()};
}
std::vector<std::string> get_arguments(State& state) { return state.args; }
std::optional<std::string> initial_cwd(State&) { return std::nullopt; }

Outcome<void> exit(State&, std::expected<std::monostate, std::monostate> status) {
  return runtime::exit_guest(status ? 0 : 1);
}
Outcome<void> exit_with_code(State&, u8 code) { return runtime::exit_guest(code); }

Own<InputStream> get_stdin(State& state) {
  return state.give(Ref<InputStream>(new DescriptorInput(state.standard[0], state.waiter, Domain::Stream)));
}
template <size_t kWhich>
Own<OutputStream> get_output(State& state) {
  return state.give(Ref<OutputStream>(new DescriptorOutput(state.standard[kWhich], state.waiter, Domain::Stream)));
}

template <typename T, size_t kWhich>
std::optional<Own<T>> get_terminal(State& state) {
  if (!state.standard[kWhich] || !state.standard[kWhich]->file.is_terminal()) return std::nullopt;
  return state.give(make<T>());
}

constexpr HostDefinition kEnvironment[] = {
    host_function<get_environment>("get-environment"),
    host_function<get_arguments>("get-arguments"),
    host_function<initial_cwd>("initial-cwd"),
};
constexpr HostDefinition kExit[] = {
    host_function<exit>("exit"),
    host_function<exit_with_code>("exit-with-code"),
};
constexpr HostDefinition kStdin[] = {host_function<get_stdin>("get-stdin")};
constexpr HostDefinition kStdout[] = {host_function<get_output<1>>("get-stdout")};
constexpr HostDefinition kStderr[] = {host_function<get_output<2>>("get-stderr")};
constexpr HostResource kTerminalInput[] = {resource<TerminalInput>("terminal-input")};
constexpr HostResource kTerminalOutput[] = {resource<TerminalOutput>("terminal-output")};
constexpr HostDefinition kTerminalStdin[] = {host_function<get_terminal<TerminalInput, 0>>("get-terminal-stdin")};
constexpr HostDefinition kTerminalStdout[] = {host_function<get_terminal<TerminalOutput, 1>>("get-terminal-stdout")};
constexpr HostDefinition kTerminalStderr[] = {host_function<get_terminal<TerminalOutput, 2>>("get-terminal-stderr")};

constexpr HostInterface kInterfaces[] = {
    {"wasi:cli/environment@0.2.12", {}, kEnvironment},
    {"wasi:cli/exit@0.2.12", {}, kExit},
    {"wasi:cli/stdin@0.2.12", {}, kStdin},
    {"wasi:cli/stdout@0.2.12", {}, kStdout},
    {"wasi:cli/stderr@0.2.12", {}, kStderr},
    {"wasi:cli/terminal-input@0.2.12", kTerminalInput, {}},
    {"wasi:cli/terminal-output@0.2.12", kTerminalOutput, {}},
    {"wasi:cli/terminal-stdin@0.2.12", {}, kTerminalStdin},
    {"wasi:cli/terminal-stdout@0.2.12", {}, kTerminalStdout},
    {"wasi:cli/terminal-stderr@0.2.12", {}, kTerminalStderr},
};

}  // namespace

std::span<const HostInterface> cli_interfaces() { return kInterfaces; }

}  // namespace berth::wasi_p2
