#include "runtime/selection/law.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <map>
#include <memory>
#include <numeric>
#include <set>
#include <span>
#include <utility>

#include "runtime/base/errors.h"
#include "runtime/random/streams.h"
#include "runtime/selection/accepted_density.h"
#include "runtime/selection/bootstrap.h"
#include "runtime/selection/groups.h"
#include "runtime/selection/measured_law.h"
#include "runtime/selection/tied_law.h"

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

// What the numbers of a group are a function of: its size and how many samples share each of its scores. Groups of few samples have few.
using Pattern = std::pair<std::int64_t, std::vector<std::int64_t>>;

// One group of a law by quantiles.
struct Group {
  const AcceptedDensity& curve;
  std::int64_t size;
  double accepted;  // samples, on average
  std::vector<std::int64_t> multiplicity;
  std::vector<Stretch> stretches;

  bool tied() const { return std::ssize(multiplicity) < size; }
  Pattern pattern() const { return {size, multiplicity}; }

  // The mean of w over a score that samples share, each of which has it.
  double density(double u) const {
    for (const auto& [from, to, tied] : stretches) {
      if (u <= to) return tied ? curve.accepted(from, to) / (to - from) : curve.density(u);
    }
    return curve.density(u);
  }
};

// What groups of one size have in common.
struct OfSize {
  AcceptedDensity curve;
  std::unique_ptr<TiedLaw> tied;  // made for the first group that has ties
};

// Numbers of each group, whose averages are the law's.
struct Estimates {
  std::vector<double> accepted, kl, quantile, square;
  double kl_bias = 0.0, quantile_bias = 0.0;
  std::set<std::string> methods;  // of ties; none: closed forms
};

// Where no score ties, the base is continuous as far as anybody knows; where all of a group do, it has one value.
Estimates estimate(const std::vector<Group>& groups, std::map<std::int64_t, OfSize>& sizes) {
  const auto flat = [](const Group& group) { return group.curve.kl() < 1e-9; };
  const bool distinct = std::ranges::none_of(groups, [&](const Group& group) { return group.tied() && !flat(group); });
  const bool one_value = std::ranges::all_of(groups, [](const Group& group) { return group.multiplicity.size() == 1; });
  Estimates result;
  const auto numbers_of = [&](const Group& group) {
    auto& [curve, tied] = sizes.at(group.size);
    if (distinct || one_value) return numbers_of_stretch(curve, 0.0, 1.0, one_value && group.size > 1);
    if (tied == nullptr) {
      tied = std::make_unique<TiedLaw>(curve, group.size);
      const auto worst = tied->worst_bias();
      result.kl_bias = std::max(result.kl_bias, worst.kl);
      result.quantile_bias = std::max(result.quantile_bias, worst.quantile);
      result.methods.insert(tied->method());
    }
    return tied->estimate(group.multiplicity);
  };
  std::map<Pattern, LawNumbers> known;
  for (const auto& group : groups) {
    const auto [found, added] = known.try_emplace(group.pattern());
    auto& numbers = found->second;
    if (added) numbers = numbers_of(group);
    result.accepted.push_back(group.accepted);
    result.kl.push_back(numbers.kl);
    result.quantile.push_back(numbers.quantile);
    result.square.push_back(std::max(1.0, numbers.square));
  }
  return result;
}

// Averages over the groups that were drawn, each weighted by the samples that it accepts.
std::vector<double> averages(const Estimates& groups, std::span<const std::int64_t> drawn) {
  double accepted = 0.0, kl = 0.0, quantile = 0.0;
  for (const auto number : drawn) {
    const auto i = static_cast<std::size_t>(number);
    accepted += groups.accepted[i];
    kl += groups.accepted[i] * groups.kl[i];
    quantile += groups.accepted[i] * groups.quantile[i];
  }
  return {std::max(0.0, kl / accepted), std::clamp(quantile / accepted, 0.0, 1.0)};
}

// The intervals of KL and E[u], the groups drawn again.
std::array<intervals::Interval, 2> bounds_of(const Estimates& groups, std::span<const std::int64_t> once, const random::StreamKey& key) {
  if (std::ssize(once) < intervals::kManyRows) {
    const auto found = intervals::bootstrap(
        std::ssize(once), averages(groups, once), [&](std::span<const std::int64_t> drawn) { return averages(groups, drawn); }, key);
    return {found[0], found[1]};
  }
  std::vector<double> kl, quantile;
  for (std::size_t i = 0; i < groups.accepted.size(); ++i) {
    kl.push_back(groups.accepted[i] * groups.kl[i]);
    quantile.push_back(groups.accepted[i] * groups.quantile[i]);
  }
  return {intervals::infinitesimal_jackknife(kl, groups.accepted), intervals::infinitesimal_jackknife(quantile, groups.accepted)};
}

