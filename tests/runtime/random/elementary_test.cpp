#include "runtime/random/elementary.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <numbers>

#include "runtime/random/philox.h"

namespace espalier::random {
namespace {

// The machine's long double functions are the reference: 64 bits of mantissa against 53.
TEST(Elementary, LogIsExactToTwoUnitsInTheLastPlace) {
  for (std::uint32_t i = 0; i < 200'000; ++i) {
    const auto words = philox4x32({i, 0, 0, 0}, {1, 2});
    const double x = (words[0] + 0.5) * std::ldexp(1.0, -32 + static_cast<int>(words[1] % 3) * 40);
    const double expected = static_cast<double>(std::log(static_cast<long double>(x)));
    EXPECT_LE(std::abs(log_of(x) - expected), 2.3e-16 * std::abs(expected) + 1e-300) << x;
  }
  EXPECT_EQ(log_of(1.0), 0.0);
}

TEST(Elementary, SineAndCosineAreExactToTwoUnitsInTheLastPlace) {
  for (std::uint32_t i = 0; i < 200'000; ++i) {
    const double turns = (philox4x32({i, 0, 0, 0}, {3, 4})[0] + 0.5) * 0x1p-32;
    const long double angle = 2.0L * std::numbers::pi_v<long double> * turns;
    const auto got = sincos_turns(turns);
    EXPECT_NEAR(got.sin, static_cast<double>(std::sin(angle)), 2.5e-16) << turns;
    EXPECT_NEAR(got.cos, static_cast<double>(std::cos(angle)), 2.5e-16) << turns;
  }
  EXPECT_EQ(sincos_turns(0.25).sin, 1.0);
  EXPECT_EQ(sincos_turns(0.5).cos, -1.0);
  EXPECT_EQ(sincos_turns(0.75).cos, 0.0);
}

}  // namespace
}  // namespace espalier::random
