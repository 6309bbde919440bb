#include "runtime/exec/conditioning.h"

#include <ATen/ops/equal.h>

#include "runtime/base/errors.h"
#include "runtime/exec/excluded.h"
#include "runtime/sampling/embedding.h"
#include "runtime/sdk/check.h"
#include "runtime/tensor/tensor_map.h"

namespace espalier::exec {

std::string tag_of(const Context& context, const config::StageSpec& stage, const ModelInfo& model) {
  for (const auto& input : stage.inputs) {
    for (const auto& tag : input.tags) {
      if (model_identity(context.results.at(tag).model) == model_identity(model)) return tag;
    }
  }
  throw InternalError("a segment's model is no input of its stage");
}

namespace {

bool same_weights(const at::Tensor& one, const at::Tensor& other) {
  if (one.scalar_type() != other.scalar_type() || one.sizes() != other.sizes()) return false;
  return one.const_data_ptr() == other.const_data_ptr() || at::equal(one, other);  // models with adapters of one base share its weights
}

// Throws StageError if two of the stage's models differ in a weight with which the codec decodes: their states are not of one space.
void require_one_codec(const Context& context, const plan::StagePlan& plan, const std::vector<std::shared_ptr<const Model>>& models) {
  const auto& first = *models.front();
  const auto name_of = [&](const Model& model) { return "'" + tag_of(context, *plan.stage, model.info) + "'"; };
  for (const auto& component : plan.result->codec->components()) {
    for (const auto& model : models) {
      for (auto weight = first.weights.lower_bound(component + "."); weight != first.weights.end(); ++weight) {
        if (!weight->first.starts_with(component + ".")) break;
        const auto other = model->weights.find(weight->first);
        if (other != model->weights.end() && same_weights(weight->second, other->second)) continue;
        throw StageError("the models " + name_of(first) + " and " + name_of(*model) + " differ in " + weight->first +
                         "; models of one trajectory must have the same " + component);
      }
    }
  }
}

}  // namespace

Conditioning::Conditioning(Context& context, const plan::StagePlan& plan, Direction direction)
    : split_(plan.stage->sampler.split),
      domain_type_(context.spec.domain_type),
      spec_(plan.result->codec->spec()),
      device_(context.device),
      micro_batch_(plan.stage->sampler.micro_batch) {
  for (const auto& phase : plan.phases) {
    auto& row = models_.emplace_back();
    for (const auto& segment : phase.segments) row.push_back(context.model(tag_of(context, *plan.stage, segment.model)));
  }
  std::vector<std::shared_ptr<const Model>> all;
  for (const auto& row : models_) all.insert(all.end(), row.begin(), row.end());
  require_one_codec(context, plan, all);
  const auto& data = context.spec.domain->data();
  if (direction == Direction::to_noise) {
    examples_ = encode_examples(data.examples(split_), plan.result->codec, *models_.front().front(), plan.stage->seed, device_);
    count_ = examples_->size();
    return;
  }
  const auto& conditions = context.spec.conditions(*plan.stage);
  count_ = conditions.size();
  for (std::size_t i = 0; i < models_.size(); ++i) {
    auto& row = conditions_.emplace_back();
    for (std::size_t k = 0; k < models_[i].size(); ++k) {
      auto encoded = encode_conditions(conditions, *models_[i][k], plan.phases[i].segments[k].guidance.negative_prompt);
      row.emplace_back(context.blocks, models_[i][k], std::move(encoded), micro_batch_, device_);
    }
  }
}

Conditioning::Batch Conditioning::batch(const std::vector<std::uint64_t>& indices) const {
  std::vector<std::uint64_t> numbers;
  for (const auto index : indices) numbers.push_back(number_of(index));
  Batch batch;
  EncodedExamples::Batch examples;
  if (examples_) {
    examples = examples_->at(numbers);
    check(examples, numbers);
    batch.examples = tensor::on(device_, std::move(examples.state));
  }
  for (std::size_t i = 0; i < models_.size(); ++i) {
    auto& row = batch.models.emplace_back();
    for (std::size_t k = 0; k < models_[i].size(); ++k) {
      row.push_back(examples_ ? sampling::segment_model(models_[i][k], tensor::on(device_, examples.condition), micro_batch_)
                              : conditions_[i][k].at({numbers.begin(), numbers.end()}));
    }
  }
  return batch;
}

void Conditioning::check(const EncodedExamples::Batch& batch, const std::vector<std::uint64_t>& numbers) const {
  check_examples(domain_type_, batch, spec_, static_cast<std::int64_t>(numbers.size()));
  const auto finite = finite_rows(batch.state);
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    if (finite[static_cast<std::int64_t>(i)].item<bool>()) continue;
    throw DataError("example " + std::to_string(numbers[i]) + " of the split '" + split_ +
                    "' is not finite (NaN or infinite) and cannot be inverted; correct the data");
  }
}

}  // namespace espalier::exec
