#pragma once

#include <map>
#include <memory>
#include <string>

#include "runtime/sdk/view.h"

namespace espalier::conformance {

// Returns a view of trajectories in memory: row i is trajectory i, with condition 0. `states` are by steps remaining and include the sample
// (0); reading another step fails the test. Without a codec the view has no decoded samples.
View memory_view(const std::string& tag, std::map<std::int64_t, State> states, std::shared_ptr<const Codec> codec = nullptr,
                 double flops_per_sample = 0.0, const diffusion::Grid& grid = {});

}  // namespace espalier::conformance
