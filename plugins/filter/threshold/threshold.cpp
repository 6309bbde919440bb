// Accepts every sample whose score reaches a threshold.
#include <fmt/format.h>

#include <cmath>

#include "runtime/sdk/plugin.h"
#include "runtime/selection/groups.h"

namespace {

using espalier::FilterInput;
namespace selection = espalier::selection;

class Threshold final : public espalier::Filter {
 public:
  void options(espalier::Schema& schema) override {
    schema.number("threshold", threshold_, "The least score that is accepted, in the reward's own units.").required();
  }

  // No sample competes with another: the law is that of all samples together.
  bool by_condition() const override { return false; }

  espalier::Selection select(const FilterInput& input) const override {
    std::vector<std::size_t> accepted;
    for (std::size_t row = 0; row < input.score.size(); ++row) {
      if (std::isfinite(input.score[row]) && input.score[row] >= threshold_) accepted.push_back(row);
    }
    return selection::select_rows(input, accepted);
  }

  selection::Acceptance acceptance(const FilterInput&) const override {
    return selection::ByScore{[threshold = threshold_](double score) { return score >= threshold ? 1.0 : 0.0; }};
  }

  std::string formula(const FilterInput&) const override {
    return fmt::format("w = 1(r >= {0}) / P(r >= {0}), KL = -log P(r >= {0}); P is the share that is accepted", threshold_);
  }

 private:
  double threshold_ = 0.0;
};

}  // namespace

ESPALIER_PLUGIN(plugin) {
  plugin.filter<Threshold>("threshold", /*numerics_version=*/1, "Accepts the samples whose score reaches a threshold.");
}
