#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
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

std::string reward_type(const exec::Record& record, const std::string& tag) {
  const auto stage = std::find_if(record.stages.begin(), record.stages.end(), [&](const auto& s) { return s.tag == tag; });
  return stage == record.stages.end() ? tag : stage->type;
}

Range range_of(const std::vector<const exec::ScoresRecord*>& group) {
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

// What the others are compared with: the scores of the gallery's first column (the base), or else the first ones.
const exec::ScoresRecord& reference_of(const exec::Record& record, const std::vector<const exec::ScoresRecord*>& group) {
  for (const auto* scores : group) {
    const bool base =
        !record.galleries.empty() && !record.galleries[0].columns.empty() && record.galleries[0].columns[0] == scores->samples;
    if (base) return *scores;
  }
  return *group.front();
}

std::string counts_text(const std::vector<double>& scores) {
  const auto finite = finite_count(scores);
  const auto invalid = static_cast<std::int64_t>(scores.size()) - finite;
  return invalid == 0 ? count_text(finite) : fmt::format("{} + {} invalid", count_text(finite), count_text(invalid));
}

std::string histogram_data(const exec::ScoresRecord& scores, const exec::ScoresRecord& reference, const Range& range, double top,
                           int colour) {
  nlohmann::ordered_json data = {{"label", scores.samples}, {"colour", colour}, {"low", range.low},
                                 {"high", range.high},      {"top", top},       {"share", shares(scores, range)},
                                 {"reference", nullptr}};
  if (&scores != &reference) data["reference"] = {{"label", reference.samples}, {"share", shares(reference, range)}};
  return data.dump(-1, ' ', true, nlohmann::ordered_json::error_handler_t::replace);
}

double top_share(const std::vector<const exec::ScoresRecord*>& group, const Range& range) {
  double top = 0.0;
  for (const auto* scores : group) {
    const auto share = shares(*scores, range);
    top = std::max(top, *std::max_element(share.begin(), share.end()));
  }
  return top;
}

}  // namespace

std::vector<Chart> histogram_charts(const exec::Record& record, const Colours& colours) {
  std::map<std::string, std::vector<const exec::ScoresRecord*>> groups;
  for (const auto& scores : record.scores) groups[reward_type(record, scores.stage)].push_back(&scores);
  std::vector<Chart> charts;
  for (const auto& [type, group] : groups) {
    const auto range = range_of(group);
    const double top = top_share(group, range);
    const auto& reference = reference_of(record, group);
    for (const auto* scores : group) {
      const auto counts = counts_text(scores->score);
      const auto by = groups.size() > 1 ? " by " + scores->stage : std::string();
      const int colour = colours.of(scores->samples);
      charts.push_back({"histogram", fmt::format("{}{} ({})", scores->samples, by, counts),
                        fmt::format("Histogram of {} rewards of {} by {}.", counts, scores->samples, scores->stage), colour,
                        histogram_data(*scores, reference, range, top, colour)});
    }
  }
  return charts;
}

}  // namespace espalier::report
