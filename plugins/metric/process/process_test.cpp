#include <ATen/ops/arange.h>
#include <gmock/gmock.h>

#include "plugins/shared/program/test_programs.h"
#include "runtime/tensor/tensor_map.h"
#include "tests/conformance/conformance.h"
#include "tests/conformance/toy.h"

namespace espalier::conformance {
namespace {

using program::Scratch;
using testing::AllOf;
using testing::HasSubstr;
using testing::ThrowsMessage;

constexpr const char* kMetric = "metric.process";
constexpr std::int64_t kSamples = 7;

// The i-th image's pixels are all i - 3 in the states' range.
class Images final : public ViewSource {
 public:
  State states(std::int64_t, const std::vector<std::int64_t>& index) const override {
    return tensor::rows({{"sample", (at::arange(kSamples, at::kFloat) - 3.0).view({kSamples, 1, 1, 1}).expand({kSamples, 3, 8, 8})}},
                        index);
  }
  Sample decoded(const std::vector<std::int64_t>& index) const override { return {"image", states(0, index), {}}; }
  Conditions conditions(const std::vector<std::int64_t>& index) const override {
    Conditions conditions;
    conditions.text.resize(index.size(), "left");
    conditions.metadata.resize(index.size());
    return conditions;
  }
};

View view(std::int64_t size = kSamples) {
  return {{"images", {}, toy_domain()->codec(nullptr), View::range(0, size), std::vector<std::int64_t>(static_cast<std::size_t>(size))},
          std::make_shared<Images>()};
}

MetricInput input(const StageContext& context = {}, std::int64_t size = kSamples) {
  static const auto domain = toy_domain();
  return {.scores = {}, .key = {}, .samples = {view(size)}, .domain = domain.get(), .context = context};
}

Options options(const std::string& how, const std::string& file = "", Options others = {}) {
  const auto command = program::test_command(how, file);
  others["command"] = Value::List(command.begin(), command.end());
  others["identity"] = "test 1";
  return others;
}

Findings measure(const Options& options, const MetricInput& of = input()) { return make<Metric>(plugin(kMetric), options)->measure(of); }

TEST(Process, Conforms) { check_metric(plugin(kMetric), options("right"), input()); }

TEST(Process, FindsWhatTheProgramFindsOfAllSamplesInOrder) {
  for (const std::int64_t batch : {1, 3, 64}) {
    const auto findings = measure(options("right", "", {{"batch_size", batch}}));
    ASSERT_EQ(findings.scalars.size(), 2u);
    EXPECT_EQ(findings.scalars[0].name, "mean");
    EXPECT_EQ(findings.scalars[0].value, 0.0) << "the images' pixels are -3 to 3";
    EXPECT_EQ(findings.scalars[1].name, "samples");
    EXPECT_EQ(findings.scalars[1].value, 7.0);
    EXPECT_EQ(findings.scalars[1].about, (Subject{.stage = "images"}));
  }
}

TEST(Process, MeasuresAgainWithTheSameProgram) {
  const auto metric = make<Metric>(plugin(kMetric), options("right"));
  EXPECT_EQ(metric->measure(input()).scalars[1].value, 7.0);
  EXPECT_EQ(metric->measure(input({}, 4)).scalars[1].value, 4.0) << "nothing is left of the first";
}

TEST(Process, StartsOverOnceWithAFreshProgram) {
  const Scratch scratch;
  EXPECT_EQ(measure(options("crashes_at_measure_once", scratch.file("marker"), {{"batch_size", 2}})).scalars[1].value, 7.0);
}

TEST(Process, TakesNoWrongAnswerForFindings) {
  for (const auto& [how, message] :
       std::vector<std::pair<std::string, std::string>>{{"finds_nan", "not valid JSON"},
                                                        {"finds_text", R"(found 'mean' = ""nan""; a scalar is a finite number)"},
                                                        {"finds_nothing", "answered `findings` without numbers"},
                                                        {"finds_odd_name", R"(found a scalar of the name "a b")"}}) {
    EXPECT_THAT([&] { measure(options(how)); }, ThrowsMessage<StageError>(AllOf(HasSubstr("metric.process: "), HasSubstr(message)))) << how;
  }
}

TEST(Process, NeedsSamples) {
  EXPECT_THAT([] { measure(options("right"), input({}, 0)); }, ThrowsMessage<StageError>(HasSubstr("'images' has no samples")));
}

TEST(Process, IsRefusedByItsIdentity) {
  EXPECT_THAT([] { measure(options("other_identity")); }, ThrowsMessage<ConfigError>(HasSubstr("states the identity \"other\"")));
}

}  // namespace
}  // namespace espalier::conformance
