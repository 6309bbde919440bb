#include <cmath>
#include <optional>
#include <set>

#include <ATen/TensorOperators.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/tensor.h>

#include "runtime/sampling/transition.h"
#include "runtime/sdk/check.h"
#include "runtime/tensor/tensor_map.h"
#include "tests/conformance/conformance.h"
#include "tests/conformance/toy.h"

namespace espalier::conformance {
namespace {

TensorMap copied(const TensorMap& tensors) {
  TensorMap out;
  for (const auto& [name, tensor] : tensors) out[name] = tensor.detach().clone();
  return out;
}

// Keeps checkpoints as the engine does: shares no tensors with the trainer, and stores the state as JSON.
class MemoryCheckpoints final : public Checkpoints {
 public:
  std::optional<Checkpoint> newest() override {
    if (!newest_) return std::nullopt;
    ++resumed;
    return copy(*newest_);
  }
  void save(const Checkpoint& checkpoint) override {
    ++saved;
    newest_ = copy(checkpoint);
  }
  int saved = 0;
  int resumed = 0;

 private:
  static Checkpoint copy(const Checkpoint& from) {
    Checkpoint out;
    out.step = from.step;
    for (const auto& [name, tensors] : from.tensors) out.tensors[name] = copied(tensors);
    out.state = parse_json(to_json(from.state), "a checkpoint's state");
    return out;
  }
  std::optional<Checkpoint> newest_;
};

class KeptCurves final : public CurveLog {
 public:
  void scalar(const std::string& name, std::int64_t, double value) override {
    names.insert(name);
    EXPECT_TRUE(std::isfinite(value)) << "the curve " << name;
  }
  std::set<std::string> names;
};

// Requests a stop from the call of stop_requested() after the first `calls` on.
class StopAfter final : public StopToken {
 public:
  explicit StopAfter(int calls) : left_(calls) {}
  bool stop_requested() const override { return left_-- <= 0; }

 private:
  mutable int left_;
};

// Trajectories of some examples: x_0 noised to each level, as a sampler of the process would have recorded them.
class ToyTrajectories final : public ViewSource {
 public:
  ToyTrajectories(const Domain& domain, const Model& model, std::set<std::int64_t> declared, diffusion::Grid grid)
      : grid_(std::move(grid)), declared_(std::move(declared)) {
    std::vector<std::uint64_t> positions;
    for (std::uint64_t i = 0; i < kTrajectories; ++i) positions.push_back(i);
    const auto split = domain.data().splits().front();
    clean_ = encoded(domain, split, model)->at(positions);
    null_condition_ = domain.data().conditions(split).null_tensors;
    random::Draws draws({.seed = 9, .purpose = random::Purpose::data, .round = 7, .branch = 0}, positions);
    noise_ = model.process->prior(domain.codec(&model.info)->spec(), clean_.condition, draws);
  }
  State states(std::int64_t steps_remaining, const std::vector<std::int64_t>& index) const override {
    EXPECT_TRUE(declared_.contains(steps_remaining))
        << "step " << steps_remaining << " is not recorded: the input `selection` or `scores` declares no such step";
    const auto level = grid_.at(steps_remaining).level;
    State out;
    for (const auto& [name, x] : clean_.state) out[name] = x * level.alpha + noise_.at(name) * level.sigma;
    return of_rows(out, index);
  }
  State noise(const std::vector<std::int64_t>& index) const override { return of_rows(noise_, index); }
  Conditions conditions(const std::vector<std::int64_t>& index) const override {
    Conditions conditions;
    conditions.tensors = of_rows(clean_.condition, index);
    conditions.null_tensors = null_condition_;
    conditions.text.resize(index.size());
    for (const auto row : index) conditions.metadata.push_back(clean_.metadata.at(static_cast<std::size_t>(row)));
    return conditions;
  }
  static constexpr std::int64_t kTrajectories = 16;

 private:
  static TensorMap of_rows(const TensorMap& tensors, const std::vector<std::int64_t>& index) { return tensor::rows(tensors, index); }

