#include "runtime/selection/redraw.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "runtime/base/errors.h"
#include "runtime/random/streams.h"

namespace espalier::selection {
namespace {

bool needs_keys(const Link& link) { return !link.whole.canonical_key.empty(); }

// Positions in `rows` by group, each ascending in score; what is not finite is left out.
std::map<std::int64_t, std::vector<std::size_t>> ascending_positions(const Link& link, const std::vector<std::size_t>& rows) {
  std::map<std::int64_t, std::vector<std::size_t>> groups;
  for (std::size_t position = 0; position < rows.size(); ++position) {
    const auto row = rows[position];
    if (std::isfinite(link.whole.score[row])) groups[link.by_condition ? link.whole.condition[row] : 0].push_back(position);
  }
  for (auto& [group, members] : groups) {
    std::stable_sort(members.begin(), members.end(),
                     [&](std::size_t a, std::size_t b) { return link.whole.score[rows[a]] < link.whole.score[rows[b]]; });
  }
  return groups;
}

double middle(double a, double b) { return 0.5 * a + 0.5 * b; }

}  // namespace

Redraw::Redraw(const std::vector<Link>& chain) : chain_(chain) {
  const auto& last = chain.back().whole;
  for (std::size_t i = 0; i < last.score.size(); ++i) {
    if (!std::isfinite(last.score[i])) continue;
    conditions_[last.condition[i]].push_back(whole_.size());
    whole_.push_back(i);
  }
  if (whole_.empty()) throw StageError(chain.back().type + ": there are no finite scores to select from");
  for (const auto& link : chain) {
    rows_.assign(whole_.size(), {});  // the last link's stay
    auto& reach = reach_.emplace_back(whole_.size());
    for (const auto& [group, members] : ascending_positions(link, whole_)) {
      const auto score = [&](std::size_t rank) { return link.whole.score[whole_[members[rank]]]; };
      const auto size = static_cast<double>(members.size());
      for (std::size_t begin = 0, end = 0; begin < members.size(); begin = end) {
        while (end < members.size() && score(end) == score(begin)) ++end;
        const bool tied = end - begin > 1;
        const Reach here{tied || begin == 0 ? score(begin) : middle(score(begin - 1), score(begin)),
                         tied || end == members.size() ? score(begin) : middle(score(begin), score(end))};
        for (auto rank = begin; rank < end; ++rank) {
          reach[members[rank]] = here;
          rows_[members[rank]] = {group, members.size(), rank, static_cast<double>(begin) / size, static_cast<double>(end) / size, tied};
        }
      }
    }
  }
  names_.resize(whole_.size());
  shared_.resize(whole_.size());
  const auto asks = std::find_if(chain.begin(), chain.end(), needs_keys);
  const bool by_condition =
      std::all_of(chain.begin(), chain.end(), [](const Link& link) { return !needs_keys(link) || link.by_condition; });
  if (asks != chain.end()) share_keys(asks->whole, by_condition);
}

void Redraw::share_keys(const FilterInput& whole, bool by_condition) {
  std::map<std::string, std::string> names;  // filters may only compare keys, and short ones are cheap to copy
  std::map<std::pair<std::int64_t, std::string>, std::vector<std::size_t>> copies;
  for (std::size_t row = 0; row < whole_.size(); ++row) {
    const auto& key = whole.canonical_key[whole_[row]];
    if (key.empty()) continue;
    names_[row] = names.emplace(key, "k" + std::to_string(names.size())).first->second;
    copies[{by_condition ? whole.condition[whole_[row]] : 0, key}].push_back(row);
  }
  for (const auto& [key, rows] : copies) {
    for (const auto row : rows) shared_[row] = rows.size() > 1;
  }
}

Redraw::View Redraw::draw(std::uint32_t round) const {
  const auto seed = chain_.front().whole.key.seed;
  const auto links = static_cast<std::uint32_t>(chain_.size());
  std::vector<std::uint64_t> samples(rows_.size());
  std::iota(samples.begin(), samples.end(), 0);
  random::Draws draws(random::streams::redraw(seed, round, links), samples);
  draws.begin(0);
  const auto uniforms = draws.uniforms({2});  // [N, 2]
  const auto* uniform = uniforms.const_data_ptr<double>();
  View view;
  for (std::uint32_t link = 0; link < links; ++link) {
    view.inputs.emplace_back().key = random::streams::redraw_ties(seed, round, link);
  }
  std::vector<bool> drawn(rows_.size());
  for (const auto& [condition, members] : conditions_) {
    for (std::size_t i = 0; i < members.size(); ++i, uniform += 2) {
      const double at = uniform[0] * static_cast<double>(members.size());
      const auto member = std::min(members.size() - 1, static_cast<std::size_t>(at));
      const auto row = members[member];
      add({row, at - static_cast<double>(member), uniform[1], drawn[row]}, condition, view);
      drawn[row] = true;
    }
  }
  return view;
}

void Redraw::add(const Drawn& drawn, std::int64_t condition, View& view) const {
  const auto index = static_cast<std::int64_t>(view.row.size());
  view.row.push_back(drawn.row);
  view.part.push_back(rows_[drawn.row].tied ? drawn.other : drawn.part);
  for (std::size_t link = 0; link < chain_.size(); ++link) {
    auto& input = view.inputs[link];
    const auto& reach = reach_[link][drawn.row];
    const double score = chain_[link].whole.score[whole_[drawn.row]];
    input.score.push_back(std::isfinite(score) ? reach.low + (reach.high - reach.low) * drawn.part : score);
    input.condition.push_back(condition);
    input.index.push_back(index);
    if (!needs_keys(chain_[link])) continue;
    const auto& name = names_[drawn.row];
    const bool another = drawn.again && !shared_[drawn.row] && !name.empty();
    input.canonical_key.push_back(another ? "f" + std::to_string(index) : name);
  }
}

bool apply(const std::vector<Link>& chain, Redraw::View& view, Selection& selection) {
  selection = {view.inputs.front().index, std::vector<double>(view.row.size(), 1.0)};
  try {
    for (std::size_t i = 0; i < chain.size() && !selection.index.empty(); ++i) {
      selection = accept({chain[i].type, chain[i].select, chain[i].by_condition, std::move(view.inputs[i])}, selection);
    }
  } catch (const StageError&) {
    return false;
  }
  return true;
}

}  // namespace espalier::selection
