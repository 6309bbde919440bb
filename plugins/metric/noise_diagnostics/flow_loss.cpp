#include "plugins/metric/noise_diagnostics/flow_loss.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/linalg_eigh.h>
#include <ATen/ops/ones_like.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "plugins/metric/noise_diagnostics/normality.h"
#include "plugins/metric/noise_diagnostics/shrunk_covariance.h"
#include "runtime/base/errors.h"
#include "runtime/random/streams.h"
#include "runtime/selection/bootstrap.h"

namespace espalier::noise_diagnostics {
namespace {

constexpr std::int64_t kBatch = 64;
constexpr double kLeastVariance = 1e-6;

TensorMap batch_of(const TensorMap& tensors, std::int64_t first, std::int64_t count, at::Device device) {
  TensorMap out;
  for (const auto& [name, tensor] : tensors) out.emplace(name, tensor.narrow(0, first, count).to(device));
  return out;
}

// Mean over dimensions of the closed form, for variances l [D] of the model and mean squares q [D] of the data about its mean.
double gaussian_value(const at::Tensor& l, const at::Tensor& q) {
  const auto root = l.clamp_min(kLeastVariance).sqrt();
  return std::numbers::pi / 4 * (q / root + root).mean().item<double>();
}

double full_value(const at::Tensor& centred, const at::Tensor& judged) {
  const auto [values, vectors] = at::linalg_eigh(shrunk_covariance(centred));
  return gaussian_value(values, judged.mm(vectors).square().mean(0));
}

}  // namespace

Scalar corrector_loss(const Model& model, const State& states, const TensorMap& condition, std::int64_t repeats,
                      const random::StreamKey& key, at::Device device) {
  const at::NoGradGuard no_grad;
  const auto rows = states.begin()->second.size(0);
  std::vector<at::Tensor> losses;
  for (std::int64_t first = 0; first < rows; first += kBatch) {
    const auto count = std::min(kBatch, rows - first);
    const auto embedded = model.network->embed(model.weights, batch_of(condition, first, count, device));
    const auto predict = [&](const State& noisy, const at::Tensor& timestep) {
      return model.network->predict(model.weights, noisy, timestep, embedded);
    };
    std::vector<std::uint64_t> samples;
    for (std::int64_t i = 0; i < count; ++i) samples.push_back(static_cast<std::uint64_t>(first + i));
    random::Draws draws(random::streams::flow_loss(key), samples);
    diffusion::TrainingBatch batch;
    batch.start = batch_of(states, first, count, device);
    at::Tensor sum;
    for (std::int64_t repeat = 0; repeat < repeats; ++repeat) {
      draws.begin(static_cast<std::uint32_t>(repeat));
      const auto loss = model.process->loss(predict, batch, draws).to(at::kCPU, at::kDouble);
      sum = sum.defined() ? sum + loss : loss;
    }
    losses.push_back(sum / static_cast<double>(repeats));
  }
  const auto loss = at::cat(losses).contiguous();
  return to_scalar("corrector_loss",
                   intervals::mean({loss.const_data_ptr<double>(), static_cast<std::size_t>(rows)}, random::streams::noise_bootstrap(key)));
}

Scalar gaussian_loss(const at::Tensor& fitted, const at::Tensor& judged) {
  const auto known = fitted.to(at::kDouble), other = judged.to(at::kDouble);
  const auto mean = known.mean(0);
  const auto centred = known - mean, apart = other - mean;
  double best = gaussian_value(at::ones_like(mean), other.square().mean(0));
  if (known.size(0) > 1) {
    best = std::min(best, gaussian_value(centred.square().sum(0) / static_cast<double>(known.size(0) - 1), apart.square().mean(0)));
    best = std::min(best, full_value(centred, apart));
  }
  return to_scalar("gaussian_loss", best);
}

}  // namespace espalier::noise_diagnostics
