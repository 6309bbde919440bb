#include "runtime/report/page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <regex>

#include "runtime/report/colours.h"
#include "tests/runtime/report/fixture.h"

namespace espalier::report {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::size_t count_of(const std::string& text, const std::string& part) {
  std::size_t count = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + part.size())) ++count;
  return count;
}

// The JSON block of each chart, in the page's order.
std::vector<nlohmann::json> chart_blocks(const std::string& html) {
  const std::string open = "<script type=\"application/json\">";
  std::vector<nlohmann::json> blocks;
  for (auto at = html.find(open); at != std::string::npos; at = html.find(open, at)) {
    at += open.size();
    blocks.push_back(nlohmann::json::parse(html.substr(at, html.find("</script>", at) - at)));
  }
  return blocks;
}

TEST(Page, LetsNoPromptBecomeMarkup) {
  const auto html = page(fixture());
  EXPECT_THAT(html, Not(HasSubstr("<script>alert(1)")));
  EXPECT_THAT(html, Not(HasSubstr("<img src=x")));
  EXPECT_THAT(html, HasSubstr("&lt;/script&gt;&lt;script&gt;alert(1)&lt;/script&gt; &quot;quoted&quot; &amp; &#39;single&#39;"));
}

TEST(Page, LetsNoNameOfAStageBecomeMarkup) {
  exec::Record record;
  record.name = kHostile;
  record.started = "2026-01-31T12:00:00Z";
  record.pipeline_file = kHostile;
  record.pipeline_text = kHostile;
  record.overrides = {kHostile};
  record.provenance[kHostile] = kHostile;
  exec::StageRecord stage;
  stage.tag = stage.type = stage.status = stage.because = stage.key = kHostile;
  stage.inputs = {kHostile};
  stage.options[kHostile] = kHostile;
  record.stages = {stage};
  Findings findings;
  findings.scalars = {{kHostile, 1.0, 0.5, 1.5, intervals::Kind::t, 4, {.stage = kHostile, .baseline = kHostile}},
                      to_scalar(kHostile, 1.0, {.split = kHostile})};
  findings.charts = {{kHostile, kHostile, kHostile, true, true, {{kHostile, {1.0}, {2.0}, {1.0}, {3.0}}}}};
  findings.tables = {{kHostile, {{kHostile, kHostile}}, {{kHostile}}, kHostile}};
  findings.images = {{kHostile, kHostile, {1, 1, {0, 0, 0}}}};
  findings.warnings = {kHostile};
  record.findings = {{kHostile, findings}};
  record.stopped_by = exec::StopRecord{kHostile, kHostile, {kHostile}};
  record.curves = {{kHostile, kHostile, {1, 2}, {0.5, 0.25}}};
  record.laws = {{kHostile, 0.5, 0.1, 0.5, 1, 2, 0, {0.0, 1.0}, {1.0, 1.0}, kHostile}};
  record.laws[0].by_condition = {2, 1, 0.0, 0.25, 0.5, 0.75, 1.0, 1.0, {{kHostile, 0, 1}}, {{kHostile, 1, 1}}};
  record.scores = {{kHostile, kHostile, {0.5}}};
  const auto html = page(record);
  EXPECT_THAT(html, Not(HasSubstr("<script>alert(1)")));
  EXPECT_THAT(html, Not(HasSubstr("<img src=x")));
  EXPECT_EQ(chart_blocks(html).size(), 5U);  // each block still ends where it should and parses
}

TEST(Page, ShowsWarningsAtItsTopAndLinksTheirStages) {
  auto record = fixture();
  EXPECT_THAT(page(record), Not(HasSubstr("id=\"warnings\"")));
  record.findings[1].findings.warnings = {"the <judge> fell"};
  record.stopped_by = exec::StopRecord{"graft_result", "hacked", {"later"}};
  const auto html = page(record);
  EXPECT_THAT(html, HasSubstr("<li><a href=\"#stage-graft_result\">graft_result</a>: the &lt;judge&gt; fell</li>"));
  EXPECT_THAT(html, HasSubstr("after <a href=\"#stage-graft_result\">graft_result</a>: hacked."));
  EXPECT_THAT(html, HasSubstr("Not run: later."));
  EXPECT_EQ(count_of(html, "<tr id=\"stage-graft_result\">"), 1U);
  EXPECT_LT(html.find("id=\"warnings\""), html.find("id=\"results\""));
  record.stopped_by->reason = "the <judge> fell";
  EXPECT_THAT(page(record), Not(HasSubstr("<li><a href=\"#stage-graft_result\">"))) << "what ended the run is there once";
}

