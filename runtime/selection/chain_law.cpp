// The law of a chain of filters, by drawing its groups again and again.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "runtime/base/errors.h"
#include "runtime/selection/redraw.h"

namespace espalier::selection {
namespace {

constexpr std::size_t kSamples = std::size_t{1} << 18;  // drawn in all, about; seconds of one core
constexpr std::size_t kFewest = 64, kMost = 4096;       // redraws
constexpr std::size_t kCells = 4096;                    // of u in [0, 1]
constexpr std::size_t kWidest = 64, kHeaviest = 256;    // a curve's stretch: at most 1/64 of u, or else 1/256 of what is accepted
constexpr std::size_t kParts = 8;                       // of a row's stretch
constexpr std::size_t kEnd = 32;                        // rows at either end of a group whose stretches are kept apart

// Weights of what was accepted at some place, and their squares.
struct Mass {
  double weight = 0.0, square = 0.0;
  void add(double more) { weight += more, square += more * more; }
};

// The KL of what was accepted to a law in which all of `possible` places are alike. Miller and Madow: a plug-in KL over K places that occur
// is too large by (K - 1)/(2 n), n the number of samples.
struct PlacedKl {
  double sum = 0.0;  // of m log m
  double places = 0.0;
  Mass whole;
  void add(const Mass& place) {
    if (place.weight <= 0.0) return;
    sum += place.weight * std::log(place.weight);
    places += 1.0;
    whole.weight += place.weight, whole.square += place.square;
  }
  // Times the weight of the whole.
  double weighted_nats(double possible) const {
    if (whole.weight <= 0.0) return 0.0;
    return sum + whole.weight * std::log(possible / whole.weight) - 0.5 * (places - 1.0) * whole.square / whole.weight;
  }
};

struct Tally {
  explicit Tally(const Redraw& redraw) : rows(redraw.rows().size()) {}
  std::vector<Mass> rows;                                      // what was accepted of each row
  std::array<std::array<Mass, kParts>, 2 * kEnd + 1> parts{};  // and in which part of its stretch, by the row's rank
  std::vector<double> cells = std::vector<double>(kCells);     // and at which u
  double drawn = 0.0, count = 0.0, weight = 0.0, quantile = 0.0;
  std::int64_t redraws = 0, refused = 0;
};

// Where the shape within a row's stretch is counted: alike for equal ranks from the top or, in the lower half, from the bottom.
std::size_t rank_class(const Redraw::Row& row) {
  const auto from_top = row.group_size - 1 - row.rank;
  if (from_top <= row.rank) return std::min(from_top, kEnd);
  return row.rank < kEnd ? kEnd + 1 + row.rank : kEnd;
}

// What the chain accepts of one redrawn view, whose inputs are used up; false where a filter throws StageError.
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

void add(const Redraw& redraw, const Redraw::View& view, const Selection& selection, Tally& tally) {
  for (std::size_t i = 0; i < selection.index.size(); ++i) {
    const auto drawn = static_cast<std::size_t>(selection.index[i]);
    const auto& row = redraw.rows()[view.row[drawn]];
    const double weight = selection.weight[i], part = view.part[drawn], u = row.from + (row.to - row.from) * part;
    tally.rows[view.row[drawn]].add(weight);
    if (!row.tied) tally.parts[rank_class(row)][std::min(kParts - 1, static_cast<std::size_t>(part * kParts))].add(weight);
    tally.cells[std::min(kCells - 1, static_cast<std::size_t>(u * kCells))] += weight;
    tally.weight += weight;
    tally.quantile += weight * u;
  }
  tally.drawn += static_cast<double>(view.row.size());
  tally.count += static_cast<double>(selection.index.size());
  ++tally.redraws;
}

// By the chain rule: of the rows, each group's on its own, and within the stretch of a row whose score no other has.
double kl_nats(const Redraw& redraw, const Tally& tally) {
  std::map<std::int64_t, std::pair<PlacedKl, double>> groups;
  for (std::size_t i = 0; i < tally.rows.size(); ++i) {
    auto& [kl, size] = groups[redraw.rows()[i].group];
    kl.add(tally.rows[i]);
    size = static_cast<double>(redraw.rows()[i].group_size);
  }
  double sum = 0.0;
  for (const auto& [group, kl_and_size] : groups) sum += kl_and_size.first.weighted_nats(kl_and_size.second);
  for (const auto& parts : tally.parts) {
    PlacedKl within;
    for (const auto& part : parts) within.add(part);
    sum += within.weighted_nats(kParts);
  }
  return std::max(0.0, sum / tally.weight);
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

std::string formula(const std::vector<Link>& chain, const Tally& tally) {
  std::string types;
  for (const auto& link : chain) types += (types.empty() ? "" : ", then ") + link.type;
  return fmt::format("{}: estimated by redrawing {} times{}", types, tally.redraws,
                     tally.refused == 0 ? "" : fmt::format("; {} redraws on which a filter gives up are left out", tally.refused));
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
  Law law;
  law.acceptance_rate = tally.count / tally.drawn;
  law.kl_nats = kl_nats(redraw, tally);
  law.expected_quantile = tally.quantile / tally.weight;
  draw_curve(tally, law);
  law.formula = formula(chain, tally);
  return law;
}

}  // namespace espalier::selection
