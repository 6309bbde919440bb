// Accepts the winner of each pair of a condition's samples.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "runtime/base/errors.h"
#include "runtime/sdk/plugin.h"
#include "runtime/selection/groups.h"

namespace {

using espalier::FilterInput;
namespace selection = espalier::selection;

// Each filter that draws has an ordinal of its own: 0 breaks ties, 1 is filter.random's, 2 filter.exponential's.
constexpr std::uint32_t kOrdinal = 3;

double sigmoid(double x) { return 1.0 / (1.0 + std::exp(-x)); }

// Of M samples, those that are in a pair.
double paired(std::int64_t size) {
  const auto pairs = size / 2;
  return 2.0 * static_cast<double>(pairs) / static_cast<double>(size);
}

class Preference final : public espalier::Filter {
 public:
  void options(espalier::Schema& schema) override {
    schema.choice("model", model_, {"deterministic", "bradley_terry"},
                  "Who wins a pair: the higher score, or a sample with probability sigmoid((r - r') / temperature).");
    schema.number("temperature", temperature_, "Of \"bradley_terry\", in the reward's units.").above(0.0);
  }

  void check_view(const espalier::PlannedView& view) const override {
    if (!is_random() && temperature_ != 1.0) {
      throw espalier::ConfigError("filter.preference: temperature is for model = \"bradley_terry\"; leave it out with \"deterministic\"");
    }
    if (view.samples_per_condition >= 2) return;
    throw espalier::ConfigError(
        fmt::format("filter.preference: a condition has {} samples (samples_per_condition of the sampler) and a pair "
                    "needs 2; take more samples_per_condition",
                    view.samples_per_condition));
  }

  // Pairs are consecutive trajectories of a condition with a finite score; the last of an odd number has none.
  espalier::Selection select(const FilterInput& input) const override {
    espalier::random::Draws draws(input.key, {input.index.begin(), input.index.end()});
    draws.begin(kOrdinal);
    const auto uniforms = draws.uniforms({});  // [N]
    const auto* draw = uniforms.const_data_ptr<double>();
    std::vector<std::size_t> accepted;
    for (const auto& [condition, rows] : selection::groups(input, /*by_condition=*/true)) {
      for (std::size_t i = 0; i + 1 < rows.size(); i += 2) {
        const auto first = rows[i], second = rows[i + 1];
        accepted.push_back(draw[first] < wins(input.score[first] - input.score[second]) ? first : second);
      }
    }
    if (accepted.empty()) {
      throw espalier::StageError(
          fmt::format("filter.preference: no condition has 2 samples with a finite score (of {} in all); take more "
                      "samples_per_condition",
                      input.score.size()));
    }
    return selection::select_rows(input, accepted);
  }

  selection::Acceptance acceptance(const FilterInput&) const override {
    if (!is_random()) return selection::ByQuantile{[](double u, std::int64_t size) { return u * paired(size); }};
    return selection::ByScoreInGroup{[this](const std::vector<double>& ascending, std::int64_t size) {
      std::vector<double> result;
      for (const double score : ascending) {
        double sum = -0.5;  // of itself
        for (const double other : ascending) sum += wins(score - other);
        result.push_back(ascending.size() < 2 ? 0.0 : paired(size) * sum / static_cast<double>(ascending.size() - 1));
      }
      return result;
    }};
  }

  std::string formula(const FilterInput&) const override {
    if (!is_random()) return "w(u) = 2 u, the better of a pair";
    return fmt::format("w = 2 E[sigmoid((r - r') / {})], the winner of a pair by Bradley and Terry", temperature_);
  }

 private:
  bool is_random() const { return model_ == "bradley_terry"; }

  // With which probability the first of a pair wins.
  double wins(double difference) const {
    if (is_random()) return sigmoid(difference / temperature_);
    return difference > 0.0 ? 1.0 : difference < 0.0 ? 0.0 : 0.5;
  }

  std::string model_ = "deterministic";
  double temperature_ = 1.0;
};

}  // namespace

ESPALIER_PLUGIN(plugin) {
  plugin.filter<Preference>("preference", /*numerics_version=*/1, "Accepts the winner of each pair of a condition's samples.");
}
