#include "plugins/trainer/ddpo/policy_world.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/zeros.h>

#include <cmath>
#include <numeric>

#include "runtime/sampling/transition.h"
#include "runtime/tensor/tensor_map.h"
#include "tests/conformance/conformance.h"
#include "tests/conformance/tensor_codec.h"
#include "tests/conformance/toy.h"

namespace espalier::ddpo {
namespace {

constexpr std::int64_t kTimesteps = 12;

class OffsetNetwork final : public Network {
 public:
  Value architecture() const override { return "offset"; }
  TensorMap embed(const Weights&, const TensorMap&) const override { return {}; }
  State predict(const Weights& weights, const State& noisy, const at::Tensor& timestep, const TensorMap&) const override {
    const auto offset = weights.at("unet.offset").index_select(0, timestep.to(at::kLong));  // [B]
    return {{"x", offset.unsqueeze(1).expand_as(noisy.at("x"))}};
  }
  Weights initialize(std::uint64_t) const override { return {{"unet.offset", at::zeros({kTimesteps})}}; }
};

class AncestralSolver final : public Solver {
 public:
  State step(const State& x, const State& prediction, const SolverStep& step) override {
    return sampling::ddim_transition(x, prediction, step, 1.0).draw(step.draws);
  }
  std::optional<at::Tensor> log_prob(const State& x, const State& prediction, const State& next, const StepEnds& ends) const override {
    return sampling::ddim_transition(x, prediction, ends, 1.0).log_prob(next);
  }
  std::optional<GaussianStep> gaussian(const State& x, const State& prediction, const StepEnds& ends) const override {
    return sampling::ddim_transition(x, prediction, ends, 1.0);
  }
};

class Recorded final : public ViewSource {
 public:
  std::map<std::int64_t, State> at_step;
  std::int64_t conditions_count = 1;
  State states(std::int64_t steps_remaining, const std::vector<std::int64_t>& index) const override {
    return tensor::rows(at_step.at(steps_remaining), index);
  }
  State noise(const std::vector<std::int64_t>& index) const override { return states(kSteps, index); }
  Conditions conditions(const std::vector<std::int64_t>& index) const override {
    Conditions conditions;
    for (const auto i : index) conditions.text.push_back("prompt " + std::to_string(i % conditions_count));
    conditions.metadata.resize(index.size());
    return conditions;
  }
};

// The engine's side of a run.
class Engine final : public Checkpoints, public CurveLog {
 public:
  explicit Engine(Training& training) : training_(training) {}
  std::optional<Checkpoint> newest() override { return std::nullopt; }
  void save(const Checkpoint&) override {}
  void scalar(const std::string& name, std::int64_t step, double value) override { training_.curves[name][step] = value; }

 private:
  Training& training_;
};

State predicted(const Model& model, const State& x, double timestep) {
  return model.network->predict(model.weights, x, at::Tensor(x.at("x").select(1, 0) * 0 + timestep), {});
}

}  // namespace

Model offset_model(bool set_alpha_to_one, std::int64_t steps_offset) {
  const Value config = Value::Map{{"_class_name", "DDIMScheduler"},
                                  {"num_train_timesteps", kTimesteps},
                                  {"beta_schedule", "linear"},
                                  {"beta_start", 0.02},
                                  {"beta_end", 0.4},
                                  {"clip_sample", false},
                                  {"prediction_type", "epsilon"},
                                  {"set_alpha_to_one", set_alpha_to_one},
                                  {"steps_offset", steps_offset}};
  Model model;
  const auto network = std::make_shared<OffsetNetwork>();
  model.process = diffusion::make_process(config, "the policy world");
  model.weights = network->initialize(0);
  model.info.digest = digest_weights(model.weights);
  model.info.architecture = network->architecture();
  model.info.process = model.process->config();
  model.network = network;
  return model;
}

LinearStep linear_step(const Model& model, std::int64_t steps_remaining) {
  const auto grid = model.process->grid(kSteps);
  const auto &from = grid.at(steps_remaining), &to = grid.at(steps_remaining - 1);
  const auto level = model.process->level(from.timestep);
  const double abar = level.alpha * level.alpha, previous = to.level.alpha * to.level.alpha;
  const double variance = (1 - previous) / (1 - abar) * (1 - abar / previous);
  LinearStep step;
  step.gain = std::sqrt(previous / abar);
  step.slope = std::sqrt(1 - previous - variance) - std::sqrt(previous * (1 - abar) / abar);
  step.std = std::sqrt(variance);
  step.timestep = static_cast<std::int64_t>(from.timestep);
  return step;
}

Sampled sample(const Model& model, std::int64_t count, std::uint64_t seed, std::int64_t conditions,
               const std::function<double(std::int64_t)>& reward) {
  std::vector<std::uint64_t> indices(static_cast<std::size_t>(count));
  std::iota(indices.begin(), indices.end(), std::uint64_t{0});
  random::Draws draws({.seed = seed, .purpose = random::Purpose::sampling, .round = 0, .branch = 0}, indices);
  draws.begin(0);
  const StateSpec spec{{"x", {{kElements}, at::kFloat}}};
  Phase phase;
  phase.process = model.process->config();
  phase.grid = model.process->grid(kSteps);
  phase.segments.push_back({model.info, kSteps, 0, {}});
  AncestralSolver solver;
  const auto source = std::make_shared<Recorded>();
  source->conditions_count = conditions;
  source->at_step[kSteps] = model.process->prior(spec, {}, draws);
  for (auto n = kSteps; n > 0; --n) {
    const auto &from = phase.grid.at(n), &to = phase.grid.at(n - 1);
    draws.begin(static_cast<std::uint32_t>(kSteps - n + 1));
    const auto& x = source->at_step.at(n);
    source->at_step[n - 1] = solver.step(x, predicted(model, x, from.timestep), {{*model.process, from, to}, draws, {}});
  }
  const auto means = source->at_step.at(0).at("x").mean(1).to(at::kDouble);  // [N]
  std::vector<double> score;
  std::vector<std::int64_t> condition;
  for (std::int64_t i = 0; i < count; ++i) {
    score.push_back(reward ? reward(i) : means.const_data_ptr<double>()[i]);
    condition.push_back(i % conditions);
  }
  ViewInfo info{"samples", phase.grid, std::make_shared<conformance::TensorCodec>("vector", spec), View::range(0, count), condition};
  SelectedTrajectories selection{View(std::move(info), source),
                                 std::vector<double>(score.size(), 1.0),
                                 score,
                                 {"sampler.ancestral", Value::Map{}, phase, std::make_shared<AncestralSolver>()}};
  return {std::move(selection), means.mean().item<double>()};
}

TrainedModel Training::train(const Value::Map& options, const Model& start, const SelectedTrajectories& selection, const TensorMap* state,
                             std::shared_ptr<const Model> reference) {
  const auto domain = conformance::toy_domain();
  const auto progress = make_silent_progress();
  const NeverStop stop;
  Engine engine(*this);
  TrainerInput input{*domain, start, &selection, 3, {at::kCPU, &stop, progress.get()}, engine, engine};
  input.state = state;
  input.reference = std::move(reference);
  return conformance::make<Trainer>(conformance::plugin("trainer.ddpo"), options)->train(input);
}

at::Tensor gradient_of(const TrainedModel& trained) { return trained.state.at("optimizer.unet.offset.exp_avg") / (1 - 0.9); }

}  // namespace espalier::ddpo
