// [sweep] and [rounds]: which stages they make, what those stages name, and which seeds they have.
#include "runtime/config/expand.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <set>

#include "fake_catalog.h"
#include "runtime/base/errors.h"
#include "runtime/config/resolve.h"

namespace espalier::config {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::UnorderedElementsAre;

const std::string kStages = R"(
name = "toy"
seed = 7
[domain]
type = "domain.toy"
[models]
base = "."
[[stage]]
tag = "samples"
type = "sampler.fake"
inputs = { model = "base" }
[[stage]]
tag = "scores"
type = "reward.fake"
inputs = { samples = "samples" }
[[stage]]
tag = "best"
type = "filter.fake"
inputs = { scores = "scores" }
[[stage]]
tag = "control"
type = "trainer.fake"
inputs = { model = "base" }
[[stage]]
tag = "tuned"
type = "trainer.fake"
inputs = { model = "base", selection = "best" }
[[stage]]
tag = "control_samples"
type = "sampler.fake"
inputs = { model = "control" }
options = { split = "held_out", noise = "held_out" }
[[stage]]
tag = "tuned_samples"
type = "sampler.fake"
inputs = { model = ["tuned", "base"] }
options = { split = "held_out", noise = "held_out" }
[[stage]]
tag = "control_scores"
type = "reward.fake"
inputs = { samples = "control_samples" }
[[stage]]
tag = "tuned_scores"
type = "reward.fake"
inputs = { samples = "tuned_samples" }
[[stage]]
tag = "all"
type = "metric.fake"
inputs = { scores = ["scores", "tuned_scores"] }
[[stage]]
tag = "gain"
type = "metric.fake"
inputs = { scores = ["control_scores", "tuned_scores"], baseline = "control_scores" }
)";

PipelineSpec read(const std::string& more, const std::vector<std::string>& overrides = {}) {
  return resolve(Document::parse(kStages + more, "p.toml", overrides), fake_catalog());
}

std::vector<std::string> tags(const PipelineSpec& spec) {
  std::vector<std::string> names;
  for (const auto& stage : spec.stages) names.push_back(stage.tag);
  return names;
}

std::vector<std::string> input(const PipelineSpec& spec, const std::string& tag, const std::string& name) {
  const auto* stage = spec.find(tag);
  if (stage == nullptr || stage->input(name) == nullptr) return {"no stage '" + tag + "' with the input '" + name + "'"};
  return stage->input(name)->tags;
}