TEST(Page, ShowsAcceptanceByCondition) {
  auto record = fixture();
  EXPECT_THAT(page(record), Not(HasSubstr("Acceptance by condition"))) << "nothing where there are no conditions";
  record.laws[0].by_condition = {480, 3, 0.0, 0.125, 0.25, 0.5, 1.0, 401.5, {{"a red circle", 0, 4}}, {{"a blue square", 4, 4}}};
  const auto html = page(record);
  EXPECT_THAT(html, HasSubstr("0.000 · 0.125 · 0.250 · 0.500 · 1.000"));
  EXPECT_THAT(html, HasSubstr("<li>0 of 4: a red circle</li>"));
  EXPECT_THAT(html, HasSubstr("<li>4 of 4: a blue square</li>"));
}

TEST(Page, NamesWhoMadeAResult) {
  auto record = fixture();
  const Value here = Value::Map{{"cpu", "a <CPU>"}};
  record.stages[0].made_by =
      Value::List{Value::Map{{"libraries", Value::Map{{"sampler.ddim", std::string(64, 'd')}}}, {"numerics_class", here}, {"blocks", 3}},
                  Value::Map{{"libraries", Value()}, {"numerics_class", here}, {"blocks", 1}}};
  const auto html = page(record);
  EXPECT_THAT(html, HasSubstr("<p>3 blocks by sampler.ddim dddddddddddd; {&quot;cpu&quot;: &quot;a &lt;CPU&gt;&quot;}</p>"));
  EXPECT_THAT(html, HasSubstr("<p>1 block by a build that is not recorded; "));
}

TEST(Page, NamesNoAddressToLoadFrom) {
  const auto html = page(fixture());
  const std::regex loads("<[a-z]+[^>]*\\s(src|href|action|srcset)=\"(?!data:|#)");
  EXPECT_FALSE(std::regex_search(html.substr(0, html.find("Chart.js v3")), loads));
  EXPECT_EQ(count_of(html, "<link"), 0U);
  EXPECT_THAT(html, HasSubstr("content=\"default-src 'none'; img-src data:;"));
}

TEST(Page, GivesEveryImageAnAlternativeText) {
  const auto html = page(fixture());
  EXPECT_EQ(count_of(html, "<img "), count_of(html, " alt=\""));
  EXPECT_EQ(count_of(html, "<img "), 12U * 3U + 12U + 12U + 1U);
  EXPECT_THAT(html, HasSubstr("alt=\"graft_samples: a red circle above a green square, reward 1.000\""));
}

TEST(Page, BinsRewardsAsSharesThatSumToAHundred) {
  int histograms = 0;
  for (const auto& block : chart_blocks(page(fixture()))) {
    if (!block.contains("share")) continue;
    ++histograms;
    double sum = 0.0;
    for (const auto& share : block.at("share")) sum += share.get<double>();
    EXPECT_NEAR(sum, 100.0, 1e-9);
    EXPECT_EQ(block.at("low"), 0.0);
    EXPECT_EQ(block.at("high"), 1.0);
  }
  EXPECT_EQ(histograms, 4);
}

// What each histogram is outlined with.
std::map<std::string, std::string> outlines(const exec::Record& record) {
  std::map<std::string, std::string> outline;
  for (const auto& block : chart_blocks(page(record))) {
    if (!block.contains("share")) continue;
    const auto& reference = block.at("reference");
    outline[block.at("label")] = reference.is_null() ? "none" : reference.at("label").get<std::string>();
  }
  return outline;
}

TEST(Page, OutlinesTheMetricsBaselineInTheHistogramsComparedWithIt) {
  const std::map<std::string, std::string> expected = {
      {"samples", "none"}, {"base_samples", "none"}, {"graft_samples", "base_samples"}, {"pgraft_samples", "base_samples"}};
  EXPECT_EQ(outlines(fixture()), expected);
}

