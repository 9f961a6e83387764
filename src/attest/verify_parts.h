// The parts of verification, one a vendor. Used by verifier.cc only.
#pragma once

#include "attest/verifier.h"

namespace berth::attest {

// Adds checks to a verdict, and remembers when it ends.
class Recorder {
 public:
  explicit Recorder(Verdict& verdict) : verdict_(verdict) {}
  Verdict& verdict() { return verdict_; }
  Time time() const { return verdict_.time; }

  void passed(std::string name) { verdict_.checks.push_back({std::move(name), Outcome::Passed, {}}); }
  void warned(std::string name, std::string why) {
    verdict_.checks.push_back({std::move(name), Outcome::Warned, std::move(why)});
  }
  void failed(std::string name, std::string why) {
    verdict_.checks.push_back({std::move(name), Outcome::Failed, std::move(why)});
  }
  // Passed, or failed with that reason. Gives the condition.
  bool check(std::string name, bool condition, std::string why) {
    if (condition)
      passed(std::move(name));
    else
      failed(std::move(name), std::move(why));
    return condition;
  }
  void ends(Time when) {
    if (!verdict_.good_until || when < *verdict_.good_until) verdict_.good_until = when;
  }
  void ends(const Chain& chain) {
    for (const Certificate& certificate : chain) ends(certificate.not_after());
  }

 private:
  Verdict& verdict_;
};

void verify_snp(Recorder& out, const Collateral& collateral, const Roots& roots);
void verify_quote(Recorder& out, const Collateral& collateral, const Roots& roots);

}  // namespace berth::attest
