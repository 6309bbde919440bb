#include "runtime/training/gradient_scaler.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/_foreach_mul.h>
#include <ATen/ops/isfinite.h>

#include <algorithm>
#include <vector>

namespace espalier::training {
namespace {

constexpr double kGrowth = 2.0, kBackoff = 0.5;
constexpr std::int64_t kGrowthInterval = 2000;  // steps

}  // namespace

bool GradientScaler::unscale(const NamedParameters& parameters) {
  if (!enabled_) return true;
  const at::NoGradGuard no_grad;
  std::vector<at::Tensor> gradients;
  for (const auto& [name, parameter] : parameters) {
    if (parameter.grad().defined()) gradients.push_back(parameter.grad());
  }
  at::_foreach_mul_(gradients, 1.0 / scale_);
  const bool finite = std::ranges::all_of(gradients, [](const at::Tensor& tensor) { return at::isfinite(tensor).all().item<bool>(); });
  if (!finite) {
    for (const auto& [name, parameter] : parameters) parameter.mutable_grad() = at::Tensor();
    scale_ *= kBackoff;
    finite_steps_ = 0;
  } else if (++finite_steps_ == kGrowthInterval) {
    scale_ *= kGrowth;
    finite_steps_ = 0;
  }
  return finite;
}

Value GradientScaler::state() const { return Value::Map{{"scale", scale_}, {"finite_steps", finite_steps_}}; }

void GradientScaler::load(const Value& state) {
  scale_ = state.at("scale").as_number();
  finite_steps_ = state.at("finite_steps").as_integer();
}

}  // namespace espalier::training
