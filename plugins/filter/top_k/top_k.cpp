// Accepts the k best of each group: k = 1 is best of n, the selection of RAFT and GRAFT.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "plugins/filter/top_k/curve.h"
#include "runtime/base/errors.h"
#include "runtime/sdk/plugin.h"

namespace {

using espalier::FilterInput;
using espalier::Law;
using espalier::Selection;
using espalier::top_k::Curve;

struct Row {
  double score = 0.0;
  double tie = 0.0;  // the trajectory's own draw: the larger wins
  std::int64_t index = 0;
};
using Groups = std::map<std::int64_t, std::vector<Row>>;  // by condition, best first

// A stretch [from, to] of a group's empirical quantiles: either distinct scores, or one score that several samples share.
struct Stretch {
  double from = 0.0;
  double to = 0.0;
  bool tied = false;
};

std::vector<Stretch> stretches(const std::vector<Row>& group) {
  std::vector<Stretch> result;
  const auto size = static_cast<double>(group.size());
  for (std::size_t end = group.size(); end > 0;) {  // from the worst, u = 0
    std::size_t begin = end - 1;
    while (begin > 0 && group[begin - 1].score == group[end - 1].score) {
      --begin;
    }
    const bool tied = end - begin > 1;
    const double to = (size - static_cast<double>(begin)) / size;
    if (!tied && !result.empty() && !result.back().tied) {
      result.back().to = to;
    } else {
      result.push_back({(size - static_cast<double>(end)) / size, to, tied});
    }
    end = begin;
  }
  return result;
}

// The mean of w over a score that samples share: ties are broken at random, so that each of them has it.
double mean_density(const Curve& curve, const Stretch& stretch) {
  return curve.accepted(stretch.from, stretch.to) / (stretch.to - stretch.from);
}

double density(const Curve& curve, const std::vector<Stretch>& group, double u) {
  for (const auto& stretch : group) {
    if (u <= stretch.to) {
      return stretch.tied ? mean_density(curve, stretch) : curve.density(u);
    }
  }
  return curve.density(u);
}

// Sums over groups, each weighted by the samples it accepts.
struct Totals {
  double accepted = 0.0;
  double valid = 0.0;
  double kl = 0.0;
  double continuous_kl = 0.0;
  double quantile = 0.0;
  bool tied = false;

  void add(const Curve& curve, const std::vector<Stretch>& group, double count, double size) {
    accepted += count;
    valid += size;
    continuous_kl += count * curve.kl();
    for (const auto& [from, to, shared] : group) {
      const double mass = curve.accepted(from, to);
      tied = tied || shared;
      if (!shared) {
        kl += count * curve.kl(from, to);
        quantile += count * curve.quantile_sum(from, to);
      } else if (mass > 0.0) {
        kl += count * mass * std::log(mass / (to - from));
        quantile += count * mass * 0.5 * (from + to);
      }
    }
  }
};

class TopK final : public espalier::Filter {
 public:
  void options(espalier::Schema& schema) override {
    schema.integer("k", k_, "Samples accepted of each group; 1 is best of n.").at_least(1).at_most(1e9);
    schema.choice("group_by", group_by_, {"condition", "all"}, "What competes: the samples of one condition, or all of them.");
  }

  bool by_condition() const override { return group_by_ == "condition"; }

  void check_view(const espalier::PlannedView& view) const override {
    const auto largest = by_condition() ? view.samples_per_condition : view.size;
    if (k_ <= largest) return;
    throw espalier::ConfigError(
        by_condition()
            ? fmt::format("filter.top_k: k = {}, but a condition has {} samples (samples_per_condition of the sampler); "
                          "take a smaller k or more samples_per_condition",
                          k_, largest)
            : fmt::format("filter.top_k: k = {}, but there are {} samples in all; take a smaller k or more samples", k_, largest));
  }

  Selection select(const FilterInput& input) const override {
    std::vector<std::int64_t> accepted;
    for (const auto& [condition, group] : groups(input)) {
      for (std::size_t i = 0; i < count(group); ++i) {
        accepted.push_back(group[i].index);
      }
    }
    std::sort(accepted.begin(), accepted.end());
    std::vector<double> weight(accepted.size(), 1.0);
    return {std::move(accepted), std::move(weight)};
  }

