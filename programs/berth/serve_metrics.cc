#include "berth/serve_metrics.h"

#include <unistd.h>

#include <cstdio>
#include <functional>

namespace berth::cli {

void RouteCounts::note(u16 status, u64 duration_ns, u64 bytes_in, u64 bytes_out) {
  if (status >= kFirst && status <= kLast) by_status[status - kFirst].add(1);
  size_t bucket = 0;
  while (bucket < kLatencyBounds.size() && duration_ns > kLatencyBounds[bucket]) ++bucket;
  by_latency[bucket].add(1);
  latency_ns.add(duration_ns);
  received.add(bytes_in);
  sent.add(bytes_out);
}

std::shared_ptr<std::vector<RouteCounts>> Metrics::route(const std::string& name) {
  const std::lock_guard lock(mutex_);
  auto& counts = routes_[name];
  if (counts == nullptr) counts = std::make_shared<std::vector<RouteCounts>>(threads_);
  return counts;
}

namespace {

std::string label(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\' || c == '"') out += '\\';
    if (c == '\n') {
      out += "\\n";
    } else {
      out += c;
    }
  }
  return out;
}

std::string seconds(u64 ns) {
  char text[40];
  std::snprintf(text, sizeof text, "%g", static_cast<double>(ns) / 1e9);
  return text;
}

u64 resident_bytes() {
  u64 all = 0, resident = 0;
  if (std::FILE* file = std::fopen("/proc/self/statm", "re")) {
    if (std::fscanf(file, "%lu %lu", &all, &resident) != 2) resident = 0;
    std::fclose(file);
  }
  return resident * static_cast<u64>(::sysconf(_SC_PAGESIZE));
}

}  // namespace

std::string Metrics::text(u64 connections, u64 accepted) const {
  std::string out;
  const auto head = [&](const char* name, const char* type, const char* help) {
    out += std::string("# HELP ") + name + " " + help + "\n# TYPE " + name + " " + type + "\n";
  };
  const auto line = [&](const std::string& name, const std::string& value) { out += name + " " + value + "\n"; };
  const std::lock_guard lock(mutex_);
  const auto sum = [](const std::vector<RouteCounts>& all, const auto& which) {
    u64 n = 0;
    for (const RouteCounts& c : all) n += which(c).get();
    return n;
  };

  head("berth_requests_total", "counter", "Requests by route and status.");
  for (const auto& [name, all] : routes_) {
    for (u16 s = RouteCounts::kFirst; s <= RouteCounts::kLast; ++s) {
      const u64 n =
          sum(*all, [&](const RouteCounts& c) -> const Count& { return c.by_status[s - RouteCounts::kFirst]; });
      if (n > 0)
        line("berth_requests_total{route=\"" + label(name) + "\",code=\"" + std::to_string(s) + "\"}",
             std::to_string(n));
    }
  }
  head("berth_request_duration_seconds", "histogram", "From a request's head to the end of its response.");
  for (const auto& [name, all] : routes_) {
    const std::string route = "route=\"" + label(name) + "\"";
    u64 total = 0;
    for (size_t i = 0; i <= kLatencyBounds.size(); ++i) {
      total += sum(*all, [&](const RouteCounts& c) -> const Count& { return c.by_latency[i]; });
      line("berth_request_duration_seconds_bucket{" + route + ",le=\"" +
               (i < kLatencyBounds.size() ? seconds(kLatencyBounds[i]) : "+Inf") + "\"}",
           std::to_string(total));
    }
    line("berth_request_duration_seconds_sum{" + route + "}",
         seconds(sum(*all, [](const RouteCounts& c) -> const Count& { return c.latency_ns; })));
    line("berth_request_duration_seconds_count{" + route + "}", std::to_string(total));
  }
  struct Row {
    const char *name, *type, *help;
    Count RouteCounts::* which;
  };
  static constexpr Row kRows[] = {
      {"berth_request_body_bytes_total", "counter", "Bytes of requests' bodies.", &RouteCounts::received},
      {"berth_response_body_bytes_total", "counter", "Bytes of responses' bodies.", &RouteCounts::sent},
      {"berth_instances_total", "counter", "Instances that were given to requests.", &RouteCounts::instances},
      {"berth_instances", "gauge", "Instances whose guest has not ended.", &RouteCounts::active},
      {"berth_instance_memory_bytes", "gauge", "Linear memory of instances whose guest has not ended.",
       &RouteCounts::memory},
      {"berth_traps_total", "counter", "Guests that trapped.", &RouteCounts::traps},
      {"berth_timeouts_total", "counter", "Guests that were stopped since their time was over.",
       &RouteCounts::timeouts},
      {"berth_refused_total", "counter", "Requests refused since there were too many at once.", &RouteCounts::refused},
      {"berth_clients_gone_total", "counter", "Clients that left before they had their response.", &RouteCounts::gone},
  };
  for (const Row& row : kRows) {
    head(row.name, row.type, row.help);
    for (const auto& [name, all] : routes_)
      line(std::string(row.name) + "{route=\"" + label(name) + "\"}",
           std::to_string(sum(*all, [&](const RouteCounts& c) -> const Count& { return c.*row.which; })));
  }
  head("berth_connections", "gauge", "Open connections.");
  line("berth_connections", std::to_string(connections));
  head("berth_connections_total", "counter", "Connections that were accepted.");
  line("berth_connections_total", std::to_string(accepted));
  head("berth_reloads_total", "counter", "Reloads of the routes by how they went.");
  line("berth_reloads_total{result=\"ok\"}", std::to_string(reloads.load()));
  line("berth_reloads_total{result=\"failed\"}", std::to_string(failed_reloads.load()));
  head("process_resident_memory_bytes", "gauge", "Resident memory.");
  line("process_resident_memory_bytes", std::to_string(resident_bytes()));
  return out;
}

}  // namespace berth::cli
