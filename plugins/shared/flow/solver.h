#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "runtime/sdk/sampler.h"

namespace espalier::flow {

// Rules for steps along a rectified flow, deterministic: "euler": x + h v(x, t). "heun", the explicit trapezoid:
// x + h/2 (v(x, t) + v(x + h v(x, t), t + h)), and Euler's rule in the last step: at t = 1 there is no noise left, and no network was
// trained there. Throws InternalError for another name.
std::unique_ptr<Solver> make_solver(const std::string& rule);

// Predictions that the rule takes in a segment, guidance not counted.
std::int64_t predictions(const std::string& rule, const Segment& segment);

}  // namespace espalier::flow