// (sum a)^2 / sum a^2 over samples: of a group, sum a = accepted and sum a^2 = accepted^2 / M E[w^2].
double effective_sample_size(const std::vector<Group>& groups, const Estimates& estimates) {
  double sum = 0.0, squares = 0.0;
  for (std::size_t i = 0; i < groups.size(); ++i) {
    sum += groups[i].accepted;
    squares += groups[i].accepted * groups[i].accepted / static_cast<double>(groups[i].size) * estimates.square[i];
  }
  return sum * sum / squares;
}

std::string described(const std::vector<Group>& groups, const Estimates& estimates) {
  double accepted = 0.0, kl = 0.0;
  for (const auto& group : groups) accepted += group.accepted, kl += group.accepted * group.curve.kl();
  const auto methods = fmt::format("{}", fmt::join(estimates.methods, " or "));
  const auto how = methods.empty() ? std::string()
                                   : fmt::format(", estimated {} (bias of the KL at most {:.2g} nats, of E[u] {:.2g})", methods,
                                                 estimates.kl_bias, estimates.quantile_bias);
  return fmt::format(", averaged over tied scores{}; without ties the KL would be {:.3f} nats, an upper bound", how, kl / accepted);
}

void draw_curve(const std::vector<Group>& groups, Law& law) {
  double accepted = 0.0;
  std::map<Pattern, std::pair<const Group*, double>> alike;  // and what all of a pattern accept
  for (const auto& group : groups) {
    accepted += group.accepted;
    alike.try_emplace(group.pattern(), &group, 0.0).first->second.second += group.accepted;
  }
  const auto largest = std::ranges::max_element(groups, {}, &Group::size);
  law.quantile = largest->curve.points();
  for (const double u : law.quantile) {
    double density = 0.0;
    for (const auto& [pattern, some] : alike) density += some.second / accepted * some.first->density(u);
    law.density.push_back(density);
  }
}

Law quantile_law(const std::string& who, const FilterInput& input, const Groups& all, const ByQuantile& acceptance) {
  std::map<std::int64_t, OfSize> sizes;
  std::vector<Group> groups;  // those that accept something
  double valid = 0.0, accepted = 0.0;
  for (const auto& [number, rows] : all) {
    const auto size = std::ssize(rows);
    if (!sizes.contains(size)) {
      const auto probability = [&who, size, accepts = acceptance.probability](double u) {
        return checked(who, accepts(u, size), "quantile", u);
      };
      sizes.emplace(size, OfSize{AcceptedDensity(probability, size), nullptr});
    }
    const auto& curve = sizes.at(size).curve;
    valid += static_cast<double>(size);
    if (curve.acceptance_rate() <= 0.0) continue;
    groups.push_back(
        {curve, size, curve.acceptance_rate() * static_cast<double>(size), multiplicities_of_scores(input, rows), stretches(input, rows)});
    accepted += groups.back().accepted;
  }
  if (groups.empty()) refuse_none(who, static_cast<std::size_t>(valid));
  const auto estimates = estimate(groups, sizes);
  std::vector<std::int64_t> once(groups.size());
  std::iota(once.begin(), once.end(), 0);
  const auto values = averages(estimates, once);
  const auto bounds = bounds_of(estimates, once, random::streams::law_bootstrap(input.key));
  Law law;
  law.acceptance_rate = std::min(1.0, accepted / valid);
  law.kl_nats = values[0], law.expected_quantile = values[1];
  law.kl_interval = bounds[0], law.quantile_interval = bounds[1];
  law.kl_bias = estimates.kl_bias, law.quantile_bias = estimates.quantile_bias;
  law.effective_sample_size = effective_sample_size(groups, estimates);
  draw_curve(groups, law);
  const bool tied = std::ranges::any_of(groups, [](const Group& group) { return group.tied() && group.curve.kl() >= 1e-9; });
  if (tied) law.formula = described(groups, estimates);
  return law;
}

constexpr std::int64_t kFewestCorrected = 16, kMostCorrected = 256;  // samples of a group

std::vector<Judged> judged_group(const std::string& who, const ByScoreInGroup& acceptance, std::int64_t group,
                                 const std::vector<double>& ascending, std::int64_t group_size) {
  const auto probabilities = acceptance.probabilities(ascending, group_size);
  if (probabilities.size() != ascending.size()) {
    throw PluginError(fmt::format("{}: acceptance() gave {} probabilities for {} scores; it gives one each", who, probabilities.size(),
                                  ascending.size()));
  }
  std::vector<Judged> samples;
  for (std::size_t i = 0; i < ascending.size(); ++i) {
    samples.push_back({group, ascending[i], checked(who, probabilities[i], "score", ascending[i])});
  }
  return samples;
}

