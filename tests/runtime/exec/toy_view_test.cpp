// What stages read of trajectories in the cache.
#include <ATen/ops/equal.h>
#include <gmock/gmock.h>

#include "tests/conformance/toy.h"
#include "toy_pipeline.h"

namespace espalier::exec {
namespace {

// Compares the transitions, the noise and the conditions of a view with each other; its findings count the rows that are right.
class Looker final : public Metric {
 public:
  void inputs(Inputs& in) override {
    in.trajectories("samples", "Looked at.").sampled().transitions();
    in.scores("scores", "Of the samples.").optional();
  }
  Findings measure(const MetricInput& input) const override {
    const auto& view = input.samples.front();
    const auto steps = view.grid().num_steps();
    double right = 0.0;
    for (std::int64_t row = 0; row < view.size(); ++row) {
      bool chained = at::equal(view.transition(steps, {row}).before.at("sample"), view.noise({row}).at("sample"));
      for (std::int64_t step = steps; step > 1; --step) {
        const auto here = view.transition(step, {row}), next = view.transition(step - 1, {row});
        chained = chained && at::equal(here.after.at("sample"), next.before.at("sample"));
      }
      const auto last = view.transition(1, {row}).after;
      const auto decoded = view.decoded({row}).tensors.at("image"), again = view.codec().decode(last, {}).tensors.at("image");
      const auto label = view.conditions({row}).metadata.front().at("label").as_integer();
      const auto expected =
          input.domain->data().conditions("train").metadata.at(static_cast<std::size_t>(view.condition()[row])).at("label");
      if (chained && at::equal(decoded, again) && expected == Value(label)) right += 1.0;
    }
    const auto noise = view.noise(view.all()).at("sample");
    Findings findings;
    findings.scalars.push_back(to_scalar("right", right));
    findings.scalars.push_back(to_scalar("noise_square", noise.square().mean().item<double>()));
    return findings;
  }
};

std::map<std::string, double> found(const Record& record) {
  std::map<std::string, double> values;
  for (const auto& of_stage : record.findings) {
    for (const auto& scalar : of_stage.findings.scalars) values[scalar.name] = scalar.value;
  }
  return values;
}

TEST(CachedView, HasTransitionsNoiseConditionsAndDecodedSamples) {
  Registrar registrar;
  registrar.metric<Looker>("count", 1, "Looks at a view.");
  ToyPipeline pipeline({}, {registrar.entries().front()});
  const auto values = found(pipeline.run({"samples", "counted"}));
  EXPECT_EQ(values.at("right"), 32.0);
  EXPECT_NEAR(values.at("noise_square"), 1.0, 0.1) << "the noise is drawn again, not recorded";
}

TEST(CachedView, TheRewardAndTheReportDecodeABlockOnce) {
  ToyPipeline pipeline;
  const auto before = decodings().rows;
  pipeline.run({"samples", "scores"});
  EXPECT_EQ(decodings().rows - before, 32);
}

}  // namespace
}  // namespace espalier::exec
