// Inverse noise correction's inversion: the exact inverse of a frozen flow's discrete Euler map, from examples to the noise behind them.
#include <ATen/TensorOperators.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <vector>

#include "plugins/noise_corrector/inverse_noise/flat_states.h"
#include "plugins/noise_corrector/inverse_noise/solver.h"
#include "runtime/base/errors.h"
#include "runtime/sampling/stitch.h"
#include "runtime/sdk/plugin.h"
#include "runtime/tensor/tensor_map.h"

namespace {

using espalier::Model;
using espalier::ModelInfo;
using espalier::Phase;
using espalier::SegmentModel;
using espalier::State;
using espalier::TrajectoryJob;
using espalier::inverse_noise::EulerMap;
using espalier::inverse_noise::FlatStates;
using espalier::inverse_noise::InverseStep;
using espalier::inverse_noise::RoundTrip;
namespace inversion = espalier::inversion;

constexpr const char* kName = "noise_corrector.inverse_noise";
constexpr const char* kProcess = "rectified_flow";
constexpr std::int64_t kExpectedIterations = 8;  // a step; about what hL = 0.25 takes to 1e-5

const Phase& phase_of(const TrajectoryJob& job) { return job.phases.front(); }
const SegmentModel& segment_of(const TrajectoryJob& job) { return job.models.front().front(); }
const Model& model_of(const TrajectoryJob& job) { return *segment_of(job).model; }

// The job's network as a velocity over flat rows.
class Flow {
 public:
  Flow(const TrajectoryJob& job, const FlatStates& states) : job_(job), states_(states) {}

  EulerMap map() const {
    EulerMap map;
    for (std::int64_t n = 0; n < phase_of(job_).grid.num_steps(); ++n) {
      map.step_size.push_back(phase_of(job_).grid.at(n).level.alpha - phase_of(job_).grid.at(n + 1).level.alpha);
    }
    map.velocity = [this](const at::Tensor& y, const std::vector<std::int64_t>& steps_remaining,
                          const std::vector<std::int64_t>& condition) { return velocity(y, steps_remaining, condition); };
    return map;
  }

 private:
  at::Tensor velocity(const at::Tensor& y, const std::vector<std::int64_t>& steps_remaining,
                      const std::vector<std::int64_t>& condition) const {
    if (job_.stop.stop_requested()) throw espalier::Stopped("stopped between two evaluations of an inversion");
    std::vector<float> timestep;
    for (const auto n : steps_remaining) timestep.push_back(static_cast<float>(phase_of(job_).grid.at(n).timestep));
    const auto prediction =
        model_of(job_).network->predict(model_of(job_).weights, states_.unflatten(y), at::tensor(timestep).to(job_.device),
                                        espalier::tensor::rows(segment_of(job_).embedded, condition));
    return states_.flatten(prediction).neg();  // the network predicts eps - x_0
  }

  const TrajectoryJob& job_;
  const FlatStates& states_;
};

// What certifies the inversions after steps 0..n: columns of steps are filled as they are passed, the rest once at the noise.
State certificates(const std::vector<RoundTrip>& trips, std::int64_t examples, std::int64_t n, std::int64_t num_steps) {
  const auto rows = static_cast<std::size_t>(examples);
  const auto known = trips.size() - rows;
  auto converged = at::zeros({examples}), round_trip = at::zeros({examples}), known_noise = at::zeros({examples});
  if (n == num_steps) {
    known_noise.fill_(std::numeric_limits<double>::quiet_NaN());
    for (std::size_t i = 0; i < rows; ++i) {
      converged.mutable_data_ptr<float>()[i] = trips[i].converged ? 1.0F : 0.0F;
      round_trip.mutable_data_ptr<float>()[i] = static_cast<float>(trips[i].error);
      if (i < known) known_noise.mutable_data_ptr<float>()[i] = static_cast<float>(trips[rows + i].error);
    }
  }
  auto residual = at::zeros({examples, num_steps}), ratio = at::zeros({examples, num_steps}), iterations = at::zeros({examples, num_steps});
  for (std::size_t i = 0; i < rows; ++i) {
    for (std::int64_t k = 0; k < n; ++k) {
      const InverseStep& step = trips[i].steps[static_cast<std::size_t>(k)];
      const auto at_step = static_cast<std::int64_t>(i) * num_steps + k;
      residual.mutable_data_ptr<float>()[at_step] = static_cast<float>(step.residual);
      ratio.mutable_data_ptr<float>()[at_step] = static_cast<float>(step.contraction_ratio);
      iterations.mutable_data_ptr<float>()[at_step] = static_cast<float>(step.iterations);
    }
  }
  return {{inversion::kConverged, converged}, {inversion::kRoundTripError, round_trip}, {inversion::kKnownNoiseError, known_noise},
          {inversion::kResidual, residual},   {inversion::kContraction, ratio},         {inversion::kIterations, iterations}};
}

class InverseNoise final : public espalier::NoiseCorrector {
 public:
  void options(espalier::Schema& schema) override {
    schema.integer("num_inference_steps", num_inference_steps_, "Euler steps N of the sampling that is inverted; sample with as many.")
        .at_least(1)
        .at_most(1e5);
    schema.number("tolerance", solver_.tolerance, "Root mean square of a step's residual y + h v(y) - x from which on it has converged.")
        .above(0.0);
    schema.integer("max_iterations", solver_.max_iterations, "Network evaluations a step before its example counts as not converged.")
        .at_least(1)
        .at_most(1e5);
    schema
        .number("anderson_from_ratio", solver_.anderson_from_ratio,
                "Contraction ratio of Picard iteration above which a step goes on by Anderson acceleration.")
        .at_least(0.0);
    schema.integer("anderson_memory", solver_.anderson_memory, "Moves that Anderson acceleration combines; 0 never accelerates.")
        .at_least(0)
        .at_most(1000);
    schema
        .integer("known_noise_per_block", known_noise_per_block_,
                 "Fresh noises a block that are sampled forward and inverted again, to certify the inversion.")
        .at_least(0)
        .at_most(65536);
    schema.number("perturbation", perturbation_, "Standard deviation of Gaussian noise added to examples before they are inverted.")
        .at_least(0.0);
  }

