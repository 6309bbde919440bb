#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

namespace espalier::inverse_noise {

// The next iterate for a fixed point y = g(y) by Anderson acceleration of type II (Walker and Ni, SIAM J. Numer. Anal. 49 (2011),
// "unconstrained form"): with moves f_j = g(y_j) - y_j and differences dF, dY between neighbours,
//   y + f - (dY + dF) gamma,   gamma = argmin || f - dF gamma ||^2.
// `iterates` and `moves` are [D] each, oldest first, as many of one as of the other; one of them gives Picard's y + f. The least squares
// problem is solved in double, its columns scaled to length 1 and its normal matrix regularised by 1e-10, so that equal columns do no harm.
at::Tensor anderson_next(const std::vector<at::Tensor>& iterates, const std::vector<at::Tensor>& moves);

}  // namespace espalier::inverse_noise
