// Whatever a stage's work throws, LibTorch's errors too, ends the run with an error that names the stage.
#include <c10/util/Exception.h>
#include <gmock/gmock.h>

#include <set>

#include "runtime/selection/incomplete_beta.h"
#include "tests/conformance/toy.h"
#include "toy_pipeline.h"

namespace espalier::exec {
namespace {

using testing::HasSubstr;

// Plugins that throw c10::Error in the method of this name, and are right otherwise.
class Ill {
 public:
  explicit Ill(std::string method) : method_(std::move(method)) {}
  void visit(const char* method) const { TORCH_CHECK(method_ != method, "the kernel of ", method, " is ill"); }

 private:
  std::string method_;
};

class IllReward final : public Reward {
 public:
  explicit IllReward(const std::string& method) : ill_(method) {}
  void check_model(const ModelInfo*) const override { ill_.visit("check_model"); }
  void open(const RewardContext&) override { ill_.visit("open"); }
  Value identity() const override {
    ill_.visit("identity");
    return Value();
  }
  at::Tensor score(const RewardInput& input) const override {
    ill_.visit("score");
    return input.sample.tensors.at("image").mean({1, 2, 3});
  }

 private:
  Ill ill_;
};

class IllFilter final : public Filter {
 public:
  explicit IllFilter(const std::string& method) : ill_(method) {}
  void check_view(const PlannedView&) const override { ill_.visit("check_view"); }
  Selection select(const FilterInput& input) const override {
    ill_.visit("select");
    return {input.index, std::vector<double>(input.index.size(), 1.0)};
  }
  selection::Acceptance acceptance(const FilterInput&) const override {
    ill_.visit("acceptance");
    return selection::ByQuantile{[](double, std::int64_t) { return 1.0; }};
  }
  std::string formula(const FilterInput&) const override {
    ill_.visit("formula");
    return "1";
  }
  bool by_condition() const override {
    ill_.visit("by_condition");
    return true;
  }

 private:
  Ill ill_;
};

class IllMetric final : public Metric {
 public:
  explicit IllMetric(const std::string& method) : ill_(method) {}
  void inputs(Inputs& in) override { in.scores("scores", "Looked at."); }
  void check_inputs(const PlannedInputs&) const override { ill_.visit("check_inputs"); }
  Value identity(const Domain&) const override {
    ill_.visit("identity");
    return Value();
  }
  Findings measure(const MetricInput&) const override {
    ill_.visit("measure");
    return {};
  }

 private:
  Ill ill_;
};

class IllTrainer final : public Trainer {
 public:
  explicit IllTrainer(const std::string& method) : ill_(method) {}
  void inputs(Inputs& in) override { in.selection("selection", "Trained on."); }
  Value identity(const Domain&) const override { return Value(); }
  std::optional<ModelInfo> trained_info(const ModelInfo&, const diffusion::Grid*, const std::optional<CorrectedSampling>&) const override {
    ill_.visit("trained_info");
    return std::nullopt;
  }
  std::int64_t max_train_steps() const override {
    ill_.visit("max_train_steps");
    return 1;
  }
  TrainedModel train(const TrainerInput& input) const override {
    ill_.visit("train");
    return {input.model};
  }

 private:
  Ill ill_;
};

class IllCodec final : public conformance::ForwardingCodec {
 public:
  IllCodec(std::shared_ptr<const Codec> codec, Ill ill) : ForwardingCodec(std::move(codec)), ill_(std::move(ill)) {}
  State encode(const Sample& sample, const CodecContext& context) const override {
    ill_.visit("encode");
    return ForwardingCodec::encode(sample, context);
  }
  Sample decode(const State& state, const CodecContext& context) const override {
    ill_.visit("decode");
    return ForwardingCodec::decode(state, context);
  }
  std::vector<Image> draw(const Sample& sample) const override {
    ill_.visit("draw");
    return ForwardingCodec::draw(sample);
  }

