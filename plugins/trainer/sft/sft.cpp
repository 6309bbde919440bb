// Supervised fine-tuning of a diffusion or flow model: pre-training on a domain's examples, GRAFT (intermediate_step = 0) and P-GRAFT on a
// filter's selection, and with reward_temperature reward-weighted training on that or on all scored samples.
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/scalar_tensor.h>

#include <algorithm>

#include "plugins/trainer/sft/training_data.h"
#include "runtime/base/errors.h"
#include "runtime/random/streams.h"
#include "runtime/sdk/plugin.h"
#include "runtime/training/component_options.h"
#include "runtime/training/condition_dropout.h"
#include "runtime/training/trainable_weights.h"
#include "runtime/training/training_loop.h"

namespace espalier {
namespace {

class Sft final : public Trainer {
 public:
  void options(Schema& schema) override {
    schema.step("intermediate_step", intermediate_step_, "profile", by_profile_,
                "Steps that remain where training starts: an index or a fraction of the sampler's steps; 0 is GRAFT. \"profile\": the step "
                "that the input `profile` recommends, a metric.intermediate_profile of the same trajectories.");
    schema.choice(
        "loss", loss_, {"clean", "forward"},
        "With an intermediate step: noise the trajectory's X_0 to noisier levels only (clean), or go on noising its X_t (forward).");
    schema.text("examples", examples_,
                "The split of the domain's examples to train on where the stage has neither a selection nor examples.");
    loop_.options(schema);
    schema
        .flag("gradient_checkpointing", loop_.gradient_checkpointing,
              "Compute a U-Net's blocks again for the gradients instead of keeping what is inside them: less memory, more time.")
        .unkeyed_default();
    schema.number("conditioning_dropout_prob", conditioning_dropout_prob_, "Share of conditions replaced by the empty one.")
        .at_least(0)
        .at_most(1);
    components_.options(schema);
    lora_.options(schema);
    schema
        .number(
            "reward_temperature", reward_.temperature,
            "Weight a sample by exp(score / reward_temperature): the scores of `scores`, or those by which the last filter of `selection` "
            "chose; 0: by the selection's weight alone.")
        .at_least(0)
        .unkeyed_default();
    schema
        .choice("weight_by", reward_.by, {"condition", "batch"},
                "With a reward_temperature: normalise the weights among a condition's samples, or among those of an optimizer step.")
        .unkeyed_default();
  }

  void check() const override {
    lora_.check("trainer.sft");
    if (reward_.by_batch() && !reward_.enabled()) {
      throw ConfigError("trainer.sft: weight_by is set, but reward_temperature is 0, which weights by no reward; set reward_temperature");
    }
  }

  void inputs(Inputs& in) override {
    const auto read = loss_ == "forward" && !by_profile_ ? intermediate_step_ : Step();  // a profile's branches begin at recorded states
    if (by_profile_) in.findings("profile", "Recommends the intermediate step.").of("metric.intermediate_profile");
    in.selection("selection", "The trajectories to train on; without it the domain's examples, or those of `scores` or `examples`.")
        .optional()
        .records(read);
    in.scores("scores", "Train on all trajectories that have a finite score, with reward_temperature weighted by it.")
        .optional()
        .excludes("selection")
        .records(read);
    in.examples("examples", "Train on these noises instead: of inversions, or of sampled trajectories.")
        .optional()
        .excludes("selection")
        .excludes("scores");
  }

  Value identity(const Domain& domain) const override { return Value::Map{{"examples", domain.data().examples(examples_)->digest()}}; }

  std::optional<ModelInfo> trained_info(const ModelInfo& start, const diffusion::Grid* selection,
                                        const std::optional<CorrectedSampling>& corrects) const override {
    check_trajectories(selection != nullptr);
    if (!start.components.empty()) components_.check("trainer.sft", start.components);
    if (by_profile_) return std::nullopt;  // its findings are not known here
    return trained_to(intermediate_step_, start, selection, corrects);
  }

  std::int64_t max_train_steps() const override { return loop_.max_train_steps; }

  TrainedModel train(const TrainerInput& input) const override {
    check_trajectories(input.selection != nullptr);
    components_.check("trainer.sft", components_of(input.model.weights));
    Run run(*this, input, by_profile_ ? recommended_step(*input.profile) : intermediate_step_);
    auto trained = training::train(input, "trainer.sft", run.weights.parameters(), loop_, run);
    return {run.weights.finish(trained.weights, run.info()), std::move(trained.state)};
  }

 private:
  // One training run's moving parts.
  struct Run final : training::Objective {
    const Sft& options;
    const TrainerInput& input;
    Step step;  // where training starts
    training::TrainableWeights weights;
    std::unique_ptr<sft::TrainingData> data;
    TensorMap null_condition;

