#pragma once

#include <cstdint>
#include <string>

#include "runtime/sdk/schema.h"
#include "runtime/training/optimizer.h"

namespace espalier::training {

// The options of every trainer that uses the loop, under diffusers' names. A trainer sets its own defaults.
struct LoopOptions {
  std::int64_t max_train_steps = 400;
  std::int64_t train_batch_size = 64;
  std::int64_t gradient_accumulation_steps = 1;
  AdamWOptions adamw = {};
  std::string lr_scheduler = "constant";
  std::int64_t lr_warmup_steps = 0;
  double max_grad_norm = 1.0;
  bool use_ema = false;
  double ema_decay = 0.999;
  bool keep_state = false;
  bool gradient_checkpointing = false;  // network/checkpointing.h; an option only of trainers whose networks support it
  std::int64_t checkpointing_steps = 100;
  std::int64_t logging_steps = 10;

  void options(Schema& schema);
  // Parts of options(), for a trainer that has no use for the others: AdamW's without the learning rate, with the clipping of gradients;
  // and those of checkpoints and curves.
  void optimizer_options(Schema& schema);
  void operational_options(Schema& schema);
  double learning_rate(std::int64_t step) const;  // of the next step, after `step` steps
};

}  // namespace espalier::training
