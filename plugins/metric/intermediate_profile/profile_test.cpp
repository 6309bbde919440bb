// The estimator against laws whose E Var(r | X_t) is known in closed form or by quadrature.
#include "plugins/metric/intermediate_profile/profile.h"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>
#include <numbers>

#include "runtime/base/errors.h"

namespace espalier::intermediate_profile {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr std::int64_t kConditions = 2000, kSamples = 4;

std::vector<double> normals(std::uint64_t which) {
  random::Draws draws({5, random::Purpose::evaluation}, {which});
  draws.begin(0);
  const auto values = draws.normals({kConditions * kSamples}, at::kDouble);
  return {values.const_data_ptr<double>(), values.const_data_ptr<double>() + values.numel()};
}

std::vector<std::int64_t> conditions() {
  std::vector<std::int64_t> all;
  for (std::int64_t i = 0; i < kConditions * kSamples; ++i) all.push_back(i % kConditions);
  return all;
}

// X_0 = m_c + x with x standard normal, X_t = alpha x + sigma eps, alpha^2 + sigma^2 = 1, so that x given X_t is normal with mean alpha X_t
// and variance sigma^2. `completion`: 0 is x itself.
struct Gaussian {
  double alpha;
  std::vector<double> own = normals(1), noise = normals(2);

  std::vector<double> completion(std::uint64_t number) const {
    const double sigma = std::sqrt(1.0 - alpha * alpha);
    const auto fresh = normals(10 + number);
    std::vector<double> x(own.size());
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = number == 0 ? own[i] : alpha * (alpha * own[i] + sigma * noise[i]) + sigma * fresh[i];
    return x;
  }
};

// Prompts differ, and their spread must not enter: r = 3 x + 10 m_c.
std::vector<double> linear_reward(const std::vector<double>& x) {
  const auto prompt = normals(3);
  std::vector<double> reward;
  for (std::size_t i = 0; i < x.size(); ++i) reward.push_back(3.0 * x[i] + 10.0 * prompt[i % kConditions]);
  return reward;
}

Profile gaussian_profile(const std::vector<double>& alphas, double (*reward)(double)) {
  std::vector<Completions> all;
  std::vector<double> samples;
  for (std::size_t i = 0; i < alphas.size(); ++i) {
    const Gaussian law{alphas[i]};
    auto& one = all.emplace_back(Completions{static_cast<std::int64_t>(i + 1), {}});
    for (const std::uint64_t number : {0, 1}) {
      auto x = law.completion(number);
      for (auto& value : x) value = reward(value);
      one.reward.push_back(x);
    }
    samples = one.reward.front();
  }
  return profile_of(samples, conditions(), all, {7, random::Purpose::evaluation});
}

TEST(Profile, OfGaussianDataAndALinearRewardIsClosedForm) {
  const Gaussian law{0.8};  // sigma^2 = 0.36: E Var(r | X_t) = 9 x 0.36, Var r within a prompt = 9
  const auto samples = linear_reward(law.completion(0));
  const auto found =
      profile_of(samples, conditions(), {{5, {samples, linear_reward(law.completion(1))}}}, {7, random::Purpose::evaluation});
  ASSERT_EQ(found.points.size(), 1u);
  const auto& point = found.points.front();
  // A variance of two normals is chi-square with one degree of freedom: deviation sqrt(2), so its mean over 8,000 states deviates by 1.6 %.
  EXPECT_NEAR(point.variance.value, 9 * 0.36, 5 * 9 * 0.36 * 0.016);
  EXPECT_NEAR(found.within.value, 9.0, 5 * 9 * std::sqrt(2.0 / 3 / kConditions));
  EXPECT_NEAR(point.share.value, 0.36, 0.04);
  EXPECT_LT(point.share.low, 0.36);
  EXPECT_GT(point.share.high, 0.36);
  EXPECT_EQ(point.states, kConditions * kSamples);
}

// A reward that is 1 above 1: Phi of the mixture of two kinds of completions, by quadrature over X_t.
TEST(Profile, OfAThresholdIsItsQuadrature) {
  const double alpha = 0.8, sigma = 0.6;
  double expected = 0.0;
  const int cells = 200000;
  for (int i = 0; i < cells; ++i) {  // the midpoint rule on [-8, 8]
    const double y = -8.0 + 16.0 * (i + 0.5) / cells;
    const double p = 0.5 * std::erfc((1.0 - alpha * y) / (sigma * std::numbers::sqrt2));
    expected += p * (1.0 - p) * std::exp(-0.5 * y * y) / std::sqrt(2.0 * std::numbers::pi) * 16.0 / cells;
  }
  const auto found = gaussian_profile({alpha}, [](double x) { return x > 1.0 ? 1.0 : 0.0; });
  // 0.5 (a - b)^2 of two Bernoullis is 0 or 1/2; its mean over 8,000 states deviates by at most 0.25 / sqrt(8000).
  EXPECT_NEAR(found.points.front().variance.value, expected, 5 * 0.25 / std::sqrt(8000.0));
}

TEST(Profile, RisesWithTheStepsRemaining) {
  const auto found = gaussian_profile({0.99, 0.9, 0.7, 0.4, 0.0}, [](double x) { return std::exp(0.5 * x); });
  for (std::size_t i = 1; i < found.points.size(); ++i) {
    EXPECT_GT(found.points[i].variance.value, found.points[i - 1].variance.value) << i;
  }
  EXPECT_LT(found.points.back().share.low, 1.0);  // the noise decides nothing
  EXPECT_GT(found.points.back().share.high, 1.0);
}

// More completions of a state give the variance with ddof 1: 1, 2, 6 have 7.
TEST(Profile, CountsEveryCompletionOnceAndNoNaN) {
  const std::vector<double> samples = {1, 3, 5, kNan};
  const std::vector<std::int64_t> condition = {0, 0, 1, 1};
  const auto found = profile_of(samples, condition, {{2, {samples, {2, kNan, 5, 1}, {6, 3, 5, 2}}}}, {7, random::Purpose::evaluation});
  EXPECT_EQ(found.within.value, 2.0);  // 1, 3; the other condition has one finite sample
  const auto& point = found.points.front();
  EXPECT_EQ(point.states, 4);
  EXPECT_EQ(point.variance.value, (7.0 + 0.0) / 2);
  EXPECT_EQ(point.share.count, 1);
}

TEST(Profile, WithoutTwoCompletionsThereIsNone) {
  const std::vector<double> samples = {1, 2};
  EXPECT_THAT([&] { profile_of({1, kNan}, {0, 0}, {}, {7, random::Purpose::evaluation}); },
              testing::ThrowsMessage<StageError>(testing::HasSubstr("no condition has two samples")));
  EXPECT_THAT([&] { profile_of(samples, {0, 0}, {{3, {samples, {kNan, kNan}}}}, {7, random::Purpose::evaluation}); },
              testing::ThrowsMessage<StageError>(testing::HasSubstr("no state with 3 steps remaining")));
}

}  // namespace
}  // namespace espalier::intermediate_profile
