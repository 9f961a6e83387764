// berth ps, logs, stop, top

#include <fcntl.h>
#include <poll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <map>
#include <thread>

#include "berth-play/commands.h"
#include "berth-play/state.h"
#include "cli/units.h"
#include "os/file.h"

namespace berth::play {
namespace {

using std::chrono::milliseconds;

std::string text(const json::Value& value, std::string_view name) { return std::string(value.text_at({name})); }
i64 number(const json::Value& value, std::string_view name) {
  const json::Value* found = value.find(name);
  return found ? found->integer().value_or(0) : 0;
}
bool flag(const json::Value& value, std::string_view name) {
  const json::Value* found = value.find(name);
  return found && found->boolean().value_or(false);
}
const json::Array& list(const json::Value& value, std::string_view name) {
  static const json::Array none;
  const json::Value* found = value.find(name);
  return found ? found->items() : none;
}

// Those that are named, or all.
Result<std::vector<AppFolder>> chosen(const Arguments& arguments) {
  std::vector<AppFolder> apps = list_apps();
  if (arguments.operands().empty()) return apps;
  std::vector<AppFolder> out;
  for (const std::string_view name : arguments.operands()) {
    const auto found = std::ranges::find(apps, name, &AppFolder::name);
    if (found == apps.end())
      return fail(ErrorCode::BadArgument, "no application called " + std::string(name) + " is being played");
    out.push_back(*found);
  }
  return out;
}

std::string age(i64 since) {
  const i64 seconds = std::max<i64>(std::time(nullptr) - since, 0);
  if (seconds < 120) return std::to_string(seconds) + "s";
  if (seconds < 7200) return std::to_string(seconds / 60) + "m";
  if (seconds < 172'800) return std::to_string(seconds / 3600) + "h";
  return std::to_string(seconds / 86'400) + "d";
}

// Columns as wide as they need to be.
std::string table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string out;
  for (const auto& row : rows) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      line += row[i];
      if (i + 1 < row.size()) line.append(widths[i] - row[i].size() + 3, ' ');
    }
    out += line + "\n";
  }
  return out;
}

std::string local_time(i64 seconds) {
  const time_t at = static_cast<time_t>(seconds);
  tm parts{};
  localtime_r(&at, &parts);
  char out[32];
  strftime(out, sizeof out, "%Y-%m-%d %H:%M:%S", &parts);
  return out;
}

Result<int> ps(const Arguments& arguments) {
  std::vector<std::vector<std::string>> rows = {{"APPLICATION", "POD", "READY", "STATUS", "RESTARTS", "AGE"}};
  std::vector<std::string> further;
  json::Value all = json::Array();
  for (const AppFolder& app : TRY(chosen(arguments))) {
    if (!app.is_alive) {
      further.push_back(app.name + ": was killed; `berth stop " + app.name + "` removes what it left");
      continue;
    }
    auto asked = ask(app, arguments.has("--json") ? "usage" : "ps");
    if (!asked) continue;  // it has just ended
    for (const json::Value& pod : list(*asked, "pods")) {
      size_t ready = 0, count = 0;
      for (const json::Value& c : list(pod, "containers")) {
        count += !flag(c, "init");
        ready += !flag(c, "init") && flag(c, "ready");
        if (!text(c, "message").empty())
          further.push_back(text(pod, "name") + ", container " + text(c, "name") + ": " + text(c, "message"));
      }
      rows.push_back({app.name, text(pod, "name"), std::to_string(ready) + "/" + std::to_string(count),
                      text(pod, "status"), std::to_string(number(pod, "restarts")), age(number(pod, "since"))});
    }
    for (const json::Value& job : list(*asked, "jobs"))
      further.push_back("job " + text(job, "name") + ": " + std::to_string(number(job, "succeeded")) + "/" +
                        std::to_string(number(job, "completions")) + ", " + text(job, "status"));
    for (const json::Value& cron : list(*asked, "cronJobs")) {
      further.push_back("cronjob " + text(cron, "name") + ": " +
                        (flag(cron, "suspended")        ? "suspended"
                         : cron.find("next") != nullptr ? "next at " + local_time(number(cron, "next"))
                                                        : "never again"));
    }
    for (const json::Value& line : list(*asked, "published")) further.emplace_back(line.string().value_or(""));
    asked->set("name", app.name);
    all.append(std::move(*asked));
  }
  cli::Output out;
  if (arguments.has("--json")) {
    out << json::to_text(all, 2) << "\n";
    return out.finish(0);
  }
  if (rows.size() > 1) out << table(rows);
  for (const std::string& line : further) out << line << "\n";
  if (rows.size() == 1 && further.empty()) out << "nothing is being played\n";
  return out.finish(0);
}

struct Found {
  AppFolder app;
  std::string pod, container, log, previous;
  bool has_ended = false;
};

Result<Found> find_container(const std::string& name, const std::string& container) {
  std::vector<Found> exact, begins;
  std::string names;
  for (const AppFolder& app : list_apps()) {
    const auto asked = app.is_alive ? ask(app, "ps") : Result<json::Value>(json::Value());
    if (!asked) continue;
    for (const json::Value& pod : list(*asked, "pods")) {
      const std::string pod_name = text(pod, "name");
      names += " " + pod_name;
      if (!pod_name.starts_with(name)) continue;
      const json::Value* wanted = nullptr;
      std::string containers;
      for (const json::Value& c : list(pod, "containers")) {
        containers += " " + text(c, "name");
        if (container.empty() ? !wanted && !flag(c, "init") : text(c, "name") == container) wanted = &c;
      }
      if (!wanted)
        return fail(ErrorCode::BadArgument,
                    "pod " + pod_name + " has no container " + container + "; it has:" + containers);
      (pod_name == name ? exact : begins)
          .push_back({app, pod_name, text(*wanted, "name"), text(*wanted, "log"), text(*wanted, "previousLog"),
                      text(*wanted, "state") == "terminated"});
    }
  }
  if (exact.size() == 1) return exact[0];
  if (exact.empty() && begins.size() == 1) return begins[0];
  if (exact.empty() && begins.empty())
    return fail(ErrorCode::BadArgument,
                "there is no pod " + name + (names.empty() ? "; none is being played" : "; there are:" + names));
  return fail(ErrorCode::BadArgument, "several pods begin with " + name + "; name one of:" + names);
}

// Whether it goes on: it has not ended, or will be started again with another log, which is then `found`'s.
bool goes_on(Found& found, bool& is_another) {
  const auto now = find_container(found.pod, found.container);
  if (!now || (now->has_ended && now->log == found.log)) return false;
  is_another = now->log != found.log;
  if (is_another) found = *now;
  return true;
}

class LogPrinter {
 public:
  LogPrinter(bool timestamps, cli::Output& out) : timestamps_(timestamps), out_(out) {}

