// What `berth serve` is asked for, from the command line or a file of routes. Plain values.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "berth/serve_log.h"
#include "cli/options.h"
#include "engine/engine.h"
#include "hostio/grants.h"
#include "http/connection.h"

namespace berth::cli {

// A component, or a module that answers as a CGI program does, and what it may do.
struct RouteConfig {
  std::string name;       // what logs and metrics call it
  std::string component;  // the file
  std::string host;       // "example.org", "*.example.org"; empty: any
  std::string path = "/";
  bool is_exact = false;  // else all below the path, too
  std::vector<hostio::DirectoryGrant> directories;
  std::vector<std::string> environment;  // "NAME=value"
  std::vector<std::string> allow_net, allow_http;
  u64 memory = u64{1} << 30;
  u64 stack = u64{1} << 20;
  u64 timeout = u64{30} * 1'000'000'000;  // nanoseconds without progress; ~0: none
  u32 concurrency = 1000;
  u64 max_body = ~u64{0};
  u32 reuse = 1;  // requests an instance answers
};

struct ServeConfig {
  std::vector<std::string> addresses, tls_addresses;
  std::string certificate, key;
  std::string admin;
  u32 threads = 0;         // 0: one a core
  std::string access_log;  // empty: none
  LogFormat log_format = LogFormat::Common;
  u64 drain = u64{30} * 1'000'000'000;
  u32 max_connections = 0;
  http::Settings settings;
  engine::Config engine;
  bool is_tier_chosen = false;
  std::vector<RouteConfig> routes;
};

// From the command line; the routes of a file are read where one is named. Fails with what is wrong and where.
// `address`: where to listen, whatever else says so; may be empty.
std::expected<ServeConfig, UsageError> read_serve_config(const Arguments& arguments, const std::string& address);
// Whether the operand names a file of routes.
bool is_routes_file(std::string_view path);

}  // namespace berth::cli
