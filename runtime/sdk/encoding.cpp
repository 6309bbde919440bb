#include "runtime/sdk/encoding.h"

#include <utility>

#include "runtime/base/errors.h"
#include "runtime/random/streams.h"

namespace espalier {
namespace {

class ModelExamples final : public EncodedExamples {
 public:
  ModelExamples(std::shared_ptr<const Examples> examples, std::shared_ptr<const Codec> codec, const Model& model, std::uint64_t seed,
                at::Device device)
      : examples_(std::move(examples)), codec_(std::move(codec)), model_(model), seed_(seed), device_(device) {}

  std::int64_t size() const override { return examples_->size(); }
  Hex digest() const override { return examples_->digest(); }
  Batch at(const std::vector<std::uint64_t>& positions) const override {
    auto batch = examples_->at(positions);
    auto encoded = encode_conditions(batch.condition, model_);
    random::Draws draws(random::streams::posterior(seed_), positions);
    return {codec_->encode(batch.sample, {&model_, device_, &draws}), std::move(encoded.tensors), std::move(batch.condition.metadata)};
  }

 private:
  std::shared_ptr<const Examples> examples_;
  std::shared_ptr<const Codec> codec_;
  const Model& model_;
  std::uint64_t seed_;
  at::Device device_;
};

}  // namespace

EncodedConditions encode_conditions(const Conditions& conditions, const Model& model, const std::optional<std::string>& negative_prompt) {
  EncodedConditions encoded{conditions.tensors, conditions.null_tensors};
  if (model.text == nullptr) return encoded;
  for (auto& [name, tensor] : model.text->tensors(conditions.text)) {
    if (!encoded.tensors.emplace(name, tensor).second) {
      throw PluginError("the domain's conditions have a tensor '" + name + "', which a model's own tokenizer makes of their texts");
    }
  }
  const auto role = negative_prompt ? network::TextRole::negative_prompt : network::TextRole::no_negative_prompt;
  encoded.null_tensors.merge(model.text->tensors({negative_prompt.value_or("")}, role));
  return encoded;
}

std::shared_ptr<const EncodedExamples> encode_examples(std::shared_ptr<const Examples> examples, std::shared_ptr<const Codec> codec,
                                                       const Model& model, std::uint64_t seed, at::Device device) {
  return std::make_shared<ModelExamples>(std::move(examples), std::move(codec), model, seed, device);
}

Sample samples_of(const Domain& domain, const Examples::Batch& batch) {
  const auto codec = domain.codec(nullptr);
  return codec->decode(codec->encode(batch.sample, {}), {});
}

}  // namespace espalier
