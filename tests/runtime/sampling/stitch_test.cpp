#include "runtime/sampling/stitch.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/tensor.h>
#include <gmock/gmock.h>

#include <set>

#include "runtime/base/errors.h"
#include "runtime/sampling/embedding.h"
#include "runtime/sampling/guided_model.h"
#include "tests/conformance/toy.h"

namespace espalier::sampling {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::ThrowsMessage;

ModelInfo info(const std::string& digest, Step last_step = Step(), std::int64_t trained = 0) {
  ModelInfo out;
  out.digest = digest;
  out.last_step = last_step;
  out.trained_num_steps = trained;
  return out;
}

std::string told(const std::vector<Segment>& segments) {
  std::string out;
  for (const auto& s : segments) out += s.model.digest + " " + std::to_string(s.first) + "-" + std::to_string(s.last) + "; ";
  return out;
}

TEST(Stitch, UsesEachModelForTheStepsItIsFor) {
  EXPECT_EQ(told(stitch({info("base")}, 20)), "base 20-0; ");
  EXPECT_EQ(told(stitch({info("tuned", Step(0.25)), info("base")}, 20)), "tuned 20-5; base 5-0; ");
  EXPECT_EQ(told(stitch({info("a", Step(0.75)), info("b", Step(0.25)), info("base")}, 20)), "a 20-15; b 15-5; base 5-0; ");
  EXPECT_EQ(told(stitch({info("tuned", Step(std::int64_t{6}), 20), info("base")}, 20)), "tuned 20-6; base 6-0; ");
  EXPECT_EQ(told(stitch({info("graft"), info("base")}, 20)), "graft 20-0; ") << "the first that covers a step wins";
}

TEST(Stitch, RefusesWhatLeavesAStepWithoutAModel) {
  EXPECT_THAT([] { stitch({info("tuned", Step(0.25))}, 20); }, ThrowsMessage<ConfigError>(AllOf(HasSubstr("step 5 of 20"))));
  EXPECT_THROW(stitch({}, 20), ConfigError);
}

TEST(Stitch, RefusesAModelForSomeStepsThatAnotherTakes) {
  EXPECT_THAT([] { stitch({info("base"), info("tuned", Step(0.25))}, 20); },
              ThrowsMessage<ConfigError>(AllOf(HasSubstr("the steps above 5 of 20"), HasSubstr("name it first"))));
}

TEST(Stitch, RefusesAnIndexOfAnotherSchedule) {
  EXPECT_THAT([] { stitch({info("tuned", Step(std::int64_t{6}), 25), info("base")}, 20); },
              ThrowsMessage<ConfigError>(AllOf(HasSubstr("index 6 of 25"), HasSubstr("with 20"))));
}

// A folder that diffusers wrote names the spacing, the one that it was made from may not: leading either way, for DDIM.
TEST(StitchedPhase, TakesModelsWhoseGridsAreOne) {
  const auto base = conformance::toy_model().info;
  auto tuned = base;
  tuned.last_step = Step(0.5);
  const auto stitched = [&](const char* spacing) {
    tuned.process["timestep_spacing"] = spacing;
    return stitched_phase({tuned, base}, {4}, "the test", "variance_preserving").segments.size();
  };
  EXPECT_EQ(stitched("leading"), 2U);
  EXPECT_THAT([&] { stitched("trailing"); }, ThrowsMessage<ConfigError>(HasSubstr("timestep_spacing: \"trailing\"")));
}

TEST(Phase, ItsValueIsWhatDeterminesTrajectories) {
  const auto model = conformance::toy_model();
  Phase phase{"noise", model.process->config(), model.process->grid(4), stitch({model.info}, 4)};
  std::set<Hex> seen{digest(phase.to_value())};
  auto same = phase;
  same.segments[0].model.role = "other";
  EXPECT_EQ(digest(same.to_value()), *seen.begin());
  const auto differs = [&](auto change) {
    auto changed = phase;
    change(changed);
    return seen.insert(digest(changed.to_value())).second;
  };
  EXPECT_TRUE(differs([](Phase& p) { p.start = "previous"; }));
  EXPECT_TRUE(differs([](Phase& p) { p.process["beta_end"] = 0.03; }));
  EXPECT_TRUE(differs([](Phase& p) { p.grid.points[1].timestep += 1; }));
  EXPECT_TRUE(differs([](Phase& p) { p.grid.points[1].level.sigma *= 0.5; }));
  EXPECT_TRUE(differs([](Phase& p) { p.segments[0].model.digest = "x"; }));
  EXPECT_TRUE(differs([](Phase& p) { p.segments[0].model.architecture["type"] = "x"; }));
  EXPECT_TRUE(differs([](Phase& p) { p.segments[0].last = 1; }));
  EXPECT_TRUE(differs([](Phase& p) { p.segments[0].guidance.scale = 2.0; }));
  EXPECT_TRUE(differs([](Phase& p) { p.segments[0].guidance.negative_prompt = ""; }));
  EXPECT_TRUE(differs([](Phase& p) { p.segments[0].guidance.rescale = 0.5; }));
  EXPECT_TRUE(differs([](Phase& p) { p.segments[0].guidance.negative_prompt = "blurry"; }));
  EXPECT_TRUE(differs([](Phase& p) { p.solver = "heun"; }));
}

TEST(Stitch, HandsANegativePromptOnWhereItHasAnEffect) {
  auto reader = conformance::toy_model().info;
  reader.text_front = "0abc";
  const auto phase = [&](double scale, const ModelInfo& second) {
    return stitched_phase({reader, second}, {4, {.scale = scale, .negative_prompt = "blurry"}}, "sampler.ddim", "variance_preserving");
  };
  EXPECT_EQ(phase(2.0, reader).segments.at(0).guidance.negative_prompt, "blurry");
  EXPECT_THAT([&] { phase(1.0, reader); }, ThrowsMessage<ConfigError>(HasSubstr("negative_prompt has no effect at guidance_scale = 1")));
  const auto rescaled = [&] { stitched_phase({reader}, {4, {.rescale = 0.7}}, "sampler.ddim", "variance_preserving"); };
  EXPECT_THAT(rescaled, ThrowsMessage<ConfigError>(HasSubstr("guidance_rescale has no effect at guidance_scale = 1")));
  EXPECT_THAT([&] { phase(2.0, conformance::toy_model().info); }, ThrowsMessage<ConfigError>(HasSubstr("takes no texts")));
}

struct Guided {
  Model model = conformance::toy_model();
  TensorMap condition{{"label", at::tensor({0, 1}, at::kLong)}};
  TensorMap null_condition{{"label", at::tensor({2}, at::kLong)}};
  State noisy{{"sample", at::ones({2, 3, 8, 8})}};
  const conformance::ToyNetwork& network = dynamic_cast<const conformance::ToyNetwork&>(*model.network);

