// berth wast

#include <dirent.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "berth/commands.h"
#include "berth/files.h"
#include "berth/wast_script.h"
#include "cli/output.h"
#include "text/diagnostic.h"

namespace berth::cli {
namespace {

// What scripts import (reference interpreter, the host module spectest). Printing prints nothing.
constexpr std::string_view kSpectest = R"((module
  (global (export "global_i32") i32 (i32.const 666))
  (global (export "global_i64") i64 (i64.const 666))
  (global (export "global_f32") f32 (f32.const 666.6))
  (global (export "global_f64") f64 (f64.const 666.6))
  (table (export "table") 10 20 funcref)
  (table (export "table64") i64 10 20 funcref)
  (memory (export "memory") 1 2)
  (memory (export "shared_memory") 1 2 shared)
  (func (export "print"))
  (func (export "print_i32") (param i32))
  (func (export "print_i64") (param i64))
  (func (export "print_f32") (param f32))
  (func (export "print_f64") (param f64))
  (func (export "print_i32_f32") (param i32 f32))
  (func (export "print_f64_f64") (param f64 f64))))";

// The scripts named: files as they are, of a folder the .wast files in it.
std::vector<std::string> collect(const std::vector<std::string_view>& operands, bool& ok) {
  std::vector<std::string> paths;
  for (std::string_view operand : operands) {
    std::string path(operand);
    struct stat st;
    if (stat(path.c_str(), &st) != 0 || !S_ISDIR(st.st_mode)) {
      paths.push_back(std::move(path));
      continue;
    }
    std::vector<std::string> found;
    if (DIR* folder = opendir(path.c_str())) {
      while (const dirent* entry = readdir(folder)) {
        if (std::string_view(entry->d_name).ends_with(".wast")) {
          found.push_back(path + (path.ends_with('/') ? "" : "/") + entry->d_name);
        }
      }
      closedir(folder);
    }
    if (found.empty()) {
      print_error("there are no scripts in " + path, "scripts end in .wast; folders below are not searched");
      ok = false;
    }
    std::ranges::sort(found);
    std::ranges::move(found, std::back_inserter(paths));
  }
  return paths;
}

// The features that a script may count on. The suites of proposals are forks of the specification's, made at
// different times: what came later is not switched on, and some scripts insist on that.
wasm::FeatureSet features_for(const std::string& path) {
  static constexpr struct {
    std::string_view folder;
    wasm::Feature later[3];
  } kForks[] = {
      {"/proposals/threads/", {wasm::Feature::ReferenceTypes, wasm::Feature::MultiMemory, wasm::Feature::Memory64}},
  };
  wasm::FeatureSet features;
  char* whole = realpath(path.c_str(), nullptr);
  for (const auto& fork : kForks) {
    if (!whole || std::string_view(whole).find(fork.folder) == std::string_view::npos) continue;
    for (const wasm::Feature f : fork.later) features.disable(f);
  }
  std::free(whole);
  return features;
}

std::string counted(const WastCounts& counts, bool all) {
  std::string out = std::to_string(counts.passed) + " passed";
  if (all || counts.failed) out += ", " + std::to_string(counts.failed) + " failed";
  if (all || counts.skipped) out += ", " + std::to_string(counts.skipped) + " skipped";
  return out;
}

}  // namespace

int wast_command(const Arguments& arguments) {
  engine::Config config;
  config.deterministic = arguments.has("--deterministic");
  if (auto wrong = read_features(arguments, config.features)) return usage_error(*wrong);
  if (auto wrong = read_tier(arguments, config)) return usage_error(*wrong);
  auto engine = engine::Engine::create(config);
  if (!engine) {
    print_error(engine.error().to_string());
    return kExitFailure;
  }
  // It may use features that are switched off for scripts.
  auto spectest = engine::read_module({kSpectest.begin(), kSpectest.end()}, "spectest", engine::Config{});
  CHECK(spectest);
  const auto prepared = (*engine)->prepare(std::move(*spectest));
  if (!prepared) {
    print_error(prepared.error().to_string());
    return kExitFailure;
  }

  Output out;
  bool ok = true;
  WastCounts total;
  const auto paths = collect(arguments.operands(), ok);
  for (const std::string& path : paths) {
    WastReport report(out, arguments.has("--verbose"));
    std::string source;
    if (const int error = read_file(path, source)) {
      out.flush();
      print_error("cannot read " + path + ": " + std::strerror(error));
      ok = false;
      continue;
    }
    if (auto script = text::parse_script(source)) {
      wasm::FeatureSet features = features_for(path);
      read_features(arguments, features);
      ScriptRunner(**engine, features, report, path, source, *prepared).run(script->commands);
    } else {
      report.add(path,
                 script.error().offset() ? text::line_column(source, *script.error().offset()) : text::LineColumn{},
                 "script", WastReport::Result::Failed, "\n" + text::render(path, source, script.error()));
    }
    const WastCounts& counts = report.counts();
    out << path << ": " << counted(counts, false) << "\n";
    out.flush();
    total.passed += counts.passed;
    total.failed += counts.failed;
    total.skipped += counts.skipped;
  }
  out << counted(total, true) << "\n";
  return out.finish(ok && total.failed == 0 ? 0 : kExitFailure);
}

}  // namespace berth::cli
