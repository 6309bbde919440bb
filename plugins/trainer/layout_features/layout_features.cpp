// Trains the layout network whose features metric.layout_quality compares: real page or perturbed, and what each class covers.
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/binary_cross_entropy_with_logits.h>
#include <ATen/ops/zeros.h>
#include <fmt/format.h>

#include <cmath>

#include "plugins/shared/layout/feature_network.h"
#include "plugins/trainer/layout_features/page_stream.h"
#include "runtime/base/errors.h"
#include "runtime/model/optimizer.h"
#include "runtime/sdk/optimization.h"
#include "runtime/sdk/plugin.h"

namespace espalier::layout {
namespace {

using NamedParameters = std::vector<std::pair<std::string, at::Tensor>>;

class LayoutFeaturesTrainer final : public Trainer {
 public:
  std::map<std::string, PortUse> ports() const override { return {{"selection", PortUse::refused}, {"examples", PortUse::refused}}; }
  void options(Schema& schema) override {
    schema.text("examples", examples_, "The split of the domain's examples to learn.");
    schema.integer("width", width_, "Features of a page; a multiple of 4.").at_least(4).at_most(1024);
    schema.integer("layers", layers_, "Layers of the transformer.").at_least(1).at_most(64);
    schema.number("perturbation", perturbation_, "Standard deviation of the noise on a perturbed page's boxes, as a share of the page.")
        .above(0.0);
    schema.integer("max_train_steps", max_train_steps_, "Optimizer steps.").at_least(1);
    schema.integer("train_batch_size", train_batch_size_, "Pages an optimizer step, half of them perturbed.").at_least(2);
    optimization_.options(schema);
    schema.integer("checkpointing_steps", checkpointing_steps_, "Optimizer steps between checkpoints.").at_least(1).operational();
    schema.integer("logging_steps", logging_steps_, "Optimizer steps between points of the curves.").at_least(1).operational();
  }

  Value identity(const Domain& domain) const override { return Value::Map{{"examples", domain.examples(examples_)->digest()}}; }
  std::int64_t max_train_steps() const override { return max_train_steps_; }

  Model train(const TrainerInput& input) const override {
    if (input.selection) throw ConfigError("trainer.layout_features: learns the domain's examples; it takes no selection");
    if (width_ % kHeads != 0)
      throw ConfigError(fmt::format("trainer.layout_features: width = {}; it must be a multiple of {}", width_, kHeads));
    Run run(*this, input);
    run.resume();
    while (run.step < max_train_steps_) {
      run.take_step();
      if (run.step == max_train_steps_) break;
      const bool stopping = input.stop.stop_requested();
      if (stopping || run.step % checkpointing_steps_ == 0) run.save();
      if (stopping) throw Stopped(at_step(run.step) + " saved");
    }
    return run.finish();
  }

 private:
  static std::string at_step(std::int64_t step) { return fmt::format("trainer.layout_features: step {}", step); }

  // One training run's moving parts.
  struct Run {
    const LayoutFeaturesTrainer& options;
    const TrainerInput& input;
    PageStream pages;
    FeatureConfig config;
    Weights weights;             // all of them are trained
    NamedParameters parameters;  // the same tensors
    std::unique_ptr<model::AdamW> optimizer;
    std::int64_t step = 0;
    at::Tensor sums;  // [3] of the loss, the map's part of it and the accuracy, since the last logged point

    Run(const LayoutFeaturesTrainer& options_in, const TrainerInput& input_in)
        : options(options_in),
          input(input_in),
          pages(input.domain, options.examples_, options.perturbation_, {input.seed, random::Purpose::training, 2, 0}),
          config{pages.classes(), options.width_, options.layers_} {
      for (const auto& [name, tensor] : options.start(config, input)) {
        auto own = tensor.detach().to(input.device).clone();
        own.requires_grad_();
        parameters.emplace_back(name, own);
        weights.emplace(name, own);
      }
      optimizer = std::make_unique<model::AdamW>(parameters, options.optimization_.adamw);
      sums = at::zeros({3}, at::kFloat).to(input.device);
    }