 private:
  Ill ill_;
};

class IllDomain final : public conformance::ForwardingDomain {
 public:
  explicit IllDomain(const std::string& method) : ill_(method) {}
  Conditions conditions(const std::string& split) const override {
    ill_.visit("conditions");
    return ForwardingDomain::conditions(split);
  }
  std::unique_ptr<Examples> examples(const std::string& split) const override {
    class Some final : public Examples {
     public:
      Some(std::unique_ptr<Examples> endless, Ill ill) : endless_(std::move(endless)), ill_(std::move(ill)) {}
      std::int64_t size() const override { return 8; }
      Hex digest() const override { return endless_->digest(); }
      Batch at(const std::vector<std::uint64_t>& positions) const override {
        ill_.visit("at");
        return endless_->at(positions);
      }

     private:
      std::unique_ptr<Examples> endless_;
      Ill ill_;
    };
    ill_.visit("examples");
    return std::make_unique<Some>(ForwardingDomain::examples(split), ill_);
  }
  std::shared_ptr<const Codec> codec(const ModelInfo* model) const override {
    if (model != nullptr) ill_.visit("codec");
    return std::make_shared<IllCodec>(ForwardingDomain::codec(model), ill_);
  }

 private:
  Ill ill_;
};

class IllNetwork final : public Network {
 public:
  explicit IllNetwork(const std::string& method) : ill_(method) { ill_.visit("make"); }
  Value architecture() const override {
    ill_.visit("architecture");
    return right_.architecture();
  }
  TensorMap embed(const Weights& weights, const TensorMap& condition) const override {
    ill_.visit("embed");
    return right_.embed(weights, condition);
  }
  State predict(const Weights& weights, const State& noisy, const at::Tensor& timestep, const TensorMap& embedded) const override {
    ill_.visit("predict");
    return right_.predict(weights, noisy, timestep, embedded);
  }
  Weights initialize(std::uint64_t seed) const override { return right_.initialize(seed); }
  void check(const Weights& weights, const std::string& origin) const override {
    ill_.visit("check");
    right_.check(weights, origin);
  }

 private:
  Ill ill_;
  conformance::ToyNetwork right_;
};

void expect_named(ToyPipeline& pipeline, const std::vector<std::string>& tags, const std::string& method, const std::string& named) {
  const auto [code, message] = pipeline.error(tags);
  EXPECT_NE(code, 0) << "nothing was thrown: is the method called at all?";
  EXPECT_THAT(message, HasSubstr("stage '" + named + "'"));
  EXPECT_THAT(message, HasSubstr("the kernel of " + method + " is ill"));
}

template <class Plugin>
void expect_named(const std::string& kind, const std::vector<std::string>& tags, const std::set<std::string>& methods,
                  const std::string& named) {
  for (const auto& method : methods) {
    SCOPED_TRACE(kind + ": " + method);
    PluginEntry entry{.kind = kind, .name = "example", .doc = "Is ill.", .make = {}, .library = ""};
    entry.make = [method] { return std::make_unique<Plugin>(method); };
    ToyPipeline pipeline({}, {entry});
    expect_named(pipeline, tags, method, named);
  }
}

TEST(StageContext, NamesARewardWhateverItThrows) {
  expect_named<IllReward>("reward", {"samples", "scores"}, {"check_model", "identity", "open", "score"}, "scores");
}

TEST(StageContext, NamesAFilterWhateverItThrows) {
  expect_named<IllFilter>("filter", {"samples", "scores", "best"}, {"check_view", "select", "acceptance", "formula", "by_condition"},
                          "best");
}

TEST(StageContext, NamesATrainerWhateverItThrows) {
  expect_named<IllTrainer>("trainer", {"samples", "scores", "best", "tuned"}, {"max_train_steps", "train", "trained_info"}, "tuned");
}

TEST(StageContext, NamesAMetricWhateverItThrows) {
  expect_named<IllMetric>("metric", {"samples", "scores", "summary"}, {"check_inputs", "identity", "measure"}, "summary");
}

TEST(StageContext, NamesTheStageThatAsksTheDomain) {
  expect_named<IllDomain>("domain", {"samples"}, {"conditions", "codec", "draw"}, "samples");
  expect_named<IllDomain>("domain", {"samples", "scores"}, {"decode"}, "scores");
  expect_named<IllDomain>("domain", {"inversions"}, {"examples", "at", "encode"}, "inversions");
}

TEST(StageContext, NamesTheStageWhoseModelsNetworkThrows) {
  for (const std::string method : {"make", "architecture", "check", "embed", "predict"}) {
    SCOPED_TRACE(method);
    auto network = conformance::toy_network();
    network.make = [method](const network::ComponentConfigs&, const network::NetworkSettings&) {
      return std::make_shared<IllNetwork>(method);
    };
    ToyPipeline pipeline({}, {}, network);
    expect_named(pipeline, {"samples"}, method, "samples");
  }
}

}  // namespace
}  // namespace espalier::exec
