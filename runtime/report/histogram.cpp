#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "runtime/report/chart.h"
#include "runtime/report/html.h"

namespace espalier::report {
namespace {

constexpr int kBins = 20;

struct Range {
  double low = 0.0;
  double high = 1.0;  // rewards in [0, 1] are drawn over all of it
};

// The scores of one reward with its options, in the order of the record.
using Group = std::vector<const exec::ScoresRecord*>;
std::vector<Group> groups_of(const exec::Record& record) {
  std::vector<Group> groups;
  for (const auto& scores : record.scores) {
    const auto group = std::find_if(groups.begin(), groups.end(), [&](const Group& one) { return one.front()->reward == scores.reward; });
    (group == groups.end() ? groups.emplace_back() : *group).push_back(&scores);
  }
  return groups;
}

Range range_of(const Group& group) {
  bool seen = false;
  Range range{};
  for (const auto* scores : group) {
    for (const double score : scores->score) {
      if (!std::isfinite(score)) continue;
      range.low = seen ? std::min(range.low, score) : score;
      range.high = seen ? std::max(range.high, score) : score;
      seen = true;
    }
  }
  if (!seen || (range.low >= 0.0 && range.high <= 1.0)) return {};
  if (range.low == range.high) return {range.low - 0.5, range.high + 0.5};
  return range;
}

std::int64_t finite_count(const std::vector<double>& values) {
  return std::count_if(values.begin(), values.end(), [](double value) { return std::isfinite(value); });
}

// Shares of the finite scores, in percent; the last bin is closed.
std::vector<double> shares(const exec::ScoresRecord& scores, const Range& range) {
  std::vector<double> share(kBins, 0.0);
  const auto count = finite_count(scores.score);
  for (const double score : scores.score) {
    if (!std::isfinite(score)) continue;
    const auto bin = static_cast<int>((score - range.low) / (range.high - range.low) * kBins);
    share[static_cast<std::size_t>(std::clamp(bin, 0, kBins - 1))] += 100.0 / static_cast<double>(count);
  }
  return share;
}

// What a metric compares the scores with, or nullptr.
const exec::ScoresRecord* baseline_of(const exec::ScoresRecord& scores, const Group& group) {
  const auto found = std::find_if(group.begin(), group.end(), [&](const auto* one) { return one->stage == scores.baseline; });
  return found == group.end() ? nullptr : *found;
}

std::string counts_text(const std::vector<double>& scores) {
  const auto finite = finite_count(scores);
  const auto invalid = static_cast<std::int64_t>(scores.size()) - finite;
  return invalid == 0 ? count_text(finite) : fmt::format("{} + {} invalid", count_text(finite), count_text(invalid));
}

std::string histogram_data(const exec::ScoresRecord& scores, const exec::ScoresRecord* reference, const Range& range, double top,
                           int colour) {
  nlohmann::ordered_json data = {{"label", scores.samples}, {"colour", colour}, {"low", range.low},
                                 {"high", range.high},      {"top", top},       {"share", shares(scores, range)},
                                 {"reference", nullptr}};
  if (reference != nullptr) data["reference"] = {{"label", reference->samples}, {"share", shares(*reference, range)}};
  return data.dump(-1, ' ', true, nlohmann::ordered_json::error_handler_t::replace);
}

double top_share(const Group& group, const Range& range) {
  double top = 0.0;
  for (const auto* scores : group) {
    const auto share = shares(*scores, range);
    top = std::max(top, *std::max_element(share.begin(), share.end()));
  }
  return top;
}

}  // namespace

std::vector<Drawing> histogram_charts(const exec::Record& record, const Colours& colours) {
  const auto groups = groups_of(record);
  std::vector<Drawing> charts;
  for (const auto& group : groups) {
    const auto range = range_of(group);
    const double top = top_share(group, range);
    for (const auto* scores : group) {
      const auto counts = counts_text(scores->score);
      const auto by = groups.size() > 1 ? " by " + scores->stage : std::string();
      const int colour = colours.of(scores->samples);
      charts.push_back({"histogram", fmt::format("{}{} ({})", scores->samples, by, counts),
                        fmt::format("Histogram of {} rewards of {} by {}.", counts, scores->samples, scores->stage), colour,
                        histogram_data(*scores, baseline_of(*scores, group), range, top, colour)});
    }
  }
  return charts;
}

}  // namespace espalier::report
