#include "plugins/shared/layout/generator.h"

#include <gmock/gmock.h>

#include <map>
#include <set>

#include "plugins/shared/layout/measures.h"
#include "runtime/base/errors.h"

namespace espalier::layout {
namespace {

constexpr std::uint64_t kPages = 2000;

TEST(GeneratedPages, AreAFunctionOfSeedAndIndex) {
  const Page page = generate_page(3, 17);
  EXPECT_EQ(page.box, generate_page(3, 17).box);
  EXPECT_EQ(page.class_index, generate_page(3, 17).class_index);
  EXPECT_NE(page.box, generate_page(3, 18).box);
  EXPECT_NE(page.box, generate_page(4, 17).box);
}

TEST(GeneratedPages, DoNotOverlapAndAreAligned) {
  double alignments = 0.0;
  for (std::uint64_t i = 0; i < kPages; ++i) {
    const Page page = generate_page(1, i);
    ASSERT_TRUE(usable(page));
    ASSERT_LT(overlap_area(page), 1e-12) << "page " << i;
    alignments += alignment(page) / kPages;
    ASSERT_GT(margins(page, 0.06), 0.65) << "page " << i;
    for (const Box& box : page.box) ASSERT_GT(std::min(box[2], box[3]), 0.01) << "page " << i;
  }
  EXPECT_LT(alignments, 1e-3);
}

TEST(GeneratedPages, HaveEveryClassAndManySizes) {
  std::map<int, int> classes;
  std::set<std::size_t> sizes;
  std::set<std::vector<int>> orders;
  for (std::uint64_t i = 0; i < kPages; ++i) {
    const Page page = generate_page(1, i);
    sizes.insert(page.size());
    orders.insert(page.class_index);
    for (const int index : page.class_index) ++classes[index];
  }
  EXPECT_EQ(classes.size(), generated_classes().size());
  for (const auto& [index, count] : classes) EXPECT_GT(count, static_cast<int>(kPages / 20)) << "class " << index;
  EXPECT_GT(classes[0], classes[1]);
  EXPECT_LE(*sizes.rbegin(), static_cast<std::size_t>(kMostGeneratedBoxes));
  EXPECT_GT(sizes.size(), 10U);
  EXPECT_GT(orders.size(), kPages / 4);
}

TEST(GeneratedPages, HaveNoMoreBoxesThanAllowed) {
  for (const std::int64_t most : {std::int64_t{6}, std::int64_t{9}, std::int64_t{14}}) {
    for (std::uint64_t i = 0; i < kPages / 4; ++i) {
      const Page page = generate_page(1, i, most);
      ASSERT_LE(page.size(), static_cast<std::size_t>(most));
      ASSERT_LT(overlap_area(page), 1e-12);
    }
  }
  EXPECT_THAT([] { generate_page(1, 1, 5); }, ::testing::ThrowsMessage<ConfigError>(::testing::HasSubstr("at least 6 boxes")));
}

}  // namespace
}  // namespace espalier::layout
