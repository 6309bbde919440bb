#include "runtime/selection/mix.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

namespace espalier::selection {
namespace {

using Rows = std::vector<std::size_t>;

void z_score(std::vector<double>& score, const Rows& rows) {
  const auto n = static_cast<double>(rows.size());
  double mean = 0.0, squares = 0.0;
  for (const auto row : rows) mean += score[row] / n;
  for (const auto row : rows) squares += (score[row] - mean) * (score[row] - mean) / n;
  const double deviation = std::sqrt(squares);
  for (const auto row : rows) score[row] = deviation > 0.0 ? (score[row] - mean) / deviation : 0.0;
}

void rank(std::vector<double>& score, Rows rows) {
  const auto n = static_cast<double>(rows.size());
  std::ranges::sort(rows, {}, [&](std::size_t row) { return score[row]; });
  for (std::size_t first = 0; first < rows.size();) {
    auto end = first;
    while (end < rows.size() && score[rows[end]] == score[rows[first]]) ++end;
    const double middle = 0.5 * static_cast<double>(first + end) / n;  // ranks first + 1 .. end: their mean less 1/2
    const Rows equal(rows.begin() + static_cast<std::ptrdiff_t>(first), rows.begin() + static_cast<std::ptrdiff_t>(end));
    first = end;
    for (const auto row : equal) score[row] = middle;
  }
}

}  // namespace

std::vector<double> mixed(const std::vector<std::vector<double>>& scores, const std::vector<double>& weights, Normalization normalization,
                          const std::vector<std::int64_t>& group) {
  std::map<std::int64_t, Rows> groups;
  std::vector<double> sum(group.size(), std::numeric_limits<double>::quiet_NaN());
  for (std::size_t i = 0; i < group.size(); ++i) {
    if (!std::ranges::all_of(scores, [&](const auto& one) { return std::isfinite(one[i]); })) continue;
    groups[group[i]].push_back(i);
    sum[i] = 0.0;
  }
  for (std::size_t j = 0; j < scores.size(); ++j) {
    auto score = scores[j];
    for (const auto& [which, rows] : groups) {
      if (normalization == Normalization::z_score) z_score(score, rows);
      if (normalization == Normalization::rank) rank(score, rows);
      for (const auto row : rows) sum[row] += weights[j] * score[row];
    }
  }
  return sum;
}

}  // namespace espalier::selection