    void resume() {
      const auto checkpoint = input.checkpoints.newest();
      input.progress.begin("training", options.max_train_steps_, "step");
      if (!checkpoint) return;
      const at::NoGradGuard no_grad;
      for (auto& [name, tensor] : parameters) tensor.copy_(checkpoint->tensors.at("model").at(name));
      optimizer->load(checkpoint->tensors.at("optimizer"));
      sums.copy_(checkpoint->tensors.at("curves").at("sums"));
      step = checkpoint->step;
      input.progress.advance(step, "resumed");
    }

    void save() const {
      Checkpoint checkpoint;
      checkpoint.step = step;
      for (const auto& [name, tensor] : parameters) checkpoint.tensors["model"].emplace(name, tensor.detach().clone());
      checkpoint.tensors["optimizer"] = optimizer->state();
      checkpoint.tensors["curves"].emplace("sums", sums);
      input.checkpoints.save(checkpoint);
    }

    // The pages of a step are a function of (seed, step): training goes on exactly where it stopped.
    void take_step() {
      const auto batch = pages.at(static_cast<std::uint64_t>(step), options.train_batch_size_);
      const auto which = batch.class_index.to(input.device), box = batch.box.to(input.device), real = batch.real.to(input.device);
      const auto heads = page_heads(config, weights, page_features(config, weights, which, box));
      const auto map_loss = at::binary_cross_entropy_with_logits(heads.map, page_map(which, box, config.classes));
      const auto loss = at::binary_cross_entropy_with_logits(heads.real, real) + map_loss;
      loss.backward();
      if (options.optimization_.max_grad_norm > 0) optimizer->clip_gradients(options.optimization_.max_grad_norm);
      optimizer->step(options.optimization_.learning_rate(step, options.max_train_steps_));
      sums[0] += loss.detach();
      sums[1] += map_loss.detach();
      sums[2] += heads.real.detach().gt(0.0).eq(real.gt(0.5)).to(at::kFloat).mean();
      ++step;
      if (step % options.logging_steps_ == 0 || step == options.max_train_steps_) log();
      input.progress.advance(1);
    }

    void log() {
      const auto since = step % options.logging_steps_ == 0 ? options.logging_steps_ : step % options.logging_steps_;
      const auto means = (sums / static_cast<double>(since)).to(at::kCPU);
      sums.zero_();
      const double loss = means[0].item<double>();
      if (!std::isfinite(loss)) throw StageError(at_step(step) + ": the loss is not finite; lower learning_rate or set max_grad_norm");
      input.curves.scalar("loss", step, loss);
      input.curves.scalar("map_loss", step, means[1].item<double>());
      input.curves.scalar("accuracy", step, means[2].item<double>());
    }

    Model finish() const {
      Model trained;
      for (const auto& [name, tensor] : parameters) trained.weights.emplace(name, tensor.detach());
      trained.info.role = kFeaturesRole;
      trained.info.architecture = config.to_value();
      trained.info.digest = digest_weights(trained.weights);
      input.progress.end();
      return trained;
    }
  };

  // A layout network goes on from its weights; any other model leaves fresh ones to be drawn.
  static Weights start(const FeatureConfig& config, const TrainerInput& input) {
    if (input.model.info.role != kFeaturesRole) return initialize_features(config, input.seed);
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
  std::int64_t max_train_steps_ = 2000;
  std::int64_t train_batch_size_ = 128;
  Optimization optimization_{.adamw = {.learning_rate = 1e-3}};
  std::int64_t checkpointing_steps_ = 500;
  std::int64_t logging_steps_ = 50;
};

}  // namespace
}  // namespace espalier::layout

ESPALIER_PLUGIN(registrar) {
  registrar.trainer<espalier::layout::LayoutFeaturesTrainer>(
      "layout_features", /*numerics_version=*/1,
      "Trains the layout network in whose features metric.layout_quality measures a Frechet distance.");
}