std::string refusal(const std::string& more) {
  try {
    read(more);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "not refused";
}

TEST(Seeds, AStageHasThePipelinesOrItsOwn) {
  const auto spec = read("", {"tuned.seed=3"});
  EXPECT_EQ(spec.find("samples")->seed, 7u);
  EXPECT_EQ(spec.find("tuned")->seed, 3u);
  EXPECT_EQ(spec.find("tuned")->origin.tag, "tuned");
  EXPECT_EQ(spec.find("tuned")->origin.settings, Value());
}

TEST(Seeds, AreIntegersOfAtLeastZero) {
  EXPECT_THAT(refusal("seed = -1\n"), HasSubstr("stage 'gain': 'seed' is an integer of at least 0; found the integer -1"));
  EXPECT_THAT(refusal("seed = \"x\"\n"), HasSubstr("'seed' is an integer"));
}

TEST(Sweep, CopiesAStageAndWhatDependsOnIt) {
  const auto spec = read("[sweep]\ntuned.intermediate_step = [0.25, 4]\n");
  EXPECT_THAT(tags(spec),
              UnorderedElementsAre("samples", "scores", "best", "control", "tuned-0_25", "tuned-4", "control_samples", "tuned_samples-0_25",
                                   "tuned_samples-4", "control_scores", "tuned_scores-0_25", "tuned_scores-4", "all", "gain"));
  EXPECT_EQ(spec.find("tuned-0_25")->keyed.at("intermediate_step"), Value(0.25));
  EXPECT_EQ(spec.find("tuned-4")->keyed.at("intermediate_step"), Value(4));
  EXPECT_THAT(input(spec, "tuned-4", "selection"), ElementsAre("best"));
  EXPECT_THAT(input(spec, "tuned_samples-4", "model"), ElementsAre("tuned-4", "base"));
  EXPECT_THAT(input(spec, "tuned_scores-4", "samples"), ElementsAre("tuned_samples-4"));
}

TEST(Sweep, AMetricsListNamesAllCopies) {
  const auto spec = read("[sweep]\ntuned.intermediate_step = [0.25, 4]\n");
  EXPECT_THAT(input(spec, "all", "scores"), ElementsAre("scores", "tuned_scores-0_25", "tuned_scores-4"));
  EXPECT_THAT(input(spec, "gain", "scores"), ElementsAre("control_scores", "tuned_scores-0_25", "tuned_scores-4"));
}

TEST(Sweep, SaysWhatACopyIs) {
  const auto spec = read("[sweep]\ntuned.intermediate_step = [0.25, 4]\ntuned.seed = [1, 2]\n");
  const auto* copy = spec.find("tuned_scores-4-2");
  ASSERT_NE(copy, nullptr);
  EXPECT_EQ(copy->origin.tag, "tuned_scores");
  EXPECT_EQ(copy->origin.settings, Value(Value::Map{{"tuned.intermediate_step", 4}, {"tuned.seed", 2}}));
  EXPECT_EQ(copy->seed, 7u);
  EXPECT_EQ(spec.find("tuned-4-2")->seed, 2u);
  EXPECT_EQ(spec.find("samples")->origin.settings, Value());
}

// One axis sets both trainers, so that the copies of a metric compare models of one seed.
TEST(Sweep, OfATypeSetsAllStagesOfIt) {
  const auto spec = read("[sweep]\n\"trainer.fake\".seed = [1, 2, 3]\ntuned.intermediate_step = [1, 2]\n");
  EXPECT_EQ(spec.find("control-3")->seed, 3u);
  EXPECT_EQ(spec.find("tuned-3-1")->seed, 3u);
  EXPECT_THAT(tags(spec), Contains("gain-2"));
  EXPECT_THAT(tags(spec), Not(Contains("gain")));
  EXPECT_THAT(input(spec, "gain-2", "baseline"), ElementsAre("control_scores-2"));
  EXPECT_THAT(input(spec, "gain-2", "scores"), ElementsAre("control_scores-2", "tuned_scores-2-1", "tuned_scores-2-2"));
  EXPECT_EQ(input(spec, "all", "scores").size(), 7u);
}

TEST(Sweep, OfTheSeedCopiesEveryStageWithoutItsOwn) {
  const auto spec = read("[sweep]\nseed = [1, 2]\n", {"control.seed=9"});
  EXPECT_THAT(tags(spec),
              UnorderedElementsAre("samples-1", "samples-2", "scores-1", "scores-2", "best-1", "best-2", "control", "tuned-1", "tuned-2",
                                   "control_samples-1", "control_samples-2", "tuned_samples-1", "tuned_samples-2", "control_scores-1",
                                   "control_scores-2", "tuned_scores-1", "tuned_scores-2", "all", "gain-1", "gain-2"));
  EXPECT_EQ(spec.find("samples-2")->seed, 2u);
  EXPECT_EQ(spec.find("control")->seed, 9u);
  EXPECT_EQ(spec.seed, 7u);
  EXPECT_THAT(input(spec, "gain-2", "scores"), ElementsAre("control_scores-2", "tuned_scores-2"));
}

TEST(Sweep, AnAxisOfAStageGoesBeforeThatOfAllSeeds) {
  const auto spec = read("[sweep]\nseed = [1, 2]\ntuned.seed = [5]\n");
  EXPECT_EQ(spec.find("tuned-1-5")->seed, 5u);
  EXPECT_THAT(input(spec, "tuned-1-5", "selection"), ElementsAre("best-1"));
}

TEST(Sweep, ValuesThatNoTagCanSpellAreNumbered) {
  const auto spec = read("[sweep]\nscores.palette = [\"warm\", \"cold\"]\nsamples.record_steps = [[1], [2]]\n");
  EXPECT_THAT(tags(spec), Contains("samples-1"));
  EXPECT_THAT(tags(spec), Contains("scores-cold-2"));
}

TEST(Sweep, OverridesSetOptionsOfAllCopiesAndAxes) {
  const auto spec = read("[sweep]\ntuned.intermediate_step = [0.25, 4]\n",
                         {"tuned.max_train_steps=5", "sweep.tuned.seed=[1,2]", "sweep.trainer.fake.max_train_steps=[3]"});
  EXPECT_EQ(spec.find("tuned-4-2-3")->keyed.at("max_train_steps"), Value(3));
  EXPECT_EQ(spec.find("tuned-4-2-3")->seed, 2u);
}

TEST(Sweep, MoreStagesThanAPipelineHoldsAreRefused) {
  std::string axis = "[sweep]\nsamples.seed = [0";
  for (int i = 1; i < 100; ++i) axis += ", " + std::to_string(i);
  EXPECT_THAT(refusal(axis + "]\n" + axis.substr(8).replace(0, 7, "tuned") + "]\n"), HasSubstr("[sweep]: makes more than 4096 stages"));
}

TEST(Sweep, WrongTablesAreRefused) {
  EXPECT_THAT(refusal("[sweep]\ntunde.seed = [1]\n"),
              HasSubstr("p.toml:55:1: [sweep]: 'tunde' is neither a stage's tag nor a type of the stages; did you mean 'tuned'?"));
  EXPECT_THAT(refusal("[sweep]\ntuned = [1]\n"), HasSubstr("'tuned' is a table of lists, tuned.<option> = [...]; found a list"));
  EXPECT_THAT(refusal("[sweep]\ntuned.seed = 1\n"), HasSubstr("'tuned.seed' is a list of at least one value; found the integer 1"));
  EXPECT_THAT(refusal("[sweep]\ntuned.seed = []\n"), HasSubstr("'tuned.seed' is a list of at least one value; found an empty list"));
  EXPECT_THAT(refusal("[sweep]\ntuned.seed = [1, 1]\n"), HasSubstr("'tuned.seed' has the value 1 twice"));
  EXPECT_THAT(refusal("[sweep]\ntuned.max_train_stps = [1]\n"), HasSubstr("max_train_steps"));
}

TEST(Sweep, AProblemOfAllCopiesIsReportedOnce) {
  const auto text = refusal(
      "[[stage]]\ntag = \"other\"\ntype = \"trainer.fake\"\ninputs = { model = \"base\" }\noptions = { max_train_stps = 1 }\n"
      "[sweep]\nother.seed = [1, 2, 3]\n");
  EXPECT_THAT(text, HasSubstr("stage 'other'"));
  EXPECT_THAT(text, Not(HasSubstr("\n")));
}

const char* const kRounds = R"(
[rounds]
count = 3
stages = ["samples", "scores", "best", "tuned", "tuned_samples", "tuned_scores"]
start = "base"
next = ["tuned", "base"]
)";

