#include "runtime/training/optimization.h"

namespace espalier {

void Optimization::options(Schema& schema) {
  schema.number("learning_rate", adamw.learning_rate, "AdamW's peak learning rate.").above(0);
  schema.choice("lr_scheduler", lr_scheduler, {"constant", "constant_with_warmup", "linear", "cosine"}, "Shape of the learning rate.");
  schema.integer("lr_warmup_steps", lr_warmup_steps, "Steps of linear warm-up.").at_least(0).at_most(1e9);
  schema.number("adam_beta1", adamw.adam_beta1, "AdamW's first-moment decay.").at_least(0).below(1);
  schema.number("adam_beta2", adamw.adam_beta2, "AdamW's second-moment decay.").at_least(0).below(1);
  schema.number("adam_weight_decay", adamw.adam_weight_decay, "AdamW's weight decay.").at_least(0);
  schema.number("adam_epsilon", adamw.adam_epsilon, "AdamW's epsilon.").above(0);
  schema.number("max_grad_norm", max_grad_norm, "Gradients are scaled to at most this 2-norm; 0 or inf leaves them.")
      .at_least(0)
      .may_be_infinite();
}

double Optimization::learning_rate(std::int64_t step, std::int64_t max_train_steps) const {
  return adamw.learning_rate * training::learning_rate_factor(lr_scheduler, step, lr_warmup_steps, max_train_steps);
}

}  // namespace espalier
