// Runs the text format over every script below a folder; see CMakeLists.txt. Exits 77 without scripts.

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "decode/decoder.h"
#include "text/diagnostic.h"
#include "text/printer.h"
#include "text/script.h"

namespace {

using namespace berth;

constexpr int kExitSkipped = 77;
constexpr std::string_view kFolders[] = {
    ".", "custom", "legacy", "proposals/threads", "proposals/custom-page-sizes", "proposals/wide-arithmetic"};

struct Tally {
  int modules = 0, refused = 0, trips = 0, failures = 0;
  void fail(const std::string& what) {
    ++failures;
    std::fputs(what.c_str(), stdout);
  }
};

class Suite {
 public:
  Suite(std::filesystem::path path, Tally& tally) : path_(std::move(path)), tally_(tally) {
    std::ifstream file(path_, std::ios::binary);
    source_.assign(std::istreambuf_iterator<char>(file), {});
    // The proposal's tests are older than 64-bit memories.
    if (path_.parent_path().filename() == "threads") options_.features.disable(wasm::Feature::Memory64);
  }

  void run() {
    const auto script = text::parse_script(source_);
    if (!script) return tally_.fail(text::render(path_.string(), source_, script.error()));
    for (const text::Command& c : script->commands) command(c);
  }

 private:
  void command(const text::Command& c) {
    if (const auto* m = std::get_if<text::ScriptModule>(&c.body)) accept(*m);
    if (const auto* a = std::get_if<text::AssertTrap>(&c.body)) {
      if (const auto* m = std::get_if<text::ScriptModule>(&a->target)) accept(*m);
    }
    const auto* a = std::get_if<text::AssertModule>(&c.body);
    const auto* m = a ? std::get_if<text::ScriptModule>(&a->target) : nullptr;
    if (!m) return;
    using Kind = text::AssertModule::Kind;
    if (a->kind != Kind::Malformed && a->kind != Kind::MalformedCustom) return accept(*m, a->kind == Kind::Invalid);
    if (m->form != text::ScriptModule::Form::Binary) refuse(*m, *a);
  }

  void refuse(const text::ScriptModule& m, const text::AssertModule& a) {
    const auto parsed = m.parse(source_, options_);
    ++tally_.refused;
    if (parsed) {
      tally_.fail(text::render(path_.string(), source_, m.begin, "accepted, but " + a.message));
    } else if (parsed.error().detail().find(a.message) == std::string::npos) {
      tally_.fail(text::render(path_.string(), source_, m.begin,
                               "refused with \"" + parsed.error().detail() + "\", expected \"" + a.message + "\""));
    }
  }

  void accept(const text::ScriptModule& m, bool is_invalid = false) {
    const auto parsed = m.parse(source_, options_);
    ++tally_.modules;
    if (!parsed) return tally_.fail(text::render(path_.string(), source_, parsed.error()));
    const auto module = decode::decode_module(std::vector(parsed->binary));
    if (!module) return;  // may be what the script is about
    for (const bool folded : {false, true}) round_trip(m, *module, {.folded = folded}, is_invalid);
  }

  // print, parse and decode again and again: the second time nothing may change any more, and the first
  // time only what has more than one encoding.
  void round_trip(const text::ScriptModule& m, const wasm::Module& module, const text::PrintOptions& options,
                  bool is_invalid) {
    const auto printed = text::print_module(module, options);
    if (!printed) return;
    ++tally_.trips;
    const auto parsed = text::parse_module(*printed);
    if (!parsed) return tally_.fail(text::render(path_.string() + " (printed)", *printed, parsed.error()));
    const auto again = decode::decode_module(std::vector(parsed->binary));
    if (!again) return fail_trip(m, "printed text does not decode");
    const auto printed_again = text::print_module(*again, options);
    if (!printed_again) return fail_trip(m, "what was read back does not print");
    const auto parsed_again = text::parse_module(*printed_again);
    if (!parsed_again || parsed_again->binary != parsed->binary) return fail_trip(m, "the second print differs");
    const bool has_many_encodings = m.form == text::ScriptModule::Form::Binary || is_invalid ||
                                    source_.substr(m.begin, m.end - m.begin).find("(rec)") != std::string::npos ||
                                    source_.find("(pagesize 65536)") != std::string::npos ||
                                    source_.find("(pagesize 0x1_0000)") != std::string::npos;
    if (!has_many_encodings && !std::ranges::equal(parsed->binary, module.bytes))
      fail_trip(m, "the first print differs");
  }
  void fail_trip(const text::ScriptModule& m, const char* what) {
    tally_.fail(text::render(path_.string(), source_, m.begin, what));
  }

  std::filesystem::path path_;
  Tally& tally_;
  std::string source_;
  text::ParseOptions options_;
};

}  // namespace

int main(int argc, char** argv) {
  const std::filesystem::path root = argc > 1 ? argv[1] : "";
  std::vector<std::filesystem::path> scripts;
  for (const std::string_view folder : kFolders) {
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(root / folder, error)) {
      if (entry.path().extension() == ".wast") scripts.push_back(entry.path());
    }
  }
  if (scripts.empty()) {
    std::printf("SKIPPED: no scripts below %s; set BERTH_TESTSUITES to a copy of the public suites\n", root.c_str());
    return kExitSkipped;
  }
  std::ranges::sort(scripts);
  Tally tally;
  for (const auto& path : scripts) Suite(path, tally).run();
  std::printf("%zu scripts: %d modules parsed, %d refused, %d printed and read back; %d failures\n", scripts.size(),
              tally.modules, tally.refused, tally.trips, tally.failures);
  return tally.failures == 0 ? 0 : 1;
}
