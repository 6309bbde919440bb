#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>

#include "runtime/base/errors.h"
#include "runtime/sampling/stitch.h"
#include "runtime/tensor/tensor_map.h"
#include "tests/conformance/broken.h"

namespace espalier::conformance {
namespace {

constexpr int kIterations = 40;

// Picard iteration, the same number of times for every step, whether it has converged or not; known noise is not tried.
class Picard final : public NoiseCorrector {
 public:
  explicit Picard(std::string flaw) : flaw_(std::move(flaw)) {}
  void options(Schema& schema) override {
    schema.integer("num_inference_steps", num_inference_steps_, "Steps from noise to the sample.").at_least(1).at_most(1e5);
  }
  Phase phase(const ModelInfo& model) const override {
    const auto* process = flaw_ == "foreign" && model.process.contains("beta_end") ? "variance_preserving" : "rectified_flow";
    auto phase = sampling::stitched_phase({model}, {num_inference_steps_}, "noise_corrector.example", process);
    if (flaw_ != "start") phase.start = "examples";
    if (flaw_ == "segment") phase.segments.clear();
    return phase;
  }
  std::int64_t network_evaluations(const Phase& phase, const Segment&) const override { return kIterations * phase.grid.num_steps(); }

  std::int64_t compute(const TrajectoryJob& job, Recorder& recorder) const override {
    const auto count = job.start.at("sample").size(0), steps = job.phases.front().grid.num_steps();
    std::vector<State> path(static_cast<std::size_t>(steps + 1));
    path[0] = {{"sample", job.start.at("sample")}};
    rows_ = 0;
    auto residual = at::zeros({count, steps});
    for (std::int64_t n = 1; n <= steps; ++n) {
      const auto& x = path[static_cast<std::size_t>(n - 1)].at("sample");
      auto y = x;
      for (int i = 0; i < (flaw_ == "residual" ? 2 : kIterations); ++i) y = y + (x - forward(job, y, flaw_ == "time" ? n - 1 : n));
      if (flaw_ == "block") y = y + 1e-4 * y.mean();
      if (flaw_ == "twice") y = y + 1e-4 * static_cast<double>(++calls_);
      path[static_cast<std::size_t>(n)]["sample"] = y;
      residual.select(1, n - 1).copy_(rms(forward(job, y, n) - x));
    }
    auto back = path.back().at("sample");
    for (auto n = steps; n > 0; --n) back = forward(job, back, n);
    auto error = rms(back - path[0].at("sample"));
    if (flaw_ == "residual") residual.zero_();
    if (flaw_ == "round trip") error = error + 0.1;
    for (std::int64_t n = 0; n <= steps; ++n) {
      auto& state = path[static_cast<std::size_t>(flaw_ == "order" ? steps - n : n)];
      const double known = n == steps || flaw_ == "zeros" ? 1.0 : 0.0;
      state[inversion::kConverged] = at::full({count}, known);
      state[inversion::kRoundTripError] = error * known;
      state[inversion::kKnownNoiseError] = at::full({count}, n == steps ? std::nan("") : 0.0);
      state[inversion::kResidual] = residual * known;
      state[inversion::kContraction] = at::full({count, steps}, 0.1 * known);
      if (flaw_ == "known") state[inversion::kConverged] = at::full({count}, 0.5);
      if (flaw_ == "certified nan" && n == steps) state["sample"] = state["sample"] * std::nan("");
      if (flaw_ != "field") state[inversion::kIterations] = at::full({count, steps}, kIterations * known);
      recorder.record(job.phases.front().grid.at(flaw_ == "order" ? steps - n : n), state);
    }
    if (flaw_ == "negative") return -1;
    return rows_ + (flaw_ == "evaluations" ? 1 : 0);
  }

 private:
  static const Model& model_of(const TrajectoryJob& job) { return *job.models.front().front().model; }
  static at::Tensor rms(const at::Tensor& difference) { return difference.square().mean({1, 2, 3}).sqrt(); }

  // One Euler step of all rows, `micro_batch` at a time; the last pass is filled up with the first rows.
  at::Tensor forward(const TrajectoryJob& job, const at::Tensor& x, std::int64_t n) const {
    if (flaw_ != "stop" && job.stop.stop_requested()) throw Stopped("between two passes");
    std::vector<at::Tensor> parts;
    for (std::int64_t first = 0; first < x.size(0); first += job.micro_batch) {
      std::vector<std::int64_t> rows;
      for (std::int64_t i = 0; i < job.micro_batch; ++i) rows.push_back((first + i) % x.size(0));
      const auto which = at::tensor(rows, at::kLong);
      const State state{{"sample", x.index_select(0, which)}};
      const auto embedded = tensor::rows(job.models.front().front().embedded, rows);
      const auto time = at::full({job.micro_batch}, job.phases.front().grid.at(n).timestep);
      const auto prediction = model_of(job).network->predict(model_of(job).weights, state, time, embedded);
      const auto h = 1.0 / static_cast<double>(job.phases.front().grid.num_steps());
      parts.push_back((state.at("sample") - h * prediction.at("sample")).narrow(0, 0, std::min(job.micro_batch, x.size(0) - first)));
      rows_ += job.micro_batch;
    }
    return at::cat(parts);
  }

  std::string flaw_;
  std::int64_t num_inference_steps_ = 4;
  mutable std::int64_t rows_ = 0;
  mutable int calls_ = 0;
};

}  // namespace

PluginEntry noise_corrector_with(const std::string& flaw) {
  PluginEntry out{.kind = "noise_corrector", .name = "example", .doc = "An example.", .make = {}, .library = ""};
  out.make = [flaw] { return std::make_unique<Picard>(flaw); };
  return out;
}

}  // namespace espalier::conformance
