// NaN and infinities: of weights, and of samples.
#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>

#include <cmath>
#include <limits>
#include <map>
#include <set>

#include "runtime/base/errors.h"
#include "runtime/sampling/stitch.h"
#include "runtime/sdk/check.h"
#include "runtime/tensor/finite.h"
#include "toy_pipeline.h"

namespace espalier::exec {
namespace {

using testing::HasSubstr;

const std::vector<std::string> kAll{"samples", "scores", "best", "best_of_best", "tuned", "counted"};

// Trajectories 5, 12, 13 and 30 are lost: two by NaN from 2 steps remaining on, one by NaN in the sample alone, and one that is infinite
// with 2 steps remaining and finite afterwards. All others are their noise.
class PatchySolver final : public Solver {
 public:
  State step(const State& x, const State&, const SolverStep& step) override {
    constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
    if (!noise_.defined()) noise_ = x.at("sample");
    auto next = noise_.clone();
    for (std::int64_t row = 0; row < step.draws.batch(); ++row) {
      const auto index = step.draws.samples()[static_cast<std::size_t>(row)];
      const auto n = step.to.steps_remaining;
      if ((index == 5 || index == 13) && n <= 2) next[row][1][2][3] = kNan;
      if (index == 12 && n == 0) next[row][0][0][0] = kNan;
      if (index == 30 && n == 2) next[row][2][7][7] = std::numeric_limits<double>::infinity();
    }
    return {{"sample", next}};
  }

 private:
  at::Tensor noise_;
};

class Patchy final : public Sampler {
 public:
  void options(Schema& schema) override { schema.integer("num_inference_steps", steps_, "Steps from noise to the sample.").at_least(1); }
  std::vector<Phase> phases(const std::vector<ModelInfo>& models, const ModelInfo*) const override {
    return {sampling::stitched_phase(models, {steps_}, "sampler.example", "variance_preserving")};
  }
  std::unique_ptr<Solver> solver(const Phase&) const override { return std::make_unique<PatchySolver>(); }

