#include "runtime/exec/acceptance.h"

#include <algorithm>
#include <cmath>

#include "runtime/exec/excluded.h"
#include "runtime/selection/quantile.h"

namespace espalier::exec {
namespace {

constexpr std::size_t kListed = 5;  // conditions with the least and the most accepted

struct Tally {
  std::size_t condition = 0;
  std::int64_t accepted = 0, total = 0;
  double weight = 0.0;
  double share() const { return static_cast<double>(accepted) / static_cast<double>(total); }
};

// Of each condition that has a sample to choose.
std::vector<Tally> tallies(Context& context, const config::StageSpec& filter, const Selection& accepted, std::int64_t conditions) {
  const auto& scored = context.results.at(filter.input("scores")->tags.front());
  const auto condition = view_conditions(context, filter, scored.count);
  std::vector<Tally> all(static_cast<std::size_t>(conditions));
  const auto of = [&](std::int64_t index) -> Tally& {
    return all.at(static_cast<std::size_t>(condition.at(static_cast<std::size_t>(index))));
  };
  for (std::int64_t i = 0; i < scored.count; ++i) ++of(i).total;
  for (const auto index : excluded_samples(context, scored.samples)) --of(index).total;
  for (std::size_t i = 0; i < accepted.index.size(); ++i) {
    auto& tally = of(accepted.index[i]);
    ++tally.accepted;
    tally.weight += accepted.weight[i];
  }
  for (std::size_t c = 0; c < all.size(); ++c) all[c].condition = c;
  std::erase_if(all, [](const Tally& tally) { return tally.total == 0; });
  return all;
}

}  // namespace

AcceptanceRecord acceptance_by_condition(Context& context, const config::StageSpec& filter, const Selection& accepted) {
  const auto& conditions = context.spec.conditions(plan::samples_stage(context.spec, filter));
  auto all = tallies(context, filter, accepted, conditions.size());
  AcceptanceRecord record;
  record.conditions = std::ssize(all);
  if (all.empty()) return record;
  record.none_accepted = std::ranges::count(all, 0, &Tally::accepted);
  double sum = 0.0, squares = 0.0;
  for (const auto& tally : all) sum += tally.weight, squares += tally.weight * tally.weight;
  if (squares > 0.0) record.effective_conditions = sum * sum / squares;

  std::ranges::stable_sort(all, {}, &Tally::share);
  std::vector<double> shares;
  for (const auto& tally : all) shares.push_back(tally.share());
  record.minimum = shares.front(), record.maximum = shares.back();
  record.lower_quartile = selection::quantile(shares, 0.25), record.upper_quartile = selection::quantile(shares, 0.75);
  record.median = selection::quantile(shares, 0.5);
  const auto list = [&](std::vector<AcceptanceRecord::Condition>& listed) {
    for (std::size_t i = 0; i < std::min(kListed, all.size()); ++i) {
      listed.push_back({conditions.text.at(all[i].condition), all[i].accepted, all[i].total});
    }
  };
  list(record.least);
  std::ranges::stable_sort(
      all, [](const Tally& a, const Tally& b) { return a.share() != b.share() ? a.share() > b.share() : a.condition < b.condition; });
  list(record.most);
  return record;
}

}  // namespace espalier::exec
