// berth cache

#include <algorithm>
#include <ctime>

#include "berth/commands.h"
#include "berth/hand_over.h"
#include "berth/open_cache.h"
#include "cli/output.h"
#include "cli/units.h"
#include "engine/demangle.h"

namespace berth::cli {
namespace {

using engine::Cache;

std::string padded(std::string text, size_t width) {
  if (text.size() < width) text.append(width - text.size(), ' ');
  return text;
}

std::string when(i64 nanoseconds) {
  const std::time_t time = nanoseconds / 1'000'000'000;
  std::tm parts{};
  char text[32] = "";
  if (localtime_r(&time, &parts)) std::strftime(text, sizeof text, "%Y-%m-%d %H:%M", &parts);
  return text;
}

std::string options_of(u32 bits) {
  std::string out;
  if ((bits & abi::kCountsFuel) != 0) out += " fuel";
  if ((bits & abi::kDeterministicNan) != 0) out += " deterministic";
  return out;
}

int list(const Cache& cache) {
  Output out;
  u64 bytes = 0;
  const auto entries = cache.list();
  for (const Cache::Entry& entry : entries) {
    bytes += entry.bytes;
    out << entry.key.substr(0, 12) << "  " << padded(format_size(entry.bytes), 10) << "  " << when(entry.last_used)
        << "  " << (entry.name.empty() ? "-" : engine::printable(entry.name));
    if (entry.summary)
      out << "  " << entry.summary->cpu.substr(0, entry.summary->cpu.find(' '))
          << options_of(entry.summary->header.options);
    if (!entry.why_not.empty()) out << "  (unused: " << entry.why_not << ")";
    out << "\n";
  }
  out << std::to_string(entries.size()) << (entries.size() == 1 ? " artifact, " : " artifacts, ") << format_size(bytes)
      << " in " << cache.folder().path() << "\n";
  return out.finish(0);
}

int verify(const Cache& cache) {
  Output out;
  u64 good = 0, bad = 0;
  for (const Cache::Entry& entry : cache.list()) {
    if (const auto verified = cache.verify(entry)) {
      ++good;
    } else {
      ++bad;
      print_error(verified.error().detail() + "; removed");
      cache.remove(entry);
    }
  }
  out << std::to_string(good) << " good, " << std::to_string(bad) << " removed\n";
  return out.finish(bad == 0 ? 0 : kExitFailure);
}

}  // namespace

int cache_command(const Arguments& arguments) {
  constexpr std::string_view kActions[] = {"ls", "verify", "prune", "warm"};
  const std::string_view action = arguments.operands()[0];
  if (std::ranges::find(kActions, action) == std::end(kActions)) {
    const auto close = nearest(action, kActions);
    return usage_error({"the cache cannot " + std::string(action), close.empty()
                                                                       ? "it can ls, verify, prune and warm"
                                                                       : "did you mean " + std::string(close) + "?"});
  }
  const auto& operands = arguments.operands();
  if (action == "warm") {
    if (!arguments.given().empty())
      return usage_error({std::string(arguments.given()[0].first->name) + " goes with prune", {}});
    if (operands.size() < 2) return usage_error({"no image was named", "berth cache warm registry/app:1"});
    std::vector<std::string> words = {"warm", "--"};
    words.insert(words.end(), operands.begin() + 1, operands.end());
    return hand_over_to_image(words);
  }
  if (operands.size() > 1) return usage_error({"too many arguments: " + std::string(operands[1]), {}});
  std::optional<u64> size;
  if (const auto text = arguments.value("--size")) {
    size = parse_size(*text);
    if (!size)
      return usage_error({"--size: cannot read " + std::string(*text), "it takes a size with its unit: 500MiB"});
  }
  if (action != "prune" && !arguments.given().empty())
    return usage_error({std::string(arguments.given()[0].first->name) + " goes with prune", {}});
  const auto most = cache_size();
  if (!most) return usage_error({most.error().detail(), {}});
  const auto cache = open_cache();
  if (!cache) {
    print_error(cache.error().to_string());
    return kExitFailure;
  }
  if (action == "ls") return list(**cache);
  if (action == "verify") return verify(**cache);
  const Cache::Pruned pruned = arguments.has("--all") ? (*cache)->clear() : (*cache)->prune(size.value_or(*most));
  Output out;
  out << "removed " << std::to_string(pruned.artifacts) << (pruned.artifacts == 1 ? " artifact, " : " artifacts, ")
      << format_size(pruned.bytes) << "\n";
  return out.finish(0);
}

}  // namespace berth::cli
