// berth validate

#include "berth/commands.h"
#include "cli/output.h"
#include "component/store.h"

namespace berth::cli {

int validate_command(const Arguments& arguments) {
  engine::Config config;
  if (auto wrong = read_features(arguments, config.features)) return usage_error(*wrong);
  Output out;
  bool all_valid = true;
  for (std::string_view path : arguments.operands()) {
    engine::FileKind kind{};
    std::vector<u8> bytes;
    std::optional<engine::LoadFailure> failure;
    if (auto module = engine::read_module_file(std::string(path), config, &kind, &bytes); !module)
      failure = std::move(module).error();
    if (kind == engine::FileKind::Component && !bytes.empty()) {
      failure.reset();
      const std::string name(path == "-" ? "standard input" : path);
      if (auto component = component::load_component(std::move(bytes), name, config); !component)
        failure = std::move(component).error();
    }
    if (failure) {
      out.flush();
      load_error(*failure);
      all_valid = false;
    } else if (!arguments.has("--quiet")) {
      out << path << ": valid\n";
    }
  }
  return out.finish(all_valid ? 0 : kExitFailure);
}

}  // namespace berth::cli
