// DDPO (Black et al. 2023, arXiv 2305.13301): the policy gradient of the reward of finished samples, through the density of every denoising
// step. A stage trains on the samples of one round, in one pass.
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <fmt/format.h>

#include <algorithm>

#include "plugins/trainer/ddpo/advantages.h"
#include "plugins/trainer/ddpo/pass.h"
#include "plugins/trainer/ddpo/policy_loss.h"
#include "plugins/trainer/ddpo/trained_steps.h"
#include "runtime/base/errors.h"
#include "runtime/random/streams.h"
#include "runtime/sampling/guided_model.h"
#include "runtime/sdk/plugin.h"
#include "runtime/tensor/tensor_map.h"
#include "runtime/training/component_options.h"
#include "runtime/training/trainable_weights.h"
#include "runtime/training/training_loop.h"

namespace espalier {
namespace {

constexpr const char* kWho = "trainer.ddpo";

struct DdpoOptions {
  double clip_range = 1e-4;
  double adv_clip_max = 5.0;
  ddpo::AdvantageOptions advantage;
  training::LoopOptions loop;
  training::ComponentOptions components;
  training::LoraOptions lora;

  DdpoOptions() {
    loop.max_train_steps = 2;
    loop.train_batch_size = 8;
    loop.adamw.learning_rate = 3e-4;
    loop.adamw.adam_weight_decay = 1e-4;
    loop.checkpointing_steps = 1;
    loop.logging_steps = 1;
    loop.keep_state = true;
  }

  void declare(Schema& schema) {
    schema
        .integer(
            "max_train_steps", loop.max_train_steps,
            "Updates: optimizer steps into which the one pass over all samples is cut. With 1 every ratio is 1 and nothing is clipped.")
        .at_least(1)
        .at_most(1e6);
    schema.integer("train_batch_size", loop.train_batch_size, "Samples a forward pass; guidance doubles its rows.")
        .at_least(1)
        .at_most(65536);
    schema.number("clip_range", clip_range, "c: the ratio of densities is clipped to 1 - c .. 1 + c.").above(0).below(1);
    schema.number("adv_clip_max", adv_clip_max, "Advantages are clipped to at most this absolute value.").above(0);
    schema
        .integer(
            "advantage_window", advantage.window,
            "Rewards of a condition, the newest of all rounds, whose mean and deviation its advantages are relative to; 0: always those "
            "of this round's samples together.")
        .at_least(0)
        .at_most(1e6);
    schema
        .integer("advantage_min_count", advantage.min_count,
                 "With fewer rewards in its window, a condition's advantages are relative to this round's samples together.")
        .at_least(1)
        .at_most(1e6);
    schema.number("learning_rate", loop.adamw.learning_rate, "AdamW's learning rate.").above(0);
    loop.optimizer_options(schema);
    loop.operational_options(schema);
    schema.flag("gradient_checkpointing", loop.gradient_checkpointing,
                "Compute a U-Net's blocks again for the gradients instead of keeping what is inside them: less memory, more time.");
    components.options(schema);
    lora.options(schema);
  }

  void check() const {
    lora.check(kWho);
    if (advantage.window == 0 || advantage.min_count <= advantage.window) return;
    throw ConfigError(
        fmt::format("{}: advantage_min_count = {} is above advantage_window = {}, so that no window is ever used; take at most "
                    "the window, or advantage_window = 0",
                    kWho, advantage.min_count, advantage.window));
  }
};

// The digests of the rows' conditions.
std::vector<std::string> condition_names(const View& view) {
  std::map<std::int64_t, std::string> known;
  std::vector<std::string> names;
  for (std::int64_t row = 0; row < view.size(); ++row) {
    auto& name = known[view.condition()[static_cast<std::size_t>(row)]];
    if (name.empty()) name = view.conditions({row}).digest();
    names.push_back(name);
  }
  return names;
}

// One training run's moving parts.
class Run final : public training::Objective {
 public:
  Run(const DdpoOptions& options, const TrainerInput& input)
      : options_(options),
        input_(input),
        view_(input.selection->view),
        weights_(kWho, input.model, options.components.train_components, options.lora, input.seed),
        start_(std::make_shared<const Model>(input.model)),
        steps_(ddpo::trained_steps(kWho, input.selection->sampling, input.model, view_.codec().spec())),
        order_(order()),
        pass_(view_.size(), options.loop.max_train_steps, options.loop.train_batch_size, static_cast<std::int64_t>(steps_.size())),
        windows_(input.state ? ddpo::windows_of(*input.state) : ddpo::Windows()) {
    const auto advantage = ddpo::advantages(condition_names(view_), input.selection->score, options.advantage, windows_);
    advantage_ = at::tensor(advantage, at::kDouble).clamp(-options.adv_clip_max, options.adv_clip_max).to(at::kFloat);
    const auto encoded = encode_conditions(view_.conditions(view_.all()), input.model, steps_.front().guidance.negative_prompt);
    condition_ = encoded.tensors;
    null_condition_ = tensor::on(input.context.device, encoded.null_tensors);
  }

  const training::NamedParameters& parameters() const { return weights_.parameters(); }
  std::int64_t batches_per_update() const { return pass_.batches_per_update(); }

  std::vector<std::string> curves() const override { return {"loss", "approx_kl", "clip_fraction"}; }

