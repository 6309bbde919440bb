// What a metric found reaches the record whole, made now or read from the cache.
#include <gtest/gtest.h>

#include "tests/runtime/exec/toy_pipeline.h"

namespace espalier::exec {
namespace {

void expect_table_and_image(const Record& record) {
  ASSERT_EQ(record.findings.size(), 1U);
  EXPECT_EQ(record.findings[0].stage, "summary");
  const auto& found = record.findings[0].findings;
  ASSERT_EQ(found.scalars.size(), 1U);
  EXPECT_EQ(found.scalars[0].interval, intervals::Kind::normal);
  ASSERT_EQ(found.charts.size(), 1U);
  EXPECT_EQ(found.charts[0].series[0].y, (std::vector<double>{0.1, 0.5}));
  ASSERT_EQ(found.tables.size(), 1U);
  EXPECT_EQ(found.tables[0].columns[1].unit, "points");
  EXPECT_EQ(found.tables[0].rows[0], (Value::List{"first", 0.1}));
  EXPECT_TRUE(found.tables[0].rows[1][1].is_null());
  ASSERT_EQ(found.images.size(), 1U);
  EXPECT_EQ(found.images[0].caption, "One pixel.");
  EXPECT_EQ(found.images[0].image.rgb, (std::vector<std::uint8_t>{255, 0, 0}));
}

TEST(Findings, OfAToyMetricReachTheRecordNowAndFromTheCache) {
  ToyPipeline pipeline;
  const auto first = pipeline.run({"samples", "scores", "summary"}), again = pipeline.run({"samples", "scores", "summary"});
  EXPECT_EQ(first.stages.back().status, "run");
  EXPECT_EQ(again.stages.back().status, "reused");
  expect_table_and_image(first);
  expect_table_and_image(again);
  EXPECT_EQ(first.findings[0].time, again.findings[0].time);
}

}  // namespace
}  // namespace espalier::exec
