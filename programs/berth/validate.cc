// berth validate

#include "berth/commands.h"
#include "cli/output.h"

namespace berth::cli {

int validate_command(const Arguments& arguments) {
  engine::Config config;
  if (auto wrong = read_features(arguments, config.features)) return usage_error(*wrong);
  Output out;
  bool all_valid = true;
  for (std::string_view path : arguments.operands()) {
    auto module = engine::read_module_file(std::string(path), config);
    if (!module) {
      out.flush();
      load_error(module.error());
      all_valid = false;
    } else if (!arguments.has("--quiet")) {
      out << path << ": valid\n";
    }
  }
  return out.finish(all_valid ? 0 : kExitFailure);
}

}  // namespace berth::cli
