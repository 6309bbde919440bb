#include "plugins/metric/noise_diagnostics/normality.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/full.h>

#include <cmath>
#include <numbers>
#include <numeric>

#include "plugins/metric/noise_diagnostics/flow_loss.h"
#include "plugins/metric/noise_diagnostics/inversions.h"
#include "plugins/metric/noise_diagnostics/shrunk_covariance.h"
#include "plugins/metric/noise_diagnostics/two_sample.h"
#include "runtime/base/errors.h"
#include "tests/conformance/toy.h"

namespace espalier::noise_diagnostics {
namespace {

constexpr random::StreamKey kKey{5, random::Purpose::evaluation, 0, 0};

at::Tensor normals(std::int64_t rows, std::int64_t columns, std::uint64_t seed = 1) {
  std::vector<std::uint64_t> samples(static_cast<std::size_t>(rows));
  std::iota(samples.begin(), samples.end(), 0U);
  return random::Draws({seed, random::Purpose::data}, samples).normals({columns});
}

double value(const std::vector<Scalar>& scalars, const std::string& name) {
  for (const auto& scalar : scalars) {
    if (scalar.name == name) return scalar.value;
  }
  ADD_FAILURE() << "no scalar " << name;
  return std::nan("");
}

// P(chi^2_D <= r) for even D: 1 - exp(-r/2) sum over k < D/2 of (r/2)^k / k!.
double exact_chi_square(double r, int d) {
  double sum = 0;
  for (int k = 0; k < d / 2; ++k) sum += std::exp(-r / 2 + k * std::log(r / 2) - std::lgamma(k + 1.0));
  return 1 - sum;
}

TEST(Normality, TheRadialLawIsChiSquaresWithinTheStatedError) {
  for (const int d : {16, 64, 784}) {
    for (double share = 0.3; share < 2.0; share += 0.05)
      EXPECT_NEAR(chi_square_law(share * d, d), exact_chi_square(share * d, d), 0.002) << d;
  }
}

TEST(Normality, MomentsOfKnownLawsAndTheirIntervals) {
  const auto z = normals(2000, 50);
  for (const auto& scalar : moments(z, kKey)) {
    const double expected = scalar.name == "noise_variance" || scalar.name == "noise_squared_radius" ? 1.0 : 0.0;
    EXPECT_NEAR(scalar.value, expected, 0.03) << scalar.name;
    EXPECT_LT(scalar.high - scalar.low, 0.1) << scalar.name;
  }
  const auto uniform = random::Draws({1, random::Purpose::data}, {0, 1, 2, 3}).uniforms({20000}) * 2.0 + 1.0;  // on (1, 3)
  const auto scalars = moments(uniform, kKey);
  EXPECT_NEAR(value(scalars, "noise_mean"), 2.0, 0.01);
  EXPECT_NEAR(value(scalars, "noise_variance"), 1.0 / 3, 0.01);
  EXPECT_NEAR(value(scalars, "noise_excess_kurtosis"), -1.2, 0.02);
  EXPECT_NEAR(value(scalars, "noise_squared_radius"), 4.0 + 1.0 / 3, 0.03);
  EXPECT_TRUE(std::isnan(scalars.front().low)) << "four noises have no interval";
}

TEST(Normality, IntervalsOfTheMeanAreThoseOfTheNormalLaw) {
  double width = 0;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const auto scalar = moments(normals(400, 4, seed + 1), kKey).front();
    width += (scalar.high - scalar.low) / 20;
  }
  EXPECT_NEAR(width, 2 * 1.96 / std::sqrt(1600.0), 0.05 * width);
}

// One noise of forty holds nearly all the variance: a normal interval of it goes below 0.
TEST(Normality, IntervalsOfAVarianceHoldVariances) {
  auto z = 0.01 * normals(40, 8);
  z[5].mul_(3000.0);
  const auto scalars = moments(z, kKey);
  for (const auto& scalar : scalars) {
    if (scalar.name == "noise_mean") continue;
    EXPECT_GT(scalar.low, scalar.name == "noise_excess_kurtosis" ? -2.0 : 0.0) << scalar.name;
    EXPECT_LT(scalar.low, scalar.value) << scalar.name;
    EXPECT_GT(scalar.high, scalar.value) << scalar.name;
  }
}

TEST(Normality, TheRadialDistanceDetectsAWrongRadiusAndAWrongSpreadOfIt) {
  const auto z = normals(1000, 64);
  EXPECT_LT(radial_distance(z), 1.36 / std::sqrt(1000.0));
  EXPECT_GT(radial_distance(1.05 * z), 0.2);
  const auto one_radius = z / z.square().mean(1, true).sqrt();
  EXPECT_GT(radial_distance(one_radius), 0.4);
  const auto chart = radial_chart(z);
  for (const auto& series : chart.series) {
    const double width = series.x[1] - series.x[0];
    EXPECT_NEAR(std::accumulate(series.y.begin(), series.y.end(), 0.0) * width, 1.0, 1e-3) << series.name;
  }
}

TEST(TwoSample, AccuracyIsAHalfOnNormalsAndMoreOnWhatDiffers) {
  const auto z = normals(1200, 48);
  const ClassifierOptions options{.samples = 1000, .train_steps = 250};
  const auto same = two_sample_accuracy(z, options, kKey);
  EXPECT_LT(same.low, 0.5);
  EXPECT_GT(same.high, 0.5);
  EXPECT_GT(two_sample_accuracy(1.3 * z, options, kKey).low, 0.7) << "another variance";
  EXPECT_GT(two_sample_accuracy(z + 0.3, options, kKey).low, 0.7) << "another mean";
  const auto correlated = (z + z.roll(1, 1)) / std::numbers::sqrt2;  // neighbours share half their variance
  EXPECT_GT(two_sample_accuracy(correlated, options, kKey).low, 0.55) << "the same margins, correlated";
  EXPECT_THROW(two_sample_accuracy(z.narrow(0, 0, 3), options, kKey), StageError);
}

// The best flow for data N(mean, variance) in each dimension: -(mean + a (x - t mean)), a = (t l - (1-t)) / ((1-t)^2 + t^2 l).
class GaussianFlow final : public Network {
 public:
  GaussianFlow(double mean, double variance) : mean_(mean), variance_(variance) {}
  Value architecture() const override { return Value("gaussian"); }
  TensorMap embed(const Weights&, const TensorMap&) const override { return {}; }
  State predict(const Weights&, const State& noisy, const at::Tensor& timestep, const TensorMap&) const override {
    const auto t = (1.0 - timestep.to(at::kDouble) / 1000.0).view({-1, 1, 1, 1});
    const auto a = (t * variance_ - (1.0 - t)) / ((1.0 - t).square() + t.square() * variance_);
    return {{"sample", -(mean_ + a * (noisy.at("sample") - t * mean_)).to(at::kFloat)}};
  }
  Weights initialize(std::uint64_t) const override { return {}; }

