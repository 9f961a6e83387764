// What `berth inspect` says of modules and of components alike.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "berth/json.h"
#include "berth/needs.h"
#include "cli/output.h"
#include "component/store.h"

namespace berth::cli {

// Rows with their columns aligned, the last as long as it is.
class Rows {
 public:
  void add(std::string a, std::string b, std::string c) {
    width_[0] = std::max(width_[0], std::min<size_t>(a.size(), kWidest));
    width_[1] = std::max(width_[1], std::min<size_t>(b.size(), kWidest));
    rows_.push_back({std::move(a), std::move(b), std::move(c)});
  }
  bool empty() const { return rows_.empty(); }
  void print(Output& out, std::string_view indent) const {
    for (const auto& row : rows_) {
      std::string line(indent);
      for (size_t i = 0; i < 3; ++i) {
        if (row[i].empty()) continue;
        line += row[i];
        if (i < 2) line.append(row[i].size() < width_[i] ? width_[i] - row[i].size() + 2 : 2, ' ');
      }
      while (line.ends_with(' ')) line.pop_back();
      out << line << "\n";
    }
  }

 private:
  static constexpr size_t kWidest = 40;
  std::vector<std::array<std::string, 3>> rows_;
  size_t width_[2] = {};
};

// "3 functions"
std::string plural(size_t n, std::string_view one);
// What custom sections of a name are for, if that is known.
std::string_view meaning_of_custom(std::string_view name);

// The part "What it needs" of a page about the file at `path`.
void print_needs(Output& out, const Needs& needs, std::string_view path);
// The member "needs" of an object.
void add_needs(Json& json, const Needs& needs);

void print_component_text(Output& out, const component::cm::Component& component, u64 bytes, std::string_view wit,
                          std::string_view path);
void print_component_json(Output& out, const component::cm::Component& component, u64 bytes, std::string_view wit);

}  // namespace berth::cli
