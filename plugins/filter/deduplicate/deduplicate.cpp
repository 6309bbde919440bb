// Keeps one of the samples that are the same thing.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string_view>

#include "runtime/base/errors.h"
#include "runtime/sdk/plugin.h"
#include "runtime/selection/groups.h"

namespace {

using espalier::FilterInput;
namespace selection = espalier::selection;

class Deduplicate final : public espalier::Filter {
 public:
  void options(espalier::Schema& schema) override {
    schema.choice("group_by", group_by_, {"condition", "all"}, "Among which samples a copy is looked for: those of one condition, or all.");
    schema.choice("invalid", invalid_, {"drop", "keep"}, "What becomes of a sample without a canonical key, which is a copy of no other.");
  }

  bool needs_keys() const override { return true; }
  bool by_condition() const override { return group_by_ == "condition"; }

  // Of each key the sample with the largest draw: neither the order of the rows nor how keys are spelt matters.
  espalier::Selection select(const FilterInput& input) const override {
    const auto draw = selection::tie_draws(input);
    std::vector<std::size_t> kept;
    std::size_t scored = 0;
    for (const auto& [group, rows] : selection::groups(input, by_condition())) {
      std::map<std::string_view, std::size_t> best;
      scored += rows.size();
      for (const auto row : rows) {
        const std::string_view key = input.canonical_key.at(row);
        if (key.empty()) {
          if (keeps_invalid()) kept.push_back(row);
          continue;
        }
        auto& now = best.emplace(key, row).first->second;
        if (std::pair(draw[row], -input.index[row]) > std::pair(draw[now], -input.index[now])) now = row;
      }
      for (const auto& [key, row] : best) kept.push_back(row);
    }
    if (kept.empty()) throw espalier::StageError(nothing_left(input.index.size(), scored));
    return selection::select_rows(input, kept);
  }

  // One of the N copies of a key, uniformly at random.
  selection::Acceptance acceptance(const FilterInput&) const override {
    return selection::ByMultiplicity{[without_key = keeps_invalid() ? 1.0 : 0.0](std::int64_t copies) {
      return copies == 0 ? without_key : 1.0 / static_cast<double>(copies);
    }};
  }

  std::string formula(const FilterInput& input) const override {
    std::size_t scored = 0, without_key = 0;
    for (const auto& [group, rows] : selection::groups(input, by_condition())) {
      scored += rows.size();
      for (const auto row : rows) without_key += input.canonical_key.at(row).empty() ? 1 : 0;
    }
    const auto kept = select(input).index.size(), samples = keeps_invalid() ? scored : scored - without_key;
    return fmt::format("one of the N_x copies of a key is kept: {} of {} samples, E[1/N_x] = {:.4g}; {} {}; measured", kept, samples,
                       static_cast<double>(kept) / static_cast<double>(samples), without_key,
                       keeps_invalid() ? "of them without a key, kept" : "more without a key, dropped");
  }

 private:
  bool keeps_invalid() const { return invalid_ == "keep"; }

  static std::string nothing_left(std::size_t offered, std::size_t scored) {
    if (offered == 0) return "filter.deduplicate: there are no samples to select from";
    if (scored == 0) return fmt::format("filter.deduplicate: none of {} samples has a finite score", offered);
    return fmt::format(
        "filter.deduplicate: of {} samples none with a finite score has a canonical key (all {} are invalid); invalid = \"keep\" "
        "would keep them",
        offered, scored);
  }

  std::string group_by_ = "condition";
  std::string invalid_ = "drop";
};

}  // namespace

ESPALIER_PLUGIN(plugin) {
  plugin.filter<Deduplicate>("deduplicate", /*numerics_version=*/1, "Keeps one, at random, of the samples that are the same thing.");
}