// As where the tuned model's stages stand before the base's in the file.
TEST(Page, ComparesWithTheBaselineWhereverItStands) {
  exec::Record record;
  record.scores = {{"tuned", "tuned_samples", {0.5, 0.9}, "checker", "base"}, {"base", "base_samples", {0.4, 0.6}, "checker"}};
  record.galleries = {{"held_out", {"tuned_samples", "base_samples"}, {{"a prompt", {{{}, 0.5, 0.75}, {{}, 0.75}}}}, {"base_samples", ""}}};
  for (auto& cell : record.galleries[0].rows[0].cells) cell.image = {1, 1, {0, 0, 0}};
  const std::map<std::string, std::string> expected = {{"tuned_samples", "base_samples"}, {"base_samples", "none"}};
  EXPECT_EQ(outlines(record), expected);
  const auto html = page(record);
  EXPECT_THAT(html, HasSubstr("0.500 <span class=\"down\" title=\"below base_samples: 0.750\">▼</span>"));
  EXPECT_EQ(count_of(html, "class=\"down\""), 1U);
  EXPECT_EQ(count_of(html, "class=\"up\""), 0U);
}

// A reward of other options is another scale: neither its bins nor its outline are shared.
TEST(Page, ComparesNoScoresOfDifferentRewards) {
  exec::Record record;
  record.scores = {{"r1", "a", {0.1, 0.9}, "lenient"}, {"r2", "b", {-4.0, 2.0}, "strict"}};
  const std::map<std::string, std::string> none = {{"a", "none"}, {"b", "none"}};
  EXPECT_EQ(outlines(record), none);
  const auto blocks = chart_blocks(page(record));
  EXPECT_EQ(blocks.at(0).at("low"), 0.0);
  EXPECT_EQ(blocks.at(1).at("low"), -4.0);
}

// By hand: bins of 0.5 over [-5, 5].
TEST(Page, BinsRewardsOutsideTheUnitInterval) {
  exec::Record record;
  record.scores = {{"r", "s", {-5.0, -4.6, -4.5, 0.0, 5.0, 4.5, 4.49, 4.6}}};
  const auto blocks = chart_blocks(page(record));
  ASSERT_EQ(blocks.size(), 1U);
  const auto share = blocks[0].at("share").get<std::vector<double>>();
  ASSERT_EQ(share.size(), 20U);
  EXPECT_EQ((std::vector<double>{share[0], share[1], share[10], share[18], share[19]}),
            (std::vector<double>{25.0, 12.5, 12.5, 12.5, 37.5}));
}

TEST(Page, DrawsEveryChartWithItsIntervals) {
  const auto html = page(fixture());
  EXPECT_THAT(html, HasSubstr("<a href=\"#charts\">Charts</a>"));
  EXPECT_THAT(html, HasSubstr("kernel distance (base_result)"));
  EXPECT_THAT(html, HasSubstr("base (4 points), corrected &lt;b&gt; (2 points)."));
  const auto blocks = chart_blocks(html);  // of the first section that has charts
  const auto& chart = blocks.at(0);
  EXPECT_EQ(chart.at("log_x"), true);
  EXPECT_EQ(chart.at("log_y"), false);
  ASSERT_EQ(chart.at("series").size(), 2U);
  EXPECT_EQ(chart.at("series").at(0).at("points").at(1), nlohmann::json::array({4.2e9, 0.051, 0.047, 0.055}));
  EXPECT_EQ(chart.at("series").at(1).at("points").at(0), nlohmann::json::array({3.0e9, 0.047}));
  EXPECT_TRUE(chart.at("series").at(1).at("points").at(1).at(1).is_null());
  EXPECT_NE(chart.at("series").at(0).at("colour"), chart.at("series").at(1).at("colour"));
  EXPECT_EQ(blocks.at(1).at("series").at(0).at("points").size(), 50U);
}

