#include "plugins/shared/frechet/distances.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cov.h>
#include <ATen/ops/linalg_eigvals.h>
#include <ATen/ops/linalg_qr.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/real.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include <cmath>

#include "runtime/base/files.h"
#include "runtime/base/value.h"
#include "runtime/random/draws.h"

namespace espalier::frechet_distance {
namespace {

at::Tensor normals(std::uint64_t study, std::int64_t rows, std::int64_t dimensions) {
  random::Draws draws({17, random::Purpose::evaluation}, {study});
  draws.begin(0);
  return draws.normals({rows, dimensions}, at::kDouble)[0];
}

at::Tensor matrix(const Value& rows) {
  std::vector<double> numbers;
  for (const auto& row : rows.as_list()) {
    for (const auto& number : row.as_list()) numbers.push_back(number.as_number());
  }
  return at::tensor(numbers, at::kDouble).reshape({static_cast<std::int64_t>(rows.as_list().size()), -1});
}

TEST(Distances, AreThoseOfPytorchFidAndOfALoopOverAllPairs) {
  const std::string path = std::string(ESPALIER_SOURCE_DIR) + "/plugins/shared/frechet/golden.json";
  const auto golden = parse_json(read_file(path), path);
  ASSERT_EQ(golden.at("cases").as_list().size(), 3U);
  for (const auto& one : golden.at("cases").as_list()) {
    SCOPED_TRACE(one.at("name").as_string());
    const auto x = matrix(one.at("x")), y = matrix(one.at("y"));
    EXPECT_NEAR(frechet_distance(x, y), one.at("frechet_distance").as_number(), 1e-8 * one.at("traces").as_number());
    const double kernel = one.at("kernel_distance").as_number();
    EXPECT_NEAR(kernel_distance(x, y), kernel, 1e-10 * std::max(1.0, std::abs(kernel)));
  }
}

// The trace of (S1 S2)^(1/2) as the published code has it: of the product's own eigenvalues.
TEST(Distances, FrechetIsTheEigenvaluesOfTheProductInManyDimensions) {
  const auto x = normals(1, 300, 48), y = at::matmul(normals(2, 250, 48), normals(3, 48, 48) * 0.2) + 0.1;
  const auto s = at::cov(x.t()), t = at::cov(y.t());
  const auto roots = at::real(at::linalg_eigvals(at::matmul(s, t))).clamp_min(0.0).sqrt().sum();
  const auto traces = s.trace() + t.trace();
  const auto expected = (x.mean(0) - y.mean(0)).square().sum() + traces - 2.0 * roots;
  EXPECT_NEAR(frechet_distance(x, y), expected.item<double>(), 1e-8 * traces.item<double>());
  EXPECT_NEAR(frechet_distance(y, x), frechet_distance(x, y), 1e-9 * traces.item<double>());
}

// Rows with mean 0 and covariance the identity, exactly.
at::Tensor white(std::uint64_t study, std::int64_t rows, std::int64_t dimensions) {
  const auto x = normals(study, rows, dimensions);
  return std::get<0>(at::linalg_qr(x - x.mean(0, true))) * std::sqrt(static_cast<double>(rows - 1));
}

TEST(Distances, FrechetOfDiagonalGaussiansIsItsClosedForm) {
  const auto a = at::tensor({1.0, 0.5, 3.0, 0.0}, at::kDouble), b = at::tensor({2.0, 0.5, 0.1, 0.0}, at::kDouble);
  const auto m = at::tensor({0.0, 1.0, -2.0, 0.25}, at::kDouble);
  const double expected = (1.0 + 4.0 + 0.0625) + (1.0 + 0.0 + 2.9 * 2.9);  // |m|^2 + sum (a - b)^2; the last feature is dead in both
  EXPECT_NEAR(frechet_distance(white(4, 90, 4) * a, white(5, 70, 4) * b + m), expected, 1e-10);
  const auto x = normals(6, 50, 3);
  EXPECT_NEAR(frechet_distance(x, x), 0.0, 1e-12);
}

TEST(Distances, KernelIsUnbiasedOnEqualLaws) {
  constexpr int kStudies = 400;
  double sum = 0.0, squares = 0.0;
  for (std::uint64_t study = 0; study < kStudies; ++study) {
    const double distance = kernel_distance(normals(100 + 2 * study, 12, 3), normals(101 + 2 * study, 9, 3));
    sum += distance;
    squares += distance * distance;
  }
  const double mean = sum / kStudies, deviation = std::sqrt((squares / kStudies - mean * mean) / kStudies);
  EXPECT_LT(std::abs(mean), 4.0 * deviation);
  // The biased estimate, with i = j, would be off by the mean of ((|a|^2 / d + 1)^3 - (a.b / d + 1)^3) (1/12 + 1/9), which is above 1.
  EXPECT_LT(4.0 * deviation, 0.6);
}

// Two runs: t(1) s / sqrt(2), s = |a - b| / sqrt(2).
TEST(Distances, FewRowsMakeFewRuns) {
  const auto x = normals(7, 4, 2), y = normals(8, 5, 2);
  const double a = kernel_distance(x.slice(0, 0, 2), y.slice(0, 0, 2)), b = kernel_distance(x.slice(0, 2, 4), y.slice(0, 2, 5));
  const auto found = kernel_distance_in_subsets(x, y);
  EXPECT_NEAR(found.value, (a + b) / 2.0, 1e-12);
  EXPECT_NEAR(found.high - found.value, 12.706204736 * std::abs(a - b) / 2.0, 1e-6);
  EXPECT_NEAR(found.value - found.low, found.high - found.value, 1e-9);
}

// Of N(0, 1) and N(q, 1) in d dimensions, with r = |q|^2, E k is a sum of moments of a.b, and the distance
// 3 r / d + 3 r^2 / d^2 + (r^3 + 6 r^2 + 3 r d + 6 r) / d^3.
TEST(Distances, IntervalsHoldTheTrueKernelDistance) {
  constexpr int kStudies = 300;
  constexpr double d = 8.0, r = d * 0.3 * 0.3;
  constexpr double kTrue = 3 * r / d + 3 * r * r / (d * d) + (r * r * r + 6 * r * r + 3 * r * d + 6 * r) / (d * d * d);
  int held = 0, held_null = 0;
  double sum = 0.0;
  for (std::uint64_t study = 0; study < kStudies; ++study) {
    const auto x = normals(1000 + 2 * study, 600, 8), y = normals(1001 + 2 * study, 500, 8);
    const auto found = kernel_distance_in_subsets(x, y + 0.3), null = kernel_distance_in_subsets(x, y);
    held += found.low <= kTrue && kTrue <= found.high ? 1 : 0;
    held_null += null.low <= 0.0 && 0.0 <= null.high ? 1 : 0;
    sum += found.value;
  }
  EXPECT_NEAR(sum / kStudies, kTrue, 0.02);
  RecordProperty("held", held);
  RecordProperty("held_null", held_null);
  EXPECT_GE(held, 273);  // 91 %
  EXPECT_LE(held, 297);
  EXPECT_GE(held_null, 273);
  EXPECT_LE(held_null, 297);
}

}  // namespace
}  // namespace espalier::frechet_distance
