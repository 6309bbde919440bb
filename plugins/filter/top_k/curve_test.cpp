#include "plugins/filter/top_k/curve.h"

#include <gtest/gtest.h>

#include <cmath>

namespace espalier::top_k {
namespace {

TEST(Curve, HasTheKlOfMethodsTable) {
  struct Case {
    std::int64_t k, group_size;
    double kl;
  };
  for (const auto& [k, group_size, kl] : {Case{1, 2, 0.193}, Case{1, 4, 0.636}, Case{1, 8, 1.204}, Case{1, 16, 1.835}, Case{1, 100, 3.615},
                                          Case{2, 4, 0.297}, Case{10, 100, 2.019}, Case{25, 100, 1.227}, Case{50, 100, 0.603}}) {
    EXPECT_NEAR(Curve(k, group_size).kl(), kl, 5.1e-4) << k << "/" << group_size;
  }
}

TEST(Curve, BestOfNHasTheClosedForm) {
  for (const std::int64_t m : {2, 3, 4, 7, 64, 1000, 20000}) {
    const auto size = static_cast<double>(m);
    const Curve curve(1, m);
    EXPECT_NEAR(curve.kl(), std::log(size) - (size - 1) / size, 1e-6) << m;
    EXPECT_NEAR(curve.density(0.9), size * std::pow(0.9, size - 1), 1e-10 * size);
    EXPECT_NEAR(curve.accepted(0.0, 0.5), std::pow(0.5, size), 1e-9);
  }
}

TEST(Curve, IsTheSumOfOrderStatistics) {
  const Curve curve(3, 7);
  for (const double u : {0.0, 0.1, 0.5, 0.93, 1.0}) {
    // C(6, j) = 1, 6, 15
    const double expected = 7.0 / 3.0 * (std::pow(u, 6) + 6 * std::pow(u, 5) * (1 - u) + 15 * std::pow(u, 4) * (1 - u) * (1 - u));
    EXPECT_NEAR(curve.density(u), expected, 1e-12) << u;
  }
}

TEST(Curve, HasTheClosedFormMeanQuantileAndMassOne) {
  for (const auto& [k, m] : {std::pair{1, 4}, {2, 4}, {4, 4}, {25, 100}, {500, 10000}, {1, 20000}}) {
    const Curve curve(k, m);
    EXPECT_NEAR(curve.accepted(0.0, 1.0), 1.0, 1e-9);
    EXPECT_NEAR(curve.quantile_sum(0.0, 1.0), 1.0 - (k + 1.0) / (2.0 * (m + 1.0)), 1e-8) << k << "/" << m;
  }
}

TEST(Curve, AcceptingAllIsTheBase) {
  const Curve curve(4, 4);
  EXPECT_EQ(curve.kl(), 0.0);
  EXPECT_EQ(curve.density(0.3), 1.0);
}

TEST(IncompleteBeta, AgreesWithKnownValues) {
  EXPECT_NEAR(incomplete_beta(0.3, 1.0, 1.0), 0.3, 1e-15);
  EXPECT_NEAR(incomplete_beta(0.5, 17.0, 17.0), 0.5, 1e-13);
  EXPECT_NEAR(incomplete_beta(0.25, 0.5, 0.5), 1.0 / 3.0, 1e-13);  // 2/pi asin(sqrt(x))
  EXPECT_NEAR(incomplete_beta(0.2, 2.0, 3.0), 0.1808, 1e-13);      // x^2 (6 - 8 x + 3 x^2)
  EXPECT_NEAR(incomplete_beta(0.9, 900000.0, 100000.0), 0.5, 1e-3);
}

}  // namespace
}  // namespace espalier::top_k
