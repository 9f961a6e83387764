// Who is proving, or has proved, something: sessions of the key-broker protocol, by the secret that the client's cookie
// holds. Kept in memory: after a restart clients prove themselves again. May be used by several threads.
#pragma once

#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "attest/evidence.h"
#include "base/result.h"
#include "json/json.h"

namespace berth::broker {

// What a client has proved.
struct Attested {
  json::Value recipient;              // the public key (JWK) that is in its evidence
  std::vector<std::string> policies;  // that accept it, by their names
  std::string evidence;               // SHA-256, for the audit log
  std::string token;
};

struct Challenge {
  std::string session, nonce;
};

class Sessions {
 public:
  // How long a nonce is good for, and what was proved, in nanoseconds.
  Sessions(u64 nonce_lifetime, u64 lifetime, size_t most = 65536)
      : nonce_lifetime_(nonce_lifetime), lifetime_(lifetime), most_(most) {}

  // A new session. Fails with LimitExceeded when there are too many that have not ended, System without randomness.
  Result<Challenge> begin(attest::Technology technology, u64 now);
  // Takes the challenge of a session: it can be answered once. Nothing: there is none of that name, its time is over,
  // or it was answered.
  struct Pending {
    attest::Technology technology;
    std::string nonce;
  };
  std::optional<Pending> take(std::string_view session, u64 now);
  // What was proved in a session whose challenge was taken.
  void finish(const std::string& session, Attested attested, u64 now);
  std::optional<Attested> find(std::string_view session, u64 now);

  size_t size();

 private:
  struct Session {
    attest::Technology technology;
    std::string nonce;
    std::optional<Attested> attested;
    u64 end;
  };
  void remove_ended(u64 now);

  const u64 nonce_lifetime_, lifetime_;
  const size_t most_;
  std::mutex mutex_;
  std::unordered_map<std::string, Session> sessions_;
  u64 next_cleaning_ = 0;
};

}  // namespace berth::broker
