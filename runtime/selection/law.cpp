#include "runtime/selection/law.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "runtime/base/errors.h"
#include "runtime/selection/accepted_density.h"
#include "runtime/selection/groups.h"
#include "runtime/selection/measured_law.h"

namespace espalier::selection {
namespace {

// `of`: what the probability is a function of, for the message.
double checked(const std::string& who, double probability, const char* of, double value) {
  if (probability >= 0.0 && probability <= 1.0) return probability;
  throw PluginError(fmt::format("{}: acceptance() gave the probability {} for the {} {}; it is from 0 to 1", who, probability, of, value));
}

[[noreturn]] void refuse_none(const std::string& who, std::size_t samples) {
  throw StageError(fmt::format("{}: none of {} samples with a finite score can be accepted; loosen the filter", who, samples));
}

// One group of a law by quantiles.
struct Group {
  const AcceptedDensity& curve;
  std::int64_t size;
  double accepted;  // samples, on average
  std::vector<Stretch> stretches;

  // The mean of w over a score that samples share, each of which has it.
  double density(double u) const {
    for (const auto& [from, to, tied] : stretches) {
      if (u <= to) return tied ? curve.accepted(from, to) / (to - from) : curve.density(u);
    }
    return curve.density(u);
  }
};

// Sums over groups, each weighted by the samples it accepts.
struct Totals {
  double accepted = 0.0;
  double valid = 0.0;
  double kl = 0.0;
  double continuous_kl = 0.0;
  double quantile = 0.0;
  bool tied = false;

  void add(const Group& group) {
    const auto& curve = group.curve;
    accepted += group.accepted;
    continuous_kl += group.accepted * curve.kl();
    for (const auto& [from, to, shared] : group.stretches) {
      const double mass = curve.accepted(from, to);
      tied = tied || shared;
      if (!shared) {
        kl += group.accepted * curve.kl(from, to);
        quantile += group.accepted * curve.quantile_sum(from, to);
      } else if (mass > 0.0) {
        kl += group.accepted * mass * std::log(mass / (to - from));
        quantile += group.accepted * mass * 0.5 * (from + to);
      }
    }
  }
};

Law quantile_law(const std::string& who, const FilterInput& input, const Groups& all, const ByQuantile& acceptance) {
  std::map<std::int64_t, AcceptedDensity> curves;  // by group size
  std::vector<Group> groups;
  Totals totals;  // `valid` also of groups that accept nothing
  for (const auto& [number, rows] : all) {
    const auto size = static_cast<std::int64_t>(rows.size());
    auto found = curves.find(size);
    if (found == curves.end()) {
      const auto probability = [&who, size, accepts = acceptance.probability](double u) {
        return checked(who, accepts(u, size), "quantile", u);
      };
      found = curves.emplace(size, AcceptedDensity(probability, size)).first;
    }
    totals.valid += static_cast<double>(size);
    if (found->second.acceptance_rate() <= 0.0) continue;
    const auto& group = groups.emplace_back(
        Group{found->second, size, found->second.acceptance_rate() * static_cast<double>(size), stretches(input, rows)});
    totals.add(group);
  }
  if (groups.empty()) refuse_none(who, static_cast<std::size_t>(totals.valid));
  Law law;
  law.acceptance_rate = std::min(1.0, totals.accepted / totals.valid);
  law.kl_nats = std::max(0.0, totals.kl / totals.accepted);
  law.expected_quantile = totals.quantile / totals.accepted;
  const auto largest = std::max_element(groups.begin(), groups.end(), [](const Group& a, const Group& b) { return a.size < b.size; });
  law.quantile = largest->curve.points();
  for (const double u : law.quantile) {
    double density = 0.0;
    for (const auto& group : groups) density += group.accepted / totals.accepted * group.density(u);
    law.density.push_back(density);
  }
  if (totals.tied) {
    law.formula = fmt::format(", averaged over tied scores; without ties the KL would be {:.3f} nats, an upper bound",
                              totals.continuous_kl / totals.accepted);
  }
  return law;
}

// Each sample's probability, for a law that is measured.
std::vector<Judged> judged(const std::string& who, const FilterInput& input, const Groups& all, bool by_condition,
                           const Acceptance& acceptance) {
  const auto* by_score = std::get_if<ByScore>(&acceptance);
  const auto copies = by_score ? std::vector<std::int64_t>() : multiplicities(input, by_condition);
  std::vector<Judged> samples;
  for (const auto& [group, rows] : all) {
    for (const auto row : rows) {
      const double score = input.score[row];
      const double probability = by_score ? checked(who, by_score->probability(score), "score", score)
                                          : checked(who, std::get<ByMultiplicity>(acceptance).probability(copies[row]), "multiplicity",
                                                    static_cast<double>(copies[row]));
      samples.push_back({group, score, probability});
    }
  }
  return samples;
}

}  // namespace

Law law(const std::string& who, const FilterInput& input, bool by_condition, const Acceptance& acceptance, std::string formula) {
  const auto all = ascending_groups(input, by_condition);
  if (all.empty()) throw StageError(fmt::format("{}: none of {} samples has a finite score", who, input.score.size()));
  Law law;
  if (const auto* by_quantile = std::get_if<ByQuantile>(&acceptance)) {
    law = quantile_law(who, input, all, *by_quantile);
  } else {
    auto samples = judged(who, input, all, by_condition, acceptance);
    if (std::none_of(samples.begin(), samples.end(), [](const Judged& sample) { return sample.acceptance > 0.0; }))
      refuse_none(who, samples.size());
    law = measured_law(std::move(samples));
  }
  law.formula = formula + law.formula;
  return law;
}

}  // namespace espalier::selection