TEST(Rounds, StartFromTheRoundBefore) {
  const auto spec = read(kRounds);
  EXPECT_EQ(spec.stages.size(), 5 + 3 * 6u);
  EXPECT_THAT(input(spec, "samples-r1", "model"), ElementsAre("base"));
  EXPECT_THAT(input(spec, "samples-r2", "model"), ElementsAre("tuned-r1", "base"));
  EXPECT_THAT(input(spec, "samples-r3", "model"), ElementsAre("tuned-r2", "base"));
  EXPECT_THAT(input(spec, "tuned-r1", "model"), ElementsAre("base"));
  EXPECT_THAT(input(spec, "tuned-r2", "model"), ElementsAre("tuned-r1"));
  EXPECT_THAT(input(spec, "tuned-r2", "selection"), ElementsAre("best-r2"));
  EXPECT_THAT(input(spec, "tuned_samples-r2", "model"), ElementsAre("tuned-r2", "base"));
  EXPECT_EQ(spec.find("tuned-r2")->origin.tag, "tuned");
  EXPECT_EQ(spec.find("tuned-r2")->origin.round, 2);
}

TEST(Rounds, KeepTheReference) {
  const auto spec = read(
      "[[stage]]\ntag = \"policy\"\ntype = \"trainer.fake\"\ninputs = { model = \"base\", reference = \"base\" }\n"
      "[rounds]\ncount = 2\nstages = [\"policy\"]\nstart = \"base\"\nnext = \"policy\"\n");
  EXPECT_THAT(input(spec, "policy-r2", "model"), ElementsAre("policy-r1"));
  EXPECT_THAT(input(spec, "policy-r2", "reference"), ElementsAre("base"));
}

