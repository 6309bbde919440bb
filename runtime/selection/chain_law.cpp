// The law of a chain of filters, by drawing its groups again and again.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <numeric>
#include <optional>
#include <span>

#include "runtime/base/errors.h"
#include "runtime/random/streams.h"
#include "runtime/selection/bootstrap.h"
#include "runtime/selection/chain_jackknife.h"
#include "runtime/selection/placed_kl.h"
#include "runtime/selection/redraw.h"

namespace espalier::selection {
namespace {

constexpr std::size_t kSamples = std::size_t{1} << 18;  // drawn in all, about; seconds of one core
constexpr std::size_t kFewest = 64, kMost = 4096;       // redraws
constexpr std::size_t kCells = 4096;                    // of u in [0, 1]
constexpr std::size_t kWidest = 64, kHeaviest = 256;    // a curve's stretch: at most 1/64 of u, or else 1/256 of what is accepted

struct Tally {
  explicit Tally(const Redraw& redraw) : rows(redraw.rows().size()) {}
  std::vector<Mass> rows;                                            // what was accepted of each row
  std::vector<double> quantiles = std::vector<double>(rows.size());  // the sum of its u
  WithinStretches within;
  std::vector<double> cells = std::vector<double>(kCells);  // and at which u
  double drawn = 0.0, count = 0.0, weight = 0.0;
  std::int64_t redraws = 0, refused = 0;
};

void add(const Redraw& redraw, const Redraw::View& view, const Selection& selection, Tally& tally) {
  for (std::size_t i = 0; i < selection.index.size(); ++i) {
    const auto drawn = static_cast<std::size_t>(selection.index[i]);
    const auto& row = redraw.rows()[view.row[drawn]];
    const double weight = selection.weight[i], part = view.part[drawn], u = row.from + (row.to - row.from) * part;
    tally.rows[view.row[drawn]].add(weight);
    if (!row.tied) tally.within.add(row.rank, row.group_size, part, weight);
    tally.cells[std::min(kCells - 1, static_cast<std::size_t>(u * kCells))] += weight;
    tally.weight += weight;
    tally.quantiles[view.row[drawn]] += weight * u;
  }
  tally.drawn += static_cast<double>(view.row.size());
  tally.count += static_cast<double>(selection.index.size());
  ++tally.redraws;
}

// What was accepted of each group; the KL and E[u] times its weight.
struct OfGroups {
  std::vector<double> kl, quantile, weight;
  double within = 0.0;  // KL within the stretches of rows whose score no other has, of all groups, times their weight

