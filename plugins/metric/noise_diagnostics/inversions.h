#pragma once

#include "runtime/sdk/metric.h"

namespace espalier::noise_diagnostics {

// The certificates of M inversions (fields of noise_corrector.h) and the noises of the n that converged, all on the CPU.
struct Inversions {
  at::Tensor noise;                              // [n, D] float, fields side by side in the order of their names
  std::vector<std::int64_t> row;                 // [n] of the M
  at::Tensor converged;                          // [M] bool
  at::Tensor round_trip_error, known_error;      // [M] double
  at::Tensor residual, contraction, iterations;  // [M, N] double; column k: the step between k + 1 and k steps remaining
};

// Throws StageError when `samples` is no inversion or none of them converged.
Inversions read_inversions(const SampleSet& samples, const StateSpec& spec);

// The finite values of a tensor, ascending.
std::vector<double> finite_sorted(const at::Tensor& values);

// Linear between order statistics, as numpy.quantile; NaN of nothing.
double quantile(const std::vector<double>& ascending, double q);

}  // namespace espalier::noise_diagnostics