 private:
  double mean_, variance_;
};

Model gaussian_flow(double mean, double variance) {
  auto model = conformance::toy_model(1, "rectified_flow");
  model.network = std::make_shared<GaussianFlow>(mean, variance);
  return model;
}

TEST(FlowLoss, OfTheBestGaussianIsItsClosedFormAndWhatItsFlowMeasures) {
  const auto z = normals(600, 192);
  const auto loss = [](const at::Tensor& rows, double mean, double variance) {
    return corrector_loss(gaussian_flow(mean, variance), {{"sample", rows.view({-1, 3, 8, 8})}}, {}, 8, kKey, at::kCPU);
  };
  const auto standard = loss(z, 0.0, 1.0);
  EXPECT_NEAR(standard.value, std::numbers::pi / 2, 0.02);
  EXPECT_LT(standard.low, std::numbers::pi / 2);
  EXPECT_GT(standard.high, std::numbers::pi / 2);
  EXPECT_NEAR(gaussian_loss(z, z).value, std::numbers::pi / 2, 0.01);
  const auto other = 0.5 * z + 0.7;
  EXPECT_NEAR(loss(other, 0.7, 0.25).value, std::numbers::pi / 4, 0.02);  // pi/2 sqrt(l)
  EXPECT_NEAR(gaussian_loss(other, other).value, std::numbers::pi / 4, 0.01);
  EXPECT_GT(loss(other, 0.0, 1.0).value, std::numbers::pi / 4 + 0.2);
}

TEST(FlowLoss, TheBestGaussianUsesCorrelations) {
  const auto z = normals(900, 40);
  const auto shared = 0.3 * z + normals(900, 1, 2);  // one direction has nearly all the variance
  const auto fitted = shared.narrow(0, 0, 800), judged = shared.narrow(0, 800, 100);
  const double by_eigenvalues = std::numbers::pi / 2 * (39 * 0.3 + std::sqrt(0.09 + 40.0)) / 40;
  EXPECT_NEAR(gaussian_loss(fitted, judged).value, by_eigenvalues, 0.04 * by_eigenvalues);
  EXPECT_LT(gaussian_loss(fitted.narrow(0, 0, 30), judged).value, 1.2 * by_eigenvalues) << "also of fewer rows than dimensions";
  EXPECT_GT(gaussian_loss(normals(30, 40), judged).value, 1.3 * by_eigenvalues) << "which the other models lack";
  const auto few = gaussian_loss(normals(2, 40), normals(50, 40, 3));
  EXPECT_LT(few.value, 1.1 * std::numbers::pi / 2) << "N(0, I) is among the models";
}

// scikit-learn 1.9.1: ledoit_wolf(x, assume_centered=True) of x[i, j] = (j + 1) sin(i (j + 1) + j) less its mean, 12 rows and 8 columns,
// has the shrinkage 0.8170747343685021.
TEST(ShrunkCovariance, IsLedoitAndWolfs) {
  const auto i = at::arange(12, at::kDouble).unsqueeze(1), j = at::arange(8, at::kDouble).unsqueeze(0);
  auto x = (j + 1) * (i * (j + 1) + j).sin();
  x = x - x.mean(0);
  constexpr double kShare = 0.8170747343685021;
  const auto plain = x.t().mm(x) / 12;
  const auto expected = (1 - kShare) * plain + kShare * plain.diagonal().mean() * at::eye(8, at::kDouble);
  EXPECT_TRUE(shrunk_covariance(x).allclose(expected, 1e-12, 1e-12));
}

TEST(ShrunkCovariance, IsNearTheSampleCovarianceOfManyRows) {
  const auto x = normals(20000, 4).to(at::kDouble) * at::arange(1, 5, at::kDouble);
  EXPECT_TRUE(shrunk_covariance(x).allclose(x.t().mm(x) / 20000, 0, 0.02));
}

TEST(Inversions, SortedValuesLeaveOutWhatIsNotFinite) {
  const auto values = finite_sorted(at::full({1}, std::nan("")).to(at::kDouble));
  EXPECT_TRUE(values.empty());
}

}  // namespace
}  // namespace espalier::noise_diagnostics
