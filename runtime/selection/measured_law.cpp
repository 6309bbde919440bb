#include "runtime/selection/measured_law.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <span>

namespace espalier::selection {
namespace {

struct Sums {
  double accepted = 0.0;
  double kl = 0.0;
  double quantile = 0.0;
  std::array<double, kLevels> mass{};
};

// Adds what is accepted evenly over [from, to] of u.
void spread(double accepted, double from, double to, Sums& sums) {
  for (int level = static_cast<int>(from * kLevels); level < kLevels && level < to * kLevels; ++level) {
    const double overlap = std::min(to, (level + 1.0) / kLevels) - std::max(from, static_cast<double>(level) / kLevels);
    sums.mass[static_cast<std::size_t>(level)] += accepted * std::max(0.0, overlap) / (to - from);
  }
}

void add_group(std::span<const Judged> group, Sums& sums) {
  const auto size = static_cast<double>(group.size());
  double accepted = 0.0;
  for (const auto& sample : group) accepted += sample.acceptance;
  sums.accepted += accepted;
  for (const auto& sample : group) {
    if (sample.acceptance > 0.0) sums.kl += sample.acceptance * std::log(sample.acceptance * size / accepted);
  }
  for (std::size_t begin = 0, end = 0; begin < group.size(); begin = end) {
    double shared = 0.0;
    for (; end < group.size() && group[end].score == group[begin].score; ++end) shared += group[end].acceptance;
    const double from = static_cast<double>(begin) / size, to = static_cast<double>(end) / size;
    sums.quantile += shared * 0.5 * (from + to);
    spread(shared, from, to, sums);
  }
}

}  // namespace

Law measured_law(std::vector<Judged> samples) {
  std::sort(samples.begin(), samples.end(),
            [](const Judged& a, const Judged& b) { return a.group != b.group ? a.group < b.group : a.score < b.score; });
  Sums sums;
  for (std::size_t begin = 0, end = 0; begin < samples.size(); begin = end) {
    while (end < samples.size() && samples[end].group == samples[begin].group) ++end;
    add_group(std::span(samples).subspan(begin, end - begin), sums);
  }
  Law law;
  law.acceptance_rate = sums.accepted / static_cast<double>(samples.size());
  law.kl_nats = std::max(0.0, sums.kl / sums.accepted);
  law.expected_quantile = sums.quantile / sums.accepted;
  for (int level = 0; level < kLevels; ++level) {
    law.quantile.push_back((level + 0.5) / kLevels);
    law.density.push_back(sums.mass[static_cast<std::size_t>(level)] * kLevels / sums.accepted);
  }
  return law;
}

}  // namespace espalier::selection
