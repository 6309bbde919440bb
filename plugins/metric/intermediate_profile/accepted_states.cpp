#include "plugins/metric/intermediate_profile/accepted_states.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>

#include <algorithm>
#include <limits>

#include "runtime/random/streams.h"
#include "runtime/sdk/encoding.h"
#include "runtime/tensor/tensor_map.h"

namespace espalier::intermediate_profile {
namespace {

constexpr std::int64_t kRowsAPass = 64;

at::Tensor flat(const State& state) {
  std::vector<at::Tensor> parts;
  for (const auto& [name, tensor] : state) parts.push_back(tensor.flatten(1).to(at::kDouble));
  return at::cat(parts, 1);
}

// The base's loss on the state of each row, noised further.
std::vector<double> losses(const MetricInput& input, const View& view, std::int64_t step) {
  const at::NoGradGuard no_gradients;
  const auto& model = *input.model;
  const auto& network = *model.network;
  std::vector<double> found;
  for (std::int64_t first = 0; first < view.size(); first += kRowsAPass) {
    input.context.check_stop();
    const auto rows = View::range(first, std::min(kRowsAPass, view.size() - first));
    const auto condition = tensor::on(input.context.device, encode_conditions(view.conditions(rows), model).tensors);
    const auto embedded = network.embed(model.weights, condition);
    const auto predict = [&](const State& noisy, const at::Tensor& timestep) {
      return network.predict(model.weights, noisy, timestep, embedded);
    };
    std::vector<std::uint64_t> numbers;
    for (const auto row : rows) numbers.push_back(static_cast<std::uint64_t>(view.index()[static_cast<std::size_t>(row)]));
    random::Draws draws(random::streams::profile_noise(input.key), numbers);
    draws.begin(0);
    const auto& level = view.grid().at(step).level;
    const auto loss = model.process->loss(predict, {tensor::on(input.context.device, view.states(step, rows)), level, level}, draws);
    const auto on_cpu = loss.to(at::kCPU, at::kDouble).contiguous();
    found.insert(found.end(), on_cpu.data_ptr<double>(), on_cpu.data_ptr<double>() + on_cpu.numel());
  }
  return found;
}

}  // namespace

intervals::Estimate distance_from_noise(const MetricInput& input, std::int64_t step) {
  const auto& accepted = input.selection->view;
  const auto count = std::min(accepted.size(), kMostStates);
  const auto rows = View::range(0, count);
  const auto states = flat(accepted.states(step, rows));
  std::vector<std::uint64_t> numbers;
  std::vector<std::int64_t> condition;
  for (const auto row : rows) {
    numbers.push_back(static_cast<std::uint64_t>(row));
    condition.push_back(accepted.condition()[static_cast<std::size_t>(row)]);
  }
  random::Draws draws(random::streams::profile_prior(input.key), numbers);
  return energy_coefficient(states, condition, draws.normals({states.size(1)}).to(at::kDouble));
}

Learnability learnability(const MetricInput& input, const View& all, std::int64_t step) {
  const auto& selection = *input.selection;
  Learnability found{step, distance_from_noise(input, step), {}};
  if (input.model == nullptr) {
    found.excess.value = std::numeric_limits<double>::quiet_NaN();
  } else if (step < all.grid().num_steps()) {
    std::vector<std::int64_t> accepted;
    for (const auto index : selection.view.index()) {
      accepted.push_back(std::ranges::lower_bound(all.index(), index) - all.index().begin());
    }
    found.excess = excess_loss(losses(input, all, step), all.condition(), accepted, selection.weight, input.key);
  }
  return found;
}

}  // namespace espalier::intermediate_profile