  Law law(const FilterInput& input) const override {
    const auto all = groups(input);
    std::map<std::size_t, Curve> curves;  // by group size
    Totals totals;
    for (const auto& [condition, group] : all) {
      const auto& curve = curves.try_emplace(group.size(), static_cast<std::int64_t>(count(group)), size(group)).first->second;
      totals.add(curve, stretches(group), static_cast<double>(count(group)), static_cast<double>(group.size()));
    }
    Law law;
    law.acceptance_rate = totals.accepted / totals.valid;
    law.kl_nats = std::max(0.0, totals.kl / totals.accepted);
    law.expected_quantile = totals.quantile / totals.accepted;
    law.quantile = curves.rbegin()->second.points();
    law.density = mean_densities(all, curves, law.quantile, totals.accepted);
    law.formula = formula(curves.begin()->first, curves.rbegin()->first);
    if (totals.tied) {
      law.formula += fmt::format(", averaged over tied scores; without ties the KL would be {:.3f} nats, an upper bound",
                                 totals.continuous_kl / totals.accepted);
    }
    return law;
  }

 private:
  static std::int64_t size(const std::vector<Row>& group) { return static_cast<std::int64_t>(group.size()); }
  std::size_t count(const std::vector<Row>& group) const { return std::min(group.size(), static_cast<std::size_t>(k_)); }

  // The valid samples of each group, best first. Neither depends on the order of the rows.
  Groups groups(const FilterInput& input) const {
    Groups result;
    if (input.index.empty()) {
      throw espalier::StageError("filter.top_k: there are no scores to select from");
    }
    espalier::random::Draws draws(input.key, {input.index.begin(), input.index.end()});
    draws.begin(0);
    const auto ties = draws.uniforms({});  // [N]
    const auto* tie = ties.const_data_ptr<double>();
    for (std::size_t i = 0; i < input.score.size(); ++i) {
      if (std::isfinite(input.score[i])) {
        result[group_by_ == "all" ? 0 : input.condition[i]].push_back({input.score[i], tie[i], input.index[i]});
      }
    }
    std::size_t largest = 0;
    for (auto& [condition, group] : result) {
      std::sort(group.begin(), group.end(), [](const Row& a, const Row& b) {
        return a.score != b.score ? a.score > b.score : a.tie != b.tie ? a.tie > b.tie : a.index < b.index;
      });
      largest = std::max(largest, group.size());
    }
    if (largest < static_cast<std::size_t>(k_)) {
      throw espalier::StageError(
          fmt::format("filter.top_k: k = {}, but no group has more than {} samples with a finite score (of {} in all); "
                      "take a smaller k or more samples_per_condition",
                      k_, largest, input.score.size()));
    }
    return result;
  }

  std::vector<double> mean_densities(const Groups& all, const std::map<std::size_t, Curve>& curves, const std::vector<double>& quantiles,
                                     double accepted) const {
    std::vector<double> result(quantiles.size(), 0.0);
    for (const auto& [condition, group] : all) {
      const auto& curve = curves.at(group.size());
      const auto parts = stretches(group);
      for (std::size_t i = 0; i < quantiles.size(); ++i) {
        result[i] += static_cast<double>(count(group)) / accepted * density(curve, parts, quantiles[i]);
      }
    }
    return result;
  }

  std::string formula(std::size_t smallest, std::size_t largest) const {
    const std::string sizes = smallest == largest ? fmt::format("{}", largest) : fmt::format("{} to {}", smallest, largest);
    return fmt::format("w(u) = (M/k) sum_(j<k) C(M-1,j) u^(M-1-j) (1-u)^j, k = {}, M = {}", k_, sizes);
  }

  std::int64_t k_ = 1;
  std::string group_by_ = "condition";
};

}  // namespace

ESPALIER_PLUGIN(plugin) {
  plugin.filter<TopK>("top_k", /*numerics_version=*/1, "Accepts the k best samples of each condition (k = 1: best of n) or of all.");
}
