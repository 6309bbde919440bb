#include "runtime/config/resolve.h"

#include <gmock/gmock.h>

#include "fake_catalog.h"
#include "runtime/base/errors.h"

namespace espalier::config {
namespace {

using ::testing::ElementsAre;

const char* const kPipeline = R"(
name = "toy-run"
seed = 7
[domain]
type = "domain.toy"
[domain.options]
size = 24
[defaults."sampler.fake"]
num_inference_steps = 25
eta = 1
[[stage]]
tag = "evaluated"
type = "metric.fake"
inputs = { scores = ["late", "early"], baseline = "early" }
[[stage]]
tag = "late"
type = "reward.fake"
inputs = { samples = "tuned_samples" }
[[stage]]
tag = "early"
type = "reward.fake"
inputs = { samples = "samples" }
[stage.options]
palette = "cold"
workers = 4
[[stage]]
tag = "samples"
type = "sampler.fake"
inputs = { model = "domain" }
[stage.options]
eta = 0.5
samples_per_condition = 4
record_steps = [1, 0.25]
[[stage]]
tag = "best"
type = "filter.fake"
inputs = { scores = "early" }
[[stage]]
tag = "tuned"
type = "trainer.fake"
inputs = { model = "domain", selection = "best" }
options = { intermediate_step = 0.5 }
[[stage]]
tag = "tuned_samples"
type = "sampler.fake"
inputs = { model = ["tuned", "domain"] }
options = { split = "held_out", block_size = 32, micro_batch = 8 }
)";

PipelineSpec read(const std::string& text, const std::vector<std::string>& overrides = {}) {
  return resolve(Document::parse(text, "p.toml", overrides), fake_catalog());
}

std::vector<std::string> tags(const PipelineSpec& spec) {
  std::vector<std::string> names;
  for (const auto& stage : spec.stages) names.push_back(stage.tag);
  return names;
}

TEST(Resolve, ReadsAWholePipeline) {
  const auto spec = read(kPipeline);
  EXPECT_EQ(spec.name, "toy-run");
  EXPECT_EQ(spec.seed, 7u);
  EXPECT_EQ(spec.device, "cpu");
  EXPECT_EQ(spec.cache_path, "cache");
  EXPECT_EQ(spec.origin, "p.toml");
  EXPECT_EQ(spec.text, kPipeline);
  EXPECT_EQ(spec.domain_type, "domain.toy");
  EXPECT_EQ(spec.domain_numerics_version, 2);
  EXPECT_EQ(spec.domain_options, Value(Value::Map{{"prompts", "shapes"}, {"size", 24}}));
  ASSERT_NE(spec.domain, nullptr);
  EXPECT_EQ(domain_seed(), 7u);
}

TEST(Resolve, PutsInputsFirstAndKeepsTheFilesOrderElse) {
  EXPECT_THAT(tags(read(kPipeline)), ElementsAre("samples", "early", "best", "tuned", "tuned_samples", "late", "evaluated"));
}

TEST(Resolve, MergesDefaultsAndSortsOptionsByRole) {
  const auto spec = read(kPipeline);
  const auto* samples = spec.find("samples");
  ASSERT_NE(samples, nullptr);
  EXPECT_EQ(samples->keyed, Value(Value::Map{{"num_inference_steps", 25},
                                             {"eta", 0.5},
                                             {"split", "train"},
                                             {"max_conditions", 0},
                                             {"noise", "sampling"},
                                             {"block_size", 64},
                                             {"micro_batch", 16}}));
  EXPECT_EQ(samples->view, Value(Value::Map{{"samples_per_condition", 4}, {"record_steps", Value::List{1, 0.25}}}));
  EXPECT_EQ(samples->sampler.samples_per_condition, 4);
  EXPECT_THAT(samples->sampler.record_steps, ElementsAre(Step(std::int64_t{1}), Step(0.25)));
  EXPECT_EQ(samples->numerics_version, 3);
  EXPECT_EQ(spec.find("tuned_samples")->keyed.at("eta"), Value(1.0));  // an integer where a number is meant
  EXPECT_EQ(spec.find("tuned_samples")->sampler.micro_batch, 8);
  const auto* early = spec.find("early");
  EXPECT_EQ(early->keyed, Value(Value::Map{{"palette", "cold"}}));
  EXPECT_EQ(early->operational, Value(Value::Map{{"workers", 4}, {"max_invalid_fraction", 0.1}}));
  EXPECT_EQ(early->reward.max_invalid_fraction, 0.1);
}

TEST(Resolve, GivesInputsByPortAndTheirPlace) {
  const auto spec = read(kPipeline);
  EXPECT_THAT(spec.find("tuned_samples")->input("model")->tags, ElementsAre("tuned", "domain"));
  EXPECT_EQ(spec.find("tuned")->input("selection")->tags.at(0), "best");
  EXPECT_EQ(spec.find("samples")->input("selection"), nullptr);
  EXPECT_EQ(spec.find("evaluated")->where.to_string(), "p.toml:11:1");
}

TEST(Resolve, KeepsTheTypeOfAStep) {
  EXPECT_EQ(read(kPipeline).find("tuned")->keyed.at("intermediate_step"), Value(0.5));
  EXPECT_EQ(read(kPipeline, {"tuned.intermediate_step=1"}).find("tuned")->keyed.at("intermediate_step"), Value(1));
  EXPECT_EQ(read(kPipeline, {"tuned.intermediate_step=1.0"}).find("tuned")->keyed.at("intermediate_step"), Value(1.0));
}

TEST(Resolve, AppliesOverrides) {
  const auto spec = read(kPipeline, {"seed=11", "name=other", "cache.path=/data/my cache", "device.type=cuda", "domain.prompts=words",
                                     "samples.eta=0.25", "samples.split=\"held_out\"", "late.palette=cold"});
  EXPECT_EQ(spec.seed, 11u);
  EXPECT_EQ(domain_seed(), 11u);
  EXPECT_EQ(spec.name, "other");
  EXPECT_EQ(spec.cache_path, "/data/my cache");
  EXPECT_EQ(spec.device, "cuda");
  EXPECT_EQ(spec.domain_options.at("prompts"), Value("words"));
  EXPECT_EQ(spec.find("samples")->keyed.at("eta"), Value(0.25));
  EXPECT_EQ(spec.find("samples")->sampler.split, "held_out");
  EXPECT_EQ(spec.find("late")->keyed.at("palette"), Value("cold"));
  EXPECT_EQ(spec.overrides.size(), 8u);
}

TEST(Resolve, LeavesTheDomainClosedOnRequest) {
  const int before = domain_openings();
  EXPECT_NE(resolve(Document::parse(kPipeline, "p.toml", {}), fake_catalog(), false).domain, nullptr);
  EXPECT_EQ(domain_openings(), before);
}

TEST(Resolve, DoesNotOpenTheDomainOfAFaultyPipeline) {
  const int before = domain_openings();
  EXPECT_THROW(read(kPipeline, {"samples.etta=1"}), ConfigError);
  EXPECT_EQ(domain_openings(), before);
}

TEST(Resolve, NamesThePluginThatTakesAnEngineOption) {
  const std::string text = "name='x'\n[domain]\ntype='domain.toy'\n[[stage]]\ntag='s'\ntype='sampler.greedy'\ninputs={model='domain'}\n";
  try {
    read(text);
    FAIL();
  } catch (const PluginError& error) {
    EXPECT_STREQ(error.what(), "sampler.greedy declares the option 'micro_batch', which every sampler has; rename it");
  }
}

std::vector<std::string> names_of(const std::vector<OptionInfo>& options) {
  std::vector<std::string> names;
  for (const auto& option : options) names.push_back(option.name);
  return names;
}

TEST(DescribeOptions, PutsTheKindsOptionsBeforeThePluginsOwn) {
  const auto catalog = fake_catalog();
  SamplerView view;
  Schema every_sampler;
  view.options(every_sampler);
  auto expected = names_of(every_sampler.infos());
  expected.insert(expected.end(), {"num_inference_steps", "eta"});
  EXPECT_EQ(names_of(describe_options(*catalog.find("sampler", "fake"))), expected);
  EXPECT_THAT(names_of(describe_options(*catalog.find("reward", "fake"))), ElementsAre("max_invalid_fraction", "palette", "workers"));
  EXPECT_THAT(names_of(describe_options(*catalog.find("domain", "toy"))), ElementsAre("prompts", "size"));
}

}  // namespace
}  // namespace espalier::config
