// The file of `berth image build --manifest`.

#include <algorithm>

#define TOML_EXCEPTIONS 0
#include <toml++/toml.h>

#include "berth-image/plan.h"
#include "oci/problem.h"

namespace berth::image {
namespace {

class Reader {
 public:
  Reader(const std::string& path, Plan& plan) : path_(path), plan_(plan) {
    const size_t slash = path.rfind('/');
    folder_ = slash == std::string::npos ? "" : path.substr(0, slash + 1);
  }

  Result<> read(const toml::table& table);

 private:
  std::unexpected<Error> wrong(const std::string& key, const std::string& what, const toml::node& node) const {
    return oci::problem(path_ + ":" + std::to_string(node.source().begin.line) + ": " + key + " " + what,
                        "docs/images.md has an example");
  }
  Result<std::string> string(const std::string& key, const toml::node& node) const {
    const auto value = node.value_exact<std::string>();
    if (!value) return wrong(key, "is no string", node);
    return *value;
  }
  Result<std::vector<std::string>> strings(const std::string& key, const toml::node& node) const {
    const toml::array* array = node.as_array();
    if (!array) return wrong(key, "is no array of strings", node);
    std::vector<std::string> out;
    for (const toml::node& item : *array) out.push_back(TRY(string(key, item)));
    return out;
  }
  Result<std::vector<std::pair<std::string, std::string>>> pairs(const std::string& key, const toml::node& node) const {
    const toml::table* table = node.as_table();
    if (!table) return wrong(key, "is no table", node);
    std::vector<std::pair<std::string, std::string>> out;
    for (const auto& [name, value] : *table)
      out.emplace_back(std::string(name.str()), TRY(string(key + "." + std::string(name.str()), value)));
    return out;
  }
  std::string beside(const std::string& file) const { return file.starts_with('/') ? file : folder_ + file; }
  Result<> read_asks(const toml::node& node);

  const std::string path_;
  std::string folder_;
  Plan& plan_;
};

Result<> Reader::read_asks(const toml::node& node) {
  const toml::table* table = node.as_table();
  if (!table) return wrong("asks", "is no table", node);
  for (const auto& [name, value] : *table) {
    const std::string key = "asks." + std::string(name.str());
    if (key == "asks.dirs") {
      plan_.folders = TRY(strings(key, value));
    } else if (key == "asks.listen") {
      plan_.listen = TRY(strings(key, value));
    } else {
      return wrong(key, "is unknown; there are: dirs, listen", value);
    }
  }
  return {};
}

Result<> Reader::read(const toml::table& table) {
  std::string entry;
  for (const auto& [name, node] : table) {
    const std::string key(name.str());
    if (key == "modules") {
      for (const std::string& module : TRY(strings(key, node))) TRY(add_module(beside(module), plan_));
    } else if (key == "entrypoint") {
      plan_.entry = "/" + TRY(string(key, node));
    } else if (key == "args") {
      plan_.arguments = TRY(strings(key, node));
    } else if (key == "env") {
      for (const auto& [variable, value] : TRY(pairs(key, node))) plan_.environment.push_back(variable + "=" + value);
    } else if (key == "user") {
      plan_.user = TRY(string(key, node));
    } else if (key == "workdir") {
      plan_.working_folder = TRY(string(key, node));
    } else if (key == "author") {
      plan_.author = TRY(string(key, node));
    } else if (key == "files") {
      for (const auto& [target, source] : TRY(pairs(key, node))) TRY(add_files(beside(source), target, plan_));
    } else if (key == "labels") {
      for (auto& [label, value] : TRY(pairs(key, node))) plan_.labels[label] = value;
    } else if (key == "annotations") {
      for (auto& [annotation, value] : TRY(pairs(key, node))) plan_.annotations[annotation] = value;
    } else if (key == "asks") {
      TRY(read_asks(node));
    } else {
      return wrong(key,
                   "is unknown; there are: modules, entrypoint, args, env, user, workdir, author, files, labels, "
                   "annotations, asks",
                   node);
    }
  }
  return {};
}

}  // namespace

Result<> read_manifest_file(const std::string& path, Plan& plan) {
  const toml::parse_result parsed = toml::parse_file(path);
  if (!parsed) {
    const auto line = parsed.error().source().begin.line;
    return oci::problem(path + (line != 0 ? ":" + std::to_string(line) : "") + ": " +
                        std::string(parsed.error().description()));
  }
  return Reader(path, plan).read(parsed.table());
}

}  // namespace berth::image
