// Accepts every sample that scores at least a given number.
#include <cmath>

#include "runtime/sdk/plugin.h"

namespace {

using namespace espalier;

class Cutoff final : public Filter {
 public:
  void options(Schema& schema) override { schema.number("least_score", least_score_, "Score from which on a sample is accepted."); }

  // No sample competes with another: the law takes quantiles among all of them.
  bool by_condition() const override { return false; }

  // The choice: the trajectories that are accepted, ascending, and a weight for each.
  Selection select(const FilterInput& input) const override {
    Selection accepted;
    for (std::size_t i = 0; i < input.score.size(); ++i) {
      if (!std::isfinite(input.score[i]) || input.score[i] < least_score_) continue;
      accepted.index.push_back(input.index[i]);
      accepted.weight.push_back(1.0);
    }
    return accepted;
  }

  // The acceptance: its probability, here as a function of the score. The engine computes the law of what is accepted from it.
  selection::Acceptance acceptance(const FilterInput&) const override {
    return selection::ByScore{[least = least_score_](double score) { return score >= least ? 1.0 : 0.0; }};
  }

  std::string formula(const FilterInput&) const override {
    const auto event = "(score >= " + to_json(least_score_) + ")";
    return "w = 1" + event + " / P" + event;
  }

 private:
  double least_score_ = 0.5;
};

}  // namespace

ESPALIER_PLUGIN(plugin) { plugin.filter<Cutoff>("cutoff", /*numerics_version=*/1, "Accepts the samples that score enough."); }