  std::vector<at::Tensor> values(std::int64_t number) override {
    const auto batch = pass_.batch(number);
    if (batch.places.empty()) return nothing();
    View::Rows rows;
    for (const auto place : batch.places) rows.push_back(order_[static_cast<std::size_t>(place)]);
    const auto& step = steps_[static_cast<std::size_t>(batch.step)];
    auto transition = view_.transition(step.steps_remaining, rows);
    transition.before = tensor::on(input_.context.device, std::move(transition.before));
    transition.after = tensor::on(input_.context.device, std::move(transition.after));
    const auto condition = tensor::on(input_.context.device, tensor::rows(condition_, rows));
    const auto now = log_prob(current(), step, condition, transition);
    const auto old =
        batch.update == 0 ? now.detach() : old_log_prob(step, condition, transition);  // before the first update both are equal
    const auto advantage = advantage_.index_select(0, at::tensor(rows, at::kLong)).to(now.device());
    const auto terms = ddpo::policy_loss(now, old, advantage, options_.clip_range);
    return {terms.loss.sum() * batch.weight, terms.approx_kl.sum() * batch.weight, terms.clipped.sum() * batch.weight};
  }

  TrainedModel finish(training::Trained trained, ModelInfo info) const {
    auto state = std::move(trained.state);
    state.merge(ddpo::to_state(windows_));
    return {weights_.finish(trained.weights, std::move(info)), std::move(state)};
  }

 private:
  std::vector<std::int64_t> order() const {
    if (view_.size() < options_.loop.max_train_steps) {
      throw ConfigError(
          fmt::format("{}: max_train_steps = {} updates need as many samples, and {} have a finite score; take fewer updates, "
                      "or sample more (samples_per_condition of the sampler)",
                      kWho, options_.loop.max_train_steps, view_.size()));
    }
    const auto positions = training::stream_positions(0, view_.size());
    return training::shuffled_rows(positions, static_cast<std::uint64_t>(view_.size()), random::streams::training_order(input_.seed));
  }

  // Of a batch without samples: zeros, the first of which a backward pass goes through.
  std::vector<at::Tensor> nothing() const {
    const auto zero = at::zeros({}, at::TensorOptions(at::kFloat).device(input_.context.device));
    return {zero.clone().requires_grad_(), zero, zero};
  }

  std::shared_ptr<const Model> current() {
    auto model = *start_;
    model.weights = weights_.current();
    return std::make_shared<const Model>(std::move(model));
  }

  at::Tensor old_log_prob(const ddpo::TrainedStep& step, const TensorMap& condition, const Transition& transition) const {
    const at::NoGradGuard no_grad;
    return log_prob(start_, step, condition, transition);
  }

  // log p(after | before), a mean over the state's dimensions, [B], under a model with the step's guidance.
  at::Tensor log_prob(const std::shared_ptr<const Model>& model, const ddpo::TrainedStep& step, const TensorMap& condition,
                      const Transition& transition) const {
    SegmentModel segment{model, condition};
    segment.embedded = model->network->embed(model->weights, condition);
    if (!null_condition_.empty()) segment.null_embedded = model->network->embed(model->weights, null_condition_);
    const sampling::GuidedModel network(segment, step.guidance);
    const auto query = model->process->query(transition.before, transition.from).value();
    const auto prediction = network.predict(query.input, query.timestep);
    const StepEnds ends{*model->process, transition.from, transition.to};
    return input_.selection->sampling.solver->log_prob(transition.before, prediction, transition.after, ends).value();
  }

  const DdpoOptions& options_;
  const TrainerInput& input_;
  const View& view_;
  training::TrainableWeights weights_;
  std::shared_ptr<const Model> start_;  // the policy that sampled
  std::vector<ddpo::TrainedStep> steps_;
  std::vector<std::int64_t> order_;  // row of the view by place in the pass
  ddpo::Pass pass_;
  ddpo::Windows windows_;
  at::Tensor advantage_;  // [N], on the CPU
  TensorMap condition_;   // [N, ...], on the CPU
  TensorMap null_condition_;
};

class Ddpo final : public Trainer {
 public:
  void options(Schema& schema) override { options_.declare(schema); }

  void check() const override { options_.check(); }

  void inputs(Inputs& in) override {
    in.model("model", "The policy: the model that sampled.").of(kDenoiser).process("variance_preserving");
    in.scores("scores", "Scores of the samples to train on, whose every step is read.").transitions();
  }

  std::optional<ModelInfo> trained_info(const ModelInfo& start, const diffusion::Grid*,
                                        const std::optional<CorrectedSampling>&) const override {
    if (!start.components.empty()) options_.components.check(kWho, start.components);
    auto info = start;
    options_.lora.plan(kWho, options_.components.train_components, info);
    return info;
  }

  void check_sampling(const ModelInfo& start, const std::vector<ModelInfo>& sampled_with) const override {
    ddpo::check_on_policy(kWho, start, sampled_with);
  }

  std::int64_t max_train_steps() const override { return options_.loop.max_train_steps; }

  TrainedModel train(const TrainerInput& input) const override {
    options_.components.check(kWho, components_of(input.model.weights));
    Run run(options_, input);
    auto loop = options_.loop;
    loop.gradient_accumulation_steps = run.batches_per_update();
    auto trained = training::train(input, kWho, run.parameters(), loop, run);
    return run.finish(std::move(trained), *trained_info(input.model.info, nullptr, input.corrects));
  }

 private:
  DdpoOptions options_;
};

}  // namespace
}  // namespace espalier

ESPALIER_PLUGIN(plugin) {
  plugin.trainer<espalier::Ddpo>("ddpo", /*numerics_version=*/1,
                                 "DDPO: policy gradient of a reward through the density of every denoising step.");
}
