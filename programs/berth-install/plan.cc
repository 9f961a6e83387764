#include "berth-install/plan.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <string_view>

#include "digest/sha256.h"
#include "json/json.h"
#include "os/file.h"

namespace berth::install {

namespace {

std::span<const u8> bytes(const std::string& text) { return {reinterpret_cast<const u8*>(text.data()), text.size()}; }
std::string digest_of(const std::string& text) { return digest::to_hex(digest::sha256(bytes(text))); }

std::string record_path(const Machine& machine, const std::string& target) {
  return machine.at(machine.records + "/" + target + ".json");
}

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size() - 1) + 1;
    lines.push_back(text.substr(0, end));
    text.remove_prefix(end);
  }
  return lines;
}

// The lines between what both have at the start and at the end.
std::string difference(const std::string& before, const std::string& after) {
  const auto old_lines = lines_of(before), new_lines = lines_of(after);
  const size_t most = std::min(old_lines.size(), new_lines.size());
  size_t head = 0, tail = 0;
  while (head < most && old_lines[head] == new_lines[head]) ++head;
  while (tail < most - head && old_lines[old_lines.size() - 1 - tail] == new_lines[new_lines.size() - 1 - tail]) ++tail;
  std::string out;
  auto add = [&](const auto& lines, const char* mark) {
    for (size_t i = head; i < lines.size() - tail; ++i) {
      out.append(mark).append(lines[i]);
      if (!out.ends_with('\n')) out += '\n';
    }
  };
  add(old_lines, "    - ");
  add(new_lines, "    + ");
  return out;
}

// Makes the folders above `path`; those that were not there, the innermost last.
Result<> make_folders(const std::string& path, std::vector<std::string>* made) {
  for (size_t slash = path.find('/', 1); slash != std::string::npos; slash = path.find('/', slash + 1)) {
    const std::string folder = path.substr(0, slash);
    if (mkdir(folder.c_str(), 0755) == 0) {
      if (made) made->push_back(folder);
    } else if (errno != EEXIST) {
      return fail(os_error(errno, "cannot make " + folder));
    }
  }
  return {};
}

Result<> put(const Machine& machine, const std::string& path, const std::optional<std::string>& contents, u32 mode) {
  const std::string file = machine.at(path);
  if (!contents) {
    if (unlink(file.c_str()) != 0 && errno != ENOENT) return fail(os_error(errno, "cannot remove " + file));
    return {};
  }
  TRY(make_folders(file, nullptr));
  TRY(os::replace_file(file, bytes(*contents), mode));
  if (chmod(file.c_str(), mode) != 0) return fail(os_error(errno, "cannot change " + file));
  return {};
}

// The folders that putting a file at `path` makes, the outermost first.
void add_missing_folders(const Machine& machine, const std::string& path, std::vector<std::string>& folders) {
  for (size_t slash = path.find('/', 1); slash != std::string::npos; slash = path.find('/', slash + 1)) {
    const std::string folder = path.substr(0, slash);
    if (!machine.has(folder) && std::ranges::find(folders, folder) == folders.end()) folders.push_back(folder);
  }
}

}  // namespace

bool Machine::has(const std::string& path) const { return access(at(path).c_str(), F_OK) == 0; }

Result<std::optional<std::string>> Machine::read(const std::string& path) const {
  if (!has(path)) return std::nullopt;
  const auto contents = TRY(os::read_file(at(path)));
  return std::string(contents.begin(), contents.end());
}

std::string describe(const Machine& machine, const Plan& plan) {
  std::string out;
  for (const Change& change : plan.changes) {
    out += std::string(change.before ? "  change " : "  create ") + machine.at(change.path) + "\n";
    if (!change.is_program) out += difference(change.before.value_or(""), change.after);
  }
  return out;
}

bool is_recorded(const Machine& machine, const std::string& target) {
  return access(record_path(machine, target).c_str(), F_OK) == 0;
}

Result<> apply(const Machine& machine, const Plan& plan) {
  json::Value record;
  record.set("target", plan.target);
  record.set("runtime", plan.runtime);
  std::vector<std::string> folders;
  json::Value files = json::Array();
  for (const Change& change : plan.changes) {
    json::Value& file = files.append(json::Object());
    file.set("path", change.path);
    // A program is no text; what was in its place is kept beside the record.
    if (change.is_program && change.before) {
      const std::string kept = machine.records + "/" + digest_of(*change.before);
      TRY(put(machine, kept, change.before, 0600));
      file.set("kept", kept);
    } else {
      file.set("before", change.before ? json::Value(*change.before) : json::Value());
    }
    file.set("after", digest_of(change.after));
    file.set("mode", change.mode);
    file.set("program", change.is_program);
    add_missing_folders(machine, change.path, folders);
  }
  record.set("files", std::move(files));
  json::Value made = json::Array();
  for (const std::string& folder : folders) made.append(folder);
  record.set("folders", std::move(made));
  const std::string path = record_path(machine, plan.target);
  TRY(make_folders(path, nullptr));
  TRY(os::replace_file(path, bytes(json::to_text(record, 2) + "\n"), 0600));
  for (const Change& change : plan.changes) {
    auto done = put(machine, change.path, change.after, change.mode);
    if (done) continue;
    Error error = std::move(done).error();
    auto back = plan_undo(machine, plan.target, {});
    auto undone = back ? undo(machine, plan.target, *back) : Result<>(std::unexpected(std::move(back).error()));
    if (!undone) error = std::move(error).with_context("taking back what was done: " + undone.error().to_string());
    return fail(std::move(error));
  }
  return {};
}

