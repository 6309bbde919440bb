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
Inversions read_inversions(const View& samples, const StateSpec& spec);

// The noises of the examples that are no mirror image of another one, in a drawn order: any run of them is a fair sample, even of a sorted
// data set. The noises of an image and of its mirror image are not independent.
struct FairSample {
  at::Tensor noise;               // [k, D]
  std::vector<std::int64_t> row;  // [k], as Inversions::row
};
// Throws StageError where no inversion of such an example converged.
FairSample fair_sample(const Inversions& inversions, const Examples& examples, const random::StreamKey& key);

// [n, D], fields side by side, as states again.
State unflattened(const at::Tensor& noise, const StateSpec& spec);

// The finite values of a tensor, ascending.
std::vector<double> finite_sorted(const at::Tensor& values);

}  // namespace espalier::noise_diagnostics
