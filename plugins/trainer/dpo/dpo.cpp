// Diffusion-DPO: trains on the best and the worst sample of each prompt, by how much better than the reference it denoises the best.
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>
#include <ATen/ops/tensor.h>

#include "plugins/trainer/dpo/pairs.h"
#include "plugins/trainer/dpo/preference_loss.h"
#include "runtime/base/errors.h"
#include "runtime/network/adapter.h"
#include "runtime/random/streams.h"
#include "runtime/sdk/plugin.h"
#include "runtime/tensor/tensor_map.h"
#include "runtime/training/component_options.h"
#include "runtime/training/condition_dropout.h"
#include "runtime/training/trainable_weights.h"
#include "runtime/training/training_loop.h"

namespace espalier {
namespace {

constexpr const char* kWho = "trainer.dpo";

TensorMap rows_at(const TensorMap& tensors, const at::Tensor& index) {
  TensorMap rows;
  for (const auto& [name, tensor] : tensors) rows.emplace(name, tensor.index_select(0, index));
  return rows;
}

// Everything of the model that is not trained, with the trained weights as they are before training: of an adapter, none.
Weights reference_weights(const Weights& start, const training::NamedParameters& parameters) {
  auto reference = network::without_adapter(start);
  for (const auto& [name, parameter] : parameters) {
    const auto found = reference.find(name);
    // In the dtype in which it is trained, so that the two networks begin equal.
    if (found != reference.end()) found->second = found->second.to(parameter.scalar_type());
  }
  return reference;
}

class Dpo final : public Trainer {
 public:
  Dpo() {
    loop_.train_batch_size = 16;
    loop_.adamw.learning_rate = 1e-5;
  }

  void options(Schema& schema) override {
    schema
        .number("beta_dpo", beta_dpo_,
                "Strength of the preference: the loss is -log sigma(beta_dpo margin), the margin made of mean squared errors.")
        .above(0);
    loop_.options(schema);
    schema.flag("gradient_checkpointing", loop_.gradient_checkpointing,
                "Compute a U-Net's blocks again for the gradients instead of keeping what is inside them: less memory, more time.");
    schema
        .number("conditioning_dropout_prob", conditioning_dropout_prob_,
                "Share of pairs whose condition is replaced by the null condition.")
        .at_least(0)
        .at_most(1);
    components_.options(schema);
    lora_.options(schema);
  }

  void check() const override { lora_.check(kWho); }

  void inputs(Inputs& in) override {
    in.model("model", "Where training starts, and the reference.").of(kDenoiser);
    in.scores("scores", "Scores of sampled trajectories: the best and the worst of each prompt make a pair.").records(Step());
  }

  std::optional<ModelInfo> trained_info(const ModelInfo& start, const diffusion::Grid*,
                                        const std::optional<CorrectedSampling>&) const override {
    if (start.process.is_map()) check_process(*diffusion::make_process(start.process, "the model"));
    if (!start.components.empty()) components_.check(kWho, start.components);
    auto info = start;
    lora_.plan(kWho, components_.train_components, info);
    info.last_step = Step();
    info.trained_num_steps = 0;
    return info;
  }

  std::int64_t max_train_steps() const override { return loop_.max_train_steps; }

  TrainedModel train(const TrainerInput& input) const override {
    check_process(*input.model.process);
    components_.check(kWho, components_of(input.model.weights));
    Run run(*this, input);
    auto trained = training::train(input, kWho, run.weights.parameters(), loop_, run);
    return {run.weights.finish(trained.weights, *trained_info(input.model.info, nullptr, input.corrects)), std::move(trained.state)};
  }

 private:
  // One training run's moving parts.
  struct Run final : training::Objective {
    const Dpo& options;
    const TrainerInput& input;
    training::TrainableWeights weights;
    Weights reference;
    dpo::Pairs pairs;
    State winner, loser;  // [P, ...], clean
    TensorMap condition;  // [P, ...], as the model takes it
    TensorMap null_condition;

