#include "runtime/training/loop_options.h"

namespace espalier::training {

void LoopOptions::options(Schema& schema) {
  schema.integer("max_train_steps", max_train_steps, "Optimizer steps.").at_least(1).at_most(1e9);
  schema.integer("train_batch_size", train_batch_size, "Examples a forward pass.").at_least(1).at_most(65536);
  schema.integer("gradient_accumulation_steps", gradient_accumulation_steps, "Forward passes an optimizer step.").at_least(1).at_most(1e6);
  schema.number("learning_rate", adamw.learning_rate, "AdamW's peak learning rate.").above(0);
  schema.choice("lr_scheduler", lr_scheduler, {"constant", "constant_with_warmup", "linear", "cosine"}, "Shape of the learning rate.");
  schema.integer("lr_warmup_steps", lr_warmup_steps, "Steps of linear warm-up.").at_least(0).at_most(1e9);
  optimizer_options(schema);
  schema.flag("use_ema", use_ema, "Give the exponential moving average of the weights instead of the last ones.");
  schema.number("ema_decay", ema_decay, "Decay of the moving average.").at_least(0).below(1);
  schema.flag("keep_state", keep_state,
              "Store the optimizer's state beside the model. A trainer that starts from such a model with keep_state goes on from it.");
  operational_options(schema);
}

void LoopOptions::optimizer_options(Schema& schema) {
  schema.number("adam_beta1", adamw.adam_beta1, "AdamW's first-moment decay.").at_least(0).below(1);
  schema.number("adam_beta2", adamw.adam_beta2, "AdamW's second-moment decay.").at_least(0).below(1);
  schema.number("adam_weight_decay", adamw.adam_weight_decay, "AdamW's weight decay.").at_least(0);
  schema.number("adam_epsilon", adamw.adam_epsilon, "AdamW's epsilon.").above(0);
  schema.number("max_grad_norm", max_grad_norm, "Gradients are scaled to at most this 2-norm; 0 or inf leaves them.")
      .at_least(0)
      .may_be_infinite();
}

void LoopOptions::operational_options(Schema& schema) {
  schema.integer("checkpointing_steps", checkpointing_steps, "Optimizer steps between checkpoints.").at_least(1).at_most(1e9).operational();
  schema.integer("logging_steps", logging_steps, "Optimizer steps between points of the curves.").at_least(1).at_most(1e9).operational();
}

double LoopOptions::learning_rate(std::int64_t step) const {
  return adamw.learning_rate * learning_rate_factor(lr_scheduler, step, lr_warmup_steps, max_train_steps);
}

}  // namespace espalier::training
