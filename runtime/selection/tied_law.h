#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/selection/accepted_density.h"
#include "runtime/selection/tie_fit.h"

namespace espalier::selection {

// The law of groups of n samples whose scores tie. An atom of the base law F has the mean of w over [F(r-), F(r)], and F is not known: it
// is estimated, from the group's ties alone, by the first of these that applies:
//   a fit      where w is that of the k best of M, by TieFit
//   best of n  n >= 9: the KL by best_of_n_kl, the other numbers as below
//   jackknife  the law with the group's own scores as F (a shared score an atom, scores that differ a continuous part), its bias removed to
//              the first order by leaving out each sample in turn: n t(F_n) - (n - 1) mean of t(F_(n-1)) (Quenouille)
class TiedLaw {
 public:
  // `curve` must outlive it.
  TiedLaw(const AcceptedDensity& curve, std::int64_t group_size);

  // multiplicity[i] samples of the group share its i-th score, ascending.
  LawNumbers estimate(const std::vector<std::int64_t>& multiplicity) const;

  // The largest bias. Of a fit over many laws; of a jackknife over laws of two values whose probabilities are spread over [0, 1].
  LawNumbers worst_bias() const;

  // As a report says it: "by their pattern of ties".
  std::string method() const;

 private:
  LawNumbers jackknife(const std::vector<std::int64_t>& multiplicity) const;
  LawNumbers worst_of_two_values() const;

  const AcceptedDensity& curve_;
  std::int64_t size_;
  const TieFit* fit_ = nullptr;
  bool best_ = false;
};

// The law with [from, to] of u for the base's: one score that samples share (`tied`), or scores that differ. Sums over a group's stretches
// are its numbers.
LawNumbers numbers_of_stretch(const AcceptedDensity& curve, double from, double to, bool tied);

}  // namespace espalier::selection
