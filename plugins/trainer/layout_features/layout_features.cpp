// Trains the layout network whose features metric.layout_quality compares: real page or perturbed, and what each class covers.
#include <ATen/TensorOperators.h>
#include <ATen/ops/binary_cross_entropy_with_logits.h>
#include <fmt/format.h>

#include "plugins/shared/layout/feature_network.h"
#include "plugins/trainer/layout_features/page_stream.h"
#include "runtime/base/errors.h"
#include "runtime/random/streams.h"
#include "runtime/sdk/plugin.h"
#include "runtime/training/training_loop.h"

namespace espalier::layout {
namespace {

class LayoutFeaturesTrainer final : public Trainer {
 public:
  void options(Schema& schema) override {
    schema.text("examples", examples_, "The split of the domain's examples to learn.");
    schema.integer("width", width_, "Features of a page; a multiple of 4.").at_least(4).at_most(1024);
    schema.integer("layers", layers_, "Layers of the transformer.").at_least(1).at_most(64);
    schema.number("perturbation", perturbation_, "Standard deviation of the noise on a perturbed page's boxes, as a share of the page.")
        .above(0.0);
    loop_.options(schema);
  }

  void inputs(Inputs& in) override { in.model("model", "Where training starts; fresh weights without one.").of(kFeaturesRole).optional(); }

  void check() const override {
    if (width_ % kHeads != 0)
      throw ConfigError(fmt::format("trainer.layout_features: width = {}; it must be a multiple of {}", width_, kHeads));
    if (loop_.train_batch_size < 2)
      throw ConfigError("trainer.layout_features: train_batch_size = 1; half of a batch's pages are perturbed, so take 2 or more");
  }

  Value identity(const Domain& domain) const override { return Value::Map{{"examples", domain.data().examples(examples_)->digest()}}; }
  std::optional<ModelInfo> trained_info(const ModelInfo&, const diffusion::Grid*, const std::optional<CorrectedSampling>&) const override {
    ModelInfo info;
    info.role = kFeaturesRole;
    return info;
  }
  std::int64_t max_train_steps() const override { return loop_.max_train_steps; }

  TrainedModel train(const TrainerInput& input) const override {
    check();
    Run run(*this, input);
    auto trained = training::train(input, "trainer.layout_features", run.parameters, loop_, run);
    return {run.finish(std::move(trained.weights)), std::move(trained.state)};
  }

 private:
  // One training run's moving parts.
  struct Run final : training::Objective {
    const LayoutFeaturesTrainer& options;
    const TrainerInput& input;
    PageStream pages;
    FeatureConfig config;
    training::NamedParameters parameters;  // all of the weights are trained
    Weights weights;                       // the same tensors

    Run(const LayoutFeaturesTrainer& options_in, const TrainerInput& input_in)
        : options(options_in),
          input(input_in),
          pages(input.domain, options.examples_, options.perturbation_, random::streams::training_pages(input.seed)),
          config{pages.classes(), options.width_, options.layers_} {
      parameters = training::trainable_copies(options.start(config, input), input.context.device);
      weights.insert(parameters.begin(), parameters.end());
    }

    std::vector<std::string> curves() const override { return {"loss", "map_loss", "accuracy"}; }

    // The pages of a batch are a function of (seed, number).
    std::vector<at::Tensor> values(std::int64_t number) override {
      const auto batch = pages.at(static_cast<std::uint64_t>(number), options.loop_.train_batch_size);
      const auto which = batch.class_index.to(input.context.device), box = batch.box.to(input.context.device),
                 real = batch.real.to(input.context.device);
      const auto heads = page_heads(config, weights, page_features(config, weights, which, box));
      const auto map_loss = at::binary_cross_entropy_with_logits(heads.map, page_map(which, box, config.classes));
      const auto loss = at::binary_cross_entropy_with_logits(heads.real, real) + map_loss;
      const auto right = heads.real.detach().gt(0.0).eq(real.gt(0.5)).to(at::kFloat);  // [B]
      return {loss, map_loss, right.mean()};
    }

    Model finish(Weights trained_weights) const {
      Model trained;
      trained.weights = std::move(trained_weights);
      trained.info.role = kFeaturesRole;
      trained.info.architecture = config.to_value();
      trained.info.digest = digest_weights(trained.weights);
      return trained;
    }
  };

  // Without a model, fresh weights.
  static Weights start(const FeatureConfig& config, const TrainerInput& input) {
    if (input.model.info.digest.empty()) return initialize_features(config, input.seed);
    if (input.model.info.architecture != config.to_value()) {
      throw ConfigError("trainer.layout_features: the layout network in `model` is " + to_json(input.model.info.architecture) +
                        ", but these options and examples need " + to_json(config.to_value()));
    }
    return input.model.weights;
  }

  std::string examples_ = "train";
  std::int64_t width_ = 64;
  std::int64_t layers_ = 2;
  double perturbation_ = 0.05;
  training::LoopOptions loop_{
      .max_train_steps = 2000, .train_batch_size = 128, .adamw = {.learning_rate = 1e-3}, .checkpointing_steps = 500, .logging_steps = 50};
};

}  // namespace
}  // namespace espalier::layout

ESPALIER_PLUGIN(registrar) {
  registrar.trainer<espalier::layout::LayoutFeaturesTrainer>(
      "layout_features", /*numerics_version=*/1,
      "Trains the layout network in whose features metric.layout_quality measures a Frechet distance.");
}
