#pragma once

#include <string>

#include "runtime/sdk/schema.h"
#include "runtime/training/optimizer.h"

namespace espalier {

// How trainers step: AdamW, the shape of its learning rate, gradient clipping; diffusers' option names.
struct Optimization {
  training::AdamWOptions adamw;
  std::string lr_scheduler = "constant";
  std::int64_t lr_warmup_steps = 0;
  double max_grad_norm = 1.0;

  void options(Schema& schema);
  double learning_rate(std::int64_t step, std::int64_t max_train_steps) const;  // of the step after `step` steps
};

}  // namespace espalier
