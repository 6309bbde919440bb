#include "fake_pipeline.h"

#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <list>

#include "runtime/config/document.h"
#include "runtime/sampling/stitch.h"
#include "tests/runtime/base/folder.h"

namespace espalier::plan {
namespace {

// Of a folder that model_folder() writes.
class FakeNetwork final : public Network {
 public:
  explicit FakeNetwork(Value config) : config_(std::move(config)) {}
  Value architecture() const override { return Value::Map{{"unet", config_}}; }
  State predict(const Weights&, const State&, const at::Tensor&, const TensorMap&) const override { return {}; }
  Weights initialize(std::uint64_t) const override { return {}; }
  void check(const Weights&, const std::string&) const override {}

 private:
  Value config_;
};

// A model whose weights are the letters of a text.
Model fake_model(const std::string& weights, std::int64_t size) {
  Model model;
  model.network = std::make_shared<FakeNetwork>(Value::Map{{"_class_name", "FakeNetwork"}, {"size", size}});
  model.process = diffusion::make_process(Value::Map{{"_class_name", "FlowMatchEulerDiscreteScheduler"}}, "the fake model");
  model.weights.emplace("unet.letters", at::tensor(std::vector<float>(weights.begin(), weights.end())));
  model.info.architecture = model.network->architecture();
  model.info.process = model.process->config();
  return model;
}

class FakeCodec final : public Codec {
 public:
  FakeCodec(Value key, std::int64_t size) : key_(std::move(key)), size_(size) {}
  StateSpec spec() const override { return {{"sample", {{size_}, at::kFloat}}}; }
  Value key() const override { return key_; }
  State encode(const Sample&, const CodecContext&) const override { return {}; }
  Sample decode(const State&, const CodecContext&) const override { return {}; }
  std::vector<Image> draw(const Sample&) const override { return {}; }
  bool has_canonical_keys() const override { return true; }

 private:
  Value key_;
  std::int64_t size_;
};

class FakeDomain final : public Domain, private Dataset {
 public:
  void options(Schema& schema) override {
    schema.text("prompts", prompts_, "Stands for the conditions' content.");
    schema.integer("count", count_, "How many conditions there are.");
    schema.text("decoder", decoder_, "Stands for how states are decoded.");
    schema.text("examples", examples_, "Stands for the training data.");
    schema.integer("example_count", example_count_, "How many examples there are; 0: no end.");
  }
  void open(const DomainContext&) override {}
  std::string sample_kind() const override { return "image"; }
  const Dataset& data() const override { return *this; }
  std::shared_ptr<const Codec> codec(const ModelInfo* model) const override {
    const auto size = model == nullptr ? 3 : model->architecture.at("unet").at("size").as_integer();
    return std::make_shared<FakeCodec>(decoder_, size);
  }

 private:
  std::vector<std::string> splits() const override { return {"train", "held_out"}; }
  Conditions conditions(const std::string& split) const override {
    Conditions conditions;
    for (std::int64_t i = 0; i < count_; ++i) conditions.text.push_back(prompts_ + " " + split + " " + std::to_string(i));
    conditions.metadata.resize(conditions.text.size());
    return conditions;
  }
  std::unique_ptr<Examples> examples(const std::string& split) const override {
    class Nothing final : public Examples {
     public:
      Nothing(Hex digest, std::int64_t size) : digest_(std::move(digest)), size_(size) {}
      std::int64_t size() const override { return size_; }
      Hex digest() const override { return digest_; }
      Batch at(const std::vector<std::uint64_t>&) const override { return {}; }

     private:
      Hex digest_;
      std::int64_t size_;
    };
    return std::make_unique<Nothing>(sha256(examples_ + " " + split), example_count_);
  }

