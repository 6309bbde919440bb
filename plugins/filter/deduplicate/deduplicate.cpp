// Keeps one of the samples that are the same thing.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "plugins/filter/deduplicate/measured_law.h"
#include "runtime/base/errors.h"
#include "runtime/sdk/plugin.h"

namespace {

using espalier::FilterInput;
using espalier::Law;
using espalier::Selection;

struct Row {
  std::int64_t group = 0;
  std::int64_t thing = 0;  // a number for its key; of a sample without one a number of its own
  double draw = 0.0;       // the trajectory's own: the largest is kept
  std::int64_t index = 0;
  double score = 0.0;
};

struct Rows {
  std::vector<Row> rows;                               // that compete; copies stand together, the one to keep first
  std::vector<espalier::deduplicate::Judged> dropped;  // a finite score, but no key
  std::size_t without_key = 0;                         // in either
};

// The end of the run of copies that begins here.
std::size_t end_of_copies(const std::vector<Row>& rows, std::size_t begin) {
  std::size_t end = begin;
  while (end < rows.size() && rows[end].group == rows[begin].group && rows[end].thing == rows[begin].thing) ++end;
  return end;
}

class Deduplicate final : public espalier::Filter {
 public:
  void options(espalier::Schema& schema) override {
    schema.choice("group_by", group_by_, {"condition", "all"}, "Among which samples a copy is looked for: those of one condition, or all.");
    schema.choice("invalid", invalid_, {"drop", "keep"}, "What becomes of a sample without a canonical key, which is a copy of no other.");
  }

  bool needs_keys() const override { return true; }
  bool by_condition() const override { return group_by_ == "condition"; }

  Selection select(const FilterInput& input) const override {
    const auto all = sorted(input);
    Selection selection;
    for (std::size_t begin = 0; begin < all.rows.size(); begin = end_of_copies(all.rows, begin)) {
      selection.index.push_back(all.rows[begin].index);
    }
    std::sort(selection.index.begin(), selection.index.end());
    selection.weight.assign(selection.index.size(), 1.0);
    return selection;
  }

  Law law(const FilterInput& input) const override {
    const auto all = sorted(input);
    auto judged = all.dropped;
    std::size_t things = 0;
    for (std::size_t begin = 0, end = 0; begin < all.rows.size(); begin = end, ++things) {
      end = end_of_copies(all.rows, begin);
      for (std::size_t i = begin; i < end; ++i) {
        judged.push_back({all.rows[i].group, all.rows[i].score, 1.0 / static_cast<double>(end - begin)});
      }
    }
    auto law = espalier::deduplicate::measured_law(std::move(judged));
    law.formula = fmt::format(
        "one of the N_x copies of a key is kept: {} of {} samples, E[1/N_x] = {:.4g}; {}; measured", things, all.rows.size(),
        static_cast<double>(things) / static_cast<double>(all.rows.size()),
        std::to_string(all.without_key) + (invalid_ == "drop" ? " more without a key, dropped" : " of them without a key, kept"));
    return law;
  }

 private:
  // The samples with a finite score. What is kept of them does not depend on the order of the rows, nor on how keys are spelt.
  Rows sorted(const FilterInput& input) const {
    if (input.index.empty()) throw espalier::StageError("filter.deduplicate: there are no samples to select from");
    if (input.canonical_key.size() != input.index.size()) {
      throw espalier::InternalError(
          fmt::format("filter.deduplicate: {} canonical keys for {} samples", input.canonical_key.size(), input.index.size()));
    }
    espalier::random::Draws draws(input.key, {input.index.begin(), input.index.end()});
    draws.begin(0);
    const auto uniforms = draws.uniforms({});  // [N]
    const auto* draw = uniforms.const_data_ptr<double>();
    Rows all;
    std::unordered_map<std::string, std::int64_t> things;
    for (std::size_t i = 0; i < input.index.size(); ++i) {
      if (!std::isfinite(input.score[i])) continue;
      const auto group = by_condition() ? input.condition[i] : 0;
      const auto& key = input.canonical_key[i];
      all.without_key += key.empty() ? 1 : 0;
      if (key.empty() && invalid_ == "drop") {
        all.dropped.push_back({group, input.score[i], 0.0});
        continue;
      }
      const auto thing = key.empty() ? -1 - input.index[i] : things.emplace(key, static_cast<std::int64_t>(things.size())).first->second;
      all.rows.push_back({group, thing, draw[i], input.index[i], input.score[i]});
    }
    if (all.rows.empty()) throw espalier::StageError(nothing_left(input.index.size(), all.dropped.size()));
    std::sort(all.rows.begin(), all.rows.end(), [](const Row& a, const Row& b) {
      return a.group != b.group   ? a.group < b.group
             : a.thing != b.thing ? a.thing < b.thing
             : a.draw != b.draw   ? a.draw > b.draw
                                  : a.index < b.index;
    });
    return all;
  }

  static std::string nothing_left(std::size_t offered, std::size_t dropped) {
    if (dropped == 0) return fmt::format("filter.deduplicate: none of {} samples has a finite score", offered);
    return fmt::format(
        "filter.deduplicate: of {} samples none with a finite score has a canonical key (all {} are invalid); invalid = \"keep\" "
        "would keep them",
        offered, dropped);
  }

  std::string group_by_ = "condition";
  std::string invalid_ = "drop";
};

}  // namespace

ESPALIER_PLUGIN(plugin) {
  plugin.filter<Deduplicate>("deduplicate", /*numerics_version=*/1, "Keeps one, at random, of the samples that are the same thing.");
}
