#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace espalier::intermediate_profile {

// What is known of a step, each in [0, 1] but for chance.
struct Candidate {
  std::int64_t step = 0;    // steps remaining
  double share = 0.0;       // of the reward's variance that is undecided
  double distance = 0.0;    // of the accepted states from pure noise, over that of the finished samples; unused by max_share
  double decided() const;   // 1 - share, cut to [0, 1]
  double nearness() const;  // 1 - distance, cut to [0, 1]
  double product() const { return decided() * nearness(); }
  double sum() const { return 0.5 * (decided() + nearness()); }
};

struct Recommendation {
  std::int64_t step = 0;
  std::string reason;  // a sentence
};

// Of steps below `num_steps`, where the state is no longer pure noise, by the rule
//   "max_share"  the largest whose share is at most `max_share`; 0 (the sample itself) where none is
//   "product"    that with the largest decided() * nearness()
//   "sum"        that with the largest mean of both
// of equal ones the largest step; 0 where there is no such step.
Recommendation recommend(const std::vector<Candidate>& candidates, std::int64_t num_steps, const std::string& rule, double max_share);

}  // namespace espalier::intermediate_profile
