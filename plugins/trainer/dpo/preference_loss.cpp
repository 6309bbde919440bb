#include "plugins/trainer/dpo/preference_loss.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/log_sigmoid.h>

namespace espalier::dpo {
namespace {

// Of winners [B] and losers [B] their errors' difference, [B].
at::Tensor difference(const at::Tensor& error) {
  const auto pairs = error.size(0) / 2;
  return error.narrow(0, 0, pairs) - error.narrow(0, pairs, pairs);
}

}  // namespace

PreferenceLoss preference_loss(const diffusion::NoiseProcess& process, const diffusion::Predict& trained,
                               const diffusion::Predict& reference, const State& winner, const State& loser, const random::StreamKey& noise,
                               const std::vector<std::uint64_t>& positions, double beta_dpo) {
  diffusion::TrainingBatch batch;
  for (const auto& [name, best] : winner) batch.start.emplace(name, at::cat({best, loser.at(name)}));
  auto both = positions;  // a draw is a function of the position
  both.insert(both.end(), positions.begin(), positions.end());
  const auto error_of = [&](const diffusion::Predict& predict) {
    random::Draws draws(noise, both);
    return process.loss(predict, batch, draws);  // [2 B]
  };
  at::Tensor fixed;
  {
    const at::NoGradGuard no_grad;
    fixed = error_of(reference);
  }
  const auto error = error_of(trained);
  const auto margin = difference(fixed) - difference(error);
  const auto type = error.scalar_type();
  return {-at::log_sigmoid(margin * beta_dpo).mean(), ((margin > 0).to(type) + (margin == 0).to(type) * 0.5).mean(), error.mean(),
          fixed.mean()};
}

}  // namespace espalier::dpo