// The delete-one jackknife's estimate of minus a group's bias; none where a sample is all that is accepted.
Correction jackknife(const std::string& who, const ByScoreInGroup& acceptance, const std::vector<double>& ascending) {
  const auto size = std::ssize(ascending);
  const auto whole = numbers_of_group(judged_group(who, acceptance, 0, ascending, size));
  GroupNumbers mean;
  for (std::size_t left_out = 0; left_out < ascending.size(); ++left_out) {
    auto others = ascending;
    others.erase(others.begin() + static_cast<std::ptrdiff_t>(left_out));
    const auto numbers = numbers_of_group(judged_group(who, acceptance, 0, others, size));
    if (numbers.accepted <= 0.0) return {};
    mean.kl += numbers.kl / static_cast<double>(size);
    mean.quantile += numbers.quantile / static_cast<double>(size);
  }
  const auto others = static_cast<double>(size - 1);
  return {others * (whole.kl - mean.kl), others * (whole.quantile - mean.quantile)};
}

// By scores: measured, corrected in groups of a size for which that is worth it and takes no long time.
Law score_law(const std::string& who, const FilterInput& input, const Groups& all, const ByScoreInGroup& acceptance) {
  std::vector<Judged> samples;
  std::map<std::int64_t, Correction> corrections;
  std::int64_t smallest = std::numeric_limits<std::int64_t>::max();
  for (const auto& [group, rows] : all) {
    std::vector<double> ascending;
    for (const auto row : rows) ascending.push_back(input.score[row]);
    const auto size = std::ssize(rows);
    const auto of_group = judged_group(who, acceptance, group, ascending, size);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      samples.push_back(of_group[i]);
      samples.back().condition = input.condition[rows[i]];
    }
    smallest = std::min(smallest, size);
    if (size >= kFewestCorrected && size <= kMostCorrected) corrections[group] = jackknife(who, acceptance, ascending);
  }
  if (std::ranges::none_of(samples, [](const Judged& sample) { return sample.acceptance > 0.0; })) refuse_none(who, samples.size());
  auto law = measured_law(std::move(samples), random::streams::law_bootstrap(input.key), corrections);
  if (smallest < kFewestCorrected) {
    law.formula = fmt::format(
        "; measured on groups of {} samples or more with their own scores as the base: KL and E[u] are biased, and "
        "corrected from {} samples a group on",
        smallest, kFewestCorrected);
  } else if (!corrections.empty()) {
    law.formula = "; measured, corrected by a delete-one jackknife within each group";
  }
  return law;
}

Law multiplicity_law(const std::string& who, const FilterInput& input, const Groups& all, bool by_condition,
                     const ByMultiplicity& acceptance) {
  const auto copies = multiplicities(input, by_condition);
  std::vector<Judged> samples;
  for (const auto& [group, rows] : all) {
    for (const auto row : rows) {
      const double probability = checked(who, acceptance.probability(copies[row]), "multiplicity", static_cast<double>(copies[row]));
      samples.push_back({group, input.score[row], probability, input.condition[row]});
    }
  }
  if (std::ranges::none_of(samples, [](const Judged& sample) { return sample.acceptance > 0.0; })) refuse_none(who, samples.size());
  return measured_law(std::move(samples), random::streams::law_bootstrap(input.key));
}

}  // namespace

Law law(const std::string& who, const FilterInput& input, bool by_condition, const Acceptance& acceptance, std::string formula) {
  const auto all = ascending_groups(input, by_condition);
  if (all.empty()) throw StageError(fmt::format("{}: none of {} samples has a finite score", who, input.score.size()));
  Law law;
  if (const auto* by_quantile = std::get_if<ByQuantile>(&acceptance)) {
    law = quantile_law(who, input, all, *by_quantile);
  } else if (const auto* by_score = std::get_if<ByScore>(&acceptance)) {
    law = score_law(who, input, all, {[&](const std::vector<double>& ascending, std::int64_t) {
                      std::vector<double> probabilities;
                      for (const double score : ascending) probabilities.push_back(by_score->probability(score));
                      return probabilities;
                    }});
  } else if (const auto* in_group = std::get_if<ByScoreInGroup>(&acceptance)) {
    law = score_law(who, input, all, *in_group);
  } else {
    law = multiplicity_law(who, input, all, by_condition, std::get<ByMultiplicity>(acceptance));
  }
  law.kl_interval.low = std::max(law.kl_interval.low, 0.0);  // NaN stays: there is no interval
  law.formula = std::move(formula) + law.formula;
  return law;
}

}  // namespace espalier::selection