  std::vector<double> averages(std::span<const std::int64_t> drawn) const {
    double nats = 0.0, u = 0.0, accepted = 0.0, all = 0.0;
    for (const double one : weight) all += one;
    for (const auto number : drawn) {
      const auto i = static_cast<std::size_t>(number);
      nats += kl[i], u += quantile[i], accepted += weight[i];
    }
    if (accepted <= 0.0) return {0.0, 0.5};
    return {nats / accepted + within / all, u / accepted};
  }
};

// The interval moved to another middle: of a number that differs by a constant.
intervals::Interval shifted(const intervals::Interval& interval, double middle) {
  const double half = 0.5 * (interval.high - interval.low);
  return {middle - half, middle + half};
}

// By the chain rule: of the rows, each group's on its own, and within the stretch of a row whose score no other has.
OfGroups of_groups(const Redraw& redraw, const Tally& tally) {
  struct OfGroup {
    PlacedKl kl;
    double size = 0.0, weight = 0.0, quantile = 0.0;
  };
  std::map<std::int64_t, OfGroup> groups;
  for (std::size_t i = 0; i < tally.rows.size(); ++i) {
    auto& group = groups[redraw.rows()[i].group];
    group.kl.add(tally.rows[i]);
    group.size = static_cast<double>(redraw.rows()[i].group_size);
    group.weight += tally.rows[i].weight;
    group.quantile += tally.quantiles[i];
  }
  OfGroups result;
  for (const auto& [number, group] : groups) {
    result.kl.push_back(group.kl.weighted_nats(group.size));
    result.quantile.push_back(group.quantile);
    result.weight.push_back(group.weight);
  }
  result.within = tally.within.weighted_nats();
  return result;
}

// (sum a)^2 / sum a^2 over rows: the squares without what the redraws' chance adds, and those of a row spread over its stretch.
double effective_sample_size(const Redraw& redraw, const Tally& tally) {
  std::array<double, 2 * WithinStretches::kEnd + 1> spread{};
  for (std::size_t rank = 0; rank < spread.size(); ++rank) {
    double weight = 0.0, squares = 0.0;
    for (const auto& part : tally.within.parts[rank]) weight += part.weight, squares += part.weight * part.weight - part.square;
    spread[rank] = weight > 0.0 ? std::max(1.0, WithinStretches::kParts * squares / (weight * weight)) : 1.0;
  }
  double squares = 0.0;
  for (std::size_t i = 0; i < tally.rows.size(); ++i) {
    const auto& [weight, square] = tally.rows[i];
    const auto& row = redraw.rows()[i];
    squares += std::max(0.0, weight * weight - square) * (row.tied ? 1.0 : spread[WithinStretches::rank_class(row.rank, row.group_size)]);
  }
  const auto size = static_cast<double>(tally.rows.size());
  return squares > 0.0 ? std::min(size, tally.weight * tally.weight / squares) : size;
}

// w(u): neighbouring cells joined until they are wide or heavy enough.
void draw_curve(const Tally& tally, Law& law) {
  double from = 0.0, accepted = 0.0;
  for (std::size_t i = 0; i < kCells; ++i) {
    accepted += tally.cells[i];
    const double to = static_cast<double>(i + 1) / kCells;
    if (i + 1 < kCells && accepted * kHeaviest < tally.weight && (to - from) * kWidest < 1.0) continue;
    law.quantile.push_back(0.5 * (from + to));
    law.density.push_back(accepted / tally.weight / (to - from));
    from = to;
    accepted = 0.0;
  }
}

std::string formula(const std::vector<Link>& chain, const Tally& tally, const std::optional<ChainCorrection>& correction) {
  std::string types;
  for (const auto& link : chain) types += (types.empty() ? "" : ", then ") + link.type;
  auto text = fmt::format("{}: estimated by redrawing {} times{}", types, tally.redraws,
                          tally.refused == 0 ? "" : fmt::format("; {} redraws on which a filter gives up are left out", tally.refused));
  if (correction) return text + fmt::format("; corrected by a delete-one jackknife of {} conditions", correction->conditions);
  return text + fmt::format(
                    "; KL and E[u] are biased, since a group's few scores stand for its law: a jackknife corrects them where all "
                    "filters choose by condition, of {} to {} samples each",
                    kFewestJackknifed, kMostJackknifed);
}

}  // namespace

Law chain_law(const std::vector<Link>& chain) {
  const Redraw redraw(chain);
  Tally tally(redraw);
  const auto redraws = std::clamp((kSamples + redraw.rows().size() - 1) / redraw.rows().size(), kFewest, kMost);
  for (std::uint32_t round = 1; round <= redraws; ++round) {
    auto view = redraw.draw(round);
    Selection selection;
    if (apply(chain, view, selection)) {
      add(redraw, view, selection, tally);
    } else {
      ++tally.refused;
    }
  }
  if (tally.weight == 0.0) {
    throw StageError(
        fmt::format("{}: the law cannot be estimated: of {} redraws of the groups, {} were refused and the others accepted none",
                    chain.back().type, redraws, tally.refused));
  }
  const auto groups = of_groups(redraw, tally);
  const auto correction = chain_correction(chain);
  const auto add = correction ? correction->add : Correction{};
  const auto numbers = [&](std::span<const std::int64_t> drawn) {
    const auto plain = groups.averages(drawn);
    return std::vector{std::max(0.0, plain[0] + add.kl), std::clamp(plain[1] + add.quantile, 0.0, 1.0)};
  };
  std::vector<std::int64_t> once(groups.weight.size());
  std::iota(once.begin(), once.end(), 0);
  const auto values = numbers(once);
  const auto bounds = std::ssize(once) < intervals::kManyRows
                          ? intervals::bootstrap(std::ssize(once), values, numbers, random::streams::law_bootstrap(chain.back().whole.key))
                          : std::vector{shifted(intervals::infinitesimal_jackknife(groups.kl, groups.weight), values[0]),
                                        shifted(intervals::infinitesimal_jackknife(groups.quantile, groups.weight), values[1])};
  Law law;
  law.acceptance_rate = tally.count / tally.drawn;
  law.kl_nats = values[0], law.expected_quantile = values[1];
  law.kl_interval = bounds[0], law.quantile_interval = bounds[1];
  law.kl_interval.low = std::max(law.kl_interval.low, 0.0);
  law.effective_sample_size = effective_sample_size(redraw, tally);
  draw_curve(tally, law);
  law.formula = formula(chain, tally, correction);
  return law;
}

}  // namespace espalier::selection