  std::string prompts_ = "a prompt", decoder_ = "identity", examples_ = "images";
  std::int64_t count_ = 10, example_count_ = 0;
};

class FakeSampler final : public Sampler {
 public:
  void inputs(Inputs& in) override { in.model("prior", "Makes the noise.").optional(); }
  void options(Schema& schema) override {
    schema.integer("num_inference_steps", steps_, "Steps.").above(0);
    schema.number("eta", eta_, "Fresh noise.");
    schema.integer("logging", logging_, "Nothing that a trajectory shows.").operational();
    schema.integer("prior_steps", prior_steps_, "The only steps that a prior may be for; 0: any.").operational();
  }
  std::vector<Phase> phases(const std::vector<ModelInfo>& models, const ModelInfo* prior) const override {
    if (prior == nullptr) return {whole(models)};
    if (prior_steps_ != 0) {
      const auto steps = prior->corrects.value().num_inference_steps;
      if (steps != prior_steps_) throw ConfigError("the prior is for " + std::to_string(steps) + " steps");
      if (prior->corrects->weights != models.front().digest) throw ConfigError("the prior is for another model");
    }
    auto base = whole(models);
    base.start = "previous";
    return {whole({*prior}), base};
  }
  std::int64_t predictions(const Phase&, const Segment& segment) const override { return 2 * (segment.first - segment.last); }
  std::unique_ptr<Solver> solver(const Phase&) const override { return nullptr; }

 private:
  Phase whole(const std::vector<ModelInfo>& models) const {
    Phase phase;
    phase.process = models.front().process;
    for (std::int64_t n = steps_; n >= 0; --n) {
      const double sigma = static_cast<double>(n) / static_cast<double>(steps_);
      phase.grid.points.push_back({n, static_cast<double>(n), {1.0 - sigma, sigma}});
    }
    phase.segments = sampling::stitch(models, steps_);
    return phase;
  }
  std::int64_t steps_ = 20, logging_ = 1, prior_steps_ = 0;
  double eta_ = 1.0;
};

class FakeCorrector final : public NoiseCorrector {
 public:
  void options(Schema& schema) override { schema.number("tolerance", tolerance_, "Residual."); }
  Phase phase(const ModelInfo& model) const override {
    Phase phase;
    phase.start = "examples";
    phase.process = model.process;
    for (std::int64_t n = 4; n >= 0; --n) phase.grid.points.push_back({n, static_cast<double>(n), {}});
    phase.segments = sampling::stitch({model}, 4);
    return phase;
  }
  std::int64_t network_evaluations(const Phase& phase, const Segment&) const override { return 8 * phase.grid.num_steps(); }
  std::int64_t compute(const TrajectoryJob&, Recorder&) const override { return 0; }

 private:
  double tolerance_ = 1e-5;
};

class FakeReward final : public Reward {
 public:
  void inputs(Inputs& in) override { in.trajectories("samples").of("image"); }
  void options(Schema& schema) override {
    schema.choice("palette", palette_, {"warm", "cold"}, "Colours.");
    schema.path("weights", weights_, "A file whose content identity() tells.").operational();
  }
  Value identity() const override {
    ++reward_identities();
    return weights_.empty() ? Value() : Value("content of " + weights_);
  }
  at::Tensor score(const RewardInput&) const override { return {}; }

 private:
  std::string palette_ = "warm", weights_;
};

class FakeFilter final : public Filter {
 public:
  void options(Schema& schema) override { schema.integer("k", k_, "How many.").above(0); }
  Selection select(const FilterInput&) const override { return {}; }
  selection::Acceptance acceptance(const FilterInput&) const override { return {}; }
  std::string formula(const FilterInput&) const override { return {}; }

 private:
  std::int64_t k_ = 1;
};

class KeyedFilter final : public Filter {
 public:
  bool needs_keys() const override { return true; }
  Selection select(const FilterInput&) const override { return {}; }
  selection::Acceptance acceptance(const FilterInput&) const override { return {}; }
  std::string formula(const FilterInput&) const override { return {}; }
};

class FakeTrainer final : public Trainer {
 public:
  void options(Schema& schema) override {
    schema.step("intermediate_step", step_, "Where training starts.");
    schema.flag("clean", clean_, "Read x_0 instead of the intermediate step.");
    schema.strings("train_components", components_, "What is trained.");
    schema.integer("checkpointing_steps", checkpointing_steps_, "How often.").operational();
  }
  void inputs(Inputs& in) override {
    in.selection("selection", "Trained on.").optional().records(clean_ ? Step() : step_);
    in.examples("examples", "Trained on instead.").optional().excludes("selection");
  }
  Value identity(const Domain& domain) const override { return Value(domain.data().examples("train")->digest()); }
  std::optional<ModelInfo> trained_info(const ModelInfo& start, const diffusion::Grid* selection,
                                        const std::optional<CorrectedSampling>& corrects) const override {
    if (step_ == Step(std::int64_t{13})) throw ConfigError("step 13 is not trained");
    auto info = start;
    info.last_step = selection ? step_ : Step();
    info.corrects = corrects;
    return info;
  }
  std::int64_t max_train_steps() const override { return 1; }
  TrainedModel train(const TrainerInput&) const override { return {}; }

