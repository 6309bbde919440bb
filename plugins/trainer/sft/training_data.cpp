#include "plugins/trainer/sft/training_data.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>

#include "runtime/base/errors.h"

namespace espalier::sft {
namespace {

TensorMap to_device(const TensorMap& tensors, at::Device device) {
  TensorMap moved;
  for (const auto& [name, tensor] : tensors) moved.emplace(name, tensor.to(device));
  return moved;
}

std::vector<std::uint64_t> shuffled(const std::vector<std::uint64_t>& positions, std::uint64_t size, const random::StreamKey& order) {
  std::vector<std::uint64_t> rows;
  rows.reserve(positions.size());
  for (const auto position : positions) {
    rows.push_back(random::shuffled_index(order, position / size, size, position % size));
  }
  return rows;
}

class ExamplesData final : public TrainingData {
 public:
  ExamplesData(std::shared_ptr<const Examples> examples, random::StreamKey order, at::Device device)
      : examples_(std::move(examples)), order_(order), device_(device) {}

  TrainingRows rows(const std::vector<std::uint64_t>& positions) const override {
    const auto size = static_cast<std::uint64_t>(examples_->size());
    const auto batch = examples_->at(size == 0 ? positions : shuffled(positions, size, order_));
    TrainingRows rows;
    rows.batch.start = to_device(batch.state, device_);
    rows.condition = to_device(batch.condition, device_);
    return rows;
  }

 private:
  std::shared_ptr<const Examples> examples_;
  random::StreamKey order_;
  at::Device device_;
};

class SelectedData final : public TrainingData {
 public:
  SelectedData(const SelectedStates& states, diffusion::Level noisier_than, random::StreamKey order, at::Device device)
      : size_(states.weight.size()), reached_(states.reached), noisier_than_(noisier_than), order_(order) {
    state_ = to_device(states.state, device);
    condition_ = to_device(states.condition, device);
    auto weight = at::tensor(states.weight, at::kDouble);
    weight = weight / weight.mean();
    weight_ = weight.to(at::kFloat).to(device);
  }

  TrainingRows rows(const std::vector<std::uint64_t>& positions) const override {
    const auto chosen = shuffled(positions, size_, order_);
    const std::vector<std::int64_t> signed_rows(chosen.begin(), chosen.end());
    const auto index = at::tensor(signed_rows, at::kLong).to(weight_.device());
    TrainingRows rows;
    for (const auto& [name, tensor] : state_) rows.batch.start.emplace(name, tensor.index_select(0, index));
    for (const auto& [name, tensor] : condition_) rows.condition.emplace(name, tensor.index_select(0, index));
    rows.batch.reached = reached_;
    rows.batch.noisier_than = noisier_than_;
    rows.weight = weight_.index_select(0, index);
    return rows;
  }

 private:
  std::uint64_t size_;
  State state_;
  TensorMap condition_;
  at::Tensor weight_;
  diffusion::Level reached_;
  diffusion::Level noisier_than_;
  random::StreamKey order_;
};

}  // namespace

std::unique_ptr<TrainingData> examples_data(std::shared_ptr<const Examples> examples, random::StreamKey order, at::Device device) {
  return std::make_unique<ExamplesData>(std::move(examples), order, device);
}

std::unique_ptr<TrainingData> selection_data(const SelectionData& selection, const std::string& loss, std::int64_t steps_remaining,
                                             random::StreamKey order, at::Device device) {
  if (selection.size() == 0) throw StageError("trainer.sft: the selection is empty; loosen the filter or sample more");
  const auto from = loss == "forward" ? steps_remaining : 0;
  auto states = selection.states(from);
  // A finished sample is what a clean example is, also where the schedule's last level (set_alpha_to_one = false) is not quite {1, 0}.
  if (from == 0) states.reached = diffusion::Level{};
  const auto level = steps_remaining == 0 ? diffusion::Level{} : selection.grid().at(steps_remaining).level;
  return std::make_unique<SelectedData>(states, level, order, device);
}

}  // namespace espalier::sft
