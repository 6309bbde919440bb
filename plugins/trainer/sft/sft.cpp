// Supervised fine-tuning of a diffusion or flow model: pre-training on a domain's examples, GRAFT (intermediate_step = 0) and P-GRAFT on a
// filter's selection.
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/scalar_tensor.h>
#include <ATen/ops/where.h>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "plugins/shared/folder/model_folder.h"
#include "plugins/trainer/sft/training_data.h"
#include "runtime/base/errors.h"
#include "runtime/random/streams.h"
#include "runtime/sdk/plugin.h"
#include "runtime/training/optimization.h"
#include "runtime/training/optimizer.h"
#include "runtime/training/training_loop.h"

namespace espalier {
namespace {

// Rows whose uniform is below `probability` get the null condition.
TensorMap drop_conditions(const TensorMap& condition, const TensorMap& empty, const at::Tensor& uniform, double probability) {
  TensorMap dropped;
  for (const auto& [name, tensor] : condition) {
    std::vector<std::int64_t> shape(static_cast<std::size_t>(tensor.dim()), 1);
    shape[0] = tensor.size(0);
    const auto drop = (uniform < probability).to(tensor.device()).view(shape);
    dropped.emplace(name, at::where(drop, empty.at(name).to(tensor.device()), tensor));
  }
  return dropped;
}

class Sft final : public Trainer {
 public:
  void options(Schema& schema) override {
    schema.step("intermediate_step", intermediate_step_,
                "Steps that remain where training starts: an index or a fraction of the sampler's steps; 0 is GRAFT.");
    schema.choice(
        "loss", loss_, {"clean", "forward"},
        "With an intermediate step: noise the trajectory's X_0 to noisier levels only (clean), or go on noising its X_t (forward).");
    schema.text("examples", examples_,
                "The split of the domain's examples to train on where the stage has neither a selection nor examples.");
    schema.integer("max_train_steps", max_train_steps_, "Optimizer steps.").at_least(1).at_most(1e9);
    schema.integer("train_batch_size", train_batch_size_, "Samples a forward pass.").at_least(1).at_most(65536);
    schema.integer("gradient_accumulation_steps", gradient_accumulation_steps_, "Forward passes an optimizer step.")
        .at_least(1)
        .at_most(1e6);
    optimization_.options(schema);
    schema.flag("use_ema", use_ema_, "Give the exponential moving average of the weights instead of the last ones.");
    schema.number("ema_decay", ema_decay_, "Decay of the moving average.").at_least(0).below(1);
    schema.number("conditioning_dropout_prob", conditioning_dropout_prob_, "Share of conditions replaced by the empty one.")
        .at_least(0)
        .at_most(1);
    schema.strings("train_components", train_components_,
                   "Components whose weights are trained: of images \"unet\" and \"text_encoder\", of element sets \"transformer\". The "
                   "others stay.");
    schema.integer("checkpointing_steps", checkpointing_steps_, "Optimizer steps between checkpoints.")
        .at_least(1)
        .at_most(1e9)
        .operational();
    schema.integer("logging_steps", logging_steps_, "Optimizer steps between points of the loss curve.")
        .at_least(1)
        .at_most(1e9)
        .operational();
  }

  void inputs(Inputs& in) override {
    in.selection("selection", "The trajectories to train on; without it the domain's examples, or those of `examples`.")
        .optional()
        .records(loss_ == "forward" ? intermediate_step_ : Step());
    in.examples("examples", "Train on these noises instead: of inversions, or of sampled trajectories.").optional().excludes("selection");
  }

  Value identity(const Domain& domain) const override { return Value::Map{{"examples", domain.examples(examples_)->digest()}}; }

  std::optional<ModelInfo> trained_info(const ModelInfo& start, const diffusion::Grid* selection,
                                        const std::optional<CorrectedSampling>& corrects) const override {
    check_intermediate_step(selection != nullptr);
    if (!start.components.empty()) check_components(start.components);
    auto info = start;
    const bool at_index = selection && first_step(*selection) != 0 && intermediate_step_.is_index();
    info.last_step = selection ? intermediate_step_ : Step();
    info.trained_num_steps = at_index ? selection->num_steps() : 0;
    info.corrects = selection ? start.corrects : corrects;
    return info;
  }

  std::int64_t max_train_steps() const override { return max_train_steps_; }

  Model train(const TrainerInput& input) const override {
    Run run(*this, input);
    training::train(input, run.parameters, settings(), run);
    return run.finish();
  }

 private:
  training::LoopSettings settings() const { return {"trainer.sft", optimization_, max_train_steps_, checkpointing_steps_, logging_steps_}; }

  // One training run's moving parts.
  struct Run final : training::Objective {
    const Sft& options;
    const TrainerInput& input;
    Weights weights;                       // all, the trained ones requiring gradients
    training::NamedParameters parameters;  // the trained ones
    std::unique_ptr<training::Ema> ema;
    std::unique_ptr<sft::TrainingData> data;
    TensorMap null_condition;
    at::Tensor loss_sum;  // since the last logged point

    Run(const Sft& options_in, const TrainerInput& input_in) : options(options_in), input(input_in) {
      options.check_intermediate_step(input.selection != nullptr);
      options.check_components(folder::components_of(input.model.weights));
      for (const auto& [name, tensor] : input.model.weights) {
        auto own = tensor.detach().clone();
        if (options.trains(name)) {
          own.requires_grad_();
          parameters.emplace_back(name, own);
        }
        weights.emplace(name, own);
      }
      if (options.use_ema_) ema = std::make_unique<training::Ema>(parameters, options.ema_decay_);
      const auto order = random::streams::training_order(input.seed);
      data = input.selection
                 ? sft::selection_data(*input.selection, options.loss_, options.first_step(input.selection->grid()), order, input.device)
                 : sft::examples_data(input.examples ? input.examples : input.domain.examples(options.examples_), order, input.device);
      null_condition = input.domain.conditions(input.domain.splits().front()).null_tensors;
    }

