#include "runtime/selection/tied_law.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>

#include "runtime/selection/incomplete_beta.h"

namespace espalier::selection {
namespace {

void add(LawNumbers& sum, const LawNumbers& more, double weight = 1.0) {
  sum.kl += weight * more.kl, sum.quantile += weight * more.quantile, sum.square += weight * more.square;
}

// Whether w is the accepted density of the k best of M.
bool is_best(const AcceptedDensity& curve, std::int64_t k, std::int64_t of) {
  return std::ranges::all_of(std::array{0.1, 0.3, 0.5, 0.7, 0.9}, [&](double u) {
    const double best =
        static_cast<double>(of) / static_cast<double>(k) * incomplete_beta(u, static_cast<double>(of - k), static_cast<double>(k));
    return std::abs(curve.density(u) - best) < 1e-9 * static_cast<double>(of);
  });
}

// Scores of a group, or some that are neighbours and differ.
struct Piece {
  double low, high;  // how many samples lie below its begin and its end
  bool tied;
};

std::vector<Piece> pieces_of(const std::vector<std::int64_t>& multiplicity) {
  std::vector<Piece> pieces;
  double below = 0.0;
  for (const auto count : multiplicity) {
    const double above = below + static_cast<double>(count);
    if (count == 1 && !pieces.empty() && !pieces.back().tied) {
      pieces.back().high = above;
    } else {
      pieces.push_back({below, above, count > 1});
    }
    below = above;
  }
  return pieces;
}

double log_binomial(double n, double k) { return std::lgamma(n + 1.0) - std::lgamma(k + 1.0) - std::lgamma(n - k + 1.0); }

}  // namespace

LawNumbers numbers_of_stretch(const AcceptedDensity& curve, double from, double to, bool tied) {
  if (to <= from) return {};
  if (!tied) return {curve.kl(from, to), curve.quantile_sum(from, to), curve.square(from, to)};
  const double mass = curve.accepted(from, to), w = mass / (to - from);
  if (mass <= 0.0) return {};
  return {mass * std::log(w), mass * 0.5 * (from + to), mass * w};
}

TiedLaw::TiedLaw(const AcceptedDensity& curve, std::int64_t group_size) : curve_(curve), size_(group_size) {
  for (const auto& fit : TieFit::all()) {
    const bool more = fit_ == nullptr || fit.samples > fit_->samples;
    if (fit.samples <= group_size && more && is_best(curve, fit.k, fit.of)) fit_ = &fit;
  }
  best_ = fit_ == nullptr && group_size > 8 && is_best(curve, 1, group_size);
}

LawNumbers TiedLaw::estimate(const std::vector<std::int64_t>& multiplicity) const {
  if (fit_ != nullptr) return fit_->estimate(multiplicity);
  auto numbers = jackknife(multiplicity);
  if (best_) numbers.kl = best_of_n_kl(size_, multiplicity.back());
  return numbers;
}

LawNumbers TiedLaw::worst_bias() const {
  if (fit_ != nullptr) return fit_->worst_bias;
  auto worst = worst_of_two_values();
  if (best_) worst.kl = best_of_n_kl_worst_bias();
  return worst;
}

std::string TiedLaw::method() const {
  if (fit_ != nullptr) return "by their pattern of ties";
  return best_ ? "by the number tied for the best, E[u] by a jackknife" : "by a delete-one jackknife within each group";
}

// Each sample is left out in turn. What lies below it keeps its place among the n - 1 others, and what lies above moves down by one.
LawNumbers TiedLaw::jackknife(const std::vector<std::int64_t>& multiplicity) const {
  const auto pieces = pieces_of(multiplicity);
  const double n = pieces.back().high, left = n - 1.0;
  const auto at = [&](double low, double high, bool tied, double size) {
    return numbers_of_stretch(curve_, low / size, high / size, tied);
  };
  if (left < 1.0) return at(0.0, 1.0, false, 1.0);
  LawNumbers whole, below, above, mean;
  for (const auto& [low, high, tied] : pieces) {
    add(whole, at(low, high, tied, n));
    if (low > 0.0) add(above, at(low - 1.0, high - 1.0, tied, left));
  }
  for (const auto& [low, high, tied] : pieces) {
    if (low > 0.0) add(above, at(low - 1.0, high - 1.0, tied, left), -1.0);
    const double share = (high - low) / n;
    add(mean, at(low, high - 1.0, tied && high - low > 2.0, left), share);
    add(mean, below, share);
    add(mean, above, share);
    if (high < n) add(below, at(low, high, tied, left));
  }
  LawNumbers result;
  add(result, whole, n);
  add(result, mean, -left);
  return result;
}

LawNumbers TiedLaw::worst_of_two_values() const {
  const auto n = static_cast<double>(size_);
  const double k = std::max(1.0, curve_.acceptance_rate() * n), spread = std::sqrt(k);
  std::vector<double> expected = {0.5, 1.0, 2.0, 3.0, 5.0, 8.0, k - spread, k, k + spread, 0.25 * n, 0.5 * n};  // of n, the better value
  for (std::size_t i = 0, count = expected.size(); i < count; ++i) expected.push_back(n - expected[i]);
  std::map<std::int64_t, LawNumbers> found;
  LawNumbers worst;
  for (const double mean : expected) {
    const double p = mean / n;
    if (p <= 0.0 || p >= 1.0) continue;
    LawNumbers bias;
    add(bias, numbers_of_stretch(curve_, 0.0, 1.0 - p, true), -1.0);
    add(bias, numbers_of_stretch(curve_, 1.0 - p, 1.0, true), -1.0);
    const double reach = 6.0 * std::sqrt(n * p * (1.0 - p)) + 8.0;
    const auto fewest = static_cast<std::int64_t>(std::max(0.0, mean - reach)), most = static_cast<std::int64_t>(std::min(n, mean + reach));
    for (auto better = fewest; better <= most; ++better) {
      const auto [entry, added] = found.try_emplace(better);
      if (added) {
        std::vector<std::int64_t> multiplicity;
        if (better < size_) multiplicity.push_back(size_ - better);
        if (better > 0) multiplicity.push_back(better);
        entry->second = jackknife(multiplicity);
      }
      const auto x = static_cast<double>(better);
      add(bias, entry->second, std::exp(log_binomial(n, x) + x * std::log(p) + (n - x) * std::log1p(-p)));
    }
    worst.kl = std::max(worst.kl, std::abs(bias.kl));
    worst.quantile = std::max(worst.quantile, std::abs(bias.quantile));
    worst.square = std::max(worst.square, std::abs(bias.square));
  }
  return worst;
}

}  // namespace espalier::selection
