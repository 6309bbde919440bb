#include <ATen/ops/arange.h>
#include <gtest/gtest.h>

#include <cstring>

#include "runtime/base/errors.h"
#include "runtime/cache/block_file.h"
#include "runtime/cache/hdf5_image.h"
#include "tests/runtime/cache/folder.h"
#include "tests/runtime/cache/samples.h"

namespace espalier::cache {
namespace {

const Hex kSet(64, 'a');

TEST(BlockFile, GivesBackEveryBit) {
  const auto block = testing::block(3, {50, 25, 0});
  const auto read = decode_block(encode_block(kSet, block), kSet, 3, std::nullopt, "test");
  EXPECT_EQ(testing::difference(read, block), "");
}

TEST(BlockFile, EqualBlocksGiveEqualBytes) {
  EXPECT_EQ(encode_block(kSet, testing::block(3, {5, 0})), encode_block(kSet, testing::block(3, {5, 0})));
  EXPECT_NE(encode_block(kSet, testing::block(3, {5, 0})), encode_block(kSet, testing::block(4, {5, 0})));
}

TEST(BlockFile, GivesOnlyTheWantedSteps) {
  const auto block = testing::block(0, {50, 25, 0});
  const auto read = decode_block(encode_block(kSet, block), kSet, 0, std::set<std::int64_t>{50, 0}, "test");
  EXPECT_EQ(testing::difference(read, testing::only(block, {50, 0})), "");
}

TEST(BlockFile, IsOfOneSetAndOneBlock) {
  const auto bytes = encode_block(kSet, testing::block(3, {0}));
  EXPECT_THROW(decode_block(bytes, kSet, 4, std::nullopt, "test"), DataError);
  EXPECT_THROW(decode_block(bytes, Hex(64, 'b'), 3, std::nullopt, "test"), DataError);
}

TEST(BlockFile, KeepsEveryDtypeAndViewsThatAreNotContiguous) {
  for (const auto dtype :
       {at::kFloat, at::kDouble, at::kHalf, at::kBFloat16, at::kLong, at::kInt, at::kShort, at::kChar, at::kByte, at::kBool}) {
    Block block{0, {0, 1, 2}, {0, 0, 0}, {}};
    const auto rows = at::arange(12, at::TensorOptions().dtype(at::kLong)).view({4, 3}).to(dtype);
    block.steps.push_back({0, 0.0, 1.0, 0.0, {{"x", rows.t()}}});  // [3, 4], strided
    const auto read = decode_block(encode_block(kSet, block), kSet, 0, std::nullopt, "test");
    const auto expected = rows.t().contiguous();
    const auto& found = read.steps[0].state.at("x");
    ASSERT_EQ(found.scalar_type(), dtype);
    ASSERT_EQ(found.sizes(), expected.sizes());
    EXPECT_EQ(std::memcmp(found.data_ptr(), expected.data_ptr(), expected.nbytes()), 0) << c10::toString(dtype);
  }
}

TEST(BlockFile, RefusesWhatIsNoBlock) {
  const auto refused = [](auto change) {
    auto block = testing::block(0, {5, 0});
    change(block);
    EXPECT_THROW(encode_block(kSet, block), InternalError);
  };
  refused([](Block& block) { block.steps.pop_back(); });  // no x_0
  refused([](Block& block) { std::swap(block.steps[0], block.steps[1]); });
  refused([](Block& block) { block.index.clear(); });
  refused([](Block& block) { block.index[1] += 1; });
  refused([](Block& block) { block.condition.pop_back(); });
  refused([](Block& block) { block.steps[0].state.erase("x"); });
  refused([](Block& block) { block.steps[0].state["x"] = block.steps[0].state["code"]; });
  refused([](Block& block) {
    for (auto& recorded : block.steps) recorded.state["../x"] = recorded.state["x"];
  });
}

// HDF5's own checks, below the SHA-256 that readers compare: a flipped bit of any dataset's raw values must not pass them.
TEST(BlockFile, EveryDatasetHasAChecksum) {
  const auto block = testing::block(1, {5, 0});
  const auto bytes = encode_block(kSet, block);
  std::size_t found = 0;
  for (const auto& recorded : block.steps) {
    for (const auto& [name, tensor] : recorded.state) {
      const auto row = tensor.nbytes() / static_cast<std::size_t>(testing::kSamples);  // a chunk
      const auto at = bytes.find(std::string(static_cast<const char*>(tensor.data_ptr()), row));
      ASSERT_NE(at, std::string::npos) << "the values lie in the file as they are";
      auto damaged = bytes;
      damaged[at + row / 2] = static_cast<char>(damaged[at + row / 2] ^ 1);
      EXPECT_THROW(decode_block(damaged, kSet, 1, std::nullopt, "test"), DataError) << name;
      ++found;
    }
  }
  EXPECT_EQ(found, 4u);
  for (const auto* column : {"index", "condition"}) {
    const auto& values = column == std::string("index") ? block.index : block.condition;
    const auto at = bytes.find(std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(values[0])));
    ASSERT_NE(at, std::string::npos) << column;
    auto damaged = bytes;
    damaged[at] = static_cast<char>(damaged[at] ^ 1);
    EXPECT_THROW(decode_block(damaged, kSet, 1, std::nullopt, "test"), DataError) << column;
  }
}

TEST(ScoresFile, GivesBackEveryBitAndIsOfOneBlock) {
  const BlockFolder folder{"", kSet, Hex(64, 'c')};
  const std::vector<double> score = {0.1, -0.0, std::numeric_limits<double>::infinity(), std::numeric_limits<double>::quiet_NaN()};
  const auto bytes = encode_scores(folder, 2, score);
  const auto read = decode_scores(bytes, folder, 2, "test");
  ASSERT_EQ(read.size(), score.size());
  EXPECT_EQ(std::memcmp(read.data(), score.data(), 8 * score.size()), 0);
  EXPECT_THROW(decode_scores(bytes, folder, 3, "test"), DataError);
  EXPECT_THROW(decode_scores(bytes, {"", kSet, Hex(64, 'd')}, 2, "test"), DataError);
}

}  // namespace
}  // namespace espalier::cache
