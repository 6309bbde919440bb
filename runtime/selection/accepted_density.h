#pragma once

#include <cstdint>
#include <functional>
#include <vector>

namespace espalier::selection {

// The law of a group of M independent samples with a continuous score, each accepted with probability a(u) at its quantile u: relative to
// the base the accepted density is w(u) = a(u) / integral of a. Integrals are by Gauss and Legendre's 5 points on at least 4096 cells.
class AcceptedDensity {
 public:
  // a: from 0 to 1, and above 0 somewhere. Integrals from i/M to j/M are exact for polynomials of degree 9 or less in each cell.
  AcceptedDensity(std::function<double(double)> acceptance, std::int64_t group_size);

  double acceptance_rate() const { return rate_; }  // integral of a
  double density(double u) const { return acceptance_(u) / rate_; }
  double accepted(double from, double to) const { return integral(kMass, from, to); }          // of w
  double quantile_sum(double from, double to) const { return integral(kQuantile, from, to); }  // of u w
  double kl(double from, double to) const { return integral(kKl, from, to); }                  // of w log w
  double square(double from, double to) const { return integral(kSquare, from, to); }          // of w^2
  double kl() const { return sums_[kKl].back(); }                                              // of the accepted law to the base, nats

  // Where a curve should be drawn: evenly spaced u and evenly spaced accepted mass, ascending, from 0 to 1.
  std::vector<double> points() const;

 private:
  enum Kind { kMass, kQuantile, kKl, kSquare };
  double integrand(Kind kind, double u) const;
  double integral(Kind kind, double from, double to) const { return integral_to(kind, to) - integral_to(kind, from); }
  double integral_to(Kind kind, double u) const;

  std::function<double(double)> acceptance_;
  double rate_ = 1.0;
  std::vector<double> sums_[4];  // by kind: integrals from 0 to each of evenly spaced nodes
};

}  // namespace espalier::selection
