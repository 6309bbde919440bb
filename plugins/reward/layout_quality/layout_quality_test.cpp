#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include "plugins/shared/layout/generator.h"
#include "plugins/shared/layout/measures.h"
#include "plugins/shared/layout/test_domain.h"
#include "tests/conformance/conformance.h"

namespace espalier {
namespace {

using layout::Page;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

struct Scored : conformance::RewardSamples {
  explicit Scored(const std::vector<Page>& pages) {
    sample = layout::sample_of(pages, 12);
    metadata.assign(pages.size(), Value());
    text.assign(pages.size(), "");
  }
  std::vector<double> scores(const std::string& term) const {
    const auto scores =
        conformance::make<Reward>(conformance::plugin("reward.layout_quality"), {{"term", term}})->score({sample, metadata, text});
    return {scores.const_data_ptr<double>(), scores.const_data_ptr<double>() + scores.numel()};
  }
};

std::vector<Page> generated(std::uint64_t count) {
  std::vector<Page> pages;
  for (std::uint64_t i = 0; i < count; ++i) pages.push_back(layout::generate_page(1, i, 12));
  return pages;
}

const Page kUntidy{{0, 1, 2}, {{0.2, 0.2, 0.3, 0.3}, {0.33, 0.35, 0.3, 0.42}, {0.05, 0.9, 0.31, 0.37}}};

TEST(LayoutQuality, Conforms) {
  auto pages = generated(6);
  pages.push_back(kUntidy);
  pages.emplace_back();
  const layout::TestDomain domain;
  for (const char* term : {"alignment", "overlap", "margins", "readability"}) {
    SCOPED_TRACE(term);
    conformance::check_reward(conformance::plugin("reward.layout_quality"), {{"term", term}}, Scored(pages), {domain, nullptr});
  }
}

TEST(LayoutQuality, TidyPagesScoreMoreInEveryTerm) {
  auto pages = generated(50);
  pages.push_back(kUntidy);
  for (const char* term : {"alignment", "overlap", "margins", "readability"}) {
    const auto scores = Scored(pages).scores(term);
    for (std::size_t i = 0; i < 50; ++i) EXPECT_GT(scores[i], scores.back()) << term << " of page " << i;
  }
}

TEST(LayoutQuality, IsTheMeasureOfItsTerm) {
  const Scored scored({kUntidy});
  EXPECT_NEAR(scored.scores("alignment")[0], -layout::alignment(kUntidy), 1e-6);
  EXPECT_NEAR(scored.scores("overlap")[0], -layout::overlap(kUntidy), 1e-6);
  EXPECT_NEAR(scored.scores("margins")[0], layout::margins(kUntidy, 0.03), 1e-6);
  EXPECT_NEAR(scored.scores("readability")[0], layout::readability(kUntidy, {}), 1e-6);
}

TEST(LayoutQuality, APageThatIsNoneScoresNan) {
  Scored scored({kUntidy, Page{}, kUntidy});
  scored.sample.tensors["box"][2][1][0] = std::numeric_limits<float>::quiet_NaN();
  const auto scores = scored.scores("readability");
  EXPECT_TRUE(std::isfinite(scores[0]));
  EXPECT_TRUE(std::isnan(scores[1]));
  EXPECT_TRUE(std::isnan(scores[2]));
}

// layouts.jsonl of a run with little training holds such pages: they had overlap 0, alignment 0 and a readability of up to 2/3 and more.
TEST(LayoutQuality, APageWithoutAnAreaHasTheWorstScoreThatThereIs) {
  const Page lines{{0, 1}, {{0.5, 0.5, 0.4, 0.0}, {0.5, 0.7, 0.0, 0.4}}}, corners{{0, 0}, {{1.0, 1.0, 0.0, 0.0}, {1.0, 0.0, 0.0, 0.0}}};
  const Scored scored({lines, corners});
  for (const char* term : {"margins", "readability"}) EXPECT_THAT(scored.scores(term), testing::Each(0.0)) << term;
  for (const char* term : {"alignment", "overlap"}) EXPECT_THAT(scored.scores(term), testing::Each(testing::IsNan())) << term;
}

TEST(LayoutQuality, ABoxWithoutAreaIsNotMeasuredAndCostsItsShare) {
  Page page = kUntidy;
  page.class_index.push_back(3);
  page.box.push_back({0.5, 0.5, 0.0, 0.3});
  const Scored scored({page, kUntidy});
  for (const char* term : {"alignment", "overlap"}) EXPECT_EQ(scored.scores(term)[0], scored.scores(term)[1]) << term;
  for (const char* term : {"margins", "readability"}) {
    EXPECT_NEAR(scored.scores(term)[0], 0.75 * scored.scores(term)[1], 1e-12) << term;
  }
}

TEST(LayoutQuality, ReportsWhatItNeeds) {
  Scored scored({kUntidy});
  scored.sample.tensors["box"] = scored.sample.tensors["box"].narrow(1, 0, 3);
  EXPECT_THAT([&] { scored.scores("overlap"); }, ThrowsMessage<StageError>(HasSubstr("must be [1, 12, 4]")));
  scored.sample.tensors.erase("box");
  EXPECT_THAT([&] { scored.scores("overlap"); }, ThrowsMessage<StageError>(HasSubstr("without 'box'")));
  scored.sample.kind = "image";
  EXPECT_THAT([&] { scored.scores("overlap"); }, ThrowsMessage<StageError>(HasSubstr("needs samples of kind 'layout'")));
  const auto reward = conformance::make<Reward>(conformance::plugin("reward.layout_quality"),
                                                {{"alignment_weight", 0.0}, {"overlap_weight", 0.0}, {"margins_weight", 0.0}});
  const layout::TestDomain domain;
  EXPECT_THAT([&] { reward->check(); }, ThrowsMessage<ConfigError>(HasSubstr("are all 0")));
}

}  // namespace
}  // namespace espalier
