#pragma once

#include <map>
#include <vector>

#include "runtime/selection/selection.h"

// Which samples compete, in which order, and who shares what.
namespace espalier::selection {

// Rows of an input by group: by condition, or all in group 0. Samples without a finite score are in none.
using Groups = std::map<std::int64_t, std::vector<std::size_t>>;

Groups groups(const FilterInput& input, bool by_condition);            // rows in the input's order
Groups ascending_groups(const FilterInput& input, bool by_condition);  // by score, the worst first; equals in the input's order
// The best first; ties are broken by the trajectories' draws, so that no order of rows matters.
Groups ranked_groups(const FilterInput& input, bool by_condition);

// [N], uniform in (0, 1): each trajectory's own draw.
std::vector<double> tie_draws(const FilterInput& input);

// [N], how many samples of its group have a row's canonical key, itself included; 0 for a row without a key or without a finite score.
std::vector<std::int64_t> multiplicities(const FilterInput& input, bool by_condition);

// The selection of these rows, each once and in any order, with weight 1.
Selection select_rows(const FilterInput& input, const std::vector<std::size_t>& rows);

// How many samples of a group share each of its scores, ascending: {2, 1} of the scores 0.5, 0.5, 0.7.
std::vector<std::int64_t> multiplicities_of_scores(const FilterInput& input, const std::vector<std::size_t>& ascending);

// A stretch [from, to] of a group's empirical quantiles: distinct scores, or one score that several samples share.
struct Stretch {
  double from = 0.0;
  double to = 0.0;
  bool tied = false;
};

// The stretches that cover [0, 1], ascending. Neighbouring distinct scores make one stretch.
std::vector<Stretch> stretches(const FilterInput& input, const std::vector<std::size_t>& ascending);

}  // namespace espalier::selection
