#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "runtime/tensor/state.h"

namespace espalier::training {

using NamedParameters = std::vector<std::pair<std::string, at::Tensor>>;

struct AdamWOptions {  // diffusers' names
  double learning_rate = 1e-4;
  double adam_beta1 = 0.9;
  double adam_beta2 = 0.999;
  double adam_weight_decay = 1e-2;
  double adam_epsilon = 1e-8;
};

// AdamW through at::_fused_adamw_. Parameters are leaf tensors that require gradients, owned by the caller.
class AdamW {
 public:
  AdamW(NamedParameters parameters, AdamWOptions options);

  // Scales gradients so that their total 2-norm is at most max_grad_norm (0: no clipping); gives the norm before, as a tensor (no .item()).
  at::Tensor clip_gradients(double max_grad_norm);
  void step(double learning_rate);    // in place, then clears the gradients
  TensorMap state() const;            // "<name>.exp_avg", "<name>.exp_avg_sq", "<name>.step"
  void load(const TensorMap& state);  // throws DataError on a missing or misshapen tensor

 private:
  std::vector<std::string> names_;
  std::vector<at::Tensor> parameters_, exp_avg_, exp_avg_sq_, steps_;
  AdamWOptions options_;
};

// Exponential moving average of parameters: ema <- decay ema + (1 - decay) parameter, with diffusers' EMAModel warm-up
// (min(decay, (1 + step) / (10 + step))).
class Ema {
 public:
  Ema(const NamedParameters& parameters, double decay);
  void update(const NamedParameters& parameters, std::int64_t step);
  const TensorMap& averaged() const { return averaged_; }
  void load(const TensorMap& state);

 private:
  TensorMap averaged_;
  double decay_;
};

// diffusers' lr_scheduler names: "constant", "constant_with_warmup", "linear", "cosine". Gives the factor on the base rate for step 0, 1,
// ...
double learning_rate_factor(const std::string& lr_scheduler, std::int64_t step, std::int64_t lr_warmup_steps, std::int64_t max_train_steps);

}  // namespace espalier::training
