#pragma once

#include <functional>
#include <map>
#include <string>

#include "runtime/sdk/view.h"

namespace espalier::conformance {

// A view of trajectories in memory: row i is trajectory i, of condition 0. `states`: by steps remaining, the sample (0) among them; reading
// another step fails the test. Without `decode` it has no decoded samples.
View memory_view(const std::string& tag, std::map<std::int64_t, State> states, std::function<Sample(const State&)> decode = {},
                 double flops_per_sample = 0.0, const diffusion::Grid& grid = {});

}  // namespace espalier::conformance
