#pragma once

#include <map>
#include <string>
#include <vector>

#include "runtime/selection/chain.h"

namespace espalier::selection {

// Draws a view again from its own samples, for chain_law(). It draws from the rows whose last score is finite, of each condition as many as
// there are.
class Redraw {
 public:
  explicit Redraw(const std::vector<Link>& chain);

  // A row that is drawn from, as the last link receives it.
  struct Row {
    std::int64_t group = 0;       // in which quantiles are taken
    std::size_t group_size = 0;   // rows
    std::size_t rank = 0;         // in its group, from the worst; of equals any order
    double from = 0.0, to = 0.0;  // its stretch of quantiles; equal scores share one
    bool tied = false;            // with others of its group
  };
  const std::vector<Row>& rows() const { return rows_; }
  const std::map<std::int64_t, std::vector<std::size_t>>& conditions() const { return conditions_; }  // each one's rows, ascending

  struct View {
    std::vector<FilterInput> inputs;  // of each link; trajectory i is the i-th sample drawn
    std::vector<std::size_t> row;     // where in rows() each sample is from
    std::vector<double> part;         // where in its row's stretch of quantiles each sample lies, in (0, 1)
  };
  View draw(std::uint32_t round) const;  // a function of the round and the chain's seed alone

 private:
  // Of a score in one link: a point where others of the group share it, else a stretch half-way to its neighbours.
  struct Reach {
    double low = 0.0, high = 0.0;
  };
  struct Drawn {
    std::size_t row;
    double part, other;  // two uniform draws: where in its score's stretch, and where among those that share a score
    bool again;          // drawn before in this view
  };
  void share_keys(const FilterInput& whole, bool by_condition);
  void add(const Drawn& drawn, std::int64_t condition, View& view) const;

  const std::vector<Link>& chain_;
  std::vector<Row> rows_;
  std::vector<std::size_t> whole_;                               // of each row, its place in the links' inputs
  std::map<std::int64_t, std::vector<std::size_t>> conditions_;  // their rows
  std::vector<std::vector<Reach>> reach_;                        // [link][row]
  std::vector<std::string> names_;                               // of each row's key, short; "" none
  std::vector<bool> shared_;  // whether others have its key, of the condition or, where a filter compares across conditions, of all
};

// What the chain accepts of one redrawn view, whose inputs are used up; false where a filter throws StageError.
bool apply(const std::vector<Link>& chain, Redraw::View& view, Selection& selection);

}  // namespace espalier::selection