  diffusion::Grid grid_;
  std::set<std::int64_t> declared_;
  EncodedExamples::Batch clean_;
  TensorMap null_condition_;
  State noise_;
};

// Ancestral sampling of a variance preserving process.
class AncestralSolver final : public Solver {
 public:
  State step(const State& x, const State& prediction, const SolverStep& step) override {
    return sampling::ddim_transition(x, prediction, step, 1.0).draw(step.draws);
  }
  std::optional<at::Tensor> log_prob(const State& x, const State& prediction, const State& next, const StepEnds& ends) const override {
    return sampling::ddim_transition(x, prediction, ends, 1.0).log_prob(next);
  }
};

// As if the model had sampled all steps itself.
SamplingInfo toy_sampling(const Model& model, const diffusion::Grid& grid) {
  const double guidance_scale = 2.0;
  Phase phase;
  phase.process = model.process->config();
  phase.grid = grid;
  phase.segments.push_back({model.info, grid.num_steps(), 0, {.scale = guidance_scale}});
  return {"sampler.example", Value::Map{{"guidance_scale", guidance_scale}, {"eta", 1.0}}, phase, std::make_shared<AncestralSolver>()};
}

SelectedTrajectories toy_selection(const Domain& domain, const Model& model, std::set<std::int64_t> declared, const diffusion::Grid& grid,
                                   std::int64_t samples_per_condition) {
  const auto all = View::range(0, ToyTrajectories::kTrajectories);
  auto condition = all;
  for (auto& one : condition) one %= ToyTrajectories::kTrajectories / samples_per_condition;
  std::vector<double> score;
  for (const auto i : all) score.push_back(static_cast<double>(i % 5));
  return {View({"samples", grid, domain.codec(&model.info), all, condition},
               std::make_shared<ToyTrajectories>(domain, model, std::move(declared), grid)),
          std::vector<double>(all.size(), 1.0), score, toy_sampling(model, grid)};
}

struct Course {
  const PluginEntry& entry;
  const Options& options;
  const Domain& domain;
  const Model& model;
  const SelectedTrajectories* selection;
  KeptCurves curves = {};

  // Trains with a new trainer each time, as in a new process.
  TrainedModel train(MemoryCheckpoints& checkpoints, const StopToken& stop) {
    const auto progress = make_silent_progress();
    const StageContext context{at::kCPU, &stop, progress.get()};
    TrainerInput input{domain, model, selection, 7, context, checkpoints, curves};
    if (model.network != nullptr) input.codec = domain.codec(&model.info);
    return make<Trainer>(entry, options)->train(input);
  }
};

void expect_equal(const TensorMap& a, const TensorMap& b) {
  ASSERT_EQ(a.size(), b.size());
  for (const auto& [name, tensor] : a) {
    ASSERT_TRUE(b.contains(name)) << name;
    EXPECT_TRUE(at::equal(tensor, b.at(name))) << "'" << name << "' has other bits after stopping and resuming";
  }
}

void check_resume(Course& course, const TrainedModel& whole) {
  for (const int calls : {0, 1, 3}) {
    SCOPED_TRACE("stopped at call " + std::to_string(calls + 1) + " of stop_requested()");
    MemoryCheckpoints checkpoints;
    bool stopped = false;
    try {
      course.train(checkpoints, StopAfter(calls));
    } catch (const Stopped&) {
      stopped = true;
    }
    ASSERT_TRUE(stopped) << "training went on after a stop was requested; are there too few steps?";
    EXPECT_GT(checkpoints.saved, 0) << "stopped without saving";
    const auto resumed = course.train(checkpoints, NeverStop());
    EXPECT_GT(checkpoints.resumed, 0) << "the resumed training did not read the checkpoint";
    expect_equal(whole.model.weights, resumed.model.weights);
    expect_equal(whole.state, resumed.state);
  }
}

}  // namespace

void check_trainer(const PluginEntry& entry, const Options& options, TrainsOn source) {
  const auto domain = toy_domain();
  check_trainer(entry, options, source, *domain, toy_model());
}

void check_trainer(const PluginEntry& entry, const Options& options, TrainsOn source, const Domain& domain, const Model& model) {
  check_options(entry);
  SCOPED_TRACE("conformance of " + entry.kind + "." + entry.name);
  const auto trainer = make<Trainer>(entry, options);
  ASSERT_GT(trainer->max_train_steps(), 0);
  ASSERT_LE(trainer->max_train_steps(), 200) << "a conformance test trains for some tens of steps";
  EXPECT_EQ(trainer->identity(domain), make<Trainer>(entry, options)->identity(domain));
  std::optional<SelectedTrajectories> selection;
  if (source != TrainsOn::examples) {
    const bool scored = source == TrainsOn::scores;
    const std::string name = scored ? "scores" : "selection";
    const auto grid = model.process->grid(8);
    const auto inputs = inputs_of(entry, options);
    ASSERT_TRUE(inputs.contains(name)) << "the trainer declares no input '" << name << "'";
    auto declared = inputs.at(name).recorded_steps(8);
    declared.insert(0);
    selection = toy_selection(domain, model, declared, grid, scored ? 2 : 1);
  }
  const auto start = digest_weights(model.weights);
  Course course{entry, options, domain, model, selection ? &*selection : nullptr};
  MemoryCheckpoints checkpoints;
  const auto whole = course.train(checkpoints, NeverStop());
  EXPECT_TRUE(course.curves.names.contains("loss")) << "the curve 'loss' is not logged";
  EXPECT_EQ(start, digest_weights(model.weights)) << "training changed the model it starts from";
  EXPECT_NE(start, digest_weights(whole.model.weights)) << "training changed nothing";
  const auto planned = trainer->trained_info(model.info, selection ? &selection->view.grid() : nullptr, std::nullopt);
  expect_accepted([&] { check_trained(entry.kind + "." + entry.name, whole.model, model, planned); });
  check_resume(course, whole);
}

}  // namespace espalier::conformance
