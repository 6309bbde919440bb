// Stochastic sampling of a rectified flow, whose steps have a density.
#include <fmt/format.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "plugins/sampler/flow_sde/rule.h"
#include "plugins/shared/flow/flow_sampler.h"
#include "runtime/base/errors.h"
#include "runtime/sdk/plugin.h"

namespace {

using espalier::Phase;
using espalier::Segment;
using espalier::State;
using espalier::StepEnds;
using espalier::sampling::Transition;

constexpr const char* kPosterior = "posterior";
constexpr const char* kFlowGrpo = "flow_grpo";
constexpr double kUsualNoiseLevel = 0.7;

using Rule = std::function<Transition(const State& x, const State& prediction, const StepEnds& ends)>;

class FlowSdeSolver final : public espalier::Solver {
 public:
  explicit FlowSdeSolver(Rule rule) : rule_(std::move(rule)) {}
  State step(const State& x, const State& prediction, const espalier::SolverStep& step) override {
    return rule_(x, prediction, step).draw(step.draws);
  }
  std::optional<at::Tensor> log_prob(const State& x, const State& prediction, const State& next, const StepEnds& ends) const override {
    return rule_(x, prediction, ends).log_prob(next);
  }
  std::optional<espalier::GaussianStep> gaussian(const State& x, const State& prediction, const StepEnds& ends) const override {
    return rule_(x, prediction, ends);
  }

 private:
  Rule rule_;
};

class FlowSde final : public espalier::flow::FlowSampler {
 public:
  FlowSde() : FlowSampler("sampler.flow_sde", "flow_sde") {}

  void options(espalier::Schema& schema) override {
    FlowSampler::options(schema);
    schema.number("eta", eta_, "Fresh noise of each step: 0 is Euler's method, 1 all that the flow's states allow.")
        .at_least(0.0)
        .at_most(1.0);
    schema
        .choice(
            "noise_schedule", noise_schedule_, {kPosterior, kFlowGrpo},
            "How much fresh noise a step adds: posterior, eta times that of the flow's own posterior; flow_grpo, Flow-GRPO's noise_level "
            "sqrt(sigma / (1 - sigma)) times the square root of the step's time, in the last step too.")
        .unkeyed_default();
    schema.number("noise_level", noise_level_, "Of noise_schedule = flow_grpo: the paper's a.").above(0.0).at_most(10.0).unkeyed_default();
  }

  void check() const override {
    if (noise_schedule_ == kFlowGrpo && eta_ != 1.0) {
      throw espalier::ConfigError(fmt::format(
          "{}: eta = {} has no effect with noise_schedule = \"{}\", whose noise is noise_level's; leave eta out", name(), eta_, kFlowGrpo));
    }
    if (noise_schedule_ == kPosterior && noise_level_ != kUsualNoiseLevel) {
      throw espalier::ConfigError(
          fmt::format("{}: noise_level = {} has no effect without noise_schedule = \"{}\"; set that, or leave noise_level out (eta scales "
                      "the noise of \"{}\")",
                      name(), noise_level_, kFlowGrpo, kPosterior));
    }
  }

  std::string no_transition_law() const override {
    return eta_ > 0.0 ? "" : "with eta = 0 its steps are deterministic and have no density; set eta above 0";
  }

  std::unique_ptr<espalier::Solver> solver(const Phase&) const override {
    return std::make_unique<FlowSdeSolver>(noise_schedule_ == kFlowGrpo ? flow_grpo() : posterior());
  }
  std::int64_t predictions(const Phase&, const Segment& segment) const override { return segment.first - segment.last; }

 private:
  Rule posterior() const {
    return [eta = eta_](const State& x, const State& prediction, const StepEnds& ends) {
      return espalier::flow_sde::transition(x, prediction, ends, eta);
    };
  }
  Rule flow_grpo() const {
    return [level = noise_level_](const State& x, const State& prediction, const StepEnds& ends) {
      return espalier::flow_sde::flow_grpo_transition(x, prediction, ends, level);
    };
  }

  double eta_ = 1.0;
  std::string noise_schedule_ = kPosterior;
  double noise_level_ = kUsualNoiseLevel;
};

}  // namespace

ESPALIER_PLUGIN(plugin) {
  plugin.sampler<FlowSde>("flow_sde", /*numerics_version=*/1,
                          "Stochastic sampling of a rectified flow, in DDIM's form: its steps have a density.");
}
