#include "runtime/selection/chain_jackknife.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <set>

#include "runtime/selection/placed_kl.h"
#include "runtime/selection/redraw.h"

namespace espalier::selection {
namespace {

constexpr std::uint32_t kFirstRound = 1U << 20;         // beyond the rounds of chain_law()
constexpr std::int64_t kRedraws = 2000;                 // of each condition: each of n samples is missing in a third of them
constexpr std::int64_t kDraws = std::int64_t{1} << 22;  // in all, about; seconds of one core

// The rows of these conditions.
std::vector<Link> of_conditions(const std::vector<Link>& chain, const std::set<std::int64_t>& conditions) {
  auto part = chain;
  for (auto& link : part) {
    Selection rows;
    for (std::size_t row = 0; row < link.whole.index.size(); ++row) {
      if (conditions.contains(link.whole.condition[row])) rows.index.push_back(link.whole.index[row]);
    }
    link.whole = offered(link.whole, rows);
  }
  return part;
}

// Up to as many conditions as may be redrawn, spread over those with enough samples; none where these are not half of all.
std::set<std::int64_t> conditions_to_redraw(const FilterInput& last) {
  std::map<std::int64_t, std::int64_t> sizes;
  for (std::size_t row = 0; row < last.score.size(); ++row) sizes[last.condition[row]] += std::isfinite(last.score[row]) ? 1 : 0;
  std::vector<std::int64_t> fit;
  std::int64_t samples = 0;
  for (const auto& [condition, size] : sizes) {
    if (size < kFewestJackknifed || size > kMostJackknifed) continue;
    fit.push_back(condition);
    samples += size;
  }
  if (fit.empty() || 2 * fit.size() < sizes.size()) return {};
  const auto most = static_cast<std::size_t>(std::max<std::int64_t>(1, kDraws / kRedraws * std::ssize(fit) / samples));
  std::set<std::int64_t> taken;
  for (std::size_t i = 0; i < std::min(most, fit.size()); ++i) taken.insert(fit[i * fit.size() / std::min(most, fit.size())]);
  return taken;
}

// What was accepted of a condition's n rows, in all redraws or in those without one of them.
struct Accepted {
  std::vector<Mass> rows;
  double weight = 0.0, quantile = 0.0;

  void add(std::size_t row, double more, double u) {
    rows[row].add(more);
    weight += more;
    quantile += more * u;
  }
  double kl(double possible) const {
    PlacedKl kl;
    for (const auto& row : rows) kl.add(row);
    return kl.weighted_nats(possible) / weight;
  }
};

class Condition {
 public:
  Condition(const Redraw& redraw, std::vector<std::size_t> rows)
      : rows_(std::move(rows)), whole_{std::vector<Mass>(rows_.size())}, without_(rows_.size(), whole_), drawn_(rows_.size()) {
    for (const auto row : rows_) of_.push_back(redraw.rows()[row]);
  }

  void begin() { std::fill(drawn_.begin(), drawn_.end(), false); }
  void draw(std::size_t row) { drawn_[place(row)] = true; }
  void add(std::size_t row, double weight, double part, WithinStretches& within, WithinStretches& within_without) {
    const auto at = place(row);
    const auto& here = of_[at];
    whole_.add(at, weight, quantile(at, part, nullptr));
    if (!here.tied) within.add(here.rank, here.group_size, part, weight);
    for (std::size_t i = 0; i < rows_.size(); ++i) {
      if (drawn_[i]) continue;
      without_[i].add(at, weight, quantile(at, part, &of_[i]));
      if (!here.tied) within_without.add(here.rank - (of_[i].rank < here.rank ? 1 : 0), here.group_size - 1, part, weight);
    }
  }

