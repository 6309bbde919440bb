#include "plugins/shared/flow/solver.h"

#include <ATen/TensorOperators.h>

#include "runtime/base/errors.h"

namespace espalier::flow {
namespace {

using diffusion::GridPoint;
using diffusion::NoiseProcess;

State euler_step(const GuidedModel& model, const NoiseProcess& process, const State& x, const GridPoint& from, const GridPoint& to,
                 random::Draws& draws) {
  return process.step(x, model.predict(x, from.timestep), from, to, 0.0, draws);
}

State heun_step(const GuidedModel& model, const NoiseProcess& process, const State& x, const GridPoint& from, const GridPoint& to,
                random::Draws& draws) {
  State slope = model.predict(x, from.timestep);
  State ahead = process.step(x, slope, from, to, 0.0, draws);
  if (to.steps_remaining == 0) return ahead;
  for (const auto& [name, value] : model.predict(ahead, to.timestep)) slope[name] = (slope.at(name) + value) * 0.5;
  return process.step(x, slope, from, to, 0.0, draws);
}

constexpr Solver kEuler{euler_step, [](const Segment& segment) { return segment.first - segment.last; }};
constexpr Solver kHeun{heun_step, [](const Segment& segment) { return 2 * (segment.first - segment.last) - (segment.last == 0 ? 1 : 0); }};

}  // namespace

const Solver& solver(const std::string& name) {
  if (name == "euler") return kEuler;
  if (name == "heun") return kHeun;
  throw InternalError("a flow has no solver '" + name + "'");
}

}  // namespace espalier::flow
