#pragma once

#include <functional>
#include <string>
#include <vector>

#include "runtime/selection/selection.h"

namespace espalier::selection {

// A filter in its place of a chain: each chooses from what the one before it accepted.
struct Link {
  std::string type;                                           // "filter.top_k"
  std::function<Selection(const FilterInput& input)> select;  // the filter's choice; may throw StageError
  bool by_condition = true;                                   // the group in which a law takes quantiles
  FilterInput whole = {};                                     // what it would choose from alone: every sample that is not excluded
};

// The rows of `whole` that were accepted before.
FilterInput offered(const FilterInput& whole, const Selection& before);

// What a link accepts of what was accepted before; weights are multiplied. Throws the filter's StageError.
Selection accept(const Link& link, const Selection& before);

// The law of a chain of two filters or more, all over one view, estimated: each condition's group is drawn again and again, as large as it
// is, from its own cached samples, and the chain applied. Copies of a score that several samples of a group share are equal; copies of a
// score that differs from all others are spread over the stretch around it. Likewise copies of a canonical key that several samples of a
// condition (of all, where a filter compares across conditions) share are equal; copies of a key that a single sample has are distinct
// objects. u is the quantile of the last filter's scores within its group; samples without a finite such score are no
// part of the base law. The KL is relative to drawing each sample of such a group alike, averaged over groups by what each accepts (with
// Miller's and Madow's correction). Where it can be (chain_jackknife.h) a jackknife corrects KL and E[u] for the few samples that stand for
// a condition's law; elsewhere `formula` names the bias. Redraws on which a filter throws are left out and counted in `formula`. Throws
// StageError where that leaves none.
Law chain_law(const std::vector<Link>& chain);

}  // namespace espalier::selection
