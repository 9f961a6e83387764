// berth compose

#include <unistd.h>

#include "berth/commands.h"
#include "cli/output.h"
#include "component/store.h"
#include "component_model/compose.h"
#include "decode/decoder.h"
#include "engine/demangle.h"
#include "os/file.h"
#include "text/component_parser.h"

namespace berth::cli {
namespace {

namespace cm = component::cm;
using engine::printable;

struct Input {
  std::string path;
  std::vector<u8> binary;
  std::shared_ptr<const cm::Component> component;
};

// Reads one component, or says why not: the exit code.
std::optional<int> read_input(Input& input, const engine::Config& config) {
  engine::FileKind kind{};
  std::vector<u8> bytes;
  auto module = engine::read_module_file(input.path, config, &kind, &bytes);
  if (kind != engine::FileKind::Component || bytes.empty()) {
    if (!module) return load_error(module.error());
    return usage_error({printable(input.path) + " is a module, and compose takes components",
                        "`wasm-tools component new` makes a component of a module"});
  }
  const std::string name = input.path == "-" ? "standard input" : input.path;
  if (!decode::is_component(bytes)) {
    const std::string_view source(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    // What is wrong with it is said where it is loaded.
    if (auto parsed = text::parse_component(source)) input.binary = std::move(parsed->binary);
  } else {
    input.binary = bytes;
  }
  auto loaded = component::load_component(std::move(bytes), name, config);
  if (!loaded) return load_error(loaded.error());
  input.component = std::move(*loaded);
  return std::nullopt;
}

// What a part is called in messages and names: its file without the folder.
std::string name_of(const std::string& path) {
  return path == "-" ? "standard input" : printable(path.substr(path.rfind('/') + 1));
}

}  // namespace

int compose_command(const Arguments& arguments) {
  engine::Config config;
  if (auto wrong = read_features(arguments, config.features)) return usage_error(*wrong);
  const std::string output(arguments.value("--output").value_or(""));
  if (output.empty())
    return usage_error({"compose needs to know where to write", "-o FILE says so; -o - is standard output"});
  if (arguments.operands().size() < 2) {
    return usage_error({"compose takes two components or more, and was given one",
                        "first what provides something, last what imports it"});
  }
  std::vector<Input> inputs;
  for (const std::string_view path : arguments.operands()) {
    Input& input = inputs.emplace_back();
    input.path = path;
    if (const auto code = read_input(input, config)) return *code;
  }
  std::vector<cm::Part> parts;
  for (const Input& input : inputs) parts.push_back({input.component.get(), input.binary, name_of(input.path)});
  const auto made =
      cm::compose(parts, [&](std::vector<u8> bytes) { return engine::compile_binary(std::move(bytes), config); });
  if (!made) {
    const ErrorCode code = made.error().code();
    print_error("cannot compose: " + std::string(made.error().detail()),
                code == ErrorCode::BadArgument        ? "parts come in order: each provides for those after it; `berth "
                                                        "inspect` shows what one imports and exports"
                : code == ErrorCode::InvalidComponent ? "build both against the same WIT"
                                                      : "");
    return kExitFailure;
  }
  Output out;
  if (output == "-") {
    if (isatty(STDOUT_FILENO)) return usage_error({"a component is not for a terminal", "-o FILE writes it to a file"});
    out << std::string_view(reinterpret_cast<const char*>(made->binary.data()), made->binary.size());
    return out.finish(0);
  }
  if (auto written = os::replace_file(output, made->binary); !written) {
    print_error(written.error().to_string());
    return kExitFailure;
  }
  if (arguments.has("--quiet")) return 0;
  for (const cm::Connection& c : made->connections) {
    out << parts[c.to].name << ": " << c.import_name << " from " << parts[c.from].name;
    if (c.export_name != c.import_name) out << ", which has " << c.export_name;
    out << "\n";
  }
  if (!made->imports.empty()) {
    out << printable(output) << " imports";
    const char* between = " ";
    for (const std::string& name : made->imports) {
      out << between << name;
      between = ", ";
    }
    out << "\n";
  }
  return out.finish(0);
}

}  // namespace berth::cli