  void inputs(espalier::Inputs& in) override { in.model("model").process(kProcess); }

  Phase phase(const ModelInfo& model) const override {
    auto phase = espalier::sampling::stitched_phase({model}, {num_inference_steps_}, kName, kProcess);
    phase.start = "examples";
    return phase;
  }

  std::int64_t network_evaluations(const Phase&, const espalier::Segment& segment) const override {
    return (segment.first - segment.last) * (kExpectedIterations + 1);
  }

  std::int64_t compute(const TrajectoryJob& job, espalier::Recorder& recorder) const override {
    const c10::InferenceMode no_gradients;
    if (phase_of(job).start != "examples") throw espalier::InternalError(std::string(kName) + " was given a phase that it did not make");
    const FlatStates states(job.spec);
    const auto examples = perturbed(states.flatten(job.start), job, states);  // [S, D]
    const Flow flow(job, states);
    auto trips = round_trips(examples, job, states);
    const auto evaluations = solve(flow.map(), solver_, job.micro_batch, trips);
    record(trips, examples.size(0), job, states, recorder);
    return evaluations;
  }

 private:
  at::Tensor perturbed(const at::Tensor& examples, const TrajectoryJob& job, const FlatStates& states) const {
    if (perturbation_ == 0.0) return examples;
    job.draws.begin(0);
    return examples +
           perturbation_ * states.flatten(model_of(job).process->prior(job.spec, segment_of(job).condition, job.draws)).to(job.device);
  }

  // The examples' trips, then those of known noise.
  std::vector<RoundTrip> round_trips(const at::Tensor& examples, const TrajectoryJob& job, const FlatStates& states) const {
    std::vector<RoundTrip> trips;
    for (std::int64_t i = 0; i < examples.size(0); ++i) trips.push_back({.from_noise = false, .condition = i, .start = examples[i]});
    const auto known = std::min(known_noise_per_block_, examples.size(0));
    if (known == 0) return trips;
    job.draws.begin(1);
    const auto noise = states.flatten(model_of(job).process->prior(job.spec, segment_of(job).condition, job.draws)).to(job.device);
    for (std::int64_t i = 0; i < known; ++i) trips.push_back({.from_noise = true, .condition = i, .start = noise[i]});
    return trips;
  }

  static void record(const std::vector<RoundTrip>& trips, std::int64_t examples, const TrajectoryJob& job, const FlatStates& states,
                     espalier::Recorder& recorder) {
    const auto num_steps = phase_of(job).grid.num_steps();
    for (std::int64_t n = 0; n <= num_steps; ++n) {
      std::vector<at::Tensor> rows;
      for (std::int64_t i = 0; i < examples; ++i) rows.push_back(trips[static_cast<std::size_t>(i)].path.select(0, n));
      auto state = states.unflatten(at::stack(rows));
      state.merge(certificates(trips, examples, n, num_steps));
      recorder.record(phase_of(job).grid.at(n), state);
    }
  }

  std::int64_t num_inference_steps_ = 20;
  espalier::inverse_noise::SolverOptions solver_;
  std::int64_t known_noise_per_block_ = 4;
  double perturbation_ = 0.0;
};

}  // namespace

ESPALIER_PLUGIN(plugin) {
  plugin.noise_corrector<InverseNoise>(
      "inverse_noise", /*numerics_version=*/2,
      "Inverts a flow's Euler sampling exactly, from examples to the noise that it would have made them of.");
}
