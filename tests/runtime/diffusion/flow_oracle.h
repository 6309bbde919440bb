#pragma once

#include <cstdint>

// Rectified flows on Gaussian data, in closed form. Written from the formulas alone, apart from the code under test.
namespace espalier::flow_oracle {

struct Gaussian {
  double mean = 0.0;
  double variance = 1.0;
};

// gain x + offset
struct Line {
  double gain = 0.0;
  double offset = 0.0;
};

// The optimal velocity at time t, E[x_0 - eps | x_t], for this data.
inline Line velocity(Gaussian data, double t) {
  const double spread = t * t * data.variance + (1 - t) * (1 - t);
  const double gain = (t * data.variance - (1 - t)) / spread;
  return {gain, data.mean * (1 - gain * t)};
}

// The one line, the same at all times, that minimises the flow's loss from states of this law at time t with sampling times uniform on
// (0, bound): normal equations, integrated by the midpoint rule.
inline Line best_prediction(Gaussian states, double t, double bound) {
  constexpr std::int64_t kPoints = 200000;
  const double square = states.variance + states.mean * states.mean;
  double xx = 0, x1 = 0, one = 0, xy = 0, y = 0;
  for (std::int64_t i = 0; i < kPoints; ++i) {
    const double s = bound * (static_cast<double>(i) + 0.5) / kPoints;
    const double variance = (1 - s) * (1 - s) - (s * (1 - t) / t) * (s * (1 - t) / t);
    const double d = (1 - s) + s * (1 - t) * (1 - t) / (t * t);
    const double weight = variance / (d * d);
    xx += weight * (s / t * s / t * square + variance);
    x1 += weight * s / t * states.mean;
    one += weight;
    xy += weight * (d - s / (t * t) * square);  // the network's sign: (D/sigma) eps - X_t/t
    y -= weight * states.mean / t;
  }
  const double determinant = xx * one - x1 * x1;
  return {(xy * one - x1 * y) / determinant, (xx * y - x1 * xy) / determinant};
}

}  // namespace espalier::flow_oracle
