// Trains the small image classifier that reward.classifier uses, on the labels of a domain's examples.
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/eq.h>

#include <algorithm>

#include "plugins/shared/classifier/network.h"
#include "plugins/trainer/classifier/labelled_images.h"
#include "runtime/base/errors.h"
#include "runtime/random/streams.h"
#include "runtime/sdk/plugin.h"
#include "runtime/training/training_loop.h"

namespace espalier::classifier {
namespace {

constexpr std::uint64_t kValidationBatch = 256;
constexpr std::uint64_t kEndlessValidation = 1024;  // images of a generated split

class ClassifierTrainer final : public Trainer {
 public:
  void options(Schema& schema) override {
    schema.text("examples", examples_, "The split of the domain's examples to learn.");
    schema.choice("part", part_, {"all", "even", "odd"},
                  "Which of them: all, or those at even or odd positions; two classifiers of different halves share no image.");
    schema
        .text("validation", validation_,
              "A split on which to tell the finished classifier's accuracy once, when it is trained; empty for none.")
        .operational();
    schema.integer("width", width_, "Channels of the first of three levels; each next one has twice as many.").at_least(1).at_most(1024);
    loop_.options(schema);
  }

  void inputs(Inputs& in) override {
    in.model("model", "The classifier that training starts with; without one, fresh weights.").of(kRole).optional();
  }

  Value identity(const Domain& domain) const override {
    class_names(domain);  // labels that cannot be learnt are refused by the plan
    return Value::Map{{"examples", domain.data().examples(examples_)->digest()}};
  }

  std::optional<ModelInfo> trained_info(const ModelInfo&, const diffusion::Grid*, const std::optional<CorrectedSampling>&) const override {
    ModelInfo info;
    info.role = kRole;
    info.architecture["channels"] = Value::List{width_, 2 * width_, 4 * width_};  // its classes are known once the examples are read
    return info;
  }
  std::int64_t max_train_steps() const override { return loop_.max_train_steps; }

  TrainedModel train(const TrainerInput& input) const override {
    Run run(*this, input);
    auto trained = training::train(input, "trainer.classifier", run.parameters, loop_, run);
    return {run.finish(std::move(trained.weights)), std::move(trained.state)};
  }

 private:
  // One training run's moving parts.
  struct Run final : training::Objective {
    const ClassifierTrainer& options;
    const TrainerInput& input;
    LabelledImages images;
    Config config;
    training::NamedParameters parameters;  // all of the weights are trained
    Weights weights;                       // the same tensors

    Run(const ClassifierTrainer& options_in, const TrainerInput& input_in)
        : options(options_in), input(input_in), images(input.domain, options.examples_, options.part_, options.order(input.seed)) {
      config.class_names = class_names(input.domain);
      config.in_channels = images.in_order(0, 1).image.size(1);
      config.channels = {options.width_, 2 * options.width_, 4 * options.width_};
      parameters = training::trainable_copies(options.start(config, input), input.context.device);
      weights.insert(parameters.begin(), parameters.end());
    }

    std::vector<std::string> curves() const override { return {"loss", "accuracy"}; }

    // The images of a batch are a function of (seed, number).
    std::vector<at::Tensor> values(std::int64_t number) override {
      const auto batch = images.at(training::stream_positions(number, options.loop_.train_batch_size));
      const auto label = batch.label.to(input.context.device);
      const auto out = logits(config, weights, batch.image.to(input.context.device));  // [B, classes]
      return {at::cross_entropy_loss(out, label), correct(out, label).mean()};
    }

    static at::Tensor correct(const at::Tensor& out, const at::Tensor& label) {
      return out.detach().argmax(1).eq(label).to(at::kFloat);  // [B]
    }

    double validate(const Weights& trained_weights) const {
      const LabelledImages validation(input.domain, options.validation_, "all", options.order(input.seed));
      const auto size = validation.size() == 0 ? kEndlessValidation : validation.size();
      double right = 0.0;
      for (std::uint64_t first = 0; first < size; first += kValidationBatch) {
        const auto batch = validation.in_order(first, std::min(kValidationBatch, size - first));
        const auto out = logits(config, trained_weights, batch.image.to(input.context.device));
        right += correct(out, batch.label.to(input.context.device)).sum().item<double>();
      }
      return right / static_cast<double>(size);
    }

    Model finish(Weights trained_weights) const {
      const at::NoGradGuard no_grad;
      if (!options.validation_.empty())
        input.curves.scalar("validation_accuracy", options.loop_.max_train_steps, validate(trained_weights));
      Model trained;
      trained.weights = std::move(trained_weights);
      trained.info.role = kRole;
      trained.info.architecture = config.to_value();
      trained.info.digest = digest_weights(trained.weights);
      return trained;
    }
  };

  // Two classifiers of different parts differ in their first weights and their order too: so that a judge does not share the reward's
  // random errors.
  random::StreamKey order(std::uint64_t seed) const { return random::streams::training_order(seed, part_ == "odd" ? 1U : 0U); }

  // Training goes on from a classifier's weights; without one they are drawn.
  Weights start(const Config& config, const TrainerInput& input) const {
    if (input.model.info.role != kRole) {
      const auto seed = digest(Value::Map{{"seed", input.seed}, {"part", part_}}).substr(0, 15);
      return initialize(config, std::stoull(seed, nullptr, 16));
    }
    if (input.model.info.architecture != config.to_value()) {
      throw ConfigError("trainer.classifier: the classifier in `model` is " + to_json(input.model.info.architecture) +
                        ", but these options and examples need " + to_json(config.to_value()));
    }
    return input.model.weights;
  }

  std::string examples_ = "train";
  std::string part_ = "all";
  std::string validation_;
  std::int64_t width_ = 32;
  training::LoopOptions loop_{
      .max_train_steps = 1000, .train_batch_size = 128, .adamw = {.learning_rate = 1e-3}, .checkpointing_steps = 200, .logging_steps = 20};
};

}  // namespace
}  // namespace espalier::classifier

ESPALIER_PLUGIN(registrar) {
  registrar.trainer<espalier::classifier::ClassifierTrainer>(
      "classifier", /*numerics_version=*/1,
      "Trains a small image classifier on the labels of the domain's examples, for reward.classifier.");
}
