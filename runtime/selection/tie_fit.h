#pragma once

#include <cstdint>
#include <vector>

namespace espalier::selection {

// What a law is described by, besides its curve.
struct LawNumbers {
  double kl = 0.0;        // to the base, nats
  double quantile = 0.0;  // E[u]
  double square = 0.0;    // E[w^2] under the base: 1 / the share that is left of its effective sample size
};

// How the law of the k best of M independent samples is estimated where scores tie: by a linear function of the tie pattern of `samples`
// samples (in ascending order of score, which of them equal the next), fitted over a grid of laws so that the largest bias is the
// smallest (tie_table.py, which also measures `worst_bias` on other laws). A group's own scores as the base law would bias it low.
struct TieFit {
  std::int64_t samples, k, of;
  LawNumbers worst_bias;

  // All fits: `of` = `samples` up to 8, and the best of 2 from 2 to 8 samples.
  static const std::vector<TieFit>& all();

  // The estimate from n >= `samples` independent samples, of which multiplicity[i] have the i-th score, ascending: the mean over all
  // subsets of `samples` of them. Its mean over groups estimates the mean of their laws; laws of different conditions are never pooled.
  LawNumbers estimate(const std::vector<std::int64_t>& multiplicity) const;

  std::size_t row;  // of the first pattern in the table
};

// The KL of the best of n >= 9 by how many of the n are tied for the highest score: H_n - H_tied (H the harmonic numbers, unbiased for
// -log p of a frequent best score) with a correction of a few, fitted likewise for all n at once. log n - (n-1)/n of 1, 0 of n.
double best_of_n_kl(std::int64_t n, std::int64_t tied);
double best_of_n_kl_worst_bias();

}  // namespace espalier::selection