  double weight(const char* name, std::int64_t i = 0) const { return model.weights.at(name)[i].item<double>(); }
  double first(std::int64_t row, double scale) const {
    const auto segment = segment_model(std::make_shared<const Model>(model), condition, 2, null_condition);
    const auto out = GuidedModel(segment, {.scale = scale}).predict(noisy, 500.0);
    return out.at("sample")[row][0][0][0].item<double>();
  }
};

TEST(GuidedModel, MovesFromTheNullConditionTowardsTheGivenOne) {
  const Guided g;
  const double common = g.weight("unet.scale") + 0.5 * g.weight("unet.slope");
  for (std::int64_t row = 0; row < 2; ++row) {
    const double cond = g.weight("unet.bias", row), uncond = g.weight("unet.bias", 2);
    EXPECT_NEAR(g.first(row, 3.0), common + uncond + 3.0 * (cond - uncond), 1e-5);
    EXPECT_NEAR(g.first(row, 0.0), common + uncond, 1e-5);
    EXPECT_NEAR(g.first(row, 1.0), common + cond, 1e-5);
  }
}

TEST(GuidedModel, RunsBothHalvesInOneBatchAndOneHalfWhereOneWillDo) {
  const Guided g;
  g.first(0, 2.0);
  EXPECT_EQ(g.network.rows(), 4);
  g.first(0, 1.0);
  EXPECT_EQ(g.network.rows(), 6);
}

TEST(GuidedModel, RefusesGuidanceWithoutConditions) {
  class Unconditional final : public Network {
   public:
    Value architecture() const override { return Value(); }
    TensorMap embed(const Weights&, const TensorMap&) const override { return {}; }
    State predict(const Weights&, const State& noisy, const at::Tensor&, const TensorMap&) const override { return noisy; }
    Weights initialize(std::uint64_t) const override { return {}; }
  };
  Guided g;
  g.model.network = std::make_shared<Unconditional>();
  SegmentModel segment{std::make_shared<const Model>(g.model)};
  EXPECT_THAT([&] { GuidedModel(segment, {.scale = 2.0}); }, ThrowsMessage<ConfigError>(HasSubstr("guidance_scale = 1")));
  EXPECT_TRUE(at::equal(GuidedModel(segment, {}).predict(g.noisy, 1.0).at("sample"), g.noisy.at("sample")));
  g.model.network = nullptr;
  segment.model = std::make_shared<const Model>(g.model);
  EXPECT_THROW(GuidedModel(segment, {}), InternalError);
}

}  // namespace
}  // namespace espalier::sampling