  // A line of the file, with the time, the stream and whether it is complete before it.
  void print(std::string_view line) {
    const size_t time_end = line.find(' '), stream_end = line.find(' ', time_end + 1);
    const size_t flag_end = stream_end + 2;
    if (stream_end == std::string_view::npos || line.size() < flag_end) return;
    if (timestamps_ && at_start_) out_ << line.substr(0, time_end + 1);
    at_start_ = line[stream_end + 1] == 'F';
    out_ << line.substr(std::min(flag_end + 1, line.size())) << (at_start_ ? "\n" : "");
  }

 private:
  const bool timestamps_;
  cli::Output& out_;
  bool at_start_ = true;
};

Result<int> logs(const Arguments& arguments) {
  const bool previous = arguments.has("--previous");
  Found found = TRY(
      find_container(std::string(arguments.operands()[0]), std::string(arguments.value("--container").value_or(""))));
  std::optional<u64> tail;
  if (const auto given = arguments.value("--tail")) {
    tail = cli::parse_count(*given);
    if (!tail) return fail(ErrorCode::BadArgument, "--tail takes a number, not " + std::string(*given));
  }
  const std::string path = previous ? found.previous : found.log;
  if (path.empty()) {
    return fail(ErrorCode::BadArgument, previous ? "container " + found.container + " was not restarted"
                                                 : "container " + found.container + " has not been started");
  }
  cli::Output out;
  LogPrinter printer(arguments.has("--timestamps"), out);
  container::Fd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return fail(os_error(errno, "cannot read " + path));
  std::string rest;
  const auto bytes = TRY(os::read_descriptor(file.get(), path));
  std::string_view all(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (tail) {
    size_t begin = all.size();
    for (u64 lines = 0; begin > 0; --begin)
      if (all[begin - 1] == '\n' && lines++ == *tail) break;
    all.remove_prefix(begin);
  }
  auto take = [&](std::string_view more) {
    rest += more;
    size_t begin = 0;
    for (size_t end; (end = rest.find('\n', begin)) != std::string::npos; begin = end + 1)
      printer.print(std::string_view(rest).substr(begin, end - begin));
    rest.erase(0, begin);
    out.flush();
  };
  take(all);
  while (arguments.has("--follow") && !previous) {
    char part[8192];
    const ssize_t n = read(file.get(), part, sizeof part);
    if (n > 0) {
      take({part, static_cast<size_t>(n)});
      continue;
    }
    bool is_another = false;
    if (!goes_on(found, is_another)) break;
    if (is_another) {
      file = container::Fd(open(found.log.c_str(), O_RDONLY | O_CLOEXEC));
    } else {
      std::this_thread::sleep_for(milliseconds(200));
    }
  }
  return out.finish(0);
}

Result<int> stop(const Arguments& arguments) {
  const std::vector<AppFolder> apps = TRY(chosen(arguments));
  if (apps.empty()) return fail(ErrorCode::BadArgument, "nothing is being played");
  if (arguments.operands().empty() && apps.size() > 1) {
    std::string names;
    for (const AppFolder& app : apps) names += " " + app.name;
    return fail(ErrorCode::BadArgument, "several applications are being played; name one of:" + names);
  }
  for (const AppFolder& app : apps) {
    if (!app.is_alive) {
      std::string path;
      const container::Fd lock = TRY(lock_app(app.name, path));
      clean_left_behind(path);
      remove_folder(path);
      continue;
    }
    static_cast<void>(ask(app, "stop"));
    // As long as its pods' grace periods take.
    while (true) {
      const auto now = list_apps();
      const auto still = std::ranges::find(now, app.name, &AppFolder::name);
      if (still == now.end() ? access(app.path.c_str(), F_OK) != 0 : !still->is_alive) break;
      std::this_thread::sleep_for(milliseconds(20));
    }
  }
  return 0;
}

// Of each container: its application, pod and name; what it takes.
struct Sample {
  u64 cpu_us = 0, memory = 0, processes = 0;
};
std::map<std::vector<std::string>, Sample> sample(const std::vector<AppFolder>& apps) {
  std::map<std::vector<std::string>, Sample> out;
  for (const AppFolder& app : apps) {
    const auto asked = app.is_alive ? ask(app, "usage") : Result<json::Value>(json::Value());
    if (!asked) continue;
    for (const json::Value& pod : list(*asked, "pods")) {
      for (const json::Value& c : list(pod, "containers")) {
        if (number(c, "pid") == 0) continue;
        out[{app.name, text(pod, "name"), text(c, "name")}] = {static_cast<u64>(number(c, "cpuMicroseconds")),
                                                               static_cast<u64>(number(c, "memoryBytes")),
                                                               static_cast<u64>(number(c, "processes"))};
      }
    }
  }
  return out;
}

Result<int> top(const Arguments& arguments) {
  const bool live = isatty(STDOUT_FILENO) == 1 && !arguments.has("--once");
  auto before = sample(TRY(chosen(arguments)));
  auto at = std::chrono::steady_clock::now();
  while (true) {
    std::this_thread::sleep_for(milliseconds(live ? 1000 : 500));
    const auto now = sample(TRY(chosen(arguments)));
    const auto then = std::exchange(at, std::chrono::steady_clock::now());
    const double elapsed = std::chrono::duration<double, std::micro>(at - then).count();
    std::vector<std::vector<std::string>> rows = {{"APPLICATION", "POD", "CONTAINER", "CPU", "MEMORY", "PROCESSES"}};
    for (const auto& [name, s] : now) {
      const auto old = before.find(name);
      const double used =
          old == before.end() || s.cpu_us < old->second.cpu_us ? 0 : static_cast<double>(s.cpu_us - old->second.cpu_us);
      char cpu[32];
      std::snprintf(cpu, sizeof cpu, "%.0f%%", 100 * used / elapsed);
      rows.push_back({name[0], name[1], name[2], cpu, cli::format_size(s.memory), std::to_string(s.processes)});
    }
    cli::Output out;
    if (live) out << "\x1b[H\x1b[2J";
    out << table(rows);
    if (!live || out.finish(0) != 0) return out.finish(0);
    before = now;
  }
}

int finish(const Result<int>& code) { return code ? *code : report(code.error()); }

}  // namespace

int ps_command(const Arguments& arguments) { return finish(ps(arguments)); }
int logs_command(const Arguments& arguments) { return finish(logs(arguments)); }
int stop_command(const Arguments& arguments) { return finish(stop(arguments)); }
int top_command(const Arguments& arguments) { return finish(top(arguments)); }

}  // namespace berth::play