// A metric of the rounds may end the run: it comes before the next round, also where it waits for a stage outside that the file names
// later.
TEST(Rounds, OneIsCompleteBeforeTheNextBegins) {
  const auto order = tags(read(R"(
[[stage]]
tag = "guard"
type = "metric.fake"
inputs = { scores = "tuned_scores", baseline = "late_scores" }
[[stage]]
tag = "late_samples"
type = "sampler.fake"
inputs = { model = "base" }
[[stage]]
tag = "late_scores"
type = "reward.fake"
inputs = { samples = "late_samples" }
[rounds]
count = 3
stages = ["samples", "scores", "best", "tuned", "tuned_samples", "tuned_scores", "guard"]
start = "base"
next = ["tuned", "base"]
)"));
  const auto place = [&](const std::string& tag) { return std::ranges::find(order, tag) - order.begin(); };
  EXPECT_LT(place("guard-r1"), place("samples-r2"));
  EXPECT_LT(place("guard-r2"), place("samples-r3"));
  EXPECT_LT(place("guard-r3"), std::ssize(order));
}

// Its round 1 needs a stage outside that needs the last round: inputs come first then.
TEST(Rounds, OneMayWaitForALaterOne) {
  const auto order = tags(read(R"(
[[stage]]
tag = "after"
type = "sampler.fake"
inputs = { model = "tuned" }
[[stage]]
tag = "after_scores"
type = "reward.fake"
inputs = { samples = "after" }
[[stage]]
tag = "guard"
type = "metric.fake"
inputs = { scores = "tuned_scores", baseline = "after_scores" }
[rounds]
count = 2
stages = ["samples", "scores", "best", "tuned", "tuned_samples", "tuned_scores", "guard"]
start = "base"
next = ["tuned", "base"]
)"));
  const auto place = [&](const std::string& tag) { return std::ranges::find(order, tag) - order.begin(); };
  EXPECT_LT(place("tuned-r2"), place("guard-r1"));
  EXPECT_LT(place("guard-r1"), std::ssize(order));
}

TEST(Rounds, StagesOutsideNameTheLastRoundAndMetricsAll) {
  const auto spec = read(kRounds, {"control.max_train_steps=3"});
  EXPECT_THAT(input(spec, "all", "scores"),
              ElementsAre("scores-r1", "scores-r2", "scores-r3", "tuned_scores-r1", "tuned_scores-r2", "tuned_scores-r3"));
  EXPECT_THAT(input(spec, "control", "model"), ElementsAre("base"));
}

TEST(Rounds, HaveSeedsOfTheirOwnButCommonHeldOutNoise) {
  const auto spec = read(kRounds);
  EXPECT_EQ(spec.find("samples-r1")->seed, 7u);
  std::set<std::uint64_t> seeds;
  for (const char* tag : {"samples-r1", "samples-r2", "samples-r3"}) seeds.insert(spec.find(tag)->seed);
  EXPECT_EQ(seeds.size(), 3u);
  EXPECT_EQ(spec.find("samples-r2")->seed, spec.find("best-r2")->seed);
  for (const char* tag : {"tuned_samples-r1", "tuned_samples-r2", "tuned_samples-r3"}) EXPECT_EQ(spec.find(tag)->seed, 7u) << tag;
}

// sha256("round 2 of seed 7") begins with these bytes, by Python's hashlib.
TEST(Rounds, TheSeedIsAHash) {
  EXPECT_EQ(round_seed(7, 1), 7);
  EXPECT_EQ(round_seed(7, 2), 8634334606328576782);
}

TEST(Rounds, GoWithASweep) {
  const auto spec = read(std::string(kRounds) + "[sweep]\nseed = [1, 2]\ntuned.intermediate_step = [1, 2]\n");
  const auto* copy = spec.find("tuned-r2-2-1");
  ASSERT_NE(copy, nullptr);
  EXPECT_EQ(copy->seed, static_cast<std::uint64_t>(round_seed(2, 2)));
  EXPECT_EQ(copy->keyed.at("intermediate_step"), Value(1));
  EXPECT_THAT(input(spec, "tuned-r2-2-1", "model"), ElementsAre("tuned-r1-2-1"));
  EXPECT_THAT(input(spec, "samples-r2-2-1", "model"), ElementsAre("tuned-r1-2-1", "base"));
  EXPECT_THAT(input(spec, "samples-r1-2", "model"), ElementsAre("base"));
  EXPECT_EQ(spec.find("tuned_samples-r2-2-1")->seed, 2u);
}

TEST(Rounds, WrongTablesAreRefused) {
  const auto with = [](const std::string& from, const std::string& to) {
    std::string text = kRounds;
    return refusal(text.replace(text.find(from), from.size(), to));
  };
  EXPECT_THAT(with("count = 3", "count = 0"), HasSubstr("[rounds]: 'count' is an integer from 1 to 100; found the integer 0"));
  EXPECT_THAT(with("count = 3", ""), HasSubstr("[rounds]: 'count' is missing"));
  EXPECT_THAT(with("\"best\"", "\"bset\""), HasSubstr("[rounds]: no stage has the tag 'bset'; did you mean 'best'?"));
  EXPECT_THAT(with("start = \"base\"", "start = \"bace\""), HasSubstr("[rounds]: 'start' is a name of [models]; found 'bace'"));
  EXPECT_THAT(with("next = [\"tuned\"", "next = [\"control\""),
              HasSubstr("'next' names stages of the rounds and models of [models]; found 'control'"));
  EXPECT_THAT(with("next = [\"tuned\", ", "next = ["), HasSubstr("'next' names no stage of the rounds"));
  EXPECT_THAT(with("count = 3", "cuont = 3"), HasSubstr("[rounds]: unknown key 'cuont'"));
}

}  // namespace
}  // namespace espalier::config