 private:
  Step step_;
  bool clean_ = false;
  std::vector<std::string> components_ = {"unet"};
  std::int64_t checkpointing_steps_ = 100;
};

class FakeMetric final : public Metric {
 public:
  void inputs(Inputs& in) override {
    in.scores("scores", "Scores.").optional().many();
    in.scores("baseline", "Scores to compare with.").optional();
    in.trajectories("samples", "Samples.").optional().many();
    in.model("model", "A model.").optional();
  }
  void options(Schema& schema) override { schema.integer("resamples", resamples_, "Of the bootstrap."); }
  Findings measure(const MetricInput&) const override { return {}; }

 private:
  std::int64_t resamples_ = 1000;
};

}  // namespace

int& reward_identities() {
  static int count = 0;
  return count;
}

plugin::Catalog fake_catalog(const std::map<std::string, std::int64_t>& versions) {
  const auto version = [&versions](const std::string& kind) { return versions.contains(kind) ? versions.at(kind) : 1; };
  Registrar registrar;
  registrar.domain<FakeDomain>("fake", version("domain"), "Fake.");
  registrar.sampler<FakeSampler>("fake", version("sampler"), "Fake.");
  registrar.reward<FakeReward>("fake", version("reward"), "Fake.");
  registrar.filter<FakeFilter>("fake", version("filter"), "Fake.");
  registrar.filter<KeyedFilter>("keyed", version("filter"), "Fake.");
  registrar.trainer<FakeTrainer>("fake", version("trainer"), "Fake.");
  registrar.noise_corrector<FakeCorrector>("fake", version("noise_corrector"), "Fake.");
  registrar.metric<FakeMetric>("fake", version("metric"), "Fake.");
  registrar.network("FakeNetwork", "unet", [](const Value& config, const std::string&) { return std::make_shared<FakeNetwork>(config); });
  plugin::Catalog catalog;
  catalog.add(registrar.entries(), registrar.networks());
  return catalog;
}

std::string model_folder(const std::string& weights, std::int64_t size) {
  static const TemporaryFolder all;
  const auto folder = all.path() / (weights + "-" + std::to_string(size));
  if (std::filesystem::create_directory(folder)) modelfile::save(fake_model(weights, size), folder);
  return folder.string();
}

Hex digest_of_folder(const std::string& weights) { return digest_weights(fake_model(weights, 3).weights); }

std::string pipeline_text() {
  return R"(
name = "fake"
seed = 7
[domain]
type = "domain.fake"
[domain.options]
count = 10
[models]
base = ")" +
         model_folder("base") + R"("
[defaults."sampler.fake"]
samples_per_condition = 4
block_size = 16
micro_batch = 4
[[stage]]
tag = "samples"
type = "sampler.fake"
inputs = { model = "base" }
[[stage]]
tag = "alignment"
type = "reward.fake"
inputs = { samples = "samples" }
[[stage]]
tag = "best"
type = "filter.fake"
inputs = { scores = "alignment" }
[[stage]]
tag = "tuned"
type = "trainer.fake"
inputs = { model = "base", selection = "best" }
[stage.options]
intermediate_step = 0.25
[[stage]]
tag = "tuned_samples"
type = "sampler.fake"
inputs = { model = ["tuned", "base"] }
[stage.options]
split = "held_out"
[[stage]]
tag = "tuned_alignment"
type = "reward.fake"
inputs = { samples = "tuned_samples" }
[[stage]]
tag = "summary"
type = "metric.fake"
inputs = { scores = ["tuned_alignment"], baseline = "alignment" }
[[stage]]
tag = "pretrained"
type = "trainer.fake"
inputs = { model = "base" }
)";
}

