#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/sdk/trajectory_source.h"

namespace espalier {

// Where a step begins and ends, and the process of the model that is evaluated.
struct StepEnds {
  const diffusion::NoiseProcess& process;
  const diffusion::GridPoint& from;
  const diffusion::GridPoint& to;
};

// One step of a micro-batch.
struct SolverStep : StepEnds {
  random::Draws& draws;  // of this step alone
  // The network's guided prediction, in the process's units, for any state at any point. Every call is an evaluation.
  std::function<State(const State& x, const diffusion::GridPoint& point)> predict;
};

// The Gaussian that a stochastic step draws from: N(mean, std^2), independent in every element. std is 0 where the step adds no noise.
struct GaussianStep {
  State mean;
  double std = 0.0;
};

// Takes the steps of one segment of one micro-batch, noisiest first, and may keep what a later step needs (a multi-step method's estimates,
// all of one model: where another model goes on, at a seam of stitched ones, a fresh solver does). Belongs to one thread.
class Solver {
 public:
  virtual ~Solver() = default;
  // The state at `step.to`. `prediction`: the network's for x at `step.from`, as step.predict() gives it. Called only where the process has
  // a query (NoiseProcess::query); elsewhere x stays as it is.
  virtual State step(const State& x, const State& prediction, const SolverStep& step) = 0;
  // log p(next | x), a mean over the state's dimensions, [B], differentiable in `prediction`; nothing where the step is deterministic, or
  // where `next` depends on more than x (Sampler::no_transition_law).
  virtual std::optional<at::Tensor> log_prob(const State& x, const State& prediction, const State& next, const StepEnds& ends) const {
    (void)x, (void)prediction, (void)next, (void)ends;
    return std::nullopt;
  }
  // The Gaussian of the step, differentiable in `prediction`, whose deviation does not depend on the prediction, from which step() draws
  // one standard normal for every element, field by field, and nothing before. Nothing where the step's law is of another kind.
  virtual std::optional<GaussianStep> gaussian(const State& x, const State& prediction, const StepEnds& ends) const {
    (void)x, (void)prediction, (void)ends;
    return std::nullopt;
  }
};

// How trajectories are sampled: the phases that they go through, and the solver of each. The engine does the rest
// (sampling/run_sampling.h).
class Sampler : public Plugin {
 public:
  // The phases for these models, in the order they were named (a list is stitched: each is used for the steps it is for, the first that
  // covers a step wins). With a prior (a noise corrector's flow; else null) its phase comes first and the models' phase starts where it
  // ends ("previous"). Pure. Throws ConfigError when a model's process or the prior does not fit, or when a step has no model.
  virtual std::vector<Phase> phases(const std::vector<ModelInfo>& models, const ModelInfo* prior) const = 0;

  // A fresh solver for a segment of this phase of phases(). Called by several threads.
  virtual std::unique_ptr<Solver> solver(const Phase& phase) const = 0;

  // Predictions that the solver requests in one segment of a phase, at most; guidance is not counted.
  virtual std::int64_t predictions(const Phase& phase, const Segment& segment) const {
    (void)phase;
    return segment.first - segment.last;
  }

  // "" where log_prob() of a fresh solver is the law of every step given the state that it leaves, but for steps of no noise at the end;
  // else why it is not, and what to do. Stages that declare `transitions` (inputs.h) are refused with it. Depends on the options alone.
  virtual std::string no_transition_law() const { return "its steps have no density"; }
};

}  // namespace espalier
