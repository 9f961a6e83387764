// From an empty keep to one that may run its workload: what it was started for, proof, delivery. One thread.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "collect/machine.h"
#include "keep/config.h"
#include "keep/launch.h"

namespace berth::keep {

struct Delivery {
  Config config;
  std::vector<u8> module;
  std::vector<std::pair<std::string, std::vector<u8>>> secrets;  // by file name
};

// Nothing but the broker's address is taken from the host before the proof; everything afterwards comes from the broker
// or is checked against what does:
//   1. the launch document is what the hardware's evidence says it is (host data);
//   2. evidence for the broker's nonce and a new key; the broker accepts it;
//   3. the configuration; 4. the workload, checked and decrypted with the broker's keys; 5. secrets.
// `disk` reads what the host handed over. `tell` is called with "proving", "proved" and "delivered" on the way. Fails
// at the first thing that does not hold; then nothing is left here.
Result<Delivery> deliver(const Greeting& greeting, collect::Machine& machine,
                         const std::function<Result<std::vector<u8>>()>& disk,
                         const std::function<void(std::string_view)>& tell);

}  // namespace berth::keep
