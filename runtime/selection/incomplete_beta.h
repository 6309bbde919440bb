#pragma once

namespace espalier::selection {

// The regularised incomplete beta function I_x(a, b) for a, b > 0, by its continued fraction (DLMF 8.17.22), to about 1e-14. The
// probability that at least a of a + b - 1 independent uniforms lie below x: that a sample at quantile x is among the k best of M is
// I_x(M - k, k).
double incomplete_beta(double x, double a, double b);

}  // namespace espalier::selection
