// Keys of filters that choose from another's selection, and of filters that read canonical keys.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fake_pipeline.h"

namespace espalier::plan {
namespace {

// The usual pipeline with a filter "first" before "best".
std::string chained(const std::string& type = "filter.fake") {
  auto text = pipeline_text();
  const std::string scores = "inputs = { scores = \"alignment\" }";
  text.replace(text.find(scores), scores.size(), "inputs = { scores = \"alignment\", selection = \"first\" }");
  return text + "[[stage]]\ntag = \"first\"\ntype = \"" + type + "\"\n" + scores + "\n";
}

Plans plans_of(const std::string& text, const std::vector<std::string>& overrides = {},
               const std::map<std::string, std::int64_t>& versions = {}) {
  FakeIndex index;
  return run_all(pipeline(overrides, versions, text), index);
}

TEST(Chain, KeyOfAnUnchainedSelectionHoldsNoChain) {
  const auto request = plans_of(pipeline_text()).at("best").request;
  std::vector<std::string> fields;
  for (const auto& [name, value] : request.as_map()) fields.push_back(name);
  EXPECT_THAT(fields, testing::UnorderedElementsAre("law", "scores", "set", "count", "filter", "seed"));
  EXPECT_EQ(plans_of(chained()).at("first").key, plans_of(pipeline_text()).at("best").key);
}

TEST(Chain, KeyOfASelectionDependsOnWhatItChoosesFrom) {
  const auto usual = plans_of(chained());
  EXPECT_NE(usual.at("best").key, plans_of(pipeline_text()).at("best").key);
  EXPECT_EQ(usual.at("best").request.at("selection").at("key").as_string(), usual.at("first").key);
  const auto other = plans_of(chained(), {"first.k=3"});
  for (const char* tag : {"first", "best", "tuned"}) EXPECT_NE(other.at(tag).key, usual.at(tag).key) << tag;
  EXPECT_EQ(other.at("alignment").key, usual.at("alignment").key);
}

TEST(Chain, WaitsForTheSelectionItChoosesFrom) {
  FakeIndex index;
  const Fake& fake = pipeline({}, {}, chained());
  const auto plans = plan_all(fake, index);
  EXPECT_THAT(plans.at("best").pending, testing::ElementsAre("first"));
  EXPECT_EQ(plans_of(chained()).at("best").samples, 40);
}

TEST(Chain, KeyOfAFilterThatReadsCanonicalKeysDependsOnTheDomain) {
  const auto text = chained("filter.keyed");
  const auto usual = plans_of(text);
  EXPECT_TRUE(usual.at("first").request.contains("canonical_keys"));
  EXPECT_FALSE(usual.at("best").request.contains("canonical_keys"));
  EXPECT_NE(plans_of(text, {}, {{"domain", 2}}).at("first").key, usual.at("first").key);
  EXPECT_NE(plans_of(text, {"domain.decoder=another"}).at("first").key, usual.at("first").key);
  EXPECT_EQ(plans_of(text, {}, {{"domain", 2}}).at("alignment").key, usual.at("alignment").key);
}

}  // namespace
}  // namespace espalier::plan
