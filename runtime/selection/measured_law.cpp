#include "runtime/selection/measured_law.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>

#include "runtime/selection/bootstrap.h"

namespace espalier::selection {
namespace {

constexpr std::int64_t kWork = std::int64_t{1} << 28;  // samples of all resamples, about; a second

struct Sums {
  double accepted = 0.0, kl = 0.0, quantile = 0.0;
};

// Adds to each of `places` (of each sample of a group) how the group's sums react to the sample's weight, where all count once.
void add_influences(std::span<const Judged> group, std::span<const std::size_t> places, const Correction& correction,
                    std::vector<Sums>& influences) {
  const auto size = static_cast<double>(group.size());
  double accepted = 0.0;
  for (const auto& sample : group) accepted += sample.acceptance;
  if (accepted <= 0.0) return;
  double placed = 0.0;  // sum of a_j (B_j + H_j / 2), B_j the samples below j, H_j those of its score
  double below = 0.0, accepted_below = 0.0;
  const auto stretches = [&](const auto& visit) {
    below = accepted_below = 0.0;
    for (std::size_t begin = 0, end = 0; begin < group.size(); begin = end) {
      double shared = 0.0;
      for (; end < group.size() && group[end].score == group[begin].score; ++end) shared += group[end].acceptance;
      const auto here = static_cast<double>(end - begin);
      visit(begin, end, shared, here);
      below += here;
      accepted_below += shared;
    }
  };
  stretches([&](std::size_t, std::size_t, double shared, double here) { placed += shared * (below + 0.5 * here); });
  stretches([&](std::size_t begin, std::size_t end, double shared, double here) {
    const double of_others = accepted - accepted_below - 0.5 * shared;  // what of `placed` reacts to one more sample of this score
    for (auto i = begin; i < end; ++i) {
      const double a = group[i].acceptance;
      auto& influence = influences[places[i]];
      influence.accepted += a;
      influence.kl += (a > 0.0 ? a * std::log(a) : 0.0) + a * (std::log(size / accepted) + correction.kl - 1.0) + accepted / size;
      influence.quantile += (a * (below + 0.5 * here) + of_others) / size - placed / (size * size) + a * correction.quantile;
    }
  });
}

// Adds a group whose i-th sample comes `count(i)` times.
template <class Count>
void add_group(std::span<const Judged> group, const Count& count, const Correction& correction, Sums& sums) {
  double size = 0.0, accepted = 0.0, logs = 0.0;
  for (std::size_t i = 0; i < group.size(); ++i) {
    const double a = group[i].acceptance, mass = count(i) * a;
    size += count(i);
    accepted += mass;
    if (mass > 0.0) logs += mass * std::log(a);
  }
  if (accepted <= 0.0) return;
  double below = 0.0, quantile = 0.0;
  for (std::size_t begin = 0, end = 0; begin < group.size(); begin = end) {
    double shared = 0.0, here = 0.0;
    for (; end < group.size() && group[end].score == group[begin].score; ++end) {
      shared += count(end) * group[end].acceptance;
      here += count(end);
    }
    quantile += shared * (below + 0.5 * here) / size;
    below += here;
  }
  sums.accepted += accepted;
  sums.kl += logs + accepted * (std::log(size / accepted) + correction.kl);
  sums.quantile += quantile + accepted * correction.quantile;
}

// Adds what is accepted evenly over [from, to] of u.
void spread(double accepted, double from, double to, std::array<double, kLevels>& mass) {
  for (int level = static_cast<int>(from * kLevels); level < kLevels && level < to * kLevels; ++level) {
    const double overlap = std::min(to, (level + 1.0) / kLevels) - std::max(from, static_cast<double>(level) / kLevels);
    mass[static_cast<std::size_t>(level)] += accepted * std::max(0.0, overlap) / (to - from);
  }
}

void draw_group(std::span<const Judged> group, std::array<double, kLevels>& mass) {
  const auto size = static_cast<double>(group.size());
  for (std::size_t begin = 0, end = 0; begin < group.size(); begin = end) {
    double shared = 0.0;
    for (; end < group.size() && group[end].score == group[begin].score; ++end) shared += group[end].acceptance;
    spread(shared, static_cast<double>(begin) / size, static_cast<double>(end) / size, mass);
  }
}

// The samples of a law, by group and score.
class Samples {
 public:
  Samples(std::vector<Judged> samples, const std::map<std::int64_t, Correction>& corrections) : samples_(std::move(samples)) {
    std::sort(samples_.begin(), samples_.end(),
              [](const Judged& a, const Judged& b) { return a.group != b.group ? a.group < b.group : a.score < b.score; });
    std::vector<std::int64_t> conditions;
    for (const auto& sample : samples_) {
      if (conditions.empty() || conditions.back() != sample.condition) conditions.push_back(sample.condition);
    }
    std::ranges::sort(conditions);
    conditions.erase(std::ranges::unique(conditions).begin(), conditions.end());
    conditions_ = conditions.size();
    for (const auto& sample : samples_) {
      const bool as_before = !condition_.empty() && conditions[condition_.back()] == sample.condition;
      condition_.push_back(as_before
                               ? condition_.back()
                               : static_cast<std::size_t>(std::ranges::lower_bound(conditions, sample.condition) - conditions.begin()));
    }
    for (std::size_t begin = 0, end = 0; begin < samples_.size(); begin = end) {
      while (end < samples_.size() && samples_[end].group == samples_[begin].group) ++end;
      const auto found = corrections.find(samples_[begin].group);
      groups_.push_back(
          {begin, std::span(samples_).subspan(begin, end - begin), found == corrections.end() ? Correction{} : found->second});
    }
  }

