#include "broker/sessions.h"

#include "broker/problem.h"
#include "broker/seal.h"

namespace berth::broker {
namespace {

constexpr u64 kCleaning = u64{1'000'000'000};

}  // namespace

Result<Challenge> Sessions::begin(attest::Technology technology, u64 now) {
  Challenge out;
  out.session = attest::to_hex(TRY(random_bytes(32)));
  out.nonce = attest::to_base64(TRY(random_bytes(32)));
  const std::scoped_lock lock(mutex_);
  if (now >= next_cleaning_ || sessions_.size() >= most_) remove_ended(now);
  if (sessions_.size() >= most_) return fail(ErrorCode::LimitExceeded, "there are too many sessions; try again later");
  sessions_.emplace(out.session, Session{technology, out.nonce, std::nullopt, now + nonce_lifetime_});
  return out;
}

std::optional<Sessions::Pending> Sessions::take(std::string_view session, u64 now) {
  const std::scoped_lock lock(mutex_);
  const auto found = sessions_.find(std::string(session));
  if (found == sessions_.end() || found->second.attested || now >= found->second.end) return std::nullopt;
  Pending out{found->second.technology, std::move(found->second.nonce)};
  sessions_.erase(found);
  return out;
}

void Sessions::finish(const std::string& session, Attested attested, u64 now) {
  const std::scoped_lock lock(mutex_);
  sessions_.emplace(session, Session{attest::Technology::Simulated, {}, std::move(attested), now + lifetime_});
}

std::optional<Attested> Sessions::find(std::string_view session, u64 now) {
  const std::scoped_lock lock(mutex_);
  const auto found = sessions_.find(std::string(session));
  if (found == sessions_.end() || !found->second.attested || now >= found->second.end) return std::nullopt;
  return found->second.attested;
}

size_t Sessions::size() {
  const std::scoped_lock lock(mutex_);
  return sessions_.size();
}

void Sessions::remove_ended(u64 now) {
  std::erase_if(sessions_, [&](const auto& entry) { return now >= entry.second.end; });
  next_cleaning_ = now + kCleaning;
}

}  // namespace berth::broker