TEST(Page, LeavesOutWhatTheRecordDoesNotHave) {
  exec::Record record;
  record.name = "empty";
  const auto html = page(record);
  EXPECT_THAT(html, Not(HasSubstr("<section")));
  EXPECT_THAT(html, Not(HasSubstr("data-chart=\"")));
}

TEST(Page, PutsOneScalarOfSeveralStagesIntoOneTable) {
  auto record = fixture();
  const auto gain = [](const std::string& stage, double value) {
    return Scalar{"gain", value, value - 0.1, value + 0.1, intervals::Kind::t, 8, {.stage = stage, .baseline = "base_samples"}};
  };
  record.findings = {{"base_result", {.scalars = {gain("graft_samples", 0.2), gain("pgraft_samples", 0.4)}}}};
  auto html = page(record);
  EXPECT_EQ(count_of(html, "<caption>gain</caption>"), 1U);
  EXPECT_THAT(html, HasSubstr("</span>pgraft_samples</span><span class=\"type\">minus base_samples</span></th>"
                              "<td class=\"number strong\">0.400</td>"));
  EXPECT_EQ(count_of(html, "above 0"), 2U);
  EXPECT_THAT(html, HasSubstr("95 % interval (t)"));

  record.findings.push_back({"graft_result", {.scalars = {gain("graft_samples", 0.3)}}});  // the same, judged by another stage
  html = page(record);
  EXPECT_EQ(count_of(html, "<caption>gain</caption>"), 1U);
  EXPECT_THAT(html, HasSubstr("</span>graft_result</span>"));
  EXPECT_THAT(html, HasSubstr("</span>pgraft_samples</span>"));
}

TEST(Page, PutsTheDatasScalarBesideThoseOfSamples) {
  exec::Record record;
  record.findings = {
      {"layout", {.scalars = {to_scalar("overlap", 0.5, {.stage = "a"}), to_scalar("overlap", 0.25, {.split = "held_out"})}}}};
  const auto html = page(record);
  EXPECT_EQ(count_of(html, "<caption>overlap</caption>"), 1U);
  EXPECT_THAT(html, HasSubstr("data: held_out</span></th><td class=\"number strong\">0.250</td>"));
}

TEST(Page, ShowsTablesAndImagesOfMetrics) {
  const auto html = page(fixture());
  EXPECT_THAT(html, HasSubstr("<caption>reward by relation</caption>"));
  EXPECT_THAT(html, HasSubstr("<th scope=\"col\">relation</th><th scope=\"col\" class=\"number\">samples</th>"
                              "<th scope=\"col\" class=\"number\">mean reward (points)</th>"));
  EXPECT_THAT(html, HasSubstr("<td>above</td><td class=\"number\">130</td><td class=\"number\">0.812</td>"));
  EXPECT_THAT(html, HasSubstr("<td>left of &lt;b&gt;</td><td class=\"number\">126</td><td class=\"number\">–</td>"));
  EXPECT_THAT(html, HasSubstr("<b>worst</b> The sample with the least &lt;reward&gt;."));
}

TEST(Page, ShowsWhetherAGainsIntervalExcludesZero) {
  const auto html = page(fixture());
  EXPECT_THAT(html, HasSubstr("0.037 to 0.075 <span class=\"badge good\">above 0</span>"));
  EXPECT_THAT(html, HasSubstr("−0.001 to 0.056 <span class=\"badge\">includes 0</span>"));
}

TEST(Colours, GiveAModelOneColourFromItsLossToItsGain) {
  const auto record = fixture();
  const Colours colours(record);
  for (const auto* stage : {"pgraft_samples", "pgraft_reward", "pgraft_result"})
    EXPECT_EQ(colours.of(stage), colours.of("pgraft")) << stage;
  EXPECT_NE(colours.of("pgraft"), colours.of("graft"));
  EXPECT_NE(colours.of("base_samples"), colours.of("graft_samples"));
  auto turned = record;  // the base's stages after the tuned ones
  std::rotate(turned.stages.begin() + 5, turned.stages.begin() + 8, turned.stages.end());
  EXPECT_EQ(Colours(turned).of("pgraft_result"), Colours(turned).of("pgraft"));
  EXPECT_EQ(colours.of("alignment"), colours.of("samples"));
}

}  // namespace
}  // namespace espalier::report
