#include "plugins/metric/intermediate_profile/recommendation.h"

#include <fmt/format.h>

#include <algorithm>

namespace espalier::intermediate_profile {
namespace {

Recommendation by_share(const std::vector<Candidate>& candidates, double max_share) {
  const Candidate* best = nullptr;
  for (const auto& one : candidates) {
    if (one.share <= max_share && (best == nullptr || one.step > best->step)) best = &one;
  }
  if (best == nullptr) return {0, fmt::format("at every step more than {} of the reward's variance is undecided", max_share)};
  return {best->step,
          fmt::format("the largest step where at most {} of the reward's variance is undecided ({:.3f})", max_share, best->share)};
}

Recommendation by_score(const std::vector<Candidate>& candidates, double (Candidate::*score)() const, const char* name) {
  const Candidate* best = nullptr;
  for (const auto& one : candidates) {
    if (best == nullptr || (one.*score)() > (best->*score)() || ((one.*score)() == (best->*score)() && one.step > best->step)) best = &one;
  }
  if (best == nullptr) return {0, "no step below the noise was completed again"};
  return {best->step, fmt::format("the largest {} of the decided share ({:.3f}) and the nearness to noise ({:.3f}), {:.3f}", name,
                                  best->decided(), best->nearness(), (best->*score)())};
}

}  // namespace

double Candidate::decided() const { return std::clamp(1.0 - share, 0.0, 1.0); }
double Candidate::nearness() const { return std::clamp(1.0 - distance, 0.0, 1.0); }

Recommendation recommend(const std::vector<Candidate>& candidates, std::int64_t num_steps, const std::string& rule, double max_share) {
  std::vector<Candidate> below;
  std::ranges::copy_if(candidates, std::back_inserter(below), [&](const Candidate& one) { return one.step < num_steps; });
  if (rule == "product") return by_score(below, &Candidate::product, "product");
  if (rule == "sum") return by_score(below, &Candidate::sum, "mean");
  return by_share(below, max_share);
}

}  // namespace espalier::intermediate_profile