    void load(const Checkpoint& checkpoint) override {
      if (ema) ema->load(checkpoint.tensors.at("ema"));
      if (const auto* sum = checkpoint.state.find("loss_sum")) loss_sum = at::scalar_tensor(sum->as_number(), at::kFloat).to(input.device);
    }

    void save(Checkpoint& checkpoint) const override {
      if (loss_sum.defined()) checkpoint.state["loss_sum"] = loss_sum.to(at::kCPU).item<double>();
      if (ema) checkpoint.tensors["ema"] = ema->averaged();
    }

    void add_gradients(std::int64_t step) override {
      const auto accumulation = options.gradient_accumulation_steps_;
      for (std::int64_t part = 0; part < accumulation; ++part) {
        const auto loss = part_loss(step * accumulation + part) / static_cast<double>(accumulation);
        loss.backward();
        loss_sum = loss_sum.defined() ? loss_sum + loss.detach() : loss.detach();
      }
    }

    void after_step(std::int64_t step) override {
      if (ema) ema->update(parameters, step);
    }

    training::CurveValues curve_values(const training::CurvePoint& point) override {
      const double mean = loss_sum.to(at::kCPU).item<double>() / static_cast<double>(point.since);
      loss_sum = at::Tensor();
      return {{"loss", mean}, {"learning_rate", point.learning_rate}};
    }

    // Noise and dropout of the j-th sample of the run are a function of (seed, j).
    at::Tensor part_loss(std::int64_t part) const {
      const auto size = static_cast<std::uint64_t>(options.train_batch_size_);
      std::vector<std::uint64_t> positions(size);
      for (std::uint64_t j = 0; j < size; ++j) positions[j] = static_cast<std::uint64_t>(part) * size + j;
      const auto rows = data->rows(positions);
      random::Draws draws(random::streams::training_noise(input.seed), positions);
      draws.begin(1);
      const auto uniform = draws.uniforms({}).flatten();  // [B]
      const auto condition = drop_conditions(rows.condition, null_condition, uniform, options.conditioning_dropout_prob_);
      const auto embedded = embed(condition);
      const auto& network = *input.model.network;
      const auto predict = [&](const State& noisy, const at::Tensor& timestep) {
        return network.predict(weights, noisy, timestep, embedded);
      };
      draws.begin(0);
      const auto loss = input.model.process->loss(predict, rows.batch, draws);  // [B]
      return (rows.weight.defined() ? loss * rows.weight : loss).mean();
    }

    TensorMap embed(const TensorMap& condition) const { return input.model.network->embed(weights, condition); }

    Model finish() {
      Model trained = input.model;
      const at::NoGradGuard no_grad;
      trained.weights.clear();
      for (const auto& [name, tensor] : weights) trained.weights.emplace(name, tensor.detach());
      if (ema) {
        for (const auto& [name, tensor] : ema->averaged()) trained.weights[name] = tensor;
      }
      trained.info = *options.trained_info(input.model.info, input.selection ? &input.selection->grid() : nullptr, input.corrects);
      trained.info.digest = digest_weights(trained.weights);
      input.progress.end();
      return trained;
    }
  };

  bool trains(const std::string& name) const {
    return std::any_of(train_components_.begin(), train_components_.end(),
                       [&](const std::string& component) { return name.rfind(component + ".", 0) == 0; });
  }

  void check_intermediate_step(bool has_selection) const {
    if (has_selection || intermediate_step_ == Step()) return;
    throw ConfigError("trainer.sft: intermediate_step is " + intermediate_step_.to_string() +
                      " but the stage has no selection; name one in inputs, or leave intermediate_step out");
  }

  // Steps that remain where training starts.
  std::int64_t first_step(const diffusion::Grid& grid) const {
    const auto step = intermediate_step_.of(grid.num_steps());
    if (step == grid.num_steps()) {
      throw ConfigError("trainer.sft: intermediate_step = " + intermediate_step_.to_string() + " is the noise itself (step " +
                        std::to_string(step) + " of " + std::to_string(step) + "): nothing noisier is left to train; take a smaller one");
    }
    return step;
  }

  void check_components(const std::vector<std::string>& known) const {
    const auto list = fmt::format("{}", fmt::join(known, ", "));
    if (train_components_.empty()) throw ConfigError("trainer.sft: train_components is empty; the model's components are: " + list);
    for (const auto& component : train_components_) {
      if (std::ranges::find(known, component) != known.end()) continue;
      throw ConfigError(fmt::format("trainer.sft: train_components names '{}', but the model's components are: {}", component, list));
    }
  }

  Step intermediate_step_;
  std::string loss_ = "clean";
  std::string examples_ = "train";
  std::int64_t max_train_steps_ = 400;
  std::int64_t train_batch_size_ = 64;
  std::int64_t gradient_accumulation_steps_ = 1;
  Optimization optimization_;
  bool use_ema_ = false;
  double ema_decay_ = 0.999;
  double conditioning_dropout_prob_ = 0.0;
  std::vector<std::string> train_components_ = {"unet"};
  std::int64_t checkpointing_steps_ = 100;
  std::int64_t logging_steps_ = 10;
};

}  // namespace
}  // namespace espalier

ESPALIER_PLUGIN(plugin) {
  plugin.trainer<espalier::Sft>("sft", /*numerics_version=*/1,
                                "Supervised fine-tuning: pre-training on examples, GRAFT and P-GRAFT on a selection.");
}