 private:
  std::int64_t steps_ = 4;
};

PluginEntry patchy() {
  return {.kind = "sampler", .name = "example", .doc = "An example.", .make = [] { return std::make_unique<Patchy>(); }, .library = ""};
}

// 32 samples in blocks of 8; the four lost ones lie in three of the blocks.
const std::set<std::int64_t> kLost{5, 12, 13, 30};

TEST(Nonfinite, AWeightIsNamedWithItsFolder) {
  ToyPipeline pipeline;
  const auto [code, message] = pipeline.error({"broken_samples"});
  EXPECT_EQ(code, 1);
  EXPECT_THAT(message, HasSubstr("stage 'broken_samples'"));
  EXPECT_THAT(message, HasSubstr("broken: the tensor 'unet.bias' holds 1 value of 3 that is not finite, the first at position 2"));
}

TEST(Nonfinite, TheFirstSampleStopsTheStageAndNamesTheStep) {
  ToyPipeline pipeline({}, {patchy()});
  const auto [code, message] = pipeline.error({"samples"}, {"samples.block_size=32", "samples.micro_batch=32"});
  EXPECT_EQ(code, 1);
  EXPECT_THAT(message, HasSubstr("stage 'samples'"));
  EXPECT_THAT(message, HasSubstr("trajectory 5 is not finite (NaN or infinite) with 2 steps remaining, as are 3 of the 32"));
  const auto store = pipeline.store();
  const auto recipes = store->requests("trajectories");
  for (const auto& recipe : recipes) EXPECT_TRUE(store->blocks(digest(recipe)).empty()) << "a block with NaN was stored";
}

TEST(Nonfinite, AllowedSamplesAreExcludedCountedAndNeverDecodedScoredOrSelected) {
  ToyPipeline pipeline({}, {patchy()});
  decodings() = {};
  const auto record = pipeline.run(kAll, {"samples.max_nonfinite_fraction=0.125"});  // 4 of 32
  EXPECT_EQ(record.stages.front().excluded, 4);
  EXPECT_THAT(pipeline.said(), HasSubstr("stage 'samples': 4 of 32 samples are not finite (NaN or infinite) and are excluded"));
  EXPECT_FALSE(decodings().nonfinite);
  EXPECT_EQ(decodings().rows, 28) << "once, for the scores, the images and the domain's files";
  EXPECT_EQ(record.scores.front().score.size(), 28u);
  for (const double score : record.scores.front().score) EXPECT_TRUE(std::isfinite(score));
  ASSERT_EQ(record.laws.size(), 2u);
  EXPECT_EQ(record.laws[0].total, 28);
  EXPECT_EQ(record.laws[0].invalid, 0) << "excluded samples are no invalid scores";
  EXPECT_EQ(record.laws[0].accepted, 14);
  std::set<std::int64_t> shown;
  for (const auto& sample : record.samples) shown.insert(sample.index);
  EXPECT_EQ(shown, (std::set<std::int64_t>{0, 1, 2, 3, 4, 6, 7}));
  ASSERT_EQ(record.files.size(), 1u);
  EXPECT_EQ(record.files.front().text.size(), 28u);
  ASSERT_EQ(record.galleries.size(), 1u);
  EXPECT_EQ(record.galleries.front().rows.size(), 7u);
  std::map<std::string, double> scalars;
  for (const auto& found : record.findings) {
    for (const auto& scalar : found.findings.scalars) scalars[scalar.name] = scalar.value;
  }
  EXPECT_EQ(scalars.at("count"), 28);
  EXPECT_TRUE(std::isfinite(scalars.at("sum")));
}

TEST(Nonfinite, ExcludedSamplesAreNanInWhatIsStoredFromTheStepWhereTheyWereLost) {
  ToyPipeline pipeline({}, {patchy()});
  pipeline.run({"samples"}, {"samples.max_nonfinite_fraction=1.0", "samples.record_steps=[3, 2, 1]"});
  const auto store = pipeline.store();
  const auto set = digest(store->requests("trajectories").front());
  for (std::uint64_t number = 0; number < 4; ++number) {
    std::int64_t lost = 0;
    for (const auto& [step, first_lost] :
         std::map<std::int64_t, std::set<std::int64_t>>{{3, {}}, {2, {5, 13, 30}}, {1, {5, 13, 30}}, {0, kLost}}) {
      const auto block = store->read_block(set, number, {step});
      ASSERT_TRUE(block);
      const auto finite = finite_rows(block->steps.front().state);
      for (std::int64_t row = 0; row < 8; ++row) {
        const auto index = static_cast<std::int64_t>(number) * 8 + row;
        EXPECT_EQ(finite[row].item<bool>(), !first_lost.contains(index)) << "trajectory " << index << " at step " << step;
        lost += step == 0 && !finite[row].item<bool>();
      }
    }
    EXPECT_EQ(store->blocks(set).at(number).nonfinite, lost) << "of block " << number;
  }
}

TEST(Nonfinite, MoreThanAllowedStopTheRunAlsoWhereTheyAreReused) {
  ToyPipeline pipeline({}, {patchy()});
  const auto [code, message] = pipeline.error({"samples"}, {"samples.max_nonfinite_fraction=0.12"});
  EXPECT_EQ(code, 1);
  EXPECT_THAT(message, HasSubstr("stage 'samples': 4 of 32 samples are not finite"));
  EXPECT_THAT(message, HasSubstr("the first is trajectory 5: above max_nonfinite_fraction = 0.12"));
  const auto reused = pipeline.run({"samples"}, {"samples.max_nonfinite_fraction=0.125"});
  EXPECT_EQ(reused.stages.front().status, "reused");
  EXPECT_EQ(reused.stages.front().excluded, 4);
  EXPECT_EQ(pipeline.error({"samples"}).first, 1);
  EXPECT_THAT(pipeline.error({"samples"}).second, HasSubstr("above max_nonfinite_fraction = 0"));
  // A smaller view has fewer: trajectories 0 to 7.
  EXPECT_EQ(pipeline.run({"samples"}, {"samples.samples_per_condition=1", "samples.max_nonfinite_fraction=0.125"}).stages.front().excluded,
            1);
}

TEST(Nonfinite, ExcludedSamplesDoNotCountAsInvalidScores) {
  ToyPipeline pipeline({}, {patchy()});
  EXPECT_EQ(pipeline.error({"samples", "scores"}, {"samples.max_nonfinite_fraction=1.0", "scores.max_invalid_fraction=0.0"}).second, "");
}

TEST(Nonfinite, RowsAreJudgedByTheirFloatingPointFields) {
  auto x = at::zeros({3, 2});
  x[1][0] = -std::numeric_limits<double>::infinity();
  const State state{{"x", x}, {"scale", at::zeros({3})}, {"token", at::zeros({3, 4}, at::kLong)}};
  EXPECT_TRUE(finite_rows(state).equal(at::tensor({1, 0, 1}).to(at::kBool)));
  EXPECT_TRUE(finite_rows({{"token", at::zeros({2, 4}, at::kLong)}}).all().item<bool>());
  EXPECT_EQ(tensor::nonfinite_tensor({{"a", at::zeros({3})}, {"b", x}}),
            "'b' holds 1 value of 6 that is not finite, the first at position 2");
  EXPECT_EQ(tensor::nonfinite_tensor({{"a", at::zeros({3})}, {"n", at::zeros({2}, at::kLong)}}), "");
}

}  // namespace
}  // namespace espalier::exec
