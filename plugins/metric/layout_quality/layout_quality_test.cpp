#include <ATen/ops/cat.h>
#include <gmock/gmock.h>

#include <cmath>
#include <map>

#include "plugins/shared/frechet/distances.h"
#include "plugins/shared/layout/feature_network.h"
#include "plugins/shared/layout/max_iou.h"
#include "plugins/shared/layout/measures.h"
#include "plugins/shared/layout/test_domain.h"
#include "runtime/random/draws.h"
#include "tests/conformance/conformance.h"
#include "tests/conformance/memory_view.h"
#include "tests/conformance/toy.h"

namespace espalier {
namespace {

using layout::Page;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Key;
using ::testing::Not;
using ::testing::ThrowsMessage;

View drawn(const std::string& tag, const std::vector<Page>& pages) {
  return conformance::memory_view(tag, {{0, layout::TestCodec().encode(layout::sample_of(pages, layout::kTestSlots))}},
                                  std::make_shared<layout::TestCodec>());
}

std::vector<Page> generated(std::uint64_t seed, std::uint64_t count) {
  std::vector<Page> pages;
  for (std::uint64_t i = 0; i < count; ++i) pages.push_back(layout::generate_page(seed, i, layout::kTestSlots));
  return pages;
}

// The same pages with each box moved a little.
std::vector<Page> shaken(std::vector<Page> pages, double by) {
  std::uint64_t i = 0;
  for (Page& page : pages) {
    random::Draws draws({.seed = 9, .purpose = random::Purpose::evaluation, .round = 0, .branch = 0}, {i++});
    for (layout::Box& box : page.box) {
      const auto moves = draws.normals({4}, at::kDouble);
      for (std::size_t k = 0; k < 4; ++k) {
        box[k] = std::clamp(box[k] + by * moves.const_data_ptr<double>()[k], 0.02, 0.98);
      }
    }
  }
  return pages;
}

std::shared_ptr<Model> network() {
  const layout::FeatureConfig config{5, 8, 1};
  auto model = std::make_shared<Model>();
  model->info.role = layout::kFeaturesRole;
  model->info.architecture = config.to_value();
  model->weights = layout::initialize_features(config, 3);
  return model;
}

class LayoutQualityMetric : public ::testing::Test {
 protected:
  MetricInput input(const std::map<std::string, std::vector<Page>>& samples, std::shared_ptr<const Model> model = network()) const {
    MetricInput result;
    result.key = {5, random::Purpose::evaluation};
    for (const auto& [tag, pages] : samples) result.samples.push_back(drawn(tag, pages));
    result.model = std::move(model);
    result.domain = &domain_;
    return result;
  }
  static Findings measure(const MetricInput& input, const conformance::Options& options = {{"count", 60}}) {
    return conformance::make<Metric>(conformance::plugin("metric.layout_quality"), options)->measure(input);
  }
  static std::map<std::string, double> values(const Findings& findings) {
    std::map<std::string, double> result;
    for (const auto& [name, value, low, high, interval, count, about] : findings.scalars) {
      result[(about.split.empty() ? name : "data_" + name) + (about.stage.empty() ? "" : "." + about.stage)] = value;
    }
    return result;
  }
  layout::TestDomain domain_;
};

TEST_F(LayoutQualityMetric, Conforms) {
  const auto given = input({{"good", generated(3, 300)}, {"bad", shaken(generated(3, 40), 0.1)}});
  conformance::check_metric(conformance::plugin("metric.layout_quality"), {{"count", 50}}, given);
  conformance::check_metric(conformance::plugin("metric.layout_quality"), {{"count", 30}, {"split", "train"}, {"all_conventions", true}},
                            input({{"good", generated(3, 20)}}, nullptr));
}

TEST_F(LayoutQualityMetric, HasTheMeasuresOfThePages) {
  const auto pages = shaken(generated(3, 20), 0.05), real = generated(2, 60);
  const auto found = values(measure(input({{"drawn", pages}}), {{"count", 60}, {"all_conventions", true}}));
  const auto mean = [](const std::vector<Page>& of, double (*of_page)(const Page&)) {
    double sum = 0.0;
    for (const Page& page : of) sum += of_page(page);
    return sum / static_cast<double>(of.size());
  };
  EXPECT_NEAR(found.at("alignment.drawn"), mean(pages, layout::alignment), 1e-6);
  EXPECT_NEAR(found.at("overlap.drawn"), mean(pages, layout::overlap), 1e-5);
  EXPECT_NEAR(found.at("alignment_sum.drawn"), mean(pages, layout::alignment_sum), 1e-5);
  EXPECT_NEAR(found.at("overlap_sum.drawn"), mean(pages, layout::overlap_sum), 1e-4);
  EXPECT_NEAR(found.at("overlap_area.drawn"), mean(pages, layout::overlap_area), 1e-6);
  EXPECT_NEAR(found.at("data_alignment"), mean(real, layout::alignment), 1e-6);
  EXPECT_NEAR(found.at("data_overlap"), 0.0, 1e-5);
  const auto iou = layout::max_iou(pages, real);
  ASSERT_GT(iou.pairs, 0);
  EXPECT_NEAR(found.at("max_iou.drawn"), iou.value, 1e-6);
  EXPECT_NEAR(found.at("max_iou_share.drawn"), static_cast<double>(iou.pairs) / 20.0, 1e-12);
}

TEST_F(LayoutQualityMetric, TheFrechetDistanceIsOfTheNetworksFeatures) {
  const auto pages = shaken(generated(3, 30), 0.05);
  const auto found = values(measure(input({{"drawn", pages}})));
  const auto features = [](const std::vector<Page>& of) {
    const auto sample = layout::sample_of(of, layout::kTestSlots);
    const auto model = network();
    return layout::page_features(layout::FeatureConfig::from_value(model->info.architecture, "test"), model->weights,
                                 sample.tensors.at("class"), sample.tensors.at("box"))
        .to(at::kDouble);
  };
  const double expected = frechet_distance::frechet_distance(features(pages), features(generated(2, 60)));
  EXPECT_NEAR(found.at("frechet_distance_layout_features.drawn"), expected, 1e-3 * expected);
  EXPECT_THAT(found, Contains(Key("data_frechet_distance_layout_features_of_halves")));
  EXPECT_THAT(values(measure(input({{"drawn", pages}}, nullptr))), Not(Contains(Key("frechet_distance_layout_features.drawn"))));
}

TEST_F(LayoutQualityMetric, CorrectsTheFrechetDistanceAndComparesItWithTheFirst) {
  const auto findings = measure(input({{"a", generated(3, 300)}, {"b", shaken(generated(3, 300), 0.1)}}), {{"count", 200}});
  std::map<std::string, Scalar> found;
  const auto names = unique_names(findings.scalars);
  for (std::size_t i = 0; i < names.size(); ++i) found[names[i]] = findings.scalars[i];
  const std::string name = "frechet_distance_layout_features";
  EXPECT_LT(found.at(name + "_corrected.a").value, found.at(name + ".a").value) << "the bias is upwards";
  EXPECT_THAT(found, Not(Contains(Key(name + "_change.a"))));
  const auto& change = found.at(name + "_change.b");
  EXPECT_GT(change.low, 0.0) << "shaken pages are farther from the real ones";
  EXPECT_NEAR(change.value, found.at(name + "_corrected.b").value - found.at(name + "_corrected.a").value, 1e-9);
  EXPECT_EQ(found.at("data_pages").value, 200.0);
  const auto few = values(measure(input({{"few", generated(3, 15)}})));
  EXPECT_THAT(few, Not(Contains(Key(name + "_corrected.few"))));
}

TEST_F(LayoutQualityMetric, ReadabilityTakesTheBorder) {
  const Page bar{{0}, {layout::Box{0.5, 0.5, 1.0, 1.0}}};
  const auto pages = std::vector<Page>(3, bar);
  EXPECT_NEAR(values(measure(input({{"bar", pages}}, nullptr), {{"count", 60}, {"border", 0.0}})).at("margins.bar"), 1.0, 1e-12);
  const auto found = values(measure(input({{"bar", pages}}, nullptr), {{"count", 60}, {"border", 0.1}}));
  EXPECT_NEAR(found.at("margins.bar"), 0.64, 1e-6);
  EXPECT_NEAR(found.at("readability.bar"), (1.0 + 1.0 + 0.64) / 3.0, 1e-6);
  EXPECT_NEAR(found.at("data_readability"), 1.0, 0.1);
}

TEST_F(LayoutQualityMetric, RanksGoodPagesAboveShakenOnes) {
  const auto found = values(measure(input({{"good", generated(3, 300)}, {"bad", shaken(generated(3, 300), 0.1)}}), {{"count", 300}}));
  for (const char* name : {"alignment", "overlap", "frechet_distance_layout_features"}) {
    EXPECT_LT(found.at(std::string(name) + ".good"), 0.5 * found.at(std::string(name) + ".bad")) << name;
  }
  EXPECT_GT(found.at("max_iou.good"), found.at("max_iou.bad"));
}

TEST_F(LayoutQualityMetric, LeavesOutPagesWithoutBoxes) {
  auto pages = generated(3, 30);
  pages.resize(40);
  pages[3].box[0][1] = std::nan("");
  const auto found = values(measure(input({{"drawn", pages}, {"empty", std::vector<Page>(4)}})));
  EXPECT_NEAR(found.at("usable_share.drawn"), 29.0 / 40.0, 1e-12);
  EXPECT_GT(found.at("boxes_per_page.drawn"), 1.0);
  EXPECT_EQ(found.at("usable_share.empty"), 0.0);
  EXPECT_THAT(found, Not(Contains(Key("alignment.empty"))));
  const Page odd{{4, 4, 4, 4, 4, 4}, std::vector<layout::Box>(6, layout::Box{0.5, 0.5, 0.1, 0.1})};
  const auto unlike = values(measure(input({{"odd", {odd, odd}}}, nullptr)));
  EXPECT_THAT(unlike, Not(Contains(Key("max_iou.odd"))));
  EXPECT_EQ(unlike.at("max_iou_share.odd"), 0.0);
}

// As in layouts.jsonl of a run with little training.
TEST_F(LayoutQualityMetric, PagesWhoseBoxesHaveNoAreaAreNotUsable) {
  const Page lines{{0, 1}, {{0.5, 0.5, 0.4, 0.0}, {0.5, 0.7, 0.0, 0.4}}};
  Page partly{{0, 1, 2}, {{0.3, 0.3, 0.2, 0.2}, {0.7, 0.7, 0.2, 0.2}, {0.5, 0.5, 0.0, 0.2}}}, whole = partly;
  whole.class_index.pop_back();
  whole.box.pop_back();
  const auto findings = measure(input({{"lines", {lines, lines, lines, lines}}, {"partly", {lines, partly}}, {"whole", {whole}}}, nullptr));
  const auto found = values(findings);
  EXPECT_EQ(found.at("usable_share.lines"), 0.0);
  EXPECT_THAT(found, Not(Contains(Key("overlap.lines"))));
  EXPECT_EQ(found.at("boxes_without_area.lines"), 1.0);
  EXPECT_EQ(found.at("usable_share.partly"), 0.5);
  EXPECT_NEAR(found.at("boxes_without_area.partly"), 3.0 / 5.0, 1e-12);
  EXPECT_EQ(found.at("boxes_without_area.whole"), 0.0);
  for (const char* name : {"alignment", "overlap", "boxes_per_page"}) {
    EXPECT_NEAR(found.at(std::string(name) + ".partly"), found.at(std::string(name) + ".whole"), 1e-12) << name;
  }
  for (const Scalar& scalar : findings.scalars) {
    if (scalar.name != "usable_share" || scalar.about.stage != "lines") continue;
    EXPECT_NEAR(scalar.high, 0.48989, 1e-5);  // Wilson's of 0 of 4
  }
}

// Of pages of which nearly all have no overlap, a normal interval goes below 0.
TEST_F(LayoutQualityMetric, IntervalsHoldValuesThatTheScalarCanHave) {
  auto pages = generated(3, 40);
  pages[7] = shaken({pages[7]}, 0.3).front();
  for (const Scalar& scalar : measure(input({{"drawn", pages}}, nullptr)).scalars) {
    EXPECT_FALSE(scalar.low < 0.0) << scalar.name << " " << scalar.low;
    if (scalar.name != "overlap" || scalar.about.stage != "drawn") continue;
    EXPECT_LT(scalar.low, 0.1 * scalar.value);
  }
}

TEST_F(LayoutQualityMetric, DependsOnTheRealPages) {
  const auto of = [&](const std::string& split) {
    return conformance::make<Metric>(conformance::plugin("metric.layout_quality"), {{"split", split}})->identity(domain_);
  };
  EXPECT_NE(of("train"), of("held_out"));
}

TEST_F(LayoutQualityMetric, ReportsWhatIsMissing) {
  const auto fails = [&](const MetricInput& given, const conformance::Options& options, const std::string& message) {
    EXPECT_THAT([&] { measure(given, options); }, ThrowsMessage<Error>(HasSubstr(message)));
  };
  const auto good = input({{"drawn", generated(3, 30)}});
  fails(good, {}, "generated without end; say how many by the option count");
  fails(good, {{"count", 8}}, "the real pages of 'held_out' with boxes are 8, but 8 features need at least 9");
  fails(input({{"drawn", generated(3, 5)}}), {{"count", 40}}, "the pages of 'drawn' with boxes are 5");
  const layout::TestDomain finite(20);
  auto few = good;
  few.domain = &finite;
  fails(few, {{"count", 40}}, "count = 40, but the split 'held_out' has 20 pages");
}

}  // namespace
}  // namespace espalier
