#include "runtime/selection/groups.h"

#include <ATen/core/Tensor.h>

#include <algorithm>
#include <cmath>
#include <string_view>

namespace espalier::selection {

Groups groups(const FilterInput& input, bool by_condition) {
  Groups result;
  for (std::size_t row = 0; row < input.score.size(); ++row) {
    if (std::isfinite(input.score[row])) result[by_condition ? input.condition[row] : 0].push_back(row);
  }
  return result;
}

Groups ascending_groups(const FilterInput& input, bool by_condition) {
  auto result = groups(input, by_condition);
  for (auto& [group, rows] : result) {
    std::stable_sort(rows.begin(), rows.end(), [&](std::size_t a, std::size_t b) { return input.score[a] < input.score[b]; });
  }
  return result;
}

Groups ranked_groups(const FilterInput& input, bool by_condition) {
  auto result = groups(input, by_condition);
  const auto draw = tie_draws(input);
  for (auto& [group, rows] : result) {
    std::sort(rows.begin(), rows.end(), [&](std::size_t a, std::size_t b) {
      return input.score[a] != input.score[b] ? input.score[a] > input.score[b]
             : draw[a] != draw[b]             ? draw[a] > draw[b]
                                              : input.index[a] < input.index[b];
    });
  }
  return result;
}

std::vector<double> tie_draws(const FilterInput& input) {
  random::Draws draws(input.key, {input.index.begin(), input.index.end()});
  draws.begin(0);
  const auto uniforms = draws.uniforms({});  // [N]
  return {uniforms.const_data_ptr<double>(), uniforms.const_data_ptr<double>() + uniforms.numel()};
}

std::vector<std::int64_t> multiplicities(const FilterInput& input, bool by_condition) {
  std::vector<std::int64_t> result(input.score.size(), 0);
  for (const auto& [group, rows] : groups(input, by_condition)) {
    std::map<std::string_view, std::int64_t> copies;
    for (const auto row : rows) ++copies[input.canonical_key[row]];
    for (const auto row : rows) result[row] = input.canonical_key[row].empty() ? 0 : copies.at(input.canonical_key[row]);
  }
  return result;
}

Selection select_rows(const FilterInput& input, const std::vector<std::size_t>& rows) {
  Selection selection;
  for (const auto row : rows) selection.index.push_back(input.index[row]);
  std::sort(selection.index.begin(), selection.index.end());
  selection.weight.assign(rows.size(), 1.0);
  return selection;
}

std::vector<std::int64_t> multiplicities_of_scores(const FilterInput& input, const std::vector<std::size_t>& ascending) {
  std::vector<std::int64_t> result;
  for (std::size_t rank = 0; rank < ascending.size(); ++rank) {
    if (rank == 0 || input.score[ascending[rank]] != input.score[ascending[rank - 1]]) result.push_back(0);
    ++result.back();
  }
  return result;
}

std::vector<Stretch> stretches(const FilterInput& input, const std::vector<std::size_t>& ascending) {
  std::vector<Stretch> result;
  const auto size = static_cast<double>(ascending.size());
  for (std::size_t begin = 0, end = 0; begin < ascending.size(); begin = end) {
    while (end < ascending.size() && input.score[ascending[end]] == input.score[ascending[begin]]) ++end;
    const bool tied = end - begin > 1;
    const double to = static_cast<double>(end) / size;
    if (!tied && !result.empty() && !result.back().tied) {
      result.back().to = to;
    } else {
      result.push_back({static_cast<double>(begin) / size, to, tied});
    }
  }
  return result;
}

}  // namespace espalier::selection
