// Looking up addresses of names, without waiting: what there is to wait for can be waited for with other things. As
// /etc/hosts and /etc/resolv.conf say. One thread at a time.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "hostio/network.h"

namespace berth::hostio {

class Lookup {
 public:
  enum class State : u8 {
    Pending,
    Done,
    NoSuchName,        // or it has no addresses
    TemporaryFailure,  // no server answered
    PermanentFailure,
  };

  // Fails with System when there is no resolver to be had.
  static Result<std::unique_ptr<Lookup>> start(const std::string& name);
  ~Lookup();
  Lookup(const Lookup&) = delete;

  State state() const;
  // Once done, in the order in which they should be tried; IPv4-mapped ones are none.
  const std::vector<IpAddress>& addresses() const;
  // While it is pending: `advance` is called when this descriptor is readable or that time (of the monotonic clock) has
  // come.
  int fd() const;
  std::optional<u64> deadline() const;
  void advance();

 private:
  struct Impl;
  explicit Lookup(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace berth::hostio
