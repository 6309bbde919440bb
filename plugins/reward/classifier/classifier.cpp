// The probability that a small classifier gives to the class an image was prompted with, in [0, 1].
#include <ATen/core/grad_mode.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/tensor.h>
#include <fmt/format.h>

#include <memory>
#include <utility>

#include "plugins/shared/classifier/network.h"
#include "runtime/base/errors.h"
#include "runtime/sdk/plugin.h"

namespace {

using namespace espalier;

class ClassifierReward final : public Reward {
 public:
  void inputs(Inputs& in) override {
    in.trajectories("samples").of("image");
    in.model("model", "The classifier to judge with.").of(classifier::kRole);
  }

  // LibTorch rounds differently on other CPUs: with kernels for AVX2 or SSE in place of AVX-512 the scores of 64 images moved by at most
  // 3e-7 of the largest.
  double probe_tolerance() const override { return 1e-4; }

  void open(const RewardContext& context) override {
    network_ = context.model;
    config_ = classifier::Config::from_value(network_->info.architecture, "the classifier");
    classifier::check(config_, network_->weights, "the classifier");
  }

  // sample: "image" [B, C, H, W] in [0, 1]; metadata: "label", and the class's name where it has one.
  at::Tensor score(const RewardInput& input) const override {
    const at::NoGradGuard no_grad;
    const auto found = input.sample.tensors.find("image");
    if (found == input.sample.tensors.end() || found->second.dim() != 4 || found->second.size(1) != config_.in_channels) {
      throw StageError(
          fmt::format("reward.classifier: needs 'image' [B, {}, H, W], which the classifier was trained on", config_.in_channels));
    }
    std::vector<std::int64_t> labels;
    for (const Value& metadata : input.metadata) labels.push_back(label_of(metadata));
    const at::Tensor image = found->second.to(network_->weights.begin()->second.options());
    const at::Tensor probability = at::softmax(classifier::logits(config_, network_->weights, image), 1).to(at::kCPU);  // [B, classes]
    return probability.gather(1, at::tensor(labels).unsqueeze(1)).squeeze(1);
  }

 private:
  std::int64_t label_of(const Value& metadata) const {
    const Value* label = metadata.is_map() ? metadata.find("label") : nullptr;
    if (label == nullptr || !label->is_integer())
      throw StageError("reward.classifier: the prompts have no fact 'label'; it judges labelled images");
    const std::int64_t number = label->as_integer();
    if (number < 0 || number >= static_cast<std::int64_t>(config_.class_names.size())) {
      throw StageError(fmt::format("reward.classifier: label {}, but the classifier knows {} classes", number, config_.class_names.size()));
    }
    const Value* name = metadata.find("class");
    const std::string& known = config_.class_names[static_cast<std::size_t>(number)];
    if (name != nullptr && (!name->is_string() || name->as_string() != known)) {
      throw StageError(fmt::format("reward.classifier: label {} is '{}' here, but '{}' to the classifier", number,
                                   name->is_string() ? name->as_string() : name->type_name(), known));
    }
    return number;
  }

  std::shared_ptr<const Model> network_;
  classifier::Config config_;
};

}  // namespace

ESPALIER_PLUGIN(registrar) {
  registrar.reward<ClassifierReward>("classifier", /*numerics_version=*/1,
                                     "A small classifier's probability of the class that the prompt names.");
}
