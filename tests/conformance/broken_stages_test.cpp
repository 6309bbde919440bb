#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <cmath>

#include "runtime/base/errors.h"
#include "runtime/selection/incomplete_beta.h"
#include "tests/conformance/broken.h"

namespace espalier::conformance {
namespace {

class Half final : public Filter {
 public:
  explicit Half(std::string flaw) : flaw_(std::move(flaw)) {}
  void options(Schema& schema) override {
    schema.choice("group_by", group_by_, {"all", "condition"}, "What competes: all samples, or those of one condition.");
  }

  bool by_condition() const override { return group_by_ == "condition" && flaw_ != "by_condition"; }

  Selection select(const FilterInput& input) const override {
    const bool by_order = flaw_ == "order", all_infinite = flaw_ == "infinite";
    Selection out;
    if (flaw_ == "" && !std::is_sorted(input.index.begin(), input.index.end()))
      return {{input.index.front()}, {1.0}};  // as filter.h requires
    for (std::size_t row = 0; row < input.score.size(); ++row) {
      const double score = input.score[row];
      if (by_order ? row % 2 == 0 : (std::isfinite(score) || (all_infinite && score > 0)) && rank(input, row) >= 0.5) {
        out.index.push_back(input.index[row]);
      }
    }
    std::sort(out.index.begin(), out.index.end());
    if (flaw_ == "not offered") out.index.back() = 714;  // a sample of the suite's own input
    if (flaw_ == "descending") std::reverse(out.index.begin(), out.index.end());
    if (flaw_ == "twice") out.index.push_back(out.index.back());
    out.weight.assign(out.index.size(), flaw_ == "weight" ? 0.0 : flaw_ == "ascent" ? -1.0 : 1.0);
    if (flaw_ == "fewer weights") out.weight.pop_back();
    return out;
  }

  // The better half of M samples: a sample with quantile u is accepted if at least M/2 of the M-1 others are below u.
  selection::Acceptance acceptance(const FilterInput&) const override {
    return selection::ByQuantile{[flaw = flaw_](double u, std::int64_t size) {
      const auto half = static_cast<double>(size / 2), m = static_cast<double>(size);
      const double right = selection::incomplete_beta(u, half, m - half);
      if (flaw == "probability") return 7.0;
      if (flaw == "nan") return std::nan("");
      if (flaw == "density") return 0.5;
      return flaw == "rate" ? 0.5 * right : right;
    }};
  }
  std::string formula(const FilterInput&) const override { return flaw_ == "formula" ? "" : "2 P(better)"; }

 private:
  // The share of the group's scores that are below this one. With the flaw "groups", of all scores.
  double rank(const FilterInput& input, std::size_t row) const {
    double below = 0, valid = 0;
    for (std::size_t other = 0; other < input.score.size(); ++other) {
      if (!std::isfinite(input.score[other])) continue;
      if (group_by_ == "condition" && flaw_ != "groups" && input.condition[other] != input.condition[row]) continue;
      valid += 1;
      below += input.score[other] < input.score[row] ? 1 : 0;
    }
    return below / valid;
  }

  std::string flaw_;
  std::string group_by_ = "all";
};

class Brightness final : public Reward {
 public:
  explicit Brightness(std::string flaw) : flaw_(std::move(flaw)) {}
  void options(Schema& schema) override {
    schema.number("gain", gain_, flaw_ == "doc" ? "" : "Multiplies the score.").above(flaw_ == "default" ? 1.0 : 0.0);
    if (flaw_ == "unbounded") schema.integer("repeats", repeats_, "How often it looks.").at_least(1);
  }
  Value identity() const override { return flaw_ == "identity" ? Value(++count_) : Value("brightness"); }
  at::Tensor score(const RewardInput& input) const override {
    const auto& image = input.sample.tensors.at("image");
    if (flaw_ == "changes") image.fill_(0.5);
    auto score = gain_ * image.mean({1, 2, 3});
    if (flaw_ == "batch") score = score - score.mean();
    if (flaw_ == "twice") score = score + static_cast<double>(++count_);
    if (flaw_ == "shape") score = score.unsqueeze(1);
    if (flaw_ == "fewer") score = score.narrow(0, 0, score.size(0) - 1);
    if (flaw_ == "dtype") score = score.to(at::kLong);
    if (flaw_ == "undefined") return {};
    return score;
  }

 private:
  std::string flaw_;
  double gain_ = 1.0;
  std::int64_t repeats_ = 1;
  mutable std::int64_t count_ = 0;
};

class Mean final : public Metric {
 public:
  explicit Mean(std::string flaw) : flaw_(std::move(flaw)) {}
  void inputs(Inputs& in) override { in.scores("scores", "Averaged.").many(); }
  Findings measure(const MetricInput& input) const override {
    const auto& score = input.scores.at("scores").front().score;
    double sum = 0;
    for (const auto x : score) sum += x;
    auto scalar = to_scalar("mean", sum / static_cast<double>(score.size()));
    scalar.interval = flaw_ == "no kind" ? intervals::Kind::none : intervals::Kind::normal;
    scalar.low = scalar.value - 0.1;
    scalar.high = scalar.value + (flaw_ == "interval" ? -0.05 : 0.1);
    if (flaw_ == "nan") scalar.value = std::nan("");
    if (flaw_ == "key") scalar.low -= ++calls;
    if (flaw_ == "names") return {.scalars = {scalar, scalar}};
    Chart chart{.name = "scores", .x_label = "sample", .y_label = "score", .series = {{.name = "all", .x = {0, 1}, .y = {0.1, 0.5}}}};
    if (flaw_ == "ragged") chart.series[0].y.push_back(0.9);
    if (flaw_ == "half an interval") chart.series[0].low = {0.0, 0.4};
    if (flaw_ == "infinite chart") chart.series[0].y[1] = INFINITY;
    Findings findings{.scalars = {scalar}, .charts = {chart}};
    if (flaw_ == "chart names") findings.charts.push_back(chart);
    findings.tables = {{.name = "by sample", .columns = {{"sample"}, {"score", "points"}}, .rows = {{"first", 0.1}, {"second", nullptr}}}};
    if (flaw_ == "short row") findings.tables[0].rows[1].pop_back();
    if (flaw_ == "cell") findings.tables[0].rows[1][1] = INFINITY;
    findings.images = {{"square", "One pixel.", {1, 1, {255, 0, 0}}}};
    if (flaw_ == "pixels") findings.images[0].image.rgb.pop_back();
    return findings;
  }

 private:
  static inline int calls = 0;
  std::string flaw_;
};

template <class T>
PluginEntry entry(const std::string& kind, const std::string& flaw) {
  PluginEntry out{.kind = kind, .name = "example", .doc = "An example.", .make = {}, .library = ""};
  out.make = [flaw] { return std::make_unique<T>(flaw); };
  return out;
}

}  // namespace

PluginEntry filter_with(const std::string& flaw) { return entry<Half>("filter", flaw); }
PluginEntry reward_with(const std::string& flaw) { return entry<Brightness>("reward", flaw); }
PluginEntry metric_with(const std::string& flaw) { return entry<Mean>("metric", flaw); }

}  // namespace espalier::conformance
