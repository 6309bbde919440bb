#include "plugins/shared/layout/assignment.h"

#include <limits>

namespace espalier::layout {
namespace {

// Rows are at most as many as columns. Costs are negated scores; row_price + column_price <= cost holds throughout, with equality on
// assigned pairs.
class Solver {
 public:
  explicit Solver(const Scores& scores)
      : scores_(scores), row_price_(scores.rows, 0.0), column_price_(scores.columns, 0.0), row_of_(scores.columns, kUnassigned) {
    for (std::size_t row = 0; row < scores.rows; ++row) add(row);
  }
  const std::vector<std::size_t>& row_of() const { return row_of_; }

 private:
  // Dijkstra from the row over alternating paths until a free column, then flips the path.
  void add(std::size_t start) {
    const std::size_t columns = scores_.columns;
    std::vector<double> distance(columns, std::numeric_limits<double>::infinity());
    std::vector<std::size_t> before(columns, kUnassigned);  // the column the path comes from
    std::vector<bool> done(columns, false);
    std::size_t row = start, column = kUnassigned;
    double reached = 0.0;
    while (true) {
      std::size_t nearest = kUnassigned;
      for (std::size_t j = 0; j < columns; ++j) {
        if (done[j]) continue;
        const double through = reached - scores_.at(row, j) - row_price_[row] - column_price_[j];
        if (through < distance[j]) {
          distance[j] = through;
          before[j] = column;
        }
        if (nearest == kUnassigned || distance[j] < distance[nearest]) nearest = j;
      }
      column = nearest;
      done[column] = true;
      reached = distance[column];
      if (row_of_[column] == kUnassigned) break;
      row = row_of_[column];
    }
    reprice(start, distance, done, reached);
    for (std::size_t at = column; at != kUnassigned; at = before[at]) row_of_[at] = before[at] == kUnassigned ? start : row_of_[before[at]];
  }

  void reprice(std::size_t start, const std::vector<double>& distance, const std::vector<bool>& done, double reached) {
    row_price_[start] += reached;
    for (std::size_t j = 0; j < scores_.columns; ++j) {
      if (!done[j]) continue;
      const double change = reached - distance[j];
      column_price_[j] -= change;
      if (row_of_[j] != kUnassigned) row_price_[row_of_[j]] += change;
    }
  }

  const Scores& scores_;
  std::vector<double> row_price_, column_price_;
  std::vector<std::size_t> row_of_;
};

}  // namespace

std::vector<std::size_t> best_assignment(const Scores& scores) {
  std::vector<std::size_t> column_of(scores.rows, kUnassigned);
  if (scores.rows <= scores.columns) {
    const Solver solver(scores);
    for (std::size_t column = 0; column < scores.columns; ++column) {
      if (solver.row_of()[column] != kUnassigned) column_of[solver.row_of()[column]] = column;
    }
    return column_of;
  }
  Scores turned{scores.columns, scores.rows, {}};
  for (std::size_t column = 0; column < scores.columns; ++column) {
    for (std::size_t row = 0; row < scores.rows; ++row) turned.value.push_back(scores.at(row, column));
  }
  return Solver(turned).row_of();
}

}  // namespace espalier::layout
