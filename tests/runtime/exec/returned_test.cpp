// A plugin that returns what it must not stops the run: exit code 3, with the stage, the plugin, what was found and what would be right.
#include <gmock/gmock.h>

#include "runtime/base/errors.h"
#include "runtime/sdk/check.h"
#include "tests/conformance/toy.h"
#include "toy_pipeline.h"

namespace espalier::exec {
namespace {

using testing::HasSubstr;

struct Case {
  const char* flaw;
  const char* found;
};

void expect_found(const std::string& kind, const std::vector<std::string>& tags, const std::vector<Case>& cases,
                  const std::string& named = "") {
  ToyPipeline right;
  EXPECT_EQ(right.error(tags).second, "");
  for (const auto& [flaw, found] : cases) {
    ToyPipeline pipeline({{kind, flaw}});
    const auto [code, message] = pipeline.error(tags);
    EXPECT_EQ(code, 3) << kind << " '" << flaw << "': " << message;
    EXPECT_THAT(message, HasSubstr(found)) << kind << " '" << flaw << "'";
    EXPECT_THAT(message, HasSubstr(kind + ".example")) << kind << " '" << flaw << "'";
    EXPECT_THAT(message, HasSubstr(named.empty() ? "stage '" + tags.back() + "'" : named)) << kind << " '" << flaw << "'";
  }
}

TEST(Returned, SelectionsOfAFirstFilterAndOfALaterOne) {
  const std::vector<Case> cases{{"twice", "twice; accepted indices ascend"},      {"descending", "accepted indices ascend"},
                                {"ascent", "the weight -1; weights are finite"},  {"fewer weights", "every accepted index has one weight"},
                                {"not offered", "714, which it was not offered"}, {"weight", "the weight 0"}};
  expect_found("filter", {"samples", "scores", "best"}, cases);
  ToyPipeline right;
  EXPECT_EQ(right.error({"samples", "scores", "best", "best_of_best"}).second, "");
}

TEST(Returned, Laws) {
  expect_found("filter", {"samples", "scores", "best"},
               {{"probability", "acceptance() gave the probability 7 for the quantile"}, {"nan", "the probability nan"}});
}

TEST(Returned, Phases) {
  expect_found("sampler", {"samples"},
               {{"no phase", "phases() gave none"},
                {"start", "starts at 'nowhere'"},
                {"negative", "network evaluations; they are at least 0"},
                {"gap", "where one from 4 steps remaining is due"},
                {"end", "end with 1 steps remaining"},
                {"grid", "of a phase's grid has"},
                {"stranger", "none of those that the sampler was given"}});
}

TEST(Returned, RecordedStates) {
  expect_found(
      "sampler", {"samples"},
      {{"double", "the state recorded with 3 steps remaining has the field 'sample' as Double [4, 3, 8, 8]; it is Float [4, 3, 8, 8]"},
       {"field", "'extra', which its specification has not"}});
}

TEST(Returned, Scores) {
  expect_found("reward", {"samples", "scores"},
               {{"shape", "Float [8, 1] for 8 samples; a score is [B], float or double"},
                {"fewer", "Float [7] for 8 samples"},
                {"dtype", "Long [8]"},
                {"undefined", "an undefined tensor"}});
}

TEST(Returned, Findings) {
  expect_found("metric", {"samples", "scores", "summary"},
               {{"interval", "an interval holds its value"},
                {"nan", "a value is finite"},
                {"names", "two scalars the name 'mean'"},
                {"chart names", "two charts the name 'scores'"},
                {"ragged", "2 x, 3 y"},
                {"half an interval", "2 low and 0 high"},
                {"infinite chart", "numbers of charts are finite"},
                {"no kind", "an interval has both bounds and a kind"},
                {"short row", "a row of 1 cells and 2 columns"},
                {"cell", "the column 'score'"},
                {"pixels", "2 bytes for 1 x 1 pixels"}});
}

TEST(Returned, TrainedModels) {
  expect_found("trainer", {"samples", "scores", "best", "tuned"},
               {{"lacks", "without the tensor 'unet.bias'"},
                {"more", "with the tensor 'unet.more'"},
                {"tensor shape", "'unet.bias' as Float [2]; the model that it started from has Float [3]"},
                {"tensor dtype", "'unet.bias' as Double [3]"},
                {"not finite", "'unet.bias' holds 1 value of 3 that is not finite, the first at position 1"},
                {"no network", "has no network"},
                {"info", "trained_info() had promised"},
                {"digest", "whose info has the digest"}});
}

TEST(Returned, Inversions) {
  expect_found("noise_corrector", {"inversions"},
               {{"start", "starts at 'noise'"},
                {"segment", "has 0 segments"},
                {"negative", "counts -1 network evaluations"},
                {"field", "has no field 'iterations'"},
                {"order", "where that with 0 was due"},
                {"known", "other values than 0 and 1"},
                {"certified nan", "as converged whose noise is not finite"}});
}

TEST(Returned, OfDomains) {
  expect_found("domain", {"samples"},
               {{"spec", "codec() has states without a field"}, {"split twice", "there twice"}, {"codec", "codec() gave none"}},
               "domain.example");
  expect_found("domain", {"samples"},
               {{"none", "has none"},
                {"metadata", "8 texts and 7 metadata"},
                {"short", "the tensor 'label'"},
                {"null", "no null condition 'label'"},
                {"null shape", "the null condition 'label'"}});
  expect_found("domain", {"samples", "scores"},
               {{"kind", "of the kind 'molecule'; sample_kind() is 'image'"},
                {"fewer", "decode() gave 'image' of 7 samples for 8"},
                {"texts", "'name' of 1 samples for 8"}});
  expect_found("domain", {"samples"}, {{"images", "7 images for 8 samples"}, {"bytes", "with 191 bytes"}}, "domain.example");
  expect_found("domain", {"inversions"}, {{"shape", "a batch of 8 examples has the field 'sample' as"}});
}

TEST(Returned, DefaultsAndVersions) {
  const std::map<std::string, std::string> flaws{{"reward", "default"}};
  ToyPipeline outside(flaws);
  const auto [code, message] = outside.error({"samples", "scores"});
  EXPECT_EQ(code, 3);
  EXPECT_THAT(message, HasSubstr("reward.example: the default breaks its own declaration: it takes the option 'gain' > 1"));
  PluginEntry entry{.kind = "filter", .name = "zero", .numerics_version = 0, .doc = "An example.", .make = {}, .library = "a.so"};
  entry.make = [] { return nullptr; };
  plugin::Catalog catalog;
  EXPECT_THAT([&] { catalog.add({entry}); }, testing::ThrowsMessage<PluginError>(HasSubstr("filter.zero with the numerics_version 0")));
}

TEST(Returned, CanonicalKeysAndRenoisedPhases) {
  EXPECT_THROW(check_canonical_keys("domain.toy", {"a"}, 2), PluginError);
  const auto model = conformance::toy_model();
  const auto phase = [&](const std::string& start, std::int64_t first) {
    return Phase{start, model.process->config(), model.process->grid(4), {Segment{model.info, first, 0}}};
  };
  EXPECT_NO_THROW(check_phases("it", Direction::to_sample, {phase("noise", 4), phase("renoise:2", 2), phase("previous", 4)}, {model.info}));
  EXPECT_THROW(check_phases("it", Direction::to_sample, {phase("noise", 4), phase("renoise:2", 4)}, {model.info}), PluginError);
  EXPECT_THROW(check_phases("it", Direction::to_sample, {phase("noise", 4), phase("renoise:5", 5)}, {model.info}), PluginError);
  EXPECT_THROW(check_phases("it", Direction::to_sample, {phase("noise", 4), phase("renoise:x", 4)}, {model.info}), PluginError);
  EXPECT_THROW(check_phases("it", Direction::to_sample, {phase("previous", 4)}, {model.info}), PluginError);
}

}  // namespace
}  // namespace espalier::exec
