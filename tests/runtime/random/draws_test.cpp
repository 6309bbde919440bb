#include "runtime/random/draws.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "runtime/base/digest.h"
#include "runtime/base/errors.h"

namespace espalier::random {
namespace {

const StreamKey kKey{.seed = 12345, .purpose = Purpose::sampling, .round = 2, .branch = 3};
const std::vector<std::uint64_t> kSamples{0, 7, (std::uint64_t{1} << 40) + 5};

template <class Number>
std::vector<Number> values(const at::Tensor& tensor) {
  const auto* first = tensor.const_data_ptr<Number>();
  return {first, first + tensor.numel()};
}

// Python: hashlib for the key, Philox after the paper, logarithm, sine and cosine to 50 digits in decimal arithmetic.
TEST(Draws, NormalsAgreeWithAnIndependentGenerator) {
  Draws draws(kKey, kSamples);
  draws.begin(9);
  const std::vector<float> expected{
      0x1.1ce04p-1f,   -0x1.242fe8p+0f, 0x1.37b03cp+0f,  -0x1.c54502p-1f, -0x1.dec59cp-3f, 0x1.c47818p-1f,   // sample 0
      -0x1.3ca5dap-5f, -0x1.06d38ep+1f, -0x1.07b464p-1f, 0x1.0a4f96p+1f,  0x1.d6a98p-1f,   -0x1.47091p-2f,   // sample 7
      0x1.66897cp-1f,  0x1.eb6cdp-3f,   0x1.3bda5cp-1f,  0x1.62aa02p+0f,  0x1.cd464cp-5f,  0x1.7ae672p-3f};  // sample 2^40 + 5
  EXPECT_EQ(values<float>(draws.normals({2, 3})), expected);
  const std::vector<double> uniforms{0x1.b9854896p-2, 0x1.cab0ea34p-3, 0x1.5f744af6p-2, 0x1.8c1478e9p-1, 0x1.f7f7ff5fp-1, 0x1.7f1174b5p-1};
  EXPECT_EQ(values<double>(draws.uniforms({2})), uniforms);
  EXPECT_EQ(values<std::int64_t>(draws.integers({2}, 1000)), (std::vector<std::int64_t>{667, 876, 622, 736, 92, 163}));
}

TEST(Draws, DoubleNormalsAreExactToTheLastPlaces) {
  Draws draws(kKey, kSamples);
  draws.begin(9);
  const auto normals = values<double>(draws.normals({6}, at::kDouble));
  const std::vector<double> expected{0x1.1ce03f55f249bp-1,  -0x1.242fe7c3ab43ap+0, 0x1.37b03b0f7a49ep+0,  -0x1.c545019756f07p-1,
                                     -0x1.dec59c634b48bp-3, 0x1.c47818d4255f8p-1,  -0x1.3ca5daa9d310fp-5, -0x1.06d38d03cee42p+1,
                                     -0x1.07b464fe565f0p-1, 0x1.0a4f96cd4f220p+1,  0x1.d6a980737fd20p-1,  -0x1.470910241bfeep-2};
  for (std::size_t i = 0; i < expected.size(); ++i) EXPECT_NEAR(normals[i], expected[i], 1e-15);
}

// The bits themselves, of a million normals, as numpy gives them by the same operations in IEEE doubles: a compiler, flag or machine that
// changes one is found here.
TEST(Draws, NormalsHaveGoldenBits) {
  std::vector<std::uint64_t> samples;
  for (std::uint64_t i = 0; i < 1000; ++i) samples.push_back(i);
  Draws draws({.seed = 7, .purpose = Purpose::sampling}, samples);
  const auto normals = draws.normals({1000}, at::kDouble);
  EXPECT_EQ(sha256({static_cast<const char*>(normals.const_data_ptr()), normals.nbytes()}),
            "c63959b9d42169646e06ed52418df4081cfe8744e0bf1b9df862cc3235c1f977");
}

TEST(Draws, DependOnlyOnTheSample) {
  Draws together(kKey, kSamples), alone(kKey, {kSamples[1]}), backwards(kKey, {kSamples[2], kSamples[1], kSamples[0]});
  for (auto* draws : {&together, &alone, &backwards}) draws->begin(4);
  const auto whole = together.normals({5});
  EXPECT_TRUE(at::equal(whole[1], alone.normals({5})[0]));
  const auto reversed = backwards.normals({5});
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(at::equal(whole[i], reversed[2 - i]));
}

TEST(Draws, GoOnWithinAnOrdinalAndStartAgainAtTheNext) {
  Draws pieces(kKey, kSamples), whole(kKey, kSamples);
  const auto first = pieces.normals({4}), second = pieces.normals({8});
  EXPECT_TRUE(at::equal(at::cat({first, second}, 1), whole.normals({12})));
  whole.begin(0);
  EXPECT_TRUE(at::equal(first, whole.normals({4})));
  whole.begin(1);
  EXPECT_FALSE(at::equal(first, whole.normals({4})));
}

TEST(Draws, NoWordServesTwoCalls) {
  Draws draws(kKey, kSamples), skipped(kKey, kSamples);
  draws.normals({1});
  skipped.uniforms({4});
  EXPECT_TRUE(at::equal(draws.uniforms({3}), skipped.uniforms({3})));
}

TEST(Draws, EveryFieldOfTheKeyChangesTheNoise) {
  std::set<std::string> seen;
  for (const StreamKey& key : {kKey, StreamKey{12346, Purpose::sampling, 2, 3}, StreamKey{12345, Purpose::training, 2, 3},
                               StreamKey{12345, Purpose::sampling, 3, 3}, StreamKey{12345, Purpose::sampling, 2, 4}}) {
    const auto noise = Draws(key, {0}).normals({4});
    EXPECT_TRUE(seen.insert(sha256({static_cast<const char*>(noise.const_data_ptr()), noise.nbytes()})).second);
  }
}

TEST(Draws, OtherTypesAreRoundedFromFloat) {
  Draws half(kKey, kSamples), full(kKey, kSamples);
  EXPECT_TRUE(at::equal(half.normals({4}, at::kBFloat16), full.normals({4}).to(at::kBFloat16)));
  EXPECT_EQ(half.uniforms({0}).numel(), 0);
  EXPECT_THROW(half.integers({1}, 0), InternalError);
}

// A million of each from a fixed seed; limits are 4.5 standard errors of the estimate.
TEST(Draws, NormalsAreNormal) {
  const auto x = Draws({.seed = 1}, {0}).normals({1'000'000}, at::kDouble)[0];
  const double n = 1e6;
  EXPECT_NEAR(x.mean().item<double>(), 0.0, 4.5 / std::sqrt(n));
  EXPECT_NEAR(x.pow(2).mean().item<double>(), 1.0, 4.5 * std::sqrt(2.0 / n));
  EXPECT_NEAR(x.pow(3).mean().item<double>(), 0.0, 4.5 * std::sqrt(15.0 / n));
  EXPECT_NEAR(x.pow(4).mean().item<double>(), 3.0, 4.5 * std::sqrt(96.0 / n));
  const auto sorted = values<double>(std::get<0>(x.sort()));
  double distance = 0.0;  // Kolmogorov-Smirnov
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    const double cdf = 0.5 * std::erfc(-sorted[i] / std::sqrt(2.0));
    distance = std::max({distance, std::abs(cdf - static_cast<double>(i) / n), std::abs(cdf - static_cast<double>(i + 1) / n)});
  }
  EXPECT_LT(distance, 1.95 / std::sqrt(n));  // exceeded with probability 0.001
  const auto pairs = x.view({-1, 2});        // Box-Muller's two are independent
  EXPECT_NEAR((pairs.select(1, 0) * pairs.select(1, 1)).mean().item<double>(), 0.0, 4.5 / std::sqrt(n / 2));
}

TEST(Draws, SamplesAreIndependentOfEachOther) {
  std::vector<std::uint64_t> samples;
  for (std::uint64_t i = 0; i < 100'000; ++i) samples.push_back(i);
  const auto x = Draws({.seed = 1}, samples).normals({1}, at::kDouble).flatten();
  const auto here = x.narrow(0, 0, 99'999), next = x.narrow(0, 1, 99'999);
  EXPECT_NEAR((here * next).mean().item<double>(), 0.0, 4.5 / std::sqrt(1e5));
}

TEST(Draws, UniformsAndIntegersAreUniform) {
  Draws draws({.seed = 2}, {0});
  const auto u = values<double>(draws.uniforms({100'000}));
  const auto k = values<std::int64_t>(draws.integers({100'000}, 10));
  std::vector<double> u_counts(10), k_counts(10);
  for (const auto x : u) {
    ASSERT_TRUE(x > 0.0 && x < 1.0);
    ++u_counts[static_cast<std::size_t>(x * 10)];
  }
  for (const auto x : k) ++k_counts.at(static_cast<std::size_t>(x));
  for (const auto& counts : {u_counts, k_counts}) {
    double chi_square = 0.0;
    for (const auto count : counts) chi_square += (count - 1e4) * (count - 1e4) / 1e4;
    EXPECT_LT(chi_square, 27.9);  // 9 degrees of freedom, probability 0.001
  }
  const auto large = values<std::int64_t>(draws.integers({1000}, INT64_MAX));
  EXPECT_GT(*std::max_element(large.begin(), large.end()), INT64_MAX / 100 * 98);
}

TEST(ShuffledIndex, IsAPermutationForEveryN) {
  for (const std::uint64_t n : {1, 2, 3, 4, 5, 11, 16, 17, 64, 100, 257, 1000, 4096, 5000}) {
    std::vector<bool> seen(n, false);
    for (std::uint64_t i = 0; i < n; ++i) {
      const auto index = shuffled_index(kKey, 1, n, i);
      ASSERT_LT(index, n);
      EXPECT_FALSE(seen[index]) << "n = " << n;
      seen[index] = true;
    }
  }
  EXPECT_THROW(shuffled_index(kKey, 0, 5, 5), InternalError);
}

// The same Python as above.
TEST(ShuffledIndex, AgreesWithAnIndependentWalk) {
  const StreamKey key{.seed = 7, .purpose = Purpose::training};
  std::vector<std::uint64_t> order;
  for (std::uint64_t i = 0; i < 11; ++i) order.push_back(shuffled_index(key, 3, 11, i));
  EXPECT_THAT(order, testing::ElementsAre(7, 4, 8, 3, 9, 1, 6, 0, 5, 10, 2));
  EXPECT_EQ(shuffled_index(key, 3, 1'000'000'000'000'000, 0), 515060738067423u);
  EXPECT_EQ(shuffled_index(key, 3, 1'000'000'000'000'000, 1), 731275977300121u);
}

TEST(ShuffledIndex, EveryOrderOfThreeIsAsLikely) {
  std::map<std::vector<std::uint64_t>, double> counts;
  for (std::uint64_t epoch = 0; epoch < 6000; ++epoch) {
    ++counts[{shuffled_index(kKey, epoch, 3, 0), shuffled_index(kKey, epoch, 3, 1), shuffled_index(kKey, epoch, 3, 2)}];
  }
  double chi_square = 0.0;
  for (const auto& [order, count] : counts) chi_square += (count - 1000) * (count - 1000) / 1000;
  EXPECT_EQ(counts.size(), 6u);
  EXPECT_LT(chi_square, 20.5);  // 5 degrees of freedom, probability 0.001
}

TEST(ShuffledIndex, PutsEveryIndexEverywhereAsOften) {
  std::vector<double> counts(100);  // index at position 0 and 1 of 10
  for (std::uint64_t epoch = 0; epoch < 20'000; ++epoch) {
    ++counts[10 * shuffled_index(kKey, epoch, 10, 0) + shuffled_index(kKey, epoch, 10, 1)];
  }
  double chi_square = 0.0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    if (i / 10 != i % 10) chi_square += (counts[i] - 20'000.0 / 90) * (counts[i] - 20'000.0 / 90) / (20'000.0 / 90);
  }
  EXPECT_LT(chi_square, 135.98);  // 89 degrees of freedom, probability 0.001
}

}  // namespace
}  // namespace espalier::random
