// Stochastic sampling of a rectified flow, whose steps have a density.
#include <memory>
#include <optional>
#include <string>

#include "plugins/sampler/flow_sde/rule.h"
#include "plugins/shared/flow/flow_sampler.h"
#include "runtime/sdk/plugin.h"

namespace {

using espalier::Phase;
using espalier::Segment;
using espalier::State;

class FlowSdeSolver final : public espalier::Solver {
 public:
  explicit FlowSdeSolver(double eta) : eta_(eta) {}
  State step(const State& x, const State& prediction, const espalier::SolverStep& step) override {
    return espalier::flow_sde::transition(x, prediction, step, eta_).draw(step.draws);
  }
  std::optional<at::Tensor> log_prob(const State& x, const State& prediction, const State& next,
                                     const espalier::StepEnds& ends) const override {
    return espalier::flow_sde::transition(x, prediction, ends, eta_).log_prob(next);
  }

 private:
  double eta_;
};

class FlowSde final : public espalier::flow::FlowSampler {
 public:
  FlowSde() : FlowSampler("sampler.flow_sde", "flow_sde") {}

  void options(espalier::Schema& schema) override {
    FlowSampler::options(schema);
    schema.number("eta", eta_, "Fresh noise of each step: 0 is Euler's method, 1 all that the flow's states allow.")
        .at_least(0.0)
        .at_most(1.0);
  }

  std::string no_transition_law() const override {
    return eta_ > 0.0 ? "" : "with eta = 0 its steps are deterministic and have no density; set eta above 0";
  }

  std::unique_ptr<espalier::Solver> solver(const Phase&) const override { return std::make_unique<FlowSdeSolver>(eta_); }
  std::int64_t predictions(const Phase&, const Segment& segment) const override { return segment.first - segment.last; }

 private:
  double eta_ = 1.0;
};

}  // namespace

ESPALIER_PLUGIN(plugin) {
  plugin.sampler<FlowSde>("flow_sde", /*numerics_version=*/1,
                          "Stochastic sampling of a rectified flow, in DDIM's form: its steps have a density.");
}
