#include "plugins/trainer/sft/reward_weights.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>

namespace espalier::sft {

std::vector<double> tilted(const std::vector<double>& weight, const std::vector<double>& score, double temperature) {
  double largest = -std::numeric_limits<double>::infinity();
  for (std::size_t i = 0; i < score.size(); ++i) largest = std::max(largest, score[i] / temperature);
  std::vector<double> share(score.size());
  for (std::size_t i = 0; i < score.size(); ++i) share[i] = weight[i] * std::exp(score[i] / temperature - largest);
  const double sum = std::accumulate(share.begin(), share.end(), 0.0);
  for (auto& value : share) value /= sum;
  return share;
}

std::vector<double> weights_by_condition(const std::vector<double>& weight, const std::vector<double>& score,
                                         const std::vector<std::int64_t>& condition, double temperature) {
  std::map<std::int64_t, std::vector<std::size_t>> rows;
  for (std::size_t i = 0; i < condition.size(); ++i) rows[condition[i]].push_back(i);
  const double mean = std::accumulate(weight.begin(), weight.end(), 0.0) / static_cast<double>(weight.size());
  std::vector<double> result(weight.size());
  for (const auto& [one, members] : rows) {
    std::vector<double> weights, scores;
    for (const auto row : members) {
      weights.push_back(weight[row]);
      scores.push_back(score[row]);
    }
    const double total = std::accumulate(weights.begin(), weights.end(), 0.0);
    const auto share = tilted(weights, scores, temperature);
    for (std::size_t i = 0; i < members.size(); ++i) result[members[i]] = total / mean * share[i];
  }
  return result;
}

}  // namespace espalier::sft
