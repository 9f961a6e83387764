#include "berth-play/images.h"

#include <unistd.h>

#include <climits>

#include "cli/output.h"
#include "container/node.h"
#include "container/process.h"
#include "container/text.h"
#include "json/json.h"

namespace berth::play {

namespace {

std::string trimmed(std::string text) {
  while (text.ends_with('\n')) text.pop_back();
  for (const std::string_view prefix : {"berth image: ", "berth: "})
    if (text.starts_with(prefix)) text.erase(0, prefix.size());
  return text;
}

}  // namespace

std::string find_program(const std::string& name) {
  char self[PATH_MAX];
  const ssize_t n = readlink("/proc/self/exe", self, sizeof self);
  const std::string path(self, n > 0 ? static_cast<size_t>(n) : 0);
  const std::string beside = path.substr(0, path.rfind('/') + 1) + name;
  return access(beside.c_str(), X_OK) == 0 ? beside : container::find_program(name);
}

Result<Image> get_image(const std::string& name, kube::PullPolicy policy) {
  const std::string program = find_program("berth-image");
  if (program.empty())
    return fail(ErrorCode::NotSupported,
                "there is no berth-image beside this program or in $PATH, which has the images");
  const bool is_local = name.starts_with("localhost/");
  auto unpack = [&] { return container::capture_process({program, "unpack", "--json", "--", name}); };
  auto pull = [&]() -> Result<> {
    cli::print_message("pulling " + name);
    const container::Captured pulled = TRY(container::capture_process({program, "pull", "--quiet", "--", name}));
    if (pulled.exit_code != 0)
      return fail(Error(ErrorCode::System, "cannot pull " + name + ": " + trimmed(pulled.errors)));
    return {};
  };
  if (policy == kube::PullPolicy::Always && !is_local) TRY(pull());
  container::Captured unpacked = TRY(unpack());
  if (unpacked.exit_code != 0 && policy == kube::PullPolicy::IfNotPresent && !is_local) {
    TRY(pull());
    unpacked = TRY(unpack());
  }
  if (unpacked.exit_code != 0) return fail(ErrorCode::System, trimmed(unpacked.errors));
  const json::Value value = TRY(json::parse(unpacked.output));
  return Image{std::string(value.text_at({"digest"})),      std::string(value.text_at({"folder"})),
               container::texts(value.find("entrypoint")),  container::texts(value.find("command")),
               container::texts(value.find("environment")), std::string(value.text_at({"workingFolder"})),
               std::string(value.text_at({"user"}))};
}

}  // namespace berth::play