  // Of the samples with each condition as often as it was drawn.
  Sums sums(std::span<const std::int64_t> drawn) const {
    std::vector<double> times(conditions_);
    for (const auto condition : drawn) times[static_cast<std::size_t>(condition)] += 1.0;
    Sums sums;
    for (const auto& [begin, group, correction] : groups_) {
      add_group(group, [&, first = begin](std::size_t i) { return times[condition_[first + i]]; }, correction, sums);
    }
    return sums;
  }

  // How the sums react to each condition's weight, where all count once.
  std::vector<Sums> influences() const {
    std::vector<Sums> influences(conditions_);
    for (const auto& [begin, group, correction] : groups_) {
      add_influences(group, std::span(condition_).subspan(begin, group.size()), correction, influences);
    }
    return influences;
  }

  struct Group {
    std::size_t begin;
    std::span<const Judged> samples;
    Correction correction;
  };
  const std::vector<Group>& groups() const { return groups_; }
  std::int64_t conditions() const { return static_cast<std::int64_t>(conditions_); }

 private:
  std::vector<Judged> samples_;
  std::vector<std::size_t> condition_;  // of each sample, its place among the conditions
  std::size_t conditions_ = 0;
  std::vector<Group> groups_;
};

void add_bootstrap(const Samples& all, std::int64_t size, const random::StreamKey& key, Law& law) {
  const auto statistics = [&, whole = std::vector{law.kl_nats, law.expected_quantile}](std::span<const std::int64_t> drawn) {
    const auto sums = all.sums(drawn);
    if (sums.accepted <= 0.0) return whole;
    return std::vector{std::max(0.0, sums.kl / sums.accepted), sums.quantile / sums.accepted};
  };
  const auto resamples = std::clamp<std::int64_t>(kWork / size, 100, intervals::kResamples);
  const auto bounds = intervals::bootstrap(all.conditions(), {law.kl_nats, law.expected_quantile}, statistics, key, resamples);
  law.kl_interval = bounds[0], law.quantile_interval = bounds[1];
}

}  // namespace

GroupNumbers numbers_of_group(std::span<const Judged> ascending) {
  Sums sums;
  add_group(ascending, [](std::size_t) { return 1.0; }, {}, sums);
  if (sums.accepted <= 0.0) return {};
  return {sums.accepted, sums.kl / sums.accepted, sums.quantile / sums.accepted};
}

Law measured_law(std::vector<Judged> samples, const random::StreamKey& key, const std::map<std::int64_t, Correction>& corrections) {
  const auto size = std::ssize(samples);
  double squares = 0.0;
  for (const auto& sample : samples) squares += sample.acceptance * sample.acceptance;
  const Samples all(std::move(samples), corrections);
  std::vector<std::int64_t> once(static_cast<std::size_t>(all.conditions()));
  for (std::size_t i = 0; i < once.size(); ++i) once[i] = static_cast<std::int64_t>(i);
  const auto [accepted, kl, quantile] = all.sums(once);
  Law law;
  law.acceptance_rate = accepted / static_cast<double>(size);
  law.kl_nats = std::max(0.0, kl / accepted);
  law.expected_quantile = std::clamp(quantile / accepted, 0.0, 1.0);
  law.effective_sample_size = accepted * accepted / squares;
  if (all.conditions() >= intervals::kManyRows) {
    std::vector<double> of_kl, of_quantile;
    for (const auto& influence : all.influences()) {
      of_kl.push_back((influence.kl - kl / accepted * influence.accepted) / accepted);
      of_quantile.push_back((influence.quantile - quantile / accepted * influence.accepted) / accepted);
    }
    law.kl_interval = intervals::infinitesimal_jackknife(law.kl_nats, of_kl);
    law.quantile_interval = intervals::infinitesimal_jackknife(law.expected_quantile, of_quantile);
  } else {
    add_bootstrap(all, size, key, law);
  }
  std::array<double, kLevels> mass{};
  for (const auto& group : all.groups()) draw_group(group.samples, mass);
  for (int level = 0; level < kLevels; ++level) {
    law.quantile.push_back((level + 0.5) / kLevels);
    law.density.push_back(mass[static_cast<std::size_t>(level)] * kLevels / accepted);
  }
  return law;
}

}  // namespace espalier::selection
