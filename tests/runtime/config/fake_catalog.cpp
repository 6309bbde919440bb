#include "fake_catalog.h"

#include <sstream>

#include "runtime/base/errors.h"

namespace espalier::config {
namespace {

int openings = 0;
std::uint64_t last_seed = 0;

class ToyCodec final : public Codec {
 public:
  StateSpec spec() const override { return {{"sample", {{3}, at::kFloat}}}; }
  Value key() const override { return {}; }
  State encode(const Sample&, const CodecContext&) const override { return {}; }
  Sample decode(const State&, const CodecContext&) const override { return {}; }
  std::vector<Image> draw(const Sample&) const override { return {}; }
};

class ToyDomain final : public Domain, private Dataset {
 public:
  void options(Schema& schema) override {
    schema.text("prompts", prompts_, "Where prompts come from.");
    schema.integer("size", size_, "Side of an image, in pixels.").above(0);
  }
  void open(const DomainContext& context) override {
    ++openings;
    last_seed = context.seed;
    if (prompts_ == "broken") throw DataError("prompts/broken: no such file");
  }
  std::string sample_kind() const override { return "image"; }
  const Dataset& data() const override { return *this; }
  std::shared_ptr<const Codec> codec(const ModelInfo*) const override { return std::make_shared<ToyCodec>(); }

 private:
  std::vector<std::string> splits() const override { return {"train", "held_out"}; }
  Conditions conditions(const std::string&) const override {
    Conditions conditions;
    std::istringstream lines(prompts_);
    for (std::string line; std::getline(lines, line);) conditions.text.push_back(line);
    conditions.metadata.resize(conditions.text.size());
    return conditions;
  }
  bool has_examples() const override { return prompts_ != "alone"; }
  std::unique_ptr<Examples> examples(const std::string&) const override {
    if (!has_examples()) throw ConfigError("domain.toy: its prompts have no images");
    return nullptr;
  }

  std::string prompts_ = "shapes";
  std::int64_t size_ = 16;
};

class FakeSampler final : public Sampler {
 public:
  void inputs(Inputs& in) override { in.model("prior", "Makes the noise.").optional(); }
  void options(Schema& schema) override {
    schema.integer("num_inference_steps", steps_, "Steps.").above(0);
    schema.number("eta", eta_, "Noise put back at each step.").at_least(0).at_most(1);
  }
  std::vector<Phase> phases(const std::vector<ModelInfo>&, const ModelInfo*) const override { return {}; }
  std::unique_ptr<Solver> solver(const Phase&) const override { return nullptr; }
  std::string no_transition_law() const override { return eta_ > 0.0 ? "" : "eta = 0 gives no density"; }

 private:
  std::int64_t steps_ = 10;
  double eta_ = 0.0;
};

// A plugin that takes an option every sampler has.
class GreedySampler final : public Sampler {
 public:
  void options(Schema& schema) override { schema.integer("micro_batch", micro_batch_, "Mine."); }
  std::vector<Phase> phases(const std::vector<ModelInfo>&, const ModelInfo*) const override { return {}; }
  std::unique_ptr<Solver> solver(const Phase&) const override { return nullptr; }

 private:
  std::int64_t micro_batch_ = 1;
};

class FakeReward final : public Reward {
 public:
  void inputs(Inputs& in) override { in.trajectories("samples").of("image"); }
  void options(Schema& schema) override {
    schema.choice("palette", palette_, {"warm", "cold"}, "Colours.");
    schema.integer("workers", workers_, "Threads.").operational();
  }
  std::vector<OptionProblem> check_domain(const Domain& domain) const override {
    if (palette_ != "cold" || domain.data().has_examples()) return {};
    return {{"palette", "takes 'cold' from the examples, of which the domain has none"}};
  }
  at::Tensor score(const RewardInput&) const override { return {}; }

 private:
  std::string palette_ = "warm";
  std::int64_t workers_ = 1;
};

class AtomsReward final : public Reward {
 public:
  void inputs(Inputs& in) override { in.trajectories("samples").of("molecule"); }
  void options(Schema& schema) override { schema.number("scale", scale_, "In angstrom.").above(0).required(); }
  at::Tensor score(const RewardInput&) const override { return {}; }

