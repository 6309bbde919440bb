// Accepts k samples of each condition at random: the control of a selection by scores.
#include <fmt/format.h>

#include <algorithm>

#include "runtime/base/errors.h"
#include "runtime/sdk/plugin.h"
#include "runtime/selection/groups.h"

namespace {

using espalier::FilterInput;
namespace selection = espalier::selection;

// Ordinal 0 breaks the ties of filter.top_k: with draws of its own the control shares no more samples with such a selection than chance
// has.
constexpr std::uint32_t kOrdinal = 1;

class Random final : public espalier::Filter {
 public:
  void options(espalier::Schema& schema) override {
    schema.integer("k", k_, "Samples accepted of each condition.").at_least(1).at_most(1e9);
  }

  void check_view(const espalier::PlannedView& view) const override {
    if (k_ <= view.samples_per_condition) return;
    throw espalier::ConfigError(
        fmt::format("filter.random: k = {}, but a condition has {} samples (samples_per_condition of the sampler); "
                    "take a smaller k or more samples_per_condition",
                    k_, view.samples_per_condition));
  }

  espalier::Selection select(const FilterInput& input) const override {
    espalier::random::Draws draws(input.key, {input.index.begin(), input.index.end()});
    draws.begin(kOrdinal);
    const auto uniforms = draws.uniforms({});  // [N]
    const auto* draw = uniforms.const_data_ptr<double>();
    std::vector<std::size_t> accepted;
    std::size_t largest = 0;
    for (const auto& [condition, rows] : selection::groups(input, /*by_condition=*/true)) {
      auto drawn = rows;
      std::sort(drawn.begin(), drawn.end(), [&](std::size_t a, std::size_t b) { return draw[a] > draw[b]; });
      largest = std::max(largest, drawn.size());
      drawn.resize(std::min(drawn.size(), static_cast<std::size_t>(k_)));
      accepted.insert(accepted.end(), drawn.begin(), drawn.end());
    }
    if (largest < static_cast<std::size_t>(k_)) {
      throw espalier::StageError(
          fmt::format("filter.random: k = {}, but no condition has more than {} samples with a finite score (of {} in all); "
                      "take a smaller k or more samples_per_condition",
                      k_, largest, input.score.size()));
    }
    return selection::select_rows(input, accepted);
  }

  selection::Acceptance acceptance(const FilterInput&) const override {
    return selection::ByQuantile{
        [k = k_](double, std::int64_t size) { return std::min(1.0, static_cast<double>(k) / static_cast<double>(size)); }};
  }

  std::string formula(const FilterInput&) const override { return fmt::format("w(u) = 1, {} of each condition at random", k_); }

 private:
  std::int64_t k_ = 1;
};

}  // namespace

ESPALIER_PLUGIN(plugin) {
  plugin.filter<Random>("random", /*numerics_version=*/1, "Accepts k samples of each condition at random: the control of a selection.");
}
