#include "runtime/selection/accepted_density.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace espalier::selection {
namespace {

constexpr std::int64_t kCells = 4096;      // at least so many, a multiple of M
constexpr std::int64_t kMaxCells = 16384;  // of a large M

// Gauss and Legendre's 5 points on [0, 1].
constexpr std::array<double, 5> kAbscissa = {0.04691007703066800360, 0.23076534494715845448, 0.5, 0.76923465505284154552,
                                             0.95308992296933199640};
constexpr std::array<double, 5> kWeight = {0.11846344252809454376, 0.23931433524968323402, 0.28444444444444444444, 0.23931433524968323402,
                                           0.11846344252809454376};

template <class Integrand>
double gauss(double from, double width, const Integrand& integrand) {
  double sum = 0.0;
  for (std::size_t i = 0; i < kAbscissa.size(); ++i) sum += kWeight[i] * width * integrand(from + kAbscissa[i] * width);
  return sum;
}

}  // namespace

AcceptedDensity::AcceptedDensity(std::function<double(double)> acceptance, std::int64_t group_size) : acceptance_(std::move(acceptance)) {
  const std::int64_t cells = group_size > kMaxCells ? kMaxCells : group_size * ((kCells + group_size - 1) / group_size);
  const double width = 1.0 / static_cast<double>(cells);
  std::vector<double> values;  // of a, five a cell
  long double total = 0.0L;    // many small terms
  for (std::int64_t cell = 0; cell < cells; ++cell) {
    total += gauss(static_cast<double>(cell) * width, width, [&](double u) { return values.emplace_back(acceptance_(u)); });
  }
  rate_ = static_cast<double>(total);
  for (auto& sums : sums_) sums = {0.0};
  for (std::int64_t cell = 0; cell < cells; ++cell) {
    const double from = static_cast<double>(cell) * width;
    std::array<double, 4> sum{};
    for (std::size_t i = 0; i < kAbscissa.size(); ++i) {
      const double w = values[static_cast<std::size_t>(cell) * kAbscissa.size() + i] / std::max(rate_, 1e-300);
      const double share = kWeight[i] * width * w;
      sum[kMass] += share;
      sum[kQuantile] += share * (from + kAbscissa[i] * width);
      sum[kKl] += w > 0.0 ? share * std::log(w) : 0.0;
      sum[kSquare] += share * w;
    }
    for (std::size_t kind = 0; kind < sum.size(); ++kind) sums_[kind].push_back(sums_[kind].back() + sum[kind]);
  }
}

double AcceptedDensity::integrand(Kind kind, double u) const {
  const double w = density(u);
  if (kind == kMass) return w;
  if (kind == kQuantile) return u * w;
  if (kind == kSquare) return w * w;
  return w > 0.0 ? w * std::log(w) : 0.0;
}

double AcceptedDensity::integral_to(Kind kind, double u) const {
  const auto& sums = sums_[kind];
  const double place = u * static_cast<double>(sums.size() - 1);
  const auto node = std::min(sums.size() - 1, static_cast<std::size_t>(place + 1e-9));
  const double from = static_cast<double>(node) / static_cast<double>(sums.size() - 1);
  if (std::abs(place - static_cast<double>(node)) < 1e-9) return sums[node];
  return sums[node] + gauss(from, u - from, [&](double at) { return integrand(kind, at); });
}

std::vector<double> AcceptedDensity::points() const {
  constexpr int kPieces = 100;
  std::vector<double> result;
  for (int i = 0; i <= kPieces; ++i) {
    result.push_back(static_cast<double>(i) / kPieces);
    double low = 0.0;
    double high = 1.0;
    while (high - low > 1e-9) {  // the u below which i of kPieces parts of the accepted samples lie
      const double middle = 0.5 * (low + high);
      (integral_to(kMass, middle) < static_cast<double>(i) / kPieces ? low : high) = middle;
    }
    result.push_back(high);
  }
  std::sort(result.begin(), result.end());
  result.erase(std::unique(result.begin(), result.end(), [](double a, double b) { return b - a < 1e-7; }), result.end());
  result.back() = 1.0;
  return result;
}

}  // namespace espalier::selection
