#pragma once

#include <cstdint>
#include <vector>

namespace espalier::top_k {

// The law of the k best of M independent samples with a continuous reward, in u = F(r): relative to the base its density is
//   w(u) = (M/k) sum_{j<k} C(M-1, j) u^(M-1-j) (1-u)^j = (M/k) I_u(M-k, k),
// I the regularised incomplete beta function (M = k: w = 1).
class Curve {
 public:
  Curve(std::int64_t k, std::int64_t group_size);  // 1 <= k <= group_size

  double density(double u) const;
  double accepted(double from, double to) const { return accepted_to(to) - accepted_to(from); }              // integral of w: exact
  double quantile_sum(double from, double to) const { return quantile_sum_to(to) - quantile_sum_to(from); }  // integral of u w: exact
  // Integral of w log w, by quadrature; from i/M to j/M and over all to 1e-6, elsewhere interpolated (steps of at most 1/4096).
  double kl(double from, double to) const { return kl_to(to) - kl_to(from); }
  double kl() const { return kl_.back(); }  // of the accepted law to the base, nats; log M - (M-1)/M for k = 1

  // Where a curve should be drawn: evenly spaced u and evenly spaced accepted mass, ascending, from 0 to 1.
  std::vector<double> points() const;

 private:
  double accepted_to(double u) const;
  double quantile_sum_to(double u) const;
  double kl_to(double u) const;

  double k_;
  double group_size_;
  std::vector<double> kl_;  // integrals from 0 to each of evenly spaced nodes
};

// I_x(a, b) for a, b > 0, by its continued fraction (DLMF 8.17.22), to about 1e-14.
double incomplete_beta(double x, double a, double b);

}  // namespace espalier::top_k
