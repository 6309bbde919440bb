// Accepts every sample whose score lies within a range of quantiles: those of rank low..high of all scores.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "runtime/base/errors.h"
#include "runtime/sdk/plugin.h"

namespace {

class @Type@ final : public espalier::Filter {
 public:
  bool by_condition() const override { return false; }

  void options(espalier::Schema & schema) override {
    schema.number("low", low_, "Share of the scores, from the lowest, that is left out.").at_least(0.0).below(1.0);
  }

  espalier::Selection select(const espalier::FilterInput& input) const override {
    std::vector<std::pair<double, std::int64_t>> ranked;  // score, index
    for (std::size_t i = 0; i < input.score.size(); ++i) {
      if (std::isfinite(input.score[i])) ranked.emplace_back(input.score[i], input.index[i]);
    }
    if (ranked.empty()) throw espalier::StageError("filter.@name@: no score is finite; nothing can be selected");
    std::sort(ranked.begin(), ranked.end());
    espalier::Selection selection;
    for (std::size_t i = left_out(ranked.size()); i < ranked.size(); ++i) selection.index.push_back(ranked[i].second);
    std::sort(selection.index.begin(), selection.index.end());
    selection.weight.assign(selection.index.size(), 1.0);
    return selection;
  }

  // Of a sample of quantile u; the engine computes the law from it: density 1 / (1 - low) above low, so KL = -log(1 - low).
  espalier::selection::Acceptance acceptance(const espalier::FilterInput&) const override {
    return espalier::selection::ByQuantile{[low = low_](double u, std::int64_t) { return u > low ? 1.0 : 0.0; }};
  }

  std::string formula(const espalier::FilterInput&) const override {
    return fmt::format("w(u) = 1 / {:.4g} for u > {:.4g}", 1.0 - low_, low_);
  }

 private:
  // At least one stays.
  std::size_t left_out(std::size_t count) const {
    return std::min(count - 1, static_cast<std::size_t>(std::llround(low_ * static_cast<double>(count))));
  }

  double low_ = 0.5;
};

}  // namespace

ESPALIER_PLUGIN(plugin) { plugin.filter<@Type@>("@name@", /*numerics_version=*/1, "Accepts the samples above a quantile of all scores."); }
