#pragma once

#include <ATen/core/Tensor.h>

namespace espalier::noise_diagnostics {

// The covariance [D, D] of rows [n, D] of mean 0 (double), for any n: (1 - s) S + s m I with S = X^T X / n, m = trace(S) / D, and the share
// s in [0, 1] that Ledoit and Wolf (2004, "A well-conditioned estimator for large-dimensional covariance matrices") show to be best in
// the Frobenius norm as n and D grow together.
at::Tensor shrunk_covariance(const at::Tensor& rows);

}  // namespace espalier::noise_diagnostics
