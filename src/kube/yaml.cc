#include "kube/yaml.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <charconv>

namespace berth::kube {

namespace {

constexpr int kMostDepth = 100;
constexpr size_t kMostNodes = 200'000;

struct Wrong {
  YAML::Mark mark;
  std::string what;
};

std::string place(const std::string& name, const YAML::Mark& mark) {
  if (mark.is_null()) return name;
  return name + ":" + std::to_string(mark.line + 1) + ":" + std::to_string(mark.column + 1);
}

bool is_one_of(const std::string& text, std::initializer_list<std::string_view> words) {
  return std::ranges::find(words, text) != words.end();
}

json::Value scalar(const YAML::Node& node) {
  const std::string& text = node.Scalar();
  // "!" is how yaml-cpp marks what was quoted.
  if (node.Tag() == "!" || node.Tag() == "tag:yaml.org,2002:str") return text;
  if (is_one_of(text, {"", "~", "null", "Null", "NULL"})) return {};
  if (is_one_of(text, {"true", "True", "TRUE"})) return true;
  if (is_one_of(text, {"false", "False", "FALSE"})) return false;
  i64 number = 0;
  const char* end = text.data() + text.size();
  const char* begin = text.data() + (text[0] == '+' ? 1 : 0);
  if (const auto [at, error] = std::from_chars(begin, end, number); error == std::errc() && at == end && begin != end)
    return number;
  if (text.starts_with("0x") || text.starts_with("0o")) {
    const auto [at, error] = std::from_chars(text.data() + 2, end, number, text[1] == 'x' ? 16 : 8);
    if (error == std::errc() && at == end && text.size() > 2) return number;
  }
  double value = 0;
  const bool looks_so = text.find_first_of("0123456789") != std::string::npos &&
                        text.find_first_not_of("+-0123456789.eE") == std::string::npos;
  if (const auto [at, error] = std::from_chars(begin, end, value); looks_so && error == std::errc() && at == end)
    return json::Value::number(std::string(begin, end));
  return text;
}

class Reader {
 public:
  json::Value read(const YAML::Node& node, int depth) {
    if (depth > kMostDepth) throw Wrong{node.Mark(), "nested too deep"};
    if (++nodes_ > kMostNodes) throw Wrong{node.Mark(), "too large, perhaps by aliases of aliases"};
    if (node.IsScalar()) return scalar(node);
    if (node.IsSequence()) {
      json::Array items;
      for (const YAML::Node& item : node) items.push_back(read(item, depth + 1));
      return items;
    }
    if (!node.IsMap()) return {};
    json::Object members;
    for (const auto& entry : node) {
      if (!entry.first.IsScalar()) throw Wrong{entry.first.Mark(), "a key that is no text"};
      const std::string& key = entry.first.Scalar();
      for (const json::Member& member : members)
        if (member.name == key) throw Wrong{entry.first.Mark(), "key \"" + key + "\" already set in map"};
      members.push_back({key, read(entry.second, depth + 1)});
    }
    return members;
  }

 private:
  size_t nodes_ = 0;
};

}  // namespace

Result<std::vector<Document>> parse_yaml(const std::string& text, const std::string& name) {
  try {
    std::vector<Document> out;
    for (const YAML::Node& node : YAML::LoadAll(text)) {
      if (!node.IsDefined() || node.IsNull()) continue;
      out.push_back({Reader().read(node, 0), name + ", line " + std::to_string(node.Mark().line + 1)});
    }
    return out;
  } catch (const Wrong& wrong) {
    return fail(ErrorCode::TextSyntax, place(name, wrong.mark) + ": " + wrong.what);
  } catch (const YAML::Exception& error) {
    return fail(ErrorCode::TextSyntax, place(name, error.mark) + ": " + error.msg);
  }
}

}  // namespace berth::kube