    Run(const Dpo& options_in, const TrainerInput& input_in)
        : options(options_in),
          input(input_in),
          weights(kWho, input.model, options.components_.train_components, options.lora_, input.seed),
          reference(reference_weights(input.model.weights, weights.parameters())) {
      const auto& view = input.selection->view;
      pairs = dpo::best_and_worst(view.condition(), input.selection->score);
      if (pairs.size() == 0) {
        throw StageError(std::string(kWho) + ": no prompt has two samples with different finite scores (" + pairs.text() +
                         "); sample more (samples_per_condition of the sampler), or take a reward with more values");
      }
      if (input.context.progress) input.context.progress->say(std::string(kWho) + ": " + pairs.text());
      winner = tensor::on(input.context.device, view.states(0, pairs.winner));
      loser = tensor::on(input.context.device, view.states(0, pairs.loser));
      condition = tensor::on(input.context.device, encode_conditions(view.conditions(pairs.winner), input.model).tensors);
      const auto& dataset = input.domain.data();
      null_condition = encode_conditions(dataset.conditions(dataset.splits().front()).first(1), input.model).null_tensors;
    }

    std::vector<std::string> curves() const override {
      return {"loss", "implicit_accuracy", "denoising_error", "reference_denoising_error", "pairs", "tied_prompts"};
    }

    // Which pairs a batch has, their noise, timestep and dropout are functions of (seed, position).
    std::vector<at::Tensor> values(std::int64_t batch) override {
      const auto positions = training::stream_positions(batch, options.loop_.train_batch_size);
      const auto order = random::streams::training_order(input.seed);
      const auto rows = training::shuffled_rows(positions, static_cast<std::uint64_t>(pairs.size()), order);
      const auto index = at::tensor(rows, at::kLong).to(input.context.device);
      const auto noise = random::streams::training_noise(input.seed);
      random::Draws draws(noise, positions);
      draws.begin(1);
      const auto kept = training::drop_conditions(rows_at(condition, index), null_condition, draws.uniforms({}).flatten(),
                                                  options.conditioning_dropout_prob_);
      const auto& network = *input.model.network;
      const auto predict_with = [&](const Weights& now) {
        TensorMap embedded;  // of the winners and of the losers, whose conditions are the same
        for (const auto& [name, tensor] : network.embed(now, kept)) embedded.emplace(name, at::cat({tensor, tensor}));
        return [&network, &now, embedded](const State& noisy, const at::Tensor& timestep) {
          return network.predict(now, noisy, timestep, embedded);
        };
      };
      diffusion::Predict fixed;
      {
        const at::NoGradGuard no_grad;
        fixed = predict_with(reference);
      }
      const auto result = dpo::preference_loss(*input.model.process, predict_with(weights.current()), fixed, rows_at(winner, index),
                                               rows_at(loser, index), noise, positions, options.beta_dpo_);
      const auto count = [&](std::int64_t number) { return at::full({}, number, result.loss.options().requires_grad(false)); };
      return {result.loss, result.accuracy, result.error, result.reference_error, count(pairs.size()), count(pairs.tied)};
    }
  };

  // The margin is made of mean squared errors of predictions, which the interleaved process's loss on tokens is not.
  static void check_process(const diffusion::NoiseProcess& process) {
    if (process.name() == "variance_preserving" || process.name() == "rectified_flow") return;
    throw ConfigError(std::string(kWho) + ": the model's noise process is '" + process.name() +
                      "', whose loss is no mean squared error; it trains models of the processes variance_preserving and rectified_flow");
  }

  double beta_dpo_ = 2500.0;
  training::LoopOptions loop_;
  double conditioning_dropout_prob_ = 0.0;
  training::ComponentOptions components_;
  training::LoraOptions lora_;
};

}  // namespace
}  // namespace espalier

ESPALIER_PLUGIN(plugin) {
  plugin.trainer<espalier::Dpo>("dpo", /*numerics_version=*/1,
                                "Diffusion-DPO: prefers the best sample of each prompt to its worst, against a frozen reference.");
}
