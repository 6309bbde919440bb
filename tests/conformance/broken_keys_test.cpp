#include <algorithm>
#include <cmath>
#include <map>

#include "runtime/base/errors.h"
#include "tests/conformance/broken.h"

namespace espalier::conformance {
namespace {

// Selects for each canonical key the sample with the smallest draw; drops samples without a key.
class Distinct final : public Filter {
 public:
  explicit Distinct(std::string flaw) : flaw_(std::move(flaw)) {}
  void options(Schema& schema) override {
    schema.choice("group_by", group_by_, {"condition", "all"}, "Where copies are looked for: in one condition, or in all samples.");
  }
  bool needs_keys() const override { return true; }
  bool by_condition() const override { return group_by_ == "condition"; }

  Selection select(const FilterInput& input) const override {
    Selection out;
    for (const auto& [key, rows] : copies(input)) {
      if (flaw_ == "spelling" && key.second.front() > 'M') continue;
      const auto draws = draws_of(input);
      out.index.push_back(input.index[*std::min_element(rows.begin(), rows.end(), [&](auto a, auto b) { return draws[a] < draws[b]; })]);
    }
    std::sort(out.index.begin(), out.index.end());
    out.weight.assign(out.index.size(), 1.0);
    return out;
  }

  selection::Acceptance acceptance(const FilterInput&) const override {
    if (flaw_ == "tilt") return selection::ByScore{[](double score) { return score; }};
    return selection::ByMultiplicity{[](std::int64_t copies) { return copies == 0 ? 0.0 : 1.0 / static_cast<double>(copies); }};
  }
  std::string formula(const FilterInput&) const override { return "measured"; }

 private:
  // Returns the rows with a finite score, by condition (or 0) and key.
  std::map<std::pair<std::int64_t, std::string>, std::vector<std::size_t>> copies(const FilterInput& input) const {
    std::map<std::pair<std::int64_t, std::string>, std::vector<std::size_t>> copies;
    for (std::size_t row = 0; row < input.index.size(); ++row) {
      if (!std::isfinite(input.score[row]) || input.canonical_key[row].empty()) continue;
      const auto group = by_condition() && flaw_ != "other groups" ? input.condition[row] : 0;
      copies[{group, flaw_ == "blind" ? "x" + std::to_string(input.index[row]) : input.canonical_key[row]}].push_back(row);
    }
    return copies;
  }

  std::vector<double> draws_of(const FilterInput& input) const {
    std::vector<std::uint64_t> samples(input.index.begin(), input.index.end());
    if (flaw_ == "rank") {  // draws by a sample's place among those offered instead of its index
      auto sorted = samples;
      std::sort(sorted.begin(), sorted.end());
      for (auto& sample : samples)
        sample = static_cast<std::uint64_t>(std::lower_bound(sorted.begin(), sorted.end(), sample) - sorted.begin());
    }
    random::Draws draws(input.key, samples);
    draws.begin(0);
    const auto values = draws.uniforms({});
    return {values.const_data_ptr<double>(), values.const_data_ptr<double>() + values.numel()};
  }

  std::string flaw_;
  std::string group_by_ = "condition";
};

}  // namespace

PluginEntry key_filter_with(const std::string& flaw) {
  PluginEntry out{.kind = "filter", .name = "example", .doc = "An example.", .make = {}, .library = ""};
  out.make = [flaw] { return std::make_unique<Distinct>(flaw); };
  return out;
}

}  // namespace espalier::conformance