Fake::Fake(const std::vector<std::string>& overrides, const std::map<std::string, std::int64_t>& versions, const std::string& text)
    : catalog(fake_catalog(versions)), spec(config::resolve(config::Document::parse(text, "fake.toml", overrides), catalog)) {}

const Fake& pipeline(const std::vector<std::string>& overrides, const std::map<std::string, std::int64_t>& versions,
                     const std::string& text) {
  static std::list<Fake> kept;
  return kept.emplace_back(overrides, versions, text);
}

std::map<std::uint64_t, cache::BlockStatus> FakeIndex::blocks(const Hex& set_id) const {
  const auto found = sets.find(set_id);
  return found == sets.end() ? std::map<std::uint64_t, cache::BlockStatus>() : found->second;
}

std::map<std::uint64_t, cache::CommitInfo> FakeIndex::score_blocks(const Hex& set_id, const Hex& score_id) const {
  const auto found = scores_.find({set_id, score_id});
  return found == scores_.end() ? std::map<std::uint64_t, cache::CommitInfo>() : found->second;
}

std::optional<cache::ResultInfo> FakeIndex::result(const std::string& kind, const Hex& key) const {
  const auto found = results_.find({kind, key});
  return found == results_.end() ? std::nullopt : std::optional(found->second);
}

std::vector<Value> FakeIndex::requests(const std::string& kind) const {
  const auto found = requests_.find(kind);
  return found == requests_.end() ? std::vector<Value>() : found->second;
}

std::vector<cache::Probe> FakeIndex::probes(const Hex& set_id, const Hex& score_id) const {
  const auto found = probed.find(score_id.empty() ? set_id : score_id);
  return found == probed.end() ? std::vector<cache::Probe>() : found->second;
}

void FakeIndex::carry_out(const StagePlan& plan) {
  const cache::Maker maker{plan.stage->libraries, numerics_class};
  const std::string kind = result_name(plan.stage->kind->gives);
  requests_[kind].push_back(plan.request);
  if (kind == "trajectories") {
    for (const auto block : plan.missing) {
      auto& status = sets[plan.key][block];
      status.steps.insert(plan.missing_steps.at(block).begin(), plan.missing_steps.at(block).end());
      status.total.seconds = 2.0;
      status.total.makers.push_back(maker);
      status.total.network_evaluations = plan.network_evaluations / static_cast<std::int64_t>(plan.missing.size());
    }
  } else if (kind == "scores") {
    const auto set_id = plan.request.at("set").as_string();
    for (const auto block : plan.missing) scores_[{set_id, plan.key}][block].makers = {maker};
  } else {
    cache::ResultInfo info;
    info.digest = sha256("content of " + plan.key);
    info.request = plan.request;
    if (kind == "model") {
      auto model = fake_model("", 3).info;
      model.digest = sha256("weights of " + plan.key);
      model.last_step = Step::from_value(plan.stage->keyed.at("intermediate_step"));
      info.info = Value::Map{{"model", model.to_value()}, {"components", Value::List{"text_encoder", "unet"}}};
    }
    results_[{kind, plan.key}] = info;
  }
}

Plans plan_all(const Fake& fake, const cache::Index& index) {
  Plans plans;
  for (auto& plan : make(fake.spec, index)) plans.emplace(plan.stage->tag, std::move(plan));
  return plans;
}

Plans run_all(const Fake& fake, FakeIndex& index) {
  for (std::size_t round = 0; round <= fake.spec.stages.size(); ++round) {
    auto plans = plan_all(fake, index);
    bool done = true;
    for (const auto& [tag, plan] : plans) {
      if (plan.action == Action::reuse) continue;
      done = false;
      if (plan.pending.empty()) index.carry_out(plan);
    }
    if (done) return plans;
  }
  ADD_FAILURE() << "stages are left to run after as many rounds as there are stages";
  return {};
}

}  // namespace espalier::plan
