// Components as text on the component model's own scripts, and on files, without running anything: what is printed
// comes back the same. Arguments: folders of scripts, and components as binaries. Exits 77 without any.

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "component_model/decoder.h"
#include "component_model/printer.h"
#include "decode/decoder.h"
#include "text/component_parser.h"
#include "text/diagnostic.h"
#include "text/script.h"

namespace {

using namespace berth;
namespace cm = component_model;

constexpr int kExitSkipped = 77;

struct Tally {
  int scripts = 0, components = 0, exact = 0, failures = 0;
  void fail(const std::string& what) {
    ++failures;
    std::fputs(what.c_str(), stdout);
    if (!what.ends_with('\n')) std::fputs("\n", stdout);
  }
};

Result<std::shared_ptr<const wasm::Module>> load_module(std::vector<u8> bytes) {
  return std::make_shared<wasm::Module>(TRY(decode::decode_module(std::move(bytes))));
}

// Prints, parses and prints again: the second time nothing may change any more; the first time only what has more
// than one encoding, which what was written as text has not.
void round_trip(std::span<const u8> binary, const std::string& where, bool is_text, Tally& tally) {
  const auto component = cm::decode_component(binary, load_module);
  if (!component) return;  // may be what the script is about
  ++tally.components;
  for (const bool folded : {false, true}) {
    const text::PrintOptions options{.folded = folded};
    const auto printed = cm::print_component(*component, options);
    if (!printed) return tally.fail(where + ": does not print: " + printed.error().to_string());
    const auto parsed = text::parse_component(*printed);
    if (!parsed) return tally.fail(text::render(where + " (printed)", *printed, parsed.error()));
    const bool is_exact = std::ranges::equal(parsed->binary, binary);
    if (!folded) tally.exact += is_exact;
    if (is_text && !is_exact) tally.fail(where + ": the first print differs\n" + *printed);
    const auto again = cm::decode_component(parsed->binary, load_module);
    if (!again) return tally.fail(where + ": printed text does not decode: " + again.error().to_string());
    const auto printed_again = cm::print_component(*again, options);
    if (!printed_again || *printed_again != *printed) return tally.fail(where + ": the second print differs");
  }
}

void run_script(const std::filesystem::path& path, Tally& tally) {
  std::ifstream file(path, std::ios::binary);
  const std::string source{std::istreambuf_iterator<char>(file), {}};
  const auto script = text::parse_script(source);
  ++tally.scripts;
  if (!script) return tally.fail(text::render(path.string(), source, script.error()));
  const auto try_module = [&](const text::ScriptModule& m, u32 line) {
    if (!m.is_component) return;
    const auto parsed = m.parse_component(source);
    if (!parsed) return;
    // Text may hold binaries of modules and components.
    const std::string_view text = std::string_view(source).substr(m.begin, m.end - m.begin);
    const bool is_text =
        text.find("binary") == std::string_view::npos && text.find("(rec)") == std::string_view::npos;
    round_trip(parsed->binary, path.string() + ":" + std::to_string(line), is_text, tally);
  };
  for (const text::Command& c : script->commands) {
    if (const auto* m = std::get_if<text::ScriptModule>(&c.body)) try_module(*m, c.at.line);
    if (const auto* a = std::get_if<text::AssertTrap>(&c.body)) {
      if (const auto* m = std::get_if<text::ScriptModule>(&a->target)) try_module(*m, c.at.line);
    }
    if (const auto* a = std::get_if<text::AssertModule>(&c.body)) {
      if (const auto* m = std::get_if<text::ScriptModule>(&a->target)) try_module(*m, c.at.line);
    }
  }
}

void run_file(const std::filesystem::path& path, Tally& tally) {
  std::ifstream file(path, std::ios::binary);
  const std::vector<u8> bytes{std::istreambuf_iterator<char>(file), {}};
  if (!decode::is_component(bytes)) return tally.fail(path.string() + ": not a component");
  round_trip(bytes, path.string(), false, tally);
}

}  // namespace

int main(int argc, char** argv) {
  Tally tally;
  for (int i = 1; i < argc; ++i) {
    const std::filesystem::path path = argv[i];
    if (!std::filesystem::is_directory(path)) {
      if (path.extension() == ".wast") {
        run_script(path, tally);
      } else if (std::filesystem::exists(path)) {
        run_file(path, tally);
      }
      continue;
    }
    std::vector<std::filesystem::path> scripts;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(path)) {
      if (entry.path().extension() == ".wast") scripts.push_back(entry.path());
    }
    std::ranges::sort(scripts);
    for (const auto& script : scripts) run_script(script, tally);
  }
  if (tally.components == 0) {
    std::printf("SKIPPED: no components there; set BERTH_TESTSUITES to a copy of the public suites\n");
    return kExitSkipped;
  }
  std::printf("%d scripts: %d components printed and read back, %d of them to the same bytes; %d failures\n",
              tally.scripts, tally.components, tally.exact, tally.failures);
  return tally.failures == 0 ? 0 : 1;
}
