#pragma once

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <numeric>
#include <vector>

#include "runtime/diffusion/variance_preserving.h"

namespace espalier::diffusion {

// Tests of large samples run as a worker does: on one thread. Two threads that share a busy core take ten times as long.
class OneThread : public testing::Test {
 protected:
  static void SetUpTestSuite() { at::set_num_threads(1); }
};

inline random::Draws draws_of(std::int64_t batch, std::uint64_t seed, random::Purpose purpose = random::Purpose::sampling) {
  std::vector<std::uint64_t> samples(static_cast<std::size_t>(batch));
  std::iota(samples.begin(), samples.end(), std::uint64_t{0});
  random::Draws draws({seed, purpose}, samples);
  draws.begin(0);
  return draws;
}

inline SchedulerConfig plain(Prediction prediction = Prediction::epsilon, std::int64_t num_train_timesteps = 1000) {
  SchedulerConfig config;
  config.num_train_timesteps = num_train_timesteps;
  config.prediction = prediction;
  config.clip_sample = false;
  return config;
}

inline at::Tensor column(const std::vector<double>& values) { return at::tensor(values, at::TensorOptions().dtype(at::kDouble)); }

// What a network of `prediction` answers for a known clean state: all from x = sqrt(abar) clean + sqrt(1 - abar) eps.
inline at::Tensor answer(Prediction prediction, const at::Tensor& x, const at::Tensor& clean, const at::Tensor& alpha_bar) {
  const auto eps = (x - alpha_bar.sqrt() * clean) / (1 - alpha_bar).sqrt();
  switch (prediction) {
    case Prediction::epsilon:
      return eps;
    case Prediction::sample:
      return clean;
    default:
      return alpha_bar.sqrt() * eps - (1 - alpha_bar).sqrt() * clean;
  }
}

}  // namespace espalier::diffusion
