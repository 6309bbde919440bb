#include "plugins/metric/noise_diagnostics/two_sample.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/binary_cross_entropy_with_logits.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>

#include "runtime/base/errors.h"
#include "runtime/random/streams.h"
#include "runtime/selection/intervals.h"
#include "runtime/training/optimizer.h"

namespace espalier::noise_diagnostics {
namespace {

constexpr std::int64_t kHidden = 64;
constexpr std::uint64_t kBatch = 128;
at::Tensor normals(const random::StreamKey& key, std::int64_t rows, std::int64_t columns) {
  std::vector<std::uint64_t> samples;
  for (std::int64_t i = 0; i < rows; ++i) samples.push_back(static_cast<std::uint64_t>(i));
  return random::Draws(key, samples).normals({columns});
}

// Noises (label 1) and fresh draws (label 0).
struct Labelled {
  at::Tensor z, label;  // [2k, D], [2k]
};

Labelled labelled(const at::Tensor& noise, const at::Tensor& fresh) {
  const auto z = at::cat({noise, fresh});
  return {z, at::cat({at::ones({noise.size(0)}), at::zeros({fresh.size(0)})})};
}

class Classifier {
 public:
  Classifier(std::int64_t dimensions, const random::StreamKey& key) {
    const auto inputs = static_cast<double>(2 * dimensions);
    parameters_ = {
        {"hidden.weight", normals(random::streams::classifier_hidden_weights(key), kHidden, 2 * dimensions) / std::sqrt(inputs)},
        {"hidden.bias", at::zeros({kHidden})},
        {"out.weight", normals(random::streams::classifier_out_weights(key), 1, kHidden) / std::sqrt(static_cast<double>(kHidden))},
        {"out.bias", at::zeros({1})}};
    for (auto& [name, tensor] : parameters_) tensor.requires_grad_();
  }

  at::Tensor logits(const at::Tensor& z) const {
    const auto hidden = at::relu(at::linear(at::cat({z, z.square() - 1.0}, 1), parameters_[0].second, parameters_[1].second));
    return at::linear(hidden, parameters_[2].second, parameters_[3].second).squeeze(1);
  }

  void train(const Labelled& data, std::int64_t steps, const random::StreamKey& key) {
    const at::AutoGradMode gradients(true);
    training::AdamW optimizer(parameters_, {.learning_rate = 1e-3});
    const auto size = static_cast<std::uint64_t>(data.z.size(0));
    for (std::int64_t step = 0; step < steps; ++step) {
      std::vector<std::int64_t> rows;
      for (std::uint64_t j = 0; j < kBatch; ++j) {
        const auto position = static_cast<std::uint64_t>(step) * kBatch + j;
        rows.push_back(static_cast<std::int64_t>(
            random::shuffled_index(random::streams::classifier_order(key), position / size, size, position % size)));
      }
      const auto which = at::tensor(rows, at::kLong);
      at::binary_cross_entropy_with_logits(logits(data.z.index_select(0, which)), data.label.index_select(0, which)).backward();
      optimizer.step(1e-3);
    }
  }

 private:
  std::vector<std::pair<std::string, at::Tensor>> parameters_;
};

}  // namespace

Scalar two_sample_accuracy(const at::Tensor& noise, const ClassifierOptions& options, const random::StreamKey& key) {
  const auto half = std::min(noise.size(0), options.samples) / 2;
  if (half < 2)
    throw StageError("metric.noise_diagnostics: a two-sample test needs at least 4 converged inversions, not " +
                     std::to_string(noise.size(0)));
  const auto fresh = normals(random::streams::classifier_noise(key), 2 * half, noise.size(1));
  Classifier classifier(noise.size(1), key);
  classifier.train(labelled(noise.narrow(0, 0, half), fresh.narrow(0, 0, half)), options.train_steps, key);
  const auto test = labelled(noise.narrow(0, half, half), fresh.narrow(0, half, half));
  const at::NoGradGuard no_grad;
  const auto right = classifier.logits(test.z).gt(0).eq(test.label.gt(0)).sum().item<std::int64_t>();
  return to_scalar("classifier_accuracy", intervals::share(right, 2 * half));
}

}  // namespace espalier::noise_diagnostics
