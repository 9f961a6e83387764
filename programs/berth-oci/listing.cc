#include "berth-oci/listing.h"

#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <cstdio>

#include "container/process.h"

namespace berth::oci_runtime {

namespace {

// crun checked the version until 1.14.3, and which ones it took differed.
bool version_is_old(std::string_view text) {
  constexpr std::string_view kBefore = "crun version ";
  if (!text.starts_with(kBefore)) return false;
  text.remove_prefix(kBefore.size());
  u32 major = 0, minor = 0;
  const char* end = text.data() + text.size();
  const auto [dot, error] = std::from_chars(text.data(), end, major);
  if (error != std::errc() || dot == end || *dot != '.') return false;
  return std::from_chars(dot + 1, end, minor).ec == std::errc() && (major < 1 || (major == 1 && minor < 15));
}

}  // namespace

bool is_old(const std::string& runtime) {
  const auto captured = container::capture_process({runtime, "--version"});
  return captured && version_is_old(captured->output);
}

std::string render_list(const std::vector<json::Value>& containers, std::string_view format, bool quiet) {
  if (!quiet && format == "json") return json::to_text(json::Value(json::Array(containers))) + "\n";
  std::vector<std::vector<std::string>> rows;
  if (!quiet) rows.push_back({"ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"});
  for (const json::Value& c : containers) {
    const json::Value* pid = c.find("pid");
    std::vector<std::string> row;
    row.emplace_back(c.text_at({"id"}));
    if (!quiet) {
      row.emplace_back(pid ? pid->digits() : "0");
      for (const char* name : {"status", "bundle", "created", "owner"}) row.emplace_back(c.text_at({name}));
    }
    rows.push_back(std::move(row));
  }
  std::vector<size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string out;
  for (const auto& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) {
      out += row[i];
      if (i + 1 < row.size()) out.append(widths[i] + 2 - row[i].size(), ' ');
    }
    out += '\n';
  }
  return out;
}

}  // namespace berth::oci_runtime
