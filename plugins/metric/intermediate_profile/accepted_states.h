#pragma once

#include "plugins/metric/intermediate_profile/learnability.h"
#include "runtime/sdk/metric.h"

namespace espalier::intermediate_profile {

// How accepted states at one step differ from noise, and from what the base knows.
struct Learnability {
  std::int64_t step = 0;
  intervals::Estimate distance;  // distance_from_noise(): energy_coefficient() of the accepted states
  intervals::Estimate excess;    // excess_loss() of the base; value NaN without a model
};

// Of the accepted states (the input `selection`) among those of `all` with `step` steps remaining; at most kMostStates of them are compared
// with as many draws of a standard normal. The base's loss on a state is that of noising it further (P-GRAFT's `forward` loss), without
// guidance, one draw a state, the same for accepted and not. Where step is N, nothing is noisier and the excess is 0.
inline constexpr std::int64_t kMostStates = 1024;
intervals::Estimate distance_from_noise(const MetricInput& input, std::int64_t step);
Learnability learnability(const MetricInput& input, const View& all, std::int64_t step);

}  // namespace espalier::intermediate_profile
