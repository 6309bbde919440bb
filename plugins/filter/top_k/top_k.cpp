// Accepts the k best of each group: k = 1 is best of n, the selection of RAFT and GRAFT.
#include <fmt/format.h>

#include <algorithm>

#include "runtime/base/errors.h"
#include "runtime/sdk/plugin.h"
#include "runtime/selection/groups.h"
#include "runtime/selection/incomplete_beta.h"

namespace {

using espalier::FilterInput;
namespace selection = espalier::selection;

class TopK final : public espalier::Filter {
 public:
  void options(espalier::Schema& schema) override {
    schema.integer("k", k_, "Samples accepted of each group; 1 is best of n.").at_least(1).at_most(1e9);
    schema.choice("group_by", group_by_, {"condition", "all"}, "What competes: the samples of one condition, or all of them.");
  }

  bool by_condition() const override { return group_by_ == "condition"; }

  void check_view(const espalier::PlannedView& view) const override {
    const auto largest = by_condition() ? view.samples_per_condition : view.size;
    if (k_ <= largest) return;
    throw espalier::ConfigError(
        by_condition()
            ? fmt::format("filter.top_k: k = {}, but a condition has {} samples (samples_per_condition of the sampler); "
                          "take a smaller k or more samples_per_condition",
                          k_, largest)
            : fmt::format("filter.top_k: k = {}, but there are {} samples in all; take a smaller k or more samples", k_, largest));
  }

  espalier::Selection select(const FilterInput& input) const override {
    std::vector<std::size_t> accepted;
    std::size_t largest = 0;
    for (const auto& [condition, ranked] : selection::ranked_groups(input, by_condition())) {
      largest = std::max(largest, ranked.size());
      const auto count = std::min(ranked.size(), static_cast<std::size_t>(k_));
      accepted.insert(accepted.end(), ranked.begin(), ranked.begin() + static_cast<std::ptrdiff_t>(count));
    }
    if (largest < static_cast<std::size_t>(k_)) {
      throw espalier::StageError(
          fmt::format("filter.top_k: k = {}, but no group has more than {} samples with a finite score (of {} in all); "
                      "take a smaller k or more samples_per_condition",
                      k_, largest, input.score.size()));
    }
    return selection::select_rows(input, accepted);
  }

  // At most k - 1 of the M - 1 others are better.
  selection::Acceptance acceptance(const FilterInput&) const override {
    return selection::ByQuantile{[k = k_](double u, std::int64_t size) {
      return k >= size ? 1.0 : selection::incomplete_beta(u, static_cast<double>(size - k), static_cast<double>(k));
    }};
  }

  std::string formula(const FilterInput& input) const override {
    std::vector<std::size_t> sizes;
    for (const auto& [condition, rows] : selection::groups(input, by_condition())) sizes.push_back(rows.size());
    const auto [smallest, largest] = std::minmax_element(sizes.begin(), sizes.end());
    if (sizes.empty()) return "";
    const auto range = *smallest == *largest ? fmt::format("{}", *largest) : fmt::format("{} to {}", *smallest, *largest);
    return fmt::format("w(u) = (M/k) sum_(j<k) C(M-1,j) u^(M-1-j) (1-u)^j, k = {}, M = {}", k_, range);
  }

 private:
  std::int64_t k_ = 1;
  std::string group_by_ = "condition";
};

}  // namespace

ESPALIER_PLUGIN(plugin) {
  plugin.filter<TopK>("top_k", /*numerics_version=*/1, "Accepts the k best samples of each condition (k = 1: best of n) or of all.");
}
