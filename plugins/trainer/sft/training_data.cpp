#include "plugins/trainer/sft/training_data.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>

#include "runtime/base/errors.h"
#include "runtime/tensor/tensor_map.h"
#include "runtime/training/training_loop.h"

namespace espalier::sft {
namespace {

class ExamplesData final : public TrainingData {
 public:
  ExamplesData(std::shared_ptr<const EncodedExamples> examples, random::StreamKey order, at::Device device)
      : examples_(std::move(examples)), order_(order), device_(device) {}

  TrainingRows rows(const std::vector<std::uint64_t>& positions) const override {
    const auto size = static_cast<std::uint64_t>(examples_->size());
    auto which = positions;
    if (size > 0) {
      const auto rows = training::shuffled_rows(positions, size, order_);
      which.assign(rows.begin(), rows.end());
    }
    const auto batch = examples_->at(which);
    TrainingRows rows;
    rows.batch.start = tensor::on(device_, batch.state);
    rows.condition = tensor::on(device_, batch.condition);
    return rows;
  }

 private:
  std::shared_ptr<const EncodedExamples> examples_;
  random::StreamKey order_;
  at::Device device_;
};

class SelectedData final : public TrainingData {
 public:
  SelectedData(const SelectedTrajectories& selection, const Model& model, std::int64_t step, diffusion::Level reached,
               diffusion::Level noisier_than, random::StreamKey order, at::Device device)
      : size_(selection.weight.size()), reached_(reached), noisier_than_(noisier_than), order_(order) {
    const auto rows = selection.view.all();
    state_ = tensor::on(device, selection.view.states(step, rows));
    condition_ = tensor::on(device, encode_conditions(selection.view.conditions(rows), model).tensors);
    auto weight = at::tensor(selection.weight, at::kDouble);
    weight = weight / weight.mean();
    weight_ = weight.to(at::kFloat).to(device);
  }

  TrainingRows rows(const std::vector<std::uint64_t>& positions) const override {
    const auto index = at::tensor(training::shuffled_rows(positions, size_, order_), at::kLong).to(weight_.device());
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

std::unique_ptr<TrainingData> examples_data(std::shared_ptr<const EncodedExamples> examples, random::StreamKey order, at::Device device) {
  return std::make_unique<ExamplesData>(std::move(examples), order, device);
}

std::unique_ptr<TrainingData> selection_data(const SelectedTrajectories& selection, const Model& model, const std::string& loss,
                                             std::int64_t steps_remaining, random::StreamKey order, at::Device device) {
  const auto& grid = selection.view.grid();
  if (selection.view.size() == 0) throw StageError("trainer.sft: the selection is empty; loosen the filter or sample more");
  const auto from = loss == "forward" ? steps_remaining : 0;
  // A finished sample is what a clean example is, also where the schedule's last level (set_alpha_to_one = false) is not quite {1, 0}.
  const auto level_of = [&](std::int64_t step) { return step == 0 ? diffusion::Level{} : grid.at(step).level; };
  return std::make_unique<SelectedData>(selection, model, from, level_of(from), level_of(steps_remaining), order, device);
}

}  // namespace espalier::sft
