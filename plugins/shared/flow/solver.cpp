#include "plugins/shared/flow/solver.h"

#include <ATen/TensorOperators.h>

#include "runtime/base/errors.h"
#include "runtime/diffusion/state_math.h"

namespace espalier::flow {
namespace {

// The network predicts minus the velocity.
State euler_step(const State& x, const State& prediction, const StepEnds& ends) {
  const double h = ends.to.level.alpha - ends.from.level.alpha;
  State next;
  for (const auto& [name, value] : x) next[name] = value - diffusion::field(prediction, name, value, "prediction") * h;
  return next;
}

class Euler final : public Solver {
 public:
  State step(const State& x, const State& prediction, const SolverStep& step) override { return euler_step(x, prediction, step); }
};

class Heun final : public Solver {
 public:
  State step(const State& x, const State& prediction, const SolverStep& step) override {
    const State ahead = euler_step(x, prediction, step);
    if (step.to.steps_remaining == 0) return ahead;
    State slope = prediction;
    for (const auto& [name, value] : step.predict(ahead, step.to)) slope[name] = (slope.at(name) + value) * 0.5;
    return euler_step(x, slope, step);
  }
};

[[noreturn]] void refuse(const std::string& rule) { throw InternalError("a flow has no solver '" + rule + "'"); }

}  // namespace

std::unique_ptr<Solver> make_solver(const std::string& rule) {
  if (rule == "euler") return std::make_unique<Euler>();
  if (rule == "heun") return std::make_unique<Heun>();
  refuse(rule);
}

std::int64_t predictions(const std::string& rule, const Segment& segment) {
  const auto steps = segment.first - segment.last;
  if (rule == "euler") return steps;
  if (rule == "heun") return 2 * steps - (segment.last == 0 ? 1 : 0);
  refuse(rule);
}

}  // namespace espalier::flow
