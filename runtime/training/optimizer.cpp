#include "runtime/training/optimizer.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/_foreach_add.h>
#include <ATen/ops/_foreach_mul.h>
#include <ATen/ops/_foreach_norm.h>
#include <ATen/ops/_foreach_sub.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "runtime/base/errors.h"
#include "runtime/base/suggest.h"

namespace espalier::training {
namespace {

void copy_into(at::Tensor& target, const TensorMap& source, const std::string& name) {
  const auto found = source.find(name);
  if (found == source.end()) throw DataError(fmt::format("the optimizer's state lacks the tensor '{}'", name));
  if (found->second.sizes() != target.sizes()) {
    throw DataError(fmt::format("tensor '{}' of the optimizer's state has the shape [{}], expected [{}]", name,
                                fmt::join(found->second.sizes(), ", "), fmt::join(target.sizes(), ", ")));
  }
  target.copy_(found->second);
}

}  // namespace

AdamW::AdamW(NamedParameters parameters, AdamWOptions options) : options_(options) {
  for (auto& [name, parameter] : parameters) {
    if (!parameter.is_leaf() || !parameter.requires_grad())
      throw InternalError(fmt::format("parameter '{}' is not a leaf that requires gradients", name));
    exp_avg_.push_back(at::zeros_like(parameter.detach()));
    exp_avg_sq_.push_back(at::zeros_like(parameter.detach()));
    steps_.push_back(at::zeros({}, parameter.options().dtype(at::kFloat).requires_grad(false)));
    names_.push_back(std::move(name));
    parameters_.push_back(std::move(parameter));
  }
}

at::Tensor AdamW::clip_gradients(double max_grad_norm) {
  const at::NoGradGuard no_grad;
  std::vector<at::Tensor> gradients;
  for (const auto& parameter : parameters_) {
    if (parameter.grad().defined()) gradients.push_back(parameter.grad());
  }
  if (gradients.empty()) return at::zeros({});
  const auto norm = at::linalg_vector_norm(at::stack(at::_foreach_norm(gradients, 2)));
  // torch.nn.utils.clip_grad_norm_'s coefficient.
  if (max_grad_norm > 0.0) at::_foreach_mul_(gradients, (max_grad_norm / (norm + 1e-6)).clamp_max(1.0));
  return norm;
}

void AdamW::step(double learning_rate) {
  const at::NoGradGuard no_grad;
  std::vector<at::Tensor> parameters, gradients, exp_avg, exp_avg_sq, steps;
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    if (!parameters_[i].grad().defined()) continue;  // took no part in the loss
    parameters.push_back(parameters_[i]);
    gradients.push_back(parameters_[i].grad());
    exp_avg.push_back(exp_avg_[i]);
    exp_avg_sq.push_back(exp_avg_sq_[i]);
    steps.push_back(steps_[i]);
  }
  if (parameters.empty()) return;
  at::_foreach_add_(steps, 1);
  at::_fused_adamw_(parameters, gradients, exp_avg, exp_avg_sq, {}, steps, learning_rate, options_.adam_beta1, options_.adam_beta2,
                    options_.adam_weight_decay, options_.adam_epsilon, /*amsgrad=*/false, /*maximize=*/false);
  for (auto& parameter : parameters) parameter.mutable_grad() = at::Tensor();
}

TensorMap AdamW::state() const {
  TensorMap state;
  for (std::size_t i = 0; i < names_.size(); ++i) {
    state[names_[i] + ".exp_avg"] = exp_avg_[i];
    state[names_[i] + ".exp_avg_sq"] = exp_avg_sq_[i];
    state[names_[i] + ".step"] = steps_[i];
  }
  return state;
}

void AdamW::load(const TensorMap& state) {
  const at::NoGradGuard no_grad;
  for (std::size_t i = 0; i < names_.size(); ++i) {
    copy_into(exp_avg_[i], state, names_[i] + ".exp_avg");
    copy_into(exp_avg_sq_[i], state, names_[i] + ".exp_avg_sq");
    copy_into(steps_[i], state, names_[i] + ".step");
  }
}

Ema::Ema(const NamedParameters& parameters, double decay) : decay_(decay) {
  for (const auto& [name, parameter] : parameters) averaged_[name] = parameter.detach().clone();
}

void Ema::update(const NamedParameters& parameters, std::int64_t step) {
  const at::NoGradGuard no_grad;
  const auto done = static_cast<double>(step);
  const auto decay = step <= 0 ? 0.0 : std::min(decay_, (1.0 + done) / (10.0 + done));
  std::vector<at::Tensor> averaged, current;
  for (const auto& [name, parameter] : parameters) {
    averaged.push_back(averaged_.at(name));
    current.push_back(parameter.detach());
  }
  at::_foreach_sub_(averaged, at::_foreach_sub(averaged, current), 1.0 - decay);
}

void Ema::load(const TensorMap& state) {
  const at::NoGradGuard no_grad;
  for (auto& [name, tensor] : averaged_) copy_into(tensor, state, name);
}

double learning_rate_factor(const std::string& lr_scheduler, std::int64_t step, std::int64_t lr_warmup_steps,
                            std::int64_t max_train_steps) {
  const std::vector<std::string> known{"constant", "constant_with_warmup", "linear", "cosine"};
  if (std::ranges::find(known, lr_scheduler) == known.end()) {
    throw ConfigError(fmt::format("lr_scheduler '{}' is not known{}", lr_scheduler, did_you_mean(lr_scheduler, known)));
  }
  if (lr_scheduler == "constant") return 1.0;
  if (step < lr_warmup_steps) return static_cast<double>(step) / static_cast<double>(std::max<std::int64_t>(1, lr_warmup_steps));
  if (lr_scheduler == "constant_with_warmup") return 1.0;
  const auto remaining = static_cast<double>(std::max<std::int64_t>(1, max_train_steps - lr_warmup_steps));
  if (lr_scheduler == "linear") return std::max(0.0, static_cast<double>(max_train_steps - step) / remaining);
  const auto progress = static_cast<double>(step - lr_warmup_steps) / remaining;
  return std::max(0.0, 0.5 * (1.0 + std::cos(std::numbers::pi * progress)));
}

}  // namespace espalier::training
