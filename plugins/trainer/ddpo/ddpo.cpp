// DDPO (Black et al. 2023, arXiv 2305.13301): the policy gradient of the reward of finished samples, through the density of every denoising
// step. A stage trains on the samples of one round, in one pass.
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "plugins/trainer/ddpo/advantages.h"
#include "plugins/trainer/ddpo/pass.h"
#include "plugins/trainer/ddpo/policy_loss.h"
#include "plugins/trainer/ddpo/trained_steps.h"
#include "runtime/base/errors.h"
#include "runtime/random/streams.h"
#include "runtime/sampling/guided_model.h"
#include "runtime/sampling/transition.h"
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
  double kl_coefficient = 0.0;
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

  void advantage_options(Schema& schema) {
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
    schema
        .choice(
            "advantage_statistics", advantage.statistics, {ddpo::kWindow, ddpo::kGroup, ddpo::kGroupMean},
            "Of which rewards an advantage's mean and deviation are: of the condition's window; of its samples of this round, its group; "
            "or the mean of the group with the deviation of all samples of the round.")
        .unkeyed_default();
    schema.number("advantage_epsilon", advantage.epsilon, "Added to the deviation that an advantage is divided by; Flow-GRPO has 1e-4.")
        .above(0)
        .below(1)
        .unkeyed_default();
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
    advantage_options(schema);
    schema
        .number("kl_coefficient", kl_coefficient,
                "Weight in the loss of each step's KL from the input 'reference', a mean over the state's dimensions; 0: no reference.")
        .at_least(0)
        .at_most(1e6)
        .unkeyed_default();
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
    if (advantage.statistics != ddpo::kWindow || advantage.window == 0 || advantage.min_count <= advantage.window) return;
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

// Groups of one have advantage 0, so that nothing would be learned.
void check_groups(const std::vector<std::string>& condition, const ddpo::AdvantageOptions& options) {
  if (options.statistics == ddpo::kWindow) return;
  const std::set<std::string> distinct(condition.begin(), condition.end());
  if (distinct.size() < condition.size()) return;
  throw ConfigError(
      fmt::format("{}: advantage_statistics = \"{}\" needs two samples of a condition, and each has one; set samples_per_condition of the "
                  "sampler above 1",
                  kWho, options.statistics));
}

void check_reference(const DdpoOptions& options, const TrainerInput& input) {
  if (input.reference && options.kl_coefficient == 0.0) {
    throw ConfigError(
        fmt::format("{}: the input 'reference' has no effect at kl_coefficient = 0; leave it out, or set a coefficient", kWho));
  }
  if (!input.reference || input.reference->process->name() == input.model.process->name()) return;
  throw ConfigError(fmt::format("{}: the model has the process {} and the reference {}; name a reference of the same process", kWho,
                                input.model.process->name(), input.reference->process->name()));
}

void check_process(const ModelInfo& start) {
  const auto name = diffusion::make_process(start.process, kWho)->name();
  if (name == "variance_preserving" || name == "rectified_flow") return;
  throw ConfigError(fmt::format("{}: a model of the process '{}', not 'variance_preserving' or 'rectified_flow'", kWho, name));
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
    check_reference(options, input);
    const auto names = condition_names(view_);
    check_groups(names, options.advantage);
    const auto advantage = ddpo::advantages(names, input.selection->score, options.advantage, windows_);
    advantage_ = at::tensor(advantage, at::kDouble).clamp(-options.adv_clip_max, options.adv_clip_max).to(at::kFloat);
    condition_ = encoded(input.model);
    if (input.reference) reference_condition_ = encoded(*input.reference);
  }

  const training::NamedParameters& parameters() const { return weights_.parameters(); }
  std::int64_t batches_per_update() const { return pass_.batches_per_update(); }

  std::vector<std::string> curves() const override {
    std::vector<std::string> names = {"loss", "approx_kl", "clip_fraction"};
    if (input_.reference) names.push_back("kl");
    return names;
  }

  std::vector<at::Tensor> values(std::int64_t number) override {
    const auto batch = pass_.batch(number);
    if (batch.places.empty()) return nothing();
    View::Rows rows;
    for (const auto place : batch.places) rows.push_back(order_[static_cast<std::size_t>(place)]);
    const auto& step = steps_[static_cast<std::size_t>(batch.step)];
    auto transition = view_.transition(step.steps_remaining, rows);
    transition.before = tensor::on(input_.context.device, std::move(transition.before));
    transition.after = tensor::on(input_.context.device, std::move(transition.after));
    const auto policy = current();
    const auto prediction = predict(policy, condition_, step, rows, transition);
    const auto now = log_prob(*policy, prediction, transition);
    const auto old = batch.update == 0 ? now.detach() : old_log_prob(step, rows, transition);  // before the first update both are equal
    const auto advantage = advantage_.index_select(0, at::tensor(rows, at::kLong)).to(now.device());
    const auto terms = ddpo::policy_loss(now, old, advantage, options_.clip_range);
    std::vector<at::Tensor> values = {terms.loss.sum() * batch.weight, terms.approx_kl.sum() * batch.weight,
                                      terms.clipped.sum() * batch.weight};
    if (input_.reference) {
      const auto kl = kl_to_reference(prediction, step, rows, transition).sum() * batch.weight;
      values.front() = values.front() + kl * options_.kl_coefficient;
      values.push_back(kl.detach());
    }
    return values;
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
    std::vector<at::Tensor> values(curves().size(), zero);
    values.front() = zero.clone().requires_grad_();
    return values;
  }

  std::shared_ptr<const Model> current() {
    auto model = *start_;
    model.weights = weights_.current();
    return std::make_shared<const Model>(std::move(model));
  }

  // The conditions of all rows as a model takes them: rows on the CPU, the null condition on the device.
  EncodedConditions encoded(const Model& model) const {
    auto encoded = encode_conditions(view_.conditions(view_.all()), model, steps_.front().guidance.negative_prompt);
    encoded.null_tensors = tensor::on(input_.context.device, std::move(encoded.null_tensors));
    return encoded;
  }

  // What a model predicts at the start of a transition, with the step's guidance.
  State predict(const std::shared_ptr<const Model>& model, const EncodedConditions& conditions, const ddpo::TrainedStep& step,
                const View::Rows& rows, const Transition& transition) const {
    const auto condition = tensor::on(input_.context.device, tensor::rows(conditions.tensors, rows));
    SegmentModel segment{model, condition};
    segment.embedded = model->network->embed(model->weights, condition);
    if (!conditions.null_tensors.empty()) segment.null_embedded = model->network->embed(model->weights, conditions.null_tensors);
    const sampling::GuidedModel network(segment, step.guidance);
    const auto query = model->process->query(transition.before, transition.from).value();
    return network.predict(query.input, query.timestep);
  }

  // log p(after | before), a mean over the state's dimensions, [B].
  at::Tensor log_prob(const Model& model, const State& prediction, const Transition& transition) const {
    const StepEnds ends{*model.process, transition.from, transition.to};
    return input_.selection->sampling.solver->log_prob(transition.before, prediction, transition.after, ends).value();
  }

  at::Tensor old_log_prob(const ddpo::TrainedStep& step, const View::Rows& rows, const Transition& transition) const {
    const at::NoGradGuard no_grad;
    return log_prob(*start_, predict(start_, condition_, step, rows, transition), transition);
  }

  GaussianStep law(const Model& model, const State& prediction, const Transition& transition) const {
    const auto& sampling = input_.selection->sampling;
    auto law = sampling.solver->gaussian(transition.before, prediction, {*model.process, transition.from, transition.to});
    if (!law)
      throw ConfigError(fmt::format("{}: kl_coefficient needs steps that are Gaussians, and those of {} are not", kWho, sampling.sampler));
    return std::move(*law);
  }

  // KL of the policy's step from the reference's, a mean over the state's dimensions, [B].
  at::Tensor kl_to_reference(const State& prediction, const ddpo::TrainedStep& step, const View::Rows& rows,
                             const Transition& transition) const {
    GaussianStep fixed;
    {
      const at::NoGradGuard no_grad;
      fixed = law(*input_.reference, predict(input_.reference, reference_condition_, step, rows, transition), transition);
    }
    return sampling::gaussian_kl(law(*start_, prediction, transition).mean, fixed.mean, fixed.std);
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
  EncodedConditions condition_, reference_condition_;
};

class Ddpo final : public Trainer {
 public:
  void options(Schema& schema) override { options_.declare(schema); }

  void check() const override { options_.check(); }

  void inputs(Inputs& in) override {
    in.model("model", "The policy: the model that sampled.").of(kDenoiser);
    in.scores("scores", "Scores of the samples to train on, whose every step is read.").transitions();
    auto reference = in.model("reference", "The model that kl_coefficient keeps the policy near.").of(kDenoiser);
    if (options_.kl_coefficient == 0.0) reference.optional();
  }

  std::optional<ModelInfo> trained_info(const ModelInfo& start, const diffusion::Grid*,
                                        const std::optional<CorrectedSampling>&) const override {
    check_process(start);
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
