#include "runtime/network/checkpointing.h"

#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <string>
#include <utility>

namespace espalier::network {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

thread_local bool checkpointing = false;

// A part with the weights that need no gradients. Its tensors are the inputs, then the weights of `names`.
struct Recomputed : torch::CustomClassHolder {
  NetworkPart part;
  std::string prefix;
  TensorMap frozen;
  std::vector<std::string> names;
  std::size_t inputs = 0;

  at::Tensor run(const variable_list& tensors) const {
    auto weights = frozen;
    for (std::size_t i = 0; i < names.size(); ++i) weights.emplace(names[i], tensors[inputs + i]);
    return part(Scope(weights, prefix), {tensors.begin(), tensors.begin() + static_cast<std::ptrdiff_t>(inputs)});
  }
};

struct Recompute : torch::autograd::Function<Recompute> {
  static at::Tensor forward(AutogradContext* context, const c10::intrusive_ptr<Recomputed>& recomputed, at::TensorList tensors) {
    context->saved_data["recomputed"] = c10::IValue::make_capsule(recomputed);
    context->save_for_backward(tensors.vec());
    return recomputed->run(tensors.vec());  // without gradients, as all of forward()
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const auto recomputed = c10::static_intrusive_pointer_cast<Recomputed>(context->saved_data["recomputed"].toCapsule());
    const at::AutoGradMode with_gradients(true);
    variable_list tensors, wanted;
    std::vector<std::size_t> places;
    for (const auto& saved : context->get_saved_variables()) {
      tensors.push_back(saved.detach());
      if (!saved.requires_grad()) continue;
      tensors.back().requires_grad_();
      wanted.push_back(tensors.back());
      places.push_back(tensors.size());  // behind the gradient of what is no tensor
    }
    variable_list result(tensors.size() + 1);
    const auto found = torch::autograd::grad({recomputed->run(tensors)}, wanted, gradients, /*retain_graph=*/false, /*create_graph=*/false,
                                             /*allow_unused=*/true);
    for (std::size_t i = 0; i < found.size(); ++i) result[places[i]] = found[i];
    return result;
  }
};

}  // namespace

GradientCheckpointing::GradientCheckpointing(bool enabled) : before_(std::exchange(checkpointing, enabled)) {}
GradientCheckpointing::~GradientCheckpointing() { checkpointing = before_; }
bool GradientCheckpointing::enabled() { return checkpointing; }

at::Tensor checkpointed(const Scope& weights, const std::vector<at::Tensor>& inputs, const NetworkPart& part) {
  if (!checkpointing || !at::GradMode::is_enabled()) return part(weights, inputs);
  auto recomputed = c10::make_intrusive<Recomputed>();
  recomputed->part = part;
  recomputed->prefix = weights.prefix();
  recomputed->inputs = inputs.size();
  auto tensors = inputs;
  for (auto& [name, tensor] : weights.all()) {
    if (tensor.requires_grad()) {
      recomputed->names.push_back(name);
      tensors.push_back(tensor);
    } else {
      recomputed->frozen.emplace(name, tensor);
    }
  }
  return Recompute::apply(recomputed, at::TensorList(tensors));
}

}  // namespace espalier::network