namespace {

Result<json::Value> read_record(const std::string& path) {
  const auto text = TRY(os::read_file(path));
  auto record = json::parse({reinterpret_cast<const char*>(text.data()), text.size()});
  if (!record) return fail(std::move(record).error().with_context("in " + path));
  return record;
}

// Another target that was told of the same program.
std::string heir_of(const Machine& machine, const std::string& target, const std::string& runtime) {
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(machine.at(machine.records), ignored)) {
    if (entry.path().extension() != ".json" || entry.path().stem() == target) continue;
    if (const auto record = read_record(entry.path()); record && record->text_at({"runtime"}) == runtime)
      return entry.path().stem();
  }
  return {};
}

Result<> hand_on(const Machine& machine, const Undo& undo) {
  if (undo.handed_on.empty()) return {};
  const std::string path = record_path(machine, undo.heir);
  json::Value record = TRY(read_record(path));
  json::Value* files = record.find("files");
  for (const Undo::File& file : undo.handed_on) {
    if (!files || !file.now) continue;
    json::Value& entry = files->append(json::Object());
    entry.set("path", file.path);
    if (!file.kept.empty()) entry.set("kept", file.kept);
    entry.set("after", digest_of(*file.now));
    entry.set("mode", file.mode);
    entry.set("program", true);
  }
  // Outermost first, and those were made before what the heir has made.
  json::Array folders;
  for (auto folder = undo.folders.rbegin(); folder != undo.folders.rend(); ++folder) {
    if (machine.has(*folder)) folders.emplace_back(*folder);
  }
  if (const json::Value* own = record.find("folders"))
    folders.insert(folders.end(), own->items().begin(), own->items().end());
  record.set("folders", std::move(folders));
  return os::replace_file(path, bytes(json::to_text(record, 2) + "\n"), 0600);
}

}  // namespace

Result<Undo> plan_undo(const Machine& machine, const std::string& target, const TakeOut& take_out) {
  if (!is_recorded(machine, target)) {
    return fail(ErrorCode::BadArgument,
                "nothing was installed for " + target + ": there is no " + record_path(machine, target));
  }
  const auto record = std::optional(TRY(read_record(record_path(machine, target))));
  Undo undo;
  undo.heir = heir_of(machine, target, std::string(record->text_at({"runtime"})));
  const json::Value* files = record->find("files");
  const json::Array none;
  for (const json::Value& file : files ? files->items() : none) {
    const std::string path(file.text_at({"path"}));
    std::optional<std::string> before;
    if (const json::Value* value = file.find("before"); value && value->string()) before = *value->string();
    const std::string kept(file.text_at({"kept"}));
    if (!kept.empty()) before = TRY(machine.read(kept));
    const json::Value* mode = file.find("mode");
    const json::Value* program = file.find("program");
    auto now = TRY(machine.read(path));
    if (now == before) continue;
    Undo::File back{path,
                    before,
                    now,
                    static_cast<u32>(mode ? mode->integer().value_or(0644) : 0644),
                    program && program->boolean().value_or(false),
                    kept};
    if (back.is_program && !undo.heir.empty()) {
      undo.handed_on.push_back(std::move(back));
      continue;
    }
    if (now && digest_of(*now) != file.text_at({"after"})) {
      auto rest = take_out ? take_out(*now) : std::nullopt;
      if (!rest) {
        return fail(ErrorCode::NotSupported, machine.at(path) +
                                                 " has changed since it was written; take out of it what "
                                                 "is Berth's, then remove " +
                                                 record_path(machine, target));
      }
      back.after = std::move(rest);
    }
    if (now || back.after) undo.files.push_back(std::move(back));
  }
  if (const json::Value* folders = record->find("folders")) {
    for (const json::Value& folder : folders->items()) undo.folders.emplace_back(folder.string().value_or(""));
  }
  std::ranges::reverse(undo.folders);
  return undo;
}

std::string describe(const Machine& machine, const Undo& undo) {
  std::string out;
  for (const Undo::File& file : undo.files) {
    out += std::string(file.after ? "  change " : "  remove ") + machine.at(file.path) + "\n";
    if (file.after && !file.is_program) out += difference(file.now.value_or(""), *file.after);
  }
  return out;
}

Result<> undo(const Machine& machine, const std::string& target, const Undo& undo) {
  for (auto file = undo.files.rbegin(); file != undo.files.rend(); ++file)
    TRY(put(machine, file->path, file->after, file->mode));
  for (const std::string& folder : undo.folders) {
    if (!folder.empty()) rmdir(machine.at(folder).c_str());
  }
  TRY(hand_on(machine, undo));
  for (const Undo::File& file : undo.files) {
    if (!file.kept.empty()) unlink(machine.at(file.kept).c_str());
  }
  const std::string path = record_path(machine, target);
  if (unlink(path.c_str()) != 0) return fail(os_error(errno, "cannot remove " + path));
  rmdir(machine.at(machine.records).c_str());
  return {};
}

}  // namespace berth::install
