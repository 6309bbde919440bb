#include "runtime/selection/chain.h"

#include <algorithm>

namespace espalier::selection {

FilterInput offered(const FilterInput& whole, const Selection& before) {
  FilterInput part;
  part.key = whole.key;
  for (std::size_t row = 0; row < whole.index.size(); ++row) {
    if (!std::binary_search(before.index.begin(), before.index.end(), whole.index[row])) continue;
    part.score.push_back(whole.score[row]);
    part.condition.push_back(whole.condition[row]);
    part.index.push_back(whole.index[row]);
    if (!whole.canonical_key.empty()) part.canonical_key.push_back(whole.canonical_key[row]);
  }
  return part;
}

Selection accept(const Link& link, const Selection& before) {
  auto selection = link.select(offered(link.whole, before));
  for (std::size_t i = 0; i < selection.index.size(); ++i) {
    const auto found = std::lower_bound(before.index.begin(), before.index.end(), selection.index[i]);
    selection.weight[i] *= before.weight[static_cast<std::size_t>(found - before.index.begin())];
  }
  return selection;
}

}  // namespace espalier::selection
