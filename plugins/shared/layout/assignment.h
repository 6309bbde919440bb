#pragma once

#include <cstddef>
#include <vector>

namespace espalier::layout {

// A matrix of scores, row by row.
struct Scores {
  std::size_t rows = 0, columns = 0;
  std::vector<double> value;
  double at(std::size_t row, std::size_t column) const { return value[row * columns + column]; }
};

// The column of each row in a one-to-one assignment of min(rows, columns) pairs with the largest sum of scores; kUnassigned for the rows
// left over. Kuhn's Hungarian method by shortest augmenting paths, O(n^2 m) of n <= m (Jonker and Volgenant 1987). Scores are finite.
inline constexpr std::size_t kUnassigned = static_cast<std::size_t>(-1);
std::vector<std::size_t> best_assignment(const Scores& scores);

}  // namespace espalier::layout
