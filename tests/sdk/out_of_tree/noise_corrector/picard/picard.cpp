// Runs a flow's Euler sampling backwards: for each step y <- x - h v(y), a fixed number of times, all rows of a micro-batch alike.
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/maximum.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros_like.h>

#include <limits>

#include "runtime/base/errors.h"
#include "runtime/diffusion/state_math.h"
#include "runtime/sampling/stitch.h"
#include "runtime/sdk/plugin.h"

namespace {

using namespace espalier;

constexpr const char* kProcess = "rectified_flow";

// a + factor b, field by field.
State plus(const State& a, double factor, const State& b) {
  State sum;
  for (const auto& [name, tensor] : a) sum[name] = tensor + b.at(name) * factor;
  return sum;
}

at::Tensor rms(const State& difference) {  // [B]
  diffusion::MeanSquare square;
  for (const auto& [name, tensor] : difference) square.add(tensor);
  return square.value().sqrt().to(at::kFloat);
}

struct Options {
  std::int64_t num_inference_steps = 20;
  std::int64_t iterations = 12;
  double tolerance = 1e-5;
};

// One micro-batch: the states of its rows from the sample (0) to the noise (N), and what certifies them.
struct Inversion {
  const TrajectoryJob& job;
  const SegmentModel& segment = job.models.front().front();
  const Model& model = *segment.model;
  const diffusion::Grid& grid = job.phases.front().grid;
  TensorMap embedded = {};
  std::vector<State> path = {};
  State certificates = {};
  std::int64_t passes = 0;  // of the network

  // The step from n steps remaining to n - 1: x + h v(x), of which the network predicts -v.
  State forward(const State& x, std::int64_t n) {
    if (job.stop.stop_requested()) throw Stopped("stopped between two evaluations of an inversion");
    const auto time = at::full({x.begin()->second.size(0)}, grid.at(n).timestep).to(job.device);
    ++passes;
    return plus(x, grid.at(n).level.alpha - grid.at(n - 1).level.alpha, model.network->predict(model.weights, x, time, embedded));
  }

  void run(const std::vector<std::int64_t>& rows, const Options& options) {
    const auto index = at::tensor(rows, at::kLong).to(job.device);
    for (const auto& [name, tensor] : segment.embedded) embedded[name] = tensor.index_select(0, index);
    path.emplace_back();
    for (const auto& [name, tensor] : job.start) path[0][name] = tensor.index_select(0, index);
    std::vector<at::Tensor> residuals, ratios;  // [B] each
    for (std::int64_t n = 1; n <= grid.num_steps(); ++n) {
      auto y = path.back();
      at::Tensor residual, ratio;
      for (std::int64_t i = 0; i < options.iterations; ++i) {
        const auto miss = plus(forward(y, n), -1, path.back());
        const auto before = residual;
        residual = rms(miss);
        if (i == 0) ratio = at::zeros_like(residual);
        if (i > 0) ratio = at::maximum(ratio, residual / before.clamp_min(std::numeric_limits<float>::min()));
        if (i + 1 < options.iterations) y = plus(y, -1, miss);
      }
      path.push_back(y);
      residuals.push_back(residual);
      ratios.push_back(ratio);
    }
    auto back = path.back();
    for (auto n = grid.num_steps(); n > 0; --n) back = forward(back, n);
    const auto residual = at::stack(residuals, 1);  // [B, N]
    certificates = {{inversion::kResidual, residual},
                    {inversion::kContraction, at::stack(ratios, 1)},
                    {inversion::kIterations, at::full_like(residual, static_cast<double>(options.iterations))},
                    {inversion::kRoundTripError, rms(plus(back, -1, path.front()))},
                    {inversion::kKnownNoiseError, at::full_like(residual.select(1, 0), std::numeric_limits<double>::quiet_NaN())},
                    {inversion::kConverged, residual.le(options.tolerance).all(1).to(at::kFloat)}};
  }
};

class Picard final : public NoiseCorrector {
 public:
  void options(Schema& schema) override {
    schema.integer("num_inference_steps", options_.num_inference_steps, "Euler steps N of the sampling to invert.")
        .at_least(1)
        .at_most(1e5);
    schema.integer("iterations", options_.iterations, "Network evaluations of a step back.").at_least(1).at_most(1e5);
    schema.number("tolerance", options_.tolerance, "Root mean square of y + h v(y) - x up to which a step has converged.").above(0.0);
  }
  void inputs(Inputs& in) override { in.model("model").process(kProcess); }
  Phase phase(const ModelInfo& model) const override {
    auto phase = sampling::stitched_phase({model}, {options_.num_inference_steps}, "noise_corrector.picard", kProcess);
    phase.start = "examples";
    return phase;
  }
  std::int64_t network_evaluations(const Phase&, const Segment& segment) const override {
    return (segment.first - segment.last) * (options_.iterations + 1);
  }

  // Every pass has the rows of a micro-batch; the last one goes round to the first examples.
  std::int64_t compute(const TrajectoryJob& job, Recorder& recorder) const override {
    const at::NoGradGuard no_grad;
    const auto count = job.start.begin()->second.size(0);
    std::vector<Inversion> parts;
    for (std::int64_t first = 0; first < count; first += job.micro_batch) {
      std::vector<std::int64_t> rows;
      for (std::int64_t i = 0; i < job.micro_batch; ++i) rows.push_back((first + i) % count);
      parts.push_back({job});
      parts.back().run(rows, options_);
    }
    const auto joined = [&](const auto& part_of) {  // [S, ...]
      std::map<std::string, std::vector<at::Tensor>> tensors;
      for (const auto& part : parts) {
        for (const auto& [name, tensor] : part_of(part)) tensors[name].push_back(tensor);
      }
      State whole;
      for (const auto& [name, list] : tensors) whole[name] = at::cat(list).narrow(0, 0, count);
      return whole;
    };
    const auto last = job.phases.front().grid.num_steps();
    for (std::int64_t n = 0; n <= last; ++n) {
      auto state = joined([n](const Inversion& part) { return part.path[static_cast<std::size_t>(n)]; });
      for (const auto& [name, tensor] : joined([](const Inversion& part) { return part.certificates; })) {
        state[name] = n == last ? tensor : at::zeros_like(tensor);
      }
      recorder.record(job.phases.front().grid.at(n), state);
    }
    std::int64_t passes = 0;
    for (const auto& part : parts) passes += part.passes;
    return passes * job.micro_batch;
  }

 private:
  Options options_;
};

}  // namespace

ESPALIER_PLUGIN(plugin) {
  plugin.noise_corrector<Picard>("picard", /*numerics_version=*/1, "Inverts a flow's Euler sampling by fixed-point iterations.");
}
