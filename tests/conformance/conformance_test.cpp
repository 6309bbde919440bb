#include "tests/conformance/conformance.h"

#include <gmock/gmock.h>
#include <gtest/gtest-spi.h>

#include <functional>

#include "runtime/base/errors.h"
#include "tests/conformance/broken.h"
#include "tests/conformance/toy.h"

// Each conformance suite must accept a correct plugin and detect each flaw of a broken one.
namespace espalier::conformance {
namespace {

using testing::HasSubstr;

// Returns the failures that a check reports as one text, without failing this test.
std::string failures(const std::function<void()>& check) {
  testing::TestPartResultArray results;
  {
    const testing::ScopedFakeTestPartResultReporter reporter(testing::ScopedFakeTestPartResultReporter::INTERCEPT_ALL_THREADS, &results);
    check();
  }
  std::string text;
  for (int i = 0; i < results.size(); ++i) text += results.GetTestPartResult(i).message() + std::string("\n");
  return text;
}

FilterInput scores() {
  FilterInput input;
  for (std::int64_t i = 0; i < 240; ++i) {
    input.index.push_back(3 * i);
    input.condition.push_back(i % 12);
    input.score.push_back(static_cast<double>((i * 7919) % 240) / 240.0);
  }
  input.key = {.seed = 1, .purpose = random::Purpose::filter};
  return input;
}

RewardSamples images() {
  const auto domain = toy_domain();
  const auto batch = domain->data().examples("train")->at({0, 1, 2, 3, 4, 5});
  return {samples_of(*domain, batch), batch.condition.metadata, {"a", "b", "c", "d", "e", "f"}};
}

MetricInput metric_input() { return {{{"scores", {{"reward", {0.1, 0.5, 0.9}, {0, 1, 2}}}}}, {.seed = 1}}; }

struct Case {
  const char* flaw;
  const char* found;
};

TEST(Conformance, DetectsEachFlawOfAFilter) {
  const Options by_condition{{"group_by", "condition"}};
  check_filter(filter_with(""), {}, scores());
  check_filter(filter_with(""), by_condition, scores());
  for (const auto& [flaw, found] :
       {Case{"order", "without the samples of other conditions"}, Case{"infinite", "whose score is inf"},
        Case{"descending", "accepted indices ascend"}, Case{"twice", "twice"}, Case{"weight", "the weight 0"},
        Case{"ascent", "the weight -1"}, Case{"fewer weights", "weights; every accepted index has one weight"},
        Case{"probability", "the probability 7 for the quantile"}, Case{"nan", "the probability nan"}, Case{"formula", "formula"},
        Case{"rate", "acceptance rate"}, Case{"density", "density in octile"}, Case{"groups", "other groups"},
        Case{"not offered", "was not offered"}, Case{"by_condition", "what the option group_by says"}}) {
    EXPECT_THAT(failures([&] { check_filter(filter_with(flaw), by_condition, scores()); }), HasSubstr(found)) << flaw;
  }
}

TEST(Conformance, DetectsEachFlawOfAFilterThatNeedsKeys) {
  check_filter(key_filter_with(""), {}, scores());
  check_filter(key_filter_with(""), {{"group_by", "all"}}, scores());
  for (const auto& [flaw, found] : {Case{"spelling", "how keys are spelt"}, Case{"blind", "the same whatever they are"},
                                    Case{"rank", "without the samples of other conditions"},
                                    Case{"other groups", "other groups' scores or keys"}, Case{"tilt", "density in octile"}}) {
    EXPECT_THAT(failures([&] { check_filter(key_filter_with(flaw), {}, scores()); }), HasSubstr(found)) << flaw;
  }
}

TEST(Conformance, DetectsEachFlawOfARewardAndItsOptions) {
  check_reward(reward_with(""), {{"gain", 2.0}}, images());
  for (const auto& [flaw, found] :
       {Case{"identity", "changed the identity"}, Case{"changes", "changed the samples"}, Case{"batch", "in a batch of 1"},
        Case{"twice", "scored twice"}, Case{"shape", "score is [B]"}, Case{"fewer", "Float [5] for 6 samples"}, Case{"dtype", "Long [6]"},
        Case{"undefined", "undefined tensor"}, Case{"doc", "doc is a sentence"}, Case{"default", "default breaks"},
        Case{"unbounded", "has no upper bound"}}) {
    EXPECT_THAT(failures([&] { check_reward(reward_with(flaw), {{"gain", 2.0}}, images()); }), HasSubstr(found)) << flaw;
  }
}

TEST(Conformance, DetectsEachFlawOfAMetric) {
  check_metric(metric_with(""), {}, metric_input());
  for (const auto& [flaw, found] :
       {Case{"interval", "an interval holds its value"}, Case{"nan", "a value is finite"}, Case{"key", "other findings"},
        Case{"names", "two scalars the name 'mean'"}, Case{"chart names", "two charts the name 'scores'"}, Case{"ragged", "2 x, 3 y"},
        Case{"half an interval", "2 low and 0 high"}, Case{"infinite chart", "numbers of charts are finite"},
        Case{"no kind", "an interval has both bounds and a kind"}, Case{"short row", "a row of 1 cells and 2 columns"},
        Case{"cell", "the column 'score'"}, Case{"pixels", "2 bytes for 1 x 1 pixels"}}) {
    EXPECT_THAT(failures([&] { check_metric(metric_with(flaw), {}, metric_input()); }), HasSubstr(found)) << flaw;
  }
}

TEST(Conformance, DetectsEachFlawOfASampler) {
  check_sampler(sampler_with(""), {});
  for (const auto& [flaw, found] :
       {Case{"batch", "depends on its micro-batch"}, Case{"twice", "two results"}, Case{"double", "'sample' as Double"},
        Case{"field", "'extra', which its specification has not"}, Case{"no phase", "phases() gave none"},
        Case{"start", "starts at 'nowhere'"}, Case{"gap", "where one from 6 steps remaining is due"},
        Case{"end", "end with 1 steps remaining"}, Case{"grid", "of a phase's grid has"},
        Case{"stranger", "none of those that the sampler was given"}, Case{"evaluations", "miscounts"}, Case{"foreign", "foreign process"},
        Case{"process", "another process"}, Case{"stitch", "segments.size()"}, Case{"law", "no_transition_law()"}}) {
    EXPECT_THAT(failures([&] { check_sampler(sampler_with(flaw), {}); }), HasSubstr(found)) << flaw;
  }
}

TEST(Conformance, DetectsEachFlawOfATrainer) {
  check_trainer(trainer_with(""), {{"max_train_steps", 8}}, TrainsOn::examples);
  check_trainer(trainer_with(""), {}, TrainsOn::selection);
  for (const auto& [flaw, found] :
       {Case{"in place", "changed the model it starts from"}, Case{"momentum", "other bits"}, Case{"stop", "a stop was requested"},
        Case{"announce", "declares no such step"}, Case{"curve", "'loss' is not logged"}, Case{"lacks", "without the tensor 'unet.bias'"},
        Case{"more", "with the tensor 'unet.more'"}, Case{"tensor shape", "'unet.bias' as Float [2]"},
        Case{"tensor dtype", "'unet.bias' as Double [3]"}, Case{"not finite", "'unet.bias' holds 1 value of 3"},
        Case{"no network", "has no network"}, Case{"info", "the last step"}, Case{"digest", "whose info has the digest"}}) {
    EXPECT_THAT(failures([&] { check_trainer(trainer_with(flaw), {}, TrainsOn::selection); }), HasSubstr(found)) << flaw;
  }
}

TEST(Conformance, DetectsEachFlawOfANoiseCorrector) {
  check_noise_corrector(noise_corrector_with(""), {});
  for (const auto& [flaw, found] :
       {Case{"foreign", "no flow was accepted"}, Case{"start", "starts at 'noise'"}, Case{"segment", "has 0 segments"},
        Case{"known", "other values than 0 and 1"}, Case{"certified nan", "as converged whose noise is not finite"},
        Case{"time", "though a step misses"}, Case{"residual", "'residual' at step"}, Case{"round trip", "'round_trip_error' is not"},
        Case{"block", "depends on its block"}, Case{"twice", "two results"}, Case{"order", "where that with 0 was due"},
        Case{"zeros", "is 0 at the sample"}, Case{"field", "no field 'iterations'"}, Case{"evaluations", "not those of the network"},
        Case{"stop", "a stop was requested"}}) {
    EXPECT_THAT(failures([&] { check_noise_corrector(noise_corrector_with(flaw), {}); }), HasSubstr(found)) << flaw;
  }
}

TEST(Conformance, DetectsEachFlawOfADomain) {
  check_domain(domain_with(""), {});
  for (const auto& [flaw, found] : {Case{"overlap", "is in two splits"},
                                    Case{"null", "no null condition 'label'"},
                                    Case{"null shape", "the null condition 'label'"},
                                    Case{"metadata", "8 texts and 7 metadata"},
                                    Case{"short", "the tensor 'label'"},
                                    Case{"none", "has none"},
                                    Case{"spec", "without a field"},
                                    Case{"codec", "gave none"},
                                    Case{"round trip", "of an encoded sample"},
                                    Case{"split twice", "there twice"},
                                    Case{"kind", "of the kind 'molecule'"},
                                    Case{"fewer", "of 3 samples for 4"},
                                    Case{"texts", "'name' of 1 samples for 4"},
                                    Case{"images", "3 images for 4 samples"},
                                    Case{"bytes", "with 191 bytes"},
                                    Case{"unstable", "not stable"},
                                    Case{"same examples", "the same examples"},
                                    Case{"examples batch", "depends on its batch"},
                                    Case{"shape", "has the field 'sample' as"},
                                    Case{"decode batch", "decoded 'image' depends"},
                                    Case{"range", "image is in [0, 1]"},
                                    Case{"any split", "unknown split"}}) {
    EXPECT_THAT(failures([&] { check_domain(domain_with(flaw), {}); }), HasSubstr(found)) << flaw;
  }
  EXPECT_EQ(failures([&] { check_domain(domain_with("overlap"), {}, {.disjoint_splits = false}); }), "");
}

TEST(Conformance, MakesPluginsByTypeAndRefusesWrongOptions) {
  Registrar registrar;
  EXPECT_THROW(find_entry(registrar, "filter.example"), PluginError);
  EXPECT_THROW(make<Filter>(filter_with(""), {{"group", "condition"}}), ConfigError);
  EXPECT_THROW(make<Reward>(filter_with("")), PluginError);
  EXPECT_NO_THROW(make<Filter>(filter_with(""), {{"group_by", "condition"}}));
}

}  // namespace
}  // namespace espalier::conformance