 private:
  double scale_ = 1.0;
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
  void inputs(Inputs& in) override {
    in.selection("selection", "Trained on.").optional();
    in.examples("examples", "Trained on instead.").optional().excludes("selection");
    in.model("reference", "Stayed near.").optional();
  }
  void options(Schema& schema) override {
    schema.integer("max_train_steps", steps_, "Steps.").at_least(0);
    schema.step("intermediate_step", step_, "Where training starts.");
  }
  Value identity(const Domain& domain) const override {
    domain.data().examples("train");
    return {};
  }
  std::int64_t max_train_steps() const override { return steps_; }
  TrainedModel train(const TrainerInput&) const override { return {}; }

 private:
  std::int64_t steps_ = 10;
  Step step_;
};

class FakeCorrector final : public NoiseCorrector {
 public:
  Phase phase(const ModelInfo&) const override { return {}; }
  std::int64_t network_evaluations(const Phase&, const Segment&) const override { return 0; }
  std::int64_t compute(const TrajectoryJob&, Recorder&) const override { return 0; }
};

class NoiseMetric final : public Metric {
 public:
  void inputs(Inputs& in) override { in.trajectories("samples", "Inversions.").inverted(); }
  Findings measure(const MetricInput&) const override { return {}; }
};

// Compares with the domain's examples.
class RealMetric final : public Metric {
 public:
  Value identity(const Domain& domain) const override {
    domain.data().examples("train");
    return {};
  }
  void inputs(Inputs& in) override { in.trajectories("samples", "Samples."); }
  Findings measure(const MetricInput&) const override { return {}; }
};

class LawMetric final : public Metric {
 public:
  void inputs(Inputs& in) override {
    in.trajectories("samples", "Their transitions.").optional().transitions();
    in.scores("scores", "Of these samples likewise.").optional().transitions({Step(0.5)});
  }
  Findings measure(const MetricInput&) const override { return {}; }
};

class AtomsMetric final : public Metric {
 public:
  void inputs(Inputs& in) override { in.trajectories("samples", "Molecules.").of("molecule"); }
  Findings measure(const MetricInput&) const override { return {}; }
};

class FakeMetric final : public Metric {
 public:
  void inputs(Inputs& in) override {
    in.scores("scores", "Scores.").optional().many();
    in.scores("baseline", "Scores to compare with.").optional();
    in.trajectories("samples", "Samples.").optional().many();
    in.model("model", "A model.").optional();
  }
  Findings measure(const MetricInput&) const override { return {}; }
};

}  // namespace

plugin::Catalog fake_catalog() {
  Registrar registrar;
  registrar.domain<ToyDomain>("toy", 2, "A toy.");
  registrar.sampler<FakeSampler>("fake", 3, "Fake.");
  registrar.sampler<GreedySampler>("greedy", 1, "Takes what is not its own.");
  registrar.reward<FakeReward>("fake", 1, "Fake.");
  registrar.reward<AtomsReward>("atoms", 1, "Counts atoms.");
  registrar.filter<FakeFilter>("fake", 1, "Fake.");
  registrar.filter<KeyedFilter>("keyed", 1, "Needs canonical keys.");
  registrar.trainer<FakeTrainer>("fake", 1, "Fake.");
  registrar.metric<FakeMetric>("fake", 1, "Fake.");
  registrar.metric<RealMetric>("real", 1, "Compares with examples.");
  registrar.metric<NoiseMetric>("noises", 1, "Looks at inversions.");
  registrar.metric<LawMetric>("law", 1, "Looks at transitions.");
  registrar.metric<AtomsMetric>("atoms", 1, "Looks at molecules.");
  registrar.noise_corrector<FakeCorrector>("fake", 1, "Fake.");
  plugin::Catalog catalog;
  catalog.add(registrar.entries());
  return catalog;
}

int domain_openings() { return openings; }
std::uint64_t domain_seed() { return last_seed; }

}  // namespace espalier::config
