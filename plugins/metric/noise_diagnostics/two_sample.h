#pragma once

#include "runtime/sdk/metric.h"

namespace espalier::noise_diagnostics {

struct ClassifierOptions {
  std::int64_t samples = 4000;  // noises used at most
  std::int64_t train_steps = 400;
};

// A classifier two-sample test (Lopez-Paz and Oquab, ICLR 2017): a network of one hidden layer (64 units, ReLU) on (z, z^2 - 1) is trained
// on half of the noises [n, D] and as many fresh draws of N(0, I), and judged on the other half: "classifier_accuracy", 0.5 where it cannot
// separate them, with Wilson's 95 % interval. At least 4 noises, else StageError.
Scalar two_sample_accuracy(const at::Tensor& noise, const ClassifierOptions& options, const random::StreamKey& key);

}  // namespace espalier::noise_diagnostics
