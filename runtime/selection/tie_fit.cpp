#include "runtime/selection/tie_fit.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace espalier::selection {
namespace {

constexpr LawNumbers kRows[] = {
#define ESPALIER_TIE_ROWS
#include "runtime/selection/tie_table.inc"
#undef ESPALIER_TIE_ROWS
};

constexpr double kBest[] = {
#define ESPALIER_TIE_BEST
#include "runtime/selection/tie_table.inc"
#undef ESPALIER_TIE_BEST
};
constexpr std::int64_t kTied = std::ssize(kBest) / 2;  // corrections of 2 to kTied + 1; the last number is the bias

double binomial(std::int64_t n, std::int64_t k) {
  double result = 1.0;
  for (std::int64_t i = 1; i <= k; ++i) result *= static_cast<double>(n - k + i) / static_cast<double>(i);
  return result;
}

double harmonic(std::int64_t n) {
  double sum = 0.0;
  for (std::int64_t i = n; i > 0; --i) sum += 1.0 / static_cast<double>(i);
  return sum;
}

// How many subsets have each tie pattern: [count][pattern], the samples taken so far and the bits of the pattern among them.
class Subsets {
 public:
  explicit Subsets(std::int64_t samples) : samples_(samples), number_(static_cast<std::size_t>(samples) + 1) {
    for (std::int64_t count = 0; count <= samples; ++count) number_[at(count)].resize(patterns(count));
    number_[0][0] = 1.0;
  }

  // `sharing` samples above all others: of one score, or each of its own.
  void add(std::int64_t sharing, bool one_score) {
    // From the largest count down: what is added has more samples than what it is made of.
    for (std::int64_t count = samples_ - 1; count >= 0; --count) {
      for (std::int64_t taken = 1; taken <= std::min(sharing, samples_ - count); ++taken) {
        const double ways = binomial(sharing, taken);
        const std::size_t tied = one_score ? ((std::size_t{1} << (taken - 1)) - 1) << count : 0;
        for (std::size_t pattern = 0; pattern < patterns(count); ++pattern) {
          number_[at(count + taken)][pattern | tied] += ways * number_[at(count)][pattern];
        }
      }
    }
  }

  const std::vector<double>& whole() const { return number_.back(); }

 private:
  static std::size_t at(std::int64_t count) { return static_cast<std::size_t>(count); }
  static std::size_t patterns(std::int64_t count) { return std::size_t{1} << std::max<std::int64_t>(0, count - 1); }
  std::int64_t samples_;
  std::vector<std::vector<double>> number_;
};

std::vector<TieFit> make_fits() {
  std::vector<TieFit> fits;
#define ESPALIER_TIE_FIT(samples, k, of, row, kl, quantile, square) fits.push_back({samples, k, of, {kl, quantile, square}, row});
#include "runtime/selection/tie_table.inc"
#undef ESPALIER_TIE_FIT
  return fits;
}

}  // namespace

const std::vector<TieFit>& TieFit::all() {
  static const auto fits = make_fits();
  return fits;
}

LawNumbers TieFit::estimate(const std::vector<std::int64_t>& multiplicity) const {
  Subsets subsets(samples);
  std::int64_t distinct = 0;  // neighbouring scores that one sample has each
  for (const auto sharing : multiplicity) {
    if (sharing == 1) {
      ++distinct;
      continue;
    }
    if (distinct > 0) subsets.add(distinct, false);
    distinct = 0;
    subsets.add(sharing, true);
  }
  if (distinct > 0) subsets.add(distinct, false);
  LawNumbers sum;
  double whole = 0.0;
  for (std::size_t pattern = 0; pattern < subsets.whole().size(); ++pattern) {
    const double number = subsets.whole()[pattern];
    const auto& [kl, quantile, square] = kRows[row + pattern];
    whole += number;
    sum.kl += number * kl, sum.quantile += number * quantile, sum.square += number * square;
  }
  return {sum.kl / whole, sum.quantile / whole, sum.square / whole};
}

double best_of_n_kl(std::int64_t n, std::int64_t tied) {
  const auto size = static_cast<double>(n);
  if (tied == 1) return std::log(size) - (size - 1.0) / size;
  if (tied == n) return 0.0;
  const double uncorrected = harmonic(n) - harmonic(tied);
  if (tied > kTied + 1) return uncorrected;
  return uncorrected + kBest[tied - 2] + kBest[kTied + tied - 2] / size;
}

double best_of_n_kl_worst_bias() { return kBest[2 * kTied]; }

}  // namespace espalier::selection
