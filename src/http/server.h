// A server: one event loop a thread, sockets that are listened on, and the connections that come of them. Handlers are
// called in the thread of their loop; the server itself is for the thread that made it.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "http/connection.h"

namespace berth::http {

struct ListenAddress {
  std::string address;              // "127.0.0.1:8080", "[::1]:8080", ":8080" for every address; port 0: any
  std::shared_ptr<TlsContext> tls;  // null: in the clear
};

struct ServerConfig {
  std::vector<ListenAddress> listen;
  Settings settings;
  u32 threads = 1;
  u32 max_connections = 0;  // 0: what the process may have open, less some
};

class Server {
 public:
  using MakeHandler = std::function<std::unique_ptr<Handler>(Loop& loop, u32 index)>;
  // Opens the sockets; nothing is accepted yet. Fails with Usage (an address that makes no sense), System or Io.
  static Result<std::unique_ptr<Server>> create(ServerConfig config);
  ~Server();
  Server(const Server&) = delete;

  // The addresses with the ports that the system chose.
  const std::vector<std::string>& addresses() const { return addresses_; }
  u32 threads() const { return config_.threads; }
  Loop& loop(u32 index) const;

  // Starts the threads. `handlers`, one a loop, outlive the server.
  void start(const std::vector<Handler*>& handlers);
  // No more connections or requests; those under way go on. `told` is called, from any thread, once none is left.
  void drain(std::function<void()> told);
  // Ends everything that is left, and the threads.
  void stop();

  u64 connections() const { return open_.load(std::memory_order_relaxed); }
  u64 accepted() const { return accepted_.load(std::memory_order_relaxed); }

 private:
  class Part;
  explicit Server(ServerConfig config);
  Part& least_busy() const;
  void one_less();
  void one_less_check();  // whether none is left

  const ServerConfig config_;
  std::vector<int> sockets_;
  std::vector<std::string> addresses_;
  std::vector<std::unique_ptr<Part>> parts_;
  std::vector<std::thread> threads_;
  std::atomic<u64> open_ = 0, accepted_ = 0;
  std::atomic<bool> drains_ = false;
  std::atomic<u32> undrained_ = 0;  // parts that still accept
  std::mutex mutex_;
  std::function<void()> told_;
};

}  // namespace berth::http