    Run(const Sft& options_in, const TrainerInput& input_in, Step step_in)
        : options(options_in),
          input(input_in),
          step(step_in),
          weights("trainer.sft", input.model, options.components_.train_components, options.lora_, input.seed) {
      const auto order = random::streams::training_order(input.seed);
      data = input.selection
                 ? sft::selection_data(*input.selection, input.model, options.selection_options(*input.selection, step), order,
                                       input.context.device)
                 : sft::examples_data(input.examples ? input.examples : input.encoded(options.examples_), order, input.context.device);
      const auto& dataset = input.domain.data();
      null_condition = encode_conditions(dataset.conditions(dataset.splits().front()).first(1), input.model).null_tensors;
    }

    // Noise and dropout of the j-th sample of the run are a function of (seed, j).
    std::vector<at::Tensor> values(std::int64_t batch) override {
      const auto positions = training::stream_positions(batch, options.loop_.train_batch_size);
      const auto rows = data->rows(positions);
      random::Draws draws(random::streams::training_noise(input.seed), positions);
      draws.begin(1);
      const auto uniform = draws.uniforms({}).flatten();  // [B]
      const auto condition = training::drop_conditions(rows.condition, null_condition, uniform, options.conditioning_dropout_prob_);
      const auto& network = *input.model.network;
      const auto& now = weights.current();
      const auto embedded = network.embed(now, condition);
      const auto predict = [&](const State& noisy, const at::Tensor& timestep) { return network.predict(now, noisy, timestep, embedded); };
      draws.begin(0);
      const auto loss = input.model.process->loss(predict, rows.batch, draws);  // [B]
      return {(rows.weight.defined() ? loss * rows.weight : loss).mean()};
    }

    ModelInfo info() const {
      return options.trained_to(step, input.model.info, input.selection ? &input.selection->view.grid() : nullptr, input.corrects);
    }
  };

  void check_trajectories(bool given) const {
    if (given) return;
    if (by_profile_ || intermediate_step_ != Step()) {
      throw ConfigError("trainer.sft: intermediate_step is " + (by_profile_ ? "\"profile\"" : intermediate_step_.to_string()) +
                        " but the stage has no selection and no scores; name one in inputs, or leave intermediate_step out");
    }
    if (reward_.enabled()) {
      throw ConfigError("trainer.sft: reward_temperature is " + to_json(reward_.temperature) +
                        " but the stage has no scores and no selection; name one in inputs, or leave reward_temperature out");
    }
  }

  // The model that is trained on states noisier than `step` of trajectories with this grid.
  ModelInfo trained_to(Step step, const ModelInfo& start, const diffusion::Grid* selection,
                       const std::optional<CorrectedSampling>& corrects) const {
    auto info = start;
    lora_.plan("trainer.sft", components_.train_components, info);
    const bool at_index = selection && first_step(step, *selection) != 0 && step.is_index();
    info.last_step = selection ? step : Step();
    info.trained_num_steps = at_index ? selection->num_steps() : 0;
    info.corrects = selection ? start.corrects : corrects;
    return info;
  }

  static Step recommended_step(const Findings& profile) {
    const auto found = std::ranges::find(profile.scalars, "recommended_step", &Scalar::name);
    if (found == profile.scalars.end()) throw StageError("trainer.sft: the input 'profile' recommends no step (recommended_step)");
    return Step(static_cast<std::int64_t>(found->value));
  }

  sft::SelectionOptions selection_options(const SelectedTrajectories& selection, Step step) const {
    return {.loss = loss_,
            .steps_remaining = first_step(step, selection.view.grid()),
            .reward = reward_,
            .step_samples = loop_.train_batch_size * loop_.gradient_accumulation_steps};
  }

  // Steps that remain where training starts.
  static std::int64_t first_step(Step given, const diffusion::Grid& grid) {
    const auto step = given.of(grid.num_steps());
    if (step == grid.num_steps()) {
      throw ConfigError("trainer.sft: intermediate_step = " + given.to_string() + " is the noise itself (step " + std::to_string(step) +
                        " of " + std::to_string(step) + "): nothing noisier is left to train; take a smaller one");
    }
    return step;
  }

  Step intermediate_step_;
  bool by_profile_ = false;  // intermediate_step = "profile"
  std::string loss_ = "clean";
  std::string examples_ = "train";
  training::LoopOptions loop_;
  double conditioning_dropout_prob_ = 0.0;
  training::ComponentOptions components_;
  training::LoraOptions lora_;
  sft::RewardWeighting reward_;
};

}  // namespace
}  // namespace espalier

ESPALIER_PLUGIN(plugin) {
  plugin.trainer<espalier::Sft>(
      "sft", /*numerics_version=*/1,
      "Supervised fine-tuning: pre-training on examples, GRAFT and P-GRAFT on a selection, weighted by rewards or not.");
}
