#include "runtime/sampling/noise_response.h"

#include <ATen/TensorOperators.h>

#include <cmath>

namespace espalier::sampling {
namespace {

constexpr const char* kEpsilon = "epsilon";
constexpr const char* kVelocity = "v_prediction or sample";

double dot(const at::Tensor& a, const at::Tensor& b) { return (a * b).sum().item<double>(); }

at::Tensor difference(const at::Tensor& tensor) {
  const auto rows = tensor.narrow(0, 0, 2).to(at::kDouble);
  return rows[0] - rows[1];
}

}  // namespace

NoiseResponse noise_response(double timestep, const State& noise, const State& prediction) {
  NoiseResponse response;
  response.timestep = timestep;
  double xx = 0.0, xp = 0.0, pp = 0.0, square = 0.0;
  for (const auto& [name, value] : prediction) {
    const auto dx = difference(noise.at(name)), dp = difference(value), both = value.narrow(0, 0, 2).to(at::kDouble);
    xx += dot(dx, dx), xp += dot(dx, dp), pp += dot(dp, dp), square += dot(both, both);
  }
  response.slope = xp / xx;
  if (pp > 0.0) response.explained = xp * xp / (xx * pp);
  if (square > 0.0) response.varying = pp / square;  // two rows of independent predictions: E (p - q)^2 = E p^2 + E q^2
  return response;
}

std::string shown_prediction(const NoiseResponse& response) {
  if (std::abs(response.slope - 1.0) < 0.1 && response.explained > 0.8) return kEpsilon;
  // What does not vary at all is a network that begins with zeros.
  if (std::abs(response.slope) < 0.1 && response.varying > 0.0 && response.varying < 0.5) return kVelocity;
  return "";
}

bool contradicts(const NoiseResponse& response, diffusion::Prediction named) {
  const auto shown = shown_prediction(response);
  return !shown.empty() && (shown == kEpsilon) != (named == diffusion::Prediction::epsilon);
}

}  // namespace espalier::sampling
