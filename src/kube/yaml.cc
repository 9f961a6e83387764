#include "kube/yaml.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <sstream>

namespace berth::kube {

namespace {

constexpr size_t kMostDepth = 100;
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

json::Value scalar(const std::string& tag, const std::string& text) {
  // "!" is how yaml-cpp marks what was quoted.
  if (tag == "!" || tag == "tag:yaml.org,2002:str") return text;
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

size_t nodes_in(const json::Value& value) {
  size_t count = 1;
  for (const json::Value& item : value.items()) count += nodes_in(item);
  for (const json::Member& member : value.members()) count += nodes_in(member.value);
  return count;
}

// Makes values of what the parser says, one after the other.
class Builder final : public YAML::EventHandler {
 public:
  Builder(const std::string& name, std::vector<Document>& out) : name_(name), out_(out) {}

  void OnDocumentStart(const YAML::Mark& mark) override {
    // The parser gets stuck at some characters that cannot be there.
    if (has_begun_ && mark.pos <= begin_.pos) throw Wrong{mark, "unexpected character"};
    has_begun_ = true;
    begin_ = mark;
    anchors_.clear();
  }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override { put(mark, anchor, {}); }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) throw Wrong{mark, "an alias within what it stands for"};
    count(mark, nodes_in(found->second));
    put(mark, 0, found->second);
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& text) override {
    if (is_key_next()) return set_key(mark, anchor, text);
    put(mark, anchor, scalar(tag, text));
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(mark, anchor, json::Array());
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(mark, anchor, json::Object());
  }
  void OnMapEnd() override { close(); }

 private:
  // A list or object that is being read.
  struct Open {
    json::Value value;
    YAML::Mark mark;
    YAML::anchor_t anchor;
    bool has_key = false;
    std::string key;
  };

  bool is_key_next() const {
    return !open_.empty() && open_.back().value.is(json::Kind::Object) && !open_.back().has_key;
  }
  void count(const YAML::Mark& mark, size_t nodes) {
    nodes_ += nodes;
    if (nodes_ > kMostNodes) throw Wrong{mark, "too large, perhaps by aliases of aliases"};
  }
  void set_key(const YAML::Mark& mark, YAML::anchor_t anchor, const std::string& key) {
    count(mark, 1);
    if (anchor != 0) anchors_[anchor] = key;
    Open& map = open_.back();
    if (map.value.find(key) != nullptr) throw Wrong{mark, "key \"" + key + "\" already set in map"};
    map.key = key;
    map.has_key = true;
  }
  void open(const YAML::Mark& mark, YAML::anchor_t anchor, json::Value value) {
    if (open_.size() >= kMostDepth) throw Wrong{mark, "nested too deep"};
    if (is_key_next()) throw Wrong{mark, "a key that is no text"};
    count(mark, 1);
    open_.push_back({std::move(value), mark, anchor, false, {}});
  }
  void close() {
    Open done = std::move(open_.back());
    open_.pop_back();
    put(done.mark, done.anchor, std::move(done.value));
  }
  void put(const YAML::Mark& mark, YAML::anchor_t anchor, json::Value value) {
    count(mark, 1);
    if (anchor != 0) anchors_[anchor] = value;
    if (open_.empty()) {
      if (!value.is(json::Kind::Null))
        out_.push_back({std::move(value), name_ + ", line " + std::to_string(mark.line + 1)});
      return;
    }
    Open& in = open_.back();
    if (in.value.is(json::Kind::Array)) {
      in.value.append(std::move(value));
    } else if (!in.has_key) {
      const auto text = value.string();
      if (!text) throw Wrong{mark, "a key that is no text"};
      set_key(mark, 0, std::string(*text));
    } else {
      in.value.set(in.key, std::move(value));
      in.has_key = false;
    }
  }

  const std::string& name_;
  std::vector<Document>& out_;
  std::vector<Open> open_;
  std::map<YAML::anchor_t, json::Value> anchors_;
  YAML::Mark begin_;
  bool has_begun_ = false;
  size_t nodes_ = 0;
};

}  // namespace

Result<std::vector<Document>> parse_yaml(const std::string& text, const std::string& name) {
  try {
    std::vector<Document> out;
    Builder builder(name, out);
    std::istringstream stream(text);
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) continue;
    return out;
  } catch (const Wrong& wrong) {
    return fail(ErrorCode::TextSyntax, place(name, wrong.mark) + ": " + wrong.what);
  } catch (const YAML::Exception& error) {
    return fail(ErrorCode::TextSyntax, place(name, error.mark) + ": " + error.msg);
  }
}

}  // namespace berth::kube