  double weight() const { return whole_.weight; }
  double weight_without() const {
    return std::accumulate(without_.begin(), without_.end(), 0.0, [](double sum, const Accepted& one) { return sum + one.weight; });
  }
  std::size_t size() const { return rows_.size(); }
  // Nothing where the redraws without some sample accepted nothing.
  std::optional<Correction> correction() const {
    const auto n = static_cast<double>(rows_.size());
    Correction mean;
    for (const auto& without : without_) {
      if (without.weight <= 0.0) return {};
      mean.kl += without.kl(n - 1.0) / n;
      mean.quantile += without.quantile / without.weight / n;
    }
    return Correction{(n - 1.0) * (whole_.kl(n) - mean.kl), (n - 1.0) * (whole_.quantile / whole_.weight - mean.quantile)};
  }

 private:
  std::size_t place(std::size_t row) const {
    return static_cast<std::size_t>(std::lower_bound(rows_.begin(), rows_.end(), row) - rows_.begin());
  }

  // Where a part of a row's stretch of quantiles lies, among all of the condition or all but one.
  double quantile(std::size_t at, double part, const Redraw::Row* missing) const {
    const auto n = static_cast<double>(rows_.size());
    double low = of_[at].from * n, high = of_[at].to * n, size = n;
    if (missing != nullptr) {
      size -= 1.0;
      if (missing->from < of_[at].to) high -= 1.0;
      if (missing->from < of_[at].from) low -= 1.0;
    }
    return (low + (high - low) * part) / size;
  }

  std::vector<std::size_t> rows_;  // ascending
  std::vector<Redraw::Row> of_;
  Accepted whole_;
  std::vector<Accepted> without_;  // each row
  std::vector<bool> drawn_;        // in this redraw
};

}  // namespace

std::optional<ChainCorrection> chain_correction(const std::vector<Link>& chain) {
  if (std::ranges::any_of(chain, [](const Link& link) { return !link.by_condition; })) return {};
  const auto taken = conditions_to_redraw(chain.back().whole);
  if (taken.empty()) return {};
  const auto part = of_conditions(chain, taken);
  const Redraw redraw(part);
  std::vector<Condition> conditions;
  std::vector<std::size_t> condition_of(redraw.rows().size());
  for (const auto& [number, rows] : redraw.conditions()) {
    for (const auto row : rows) condition_of[row] = conditions.size();
    conditions.emplace_back(redraw, rows);
  }
  WithinStretches within, within_without;
  for (std::uint32_t round = 0; round < kRedraws; ++round) {
    auto view = redraw.draw(kFirstRound + round);
    Selection selection;
    if (!apply(part, view, selection)) continue;
    for (auto& condition : conditions) condition.begin();
    for (const auto row : view.row) conditions[condition_of[row]].draw(row);
    for (std::size_t i = 0; i < selection.index.size(); ++i) {
      const auto drawn = static_cast<std::size_t>(selection.index[i]);
      conditions[condition_of[view.row[drawn]]].add(view.row[drawn], selection.weight[i], view.part[drawn], within, within_without);
    }
  }
  ChainCorrection sum;
  double weight = 0.0, weight_without = 0.0, others = 0.0;  // of all that `within` is of
  double corrected = 0.0;
  for (const auto& condition : conditions) {
    weight += condition.weight(), weight_without += condition.weight_without();
    others += condition.weight() * static_cast<double>(condition.size() - 1);
    const auto correction = condition.weight() > 0.0 ? condition.correction() : std::nullopt;
    if (!correction) continue;
    corrected += condition.weight();
    sum.add.kl += condition.weight() * correction->kl, sum.add.quantile += condition.weight() * correction->quantile;
    ++sum.conditions;
  }
  if (corrected <= 0.0) return {};
  sum.add.kl /= corrected, sum.add.quantile /= corrected;
  // By the chain rule the rest of the KL is within the stretches of rows, of which each condition has too few to be taken alone.
  sum.add.kl += others / weight * (within.weighted_nats() / weight - within_without.weighted_nats() / weight_without);
  return sum;
}

}  // namespace espalier::selection
