// The measures against reference.py, which computes them from the papers' formulas in another language.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include "plugins/shared/layout/max_iou.h"
#include "plugins/shared/layout/measures.h"
#include "plugins/shared/layout/read.h"
#include "runtime/base/files.h"
#include "runtime/base/value.h"
#include "runtime/random/draws.h"

namespace espalier::layout {
namespace {

namespace fs = std::filesystem;

// `most` boxes at most, of two classes.
std::vector<Page> random_pages(std::uint64_t seed, std::uint64_t count, std::int64_t most) {
  std::vector<Page> pages;
  for (std::uint64_t i = 0; i < count; ++i) {
    random::Draws draws({.seed = seed, .purpose = random::Purpose::data, .round = 0, .branch = 0}, {i});
    const auto boxes = draws.integers({1}, most).item<std::int64_t>() + 1;
    Page page;
    for (std::int64_t b = 0; b < boxes; ++b) {
      const auto u = draws.uniforms({5});
      const auto* n = u.const_data_ptr<double>();
      page.class_index.push_back(n[4] < 0.5 ? 0 : 1);
      page.box.push_back({n[0], n[1], 0.02 + 0.5 * n[2], 0.02 + 0.5 * n[3]});
    }
    pages.push_back(page);
  }
  return pages;
}

Value to_value(const std::vector<Page>& pages) {
  Value::List list;
  for (const Page& page : pages) {
    Value::List boxes, classes;
    for (const Box& box : page.box) boxes.emplace_back(Value::List{box[0], box[1], box[2], box[3]});
    for (const int index : page.class_index) classes.emplace_back(index);
    list.emplace_back(Value::Map{{"class", classes}, {"box", boxes}});
  }
  return Value(list);
}

Value ask_python(const std::vector<Page>& pages, const std::vector<Page>& others) {
  const fs::path in = fs::path(::testing::TempDir()) / ("espalier-" + unique_name()), out = in.string() + ".out";
  std::ofstream(in) << to_json(Value::Map{{"pages", to_value(pages)}, {"others", to_value(others)}});
  const std::string command =
      "python3 '" ESPALIER_SOURCE_DIR "/plugins/shared/layout/reference.py' < '" + in.string() + "' > '" + out.string() + "'";
  EXPECT_EQ(std::system(command.c_str()), 0);  // NOLINT(concurrency-mt-unsafe, bugprone-command-processor)
  const Value answer = parse_json(read_file(out), "reference.py");
  fs::remove(in);
  fs::remove(out);
  return answer;
}

void expect_equal(const std::vector<Page>& pages, const std::vector<Page>& others) {
  const Value answer = ask_python(pages, others);
  for (std::size_t i = 0; i < pages.size(); ++i) {
    EXPECT_NEAR(alignment(pages[i]), answer.at("alignment").as_list()[i].as_number(), 1e-12) << i;
    EXPECT_NEAR(overlap(pages[i]), answer.at("overlap").as_list()[i].as_number(), 1e-12) << i;
    EXPECT_NEAR(overlap_area(pages[i]), answer.at("overlap_area").as_list()[i].as_number(), 1e-12) << i;
  }
  const MaxIou found = max_iou(pages, others);
  EXPECT_EQ(found.pairs, answer.at("pairs").as_integer());
  EXPECT_NEAR(found.value, answer.at("max_iou").as_number(), 1e-12);
}

class LayoutParity : public ::testing::Test {
 protected:
  void SetUp() override {
    if (std::system("python3 -c '' 2> /dev/null") != 0) GTEST_SKIP() << "there is no python3";  // NOLINT(concurrency-mt-unsafe)
  }
};

TEST_F(LayoutParity, SmallPagesWithManyEqualLabels) { expect_equal(random_pages(1, 20, 2), random_pages(2, 14, 2)); }

TEST_F(LayoutParity, LargerPages) {
  const auto pages = random_pages(3, 60, 7);
  expect_equal(pages, random_pages(4, 60, 7));
  expect_equal(pages, pages);
}

TEST_F(LayoutParity, TheScreensOfRico) {
  const char* root = std::getenv("ESPALIER_DATA");
  if (root == nullptr) GTEST_SKIP() << "ESPALIER_DATA is not set";
  const auto set = read_rico(fs::path(root) / "rico_screen_annotation/rico_layouts.jsonl.gz",
                             {.on_error = OnError::skip, .max_boxes = 7, .top_level_only = true});
  std::vector<Page> even, odd;
  for (std::size_t i = 0; i < 240; ++i) (i % 2 == 0 ? even : odd).push_back(set.pages.at(i));
  expect_equal(even, odd);
}

}  // namespace
}  // namespace espalier::layout
