#include "plugins/trainer/sft/training_data.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>

#include <numeric>

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
               diffusion::Level noisier_than, const SelectionOptions& options, random::StreamKey order, at::Device device)
      : base_weight_(selection.weight),
        score_(selection.score),
        reached_(reached),
        noisier_than_(noisier_than),
        reward_(options.reward),
        step_samples_(static_cast<std::uint64_t>(options.step_samples)),
        order_(order) {
    const auto rows = selection.view.all();
    state_ = tensor::on(device, selection.view.states(step, rows));
    condition_ = tensor::on(device, encode_conditions(selection.view.conditions(rows), model).tensors);
    auto weight = at::tensor(selection.weight, at::kDouble);
    weight = weight / weight.mean();
    if (reward_.enabled() && !reward_.by_batch()) {
      weight = at::tensor(weights_by_condition(base_weight_, score_, selection.view.condition(), reward_.temperature), at::kDouble);
    }
    weight_ = weight.to(at::kFloat).to(device);
  }

  TrainingRows rows(const std::vector<std::uint64_t>& positions) const override {
    const auto index = at::tensor(training::shuffled_rows(positions, base_weight_.size(), order_), at::kLong).to(weight_.device());
    TrainingRows rows;
    for (const auto& [name, tensor] : state_) rows.batch.start.emplace(name, tensor.index_select(0, index));
    for (const auto& [name, tensor] : condition_) rows.condition.emplace(name, tensor.index_select(0, index));
    rows.batch.reached = reached_;
    rows.batch.noisier_than = noisier_than_;
    rows.weight = reward_.enabled() && reward_.by_batch() ? weights_in_step(positions) : weight_.index_select(0, index);
    return rows;
  }

 private:
  // Of a micro-batch, whose positions are all of one optimizer step: normalised among all of the step, so that parts of 8 by 4 train as a
  // batch of 32.
  at::Tensor weights_in_step(const std::vector<std::uint64_t>& positions) const {
    const auto first = positions.front() / step_samples_ * step_samples_;
    std::vector<std::uint64_t> step(step_samples_);
    std::iota(step.begin(), step.end(), first);
    std::vector<double> weight, score;
    for (const auto row : training::shuffled_rows(step, base_weight_.size(), order_)) {
      weight.push_back(base_weight_[static_cast<std::size_t>(row)]);
      score.push_back(score_[static_cast<std::size_t>(row)]);
    }
    const auto share = at::tensor(tilted(weight, score, reward_.temperature), at::kDouble) * static_cast<double>(step_samples_);
    const auto offset = static_cast<std::int64_t>(positions.front() - first);
    return share.narrow(0, offset, static_cast<std::int64_t>(positions.size())).to(at::kFloat).to(weight_.device());
  }

  std::vector<double> base_weight_;  // [K], the selection's
  std::vector<double> score_;        // [K]
  State state_;
  TensorMap condition_;
  at::Tensor weight_;  // [K], 1 on average; unused where they are by batch
  diffusion::Level reached_;
  diffusion::Level noisier_than_;
  RewardWeighting reward_;
  std::uint64_t step_samples_;
  random::StreamKey order_;
};

}  // namespace

std::unique_ptr<TrainingData> examples_data(std::shared_ptr<const EncodedExamples> examples, random::StreamKey order, at::Device device) {
  return std::make_unique<ExamplesData>(std::move(examples), order, device);
}

std::unique_ptr<TrainingData> selection_data(const SelectedTrajectories& selection, const Model& model, const SelectionOptions& options,
                                             random::StreamKey order, at::Device device) {
  const auto& grid = selection.view.grid();
  if (selection.view.size() == 0) throw StageError("trainer.sft: the selection is empty; loosen the filter or sample more");
  const auto from = options.loss == "forward" ? options.steps_remaining : 0;
  // A finished sample is what a clean example is, also where the schedule's last level (set_alpha_to_one = false) is not quite {1, 0}.
  const auto level_of = [&](std::int64_t step) { return step == 0 ? diffusion::Level{} : grid.at(step).level; };
  return std::make_unique<SelectedData>(selection, model, from, level_of(from), level_of(options.steps_remaining), options, order, device);
}

}  // namespace espalier::sft
