#pragma once

#include <cstdint>
#include <string>

#include "runtime/sdk/sampler.h"

namespace espalier::flow {

// A rule for steps of equal length along a flow.
struct Solver {
  // The state at `to` of the path that goes through x at `from`.
  State (*step)(const GuidedModel& model, const diffusion::NoiseProcess& process, const State& x, const diffusion::GridPoint& from,
                const diffusion::GridPoint& to, random::Draws& draws);
  // What step() asks of the network in a segment, guidance not counted.
  std::int64_t (*predictions)(const Segment& segment);
};

// "euler": x + h v(x, t). "heun", the explicit trapezoid: x + h/2 (v(x, t) + v(x + h v(x, t), t + h)), and Euler's rule in the last step:
// at t = 1 there is no noise left, and no network was trained there. Throws InternalError for another name.
const Solver& solver(const std::string& name);

}  // namespace espalier::flow
