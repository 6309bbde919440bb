// Accepts a sample with a probability that is exponential in its score: rejection sampling of the tilted distribution p e^(r/beta).
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "runtime/base/errors.h"
#include "runtime/sdk/plugin.h"
#include "runtime/selection/groups.h"

namespace {

using espalier::FilterInput;
namespace selection = espalier::selection;

// Each filter that draws has an ordinal of its own: 0 breaks ties, 1 is filter.random's, 3 filter.preference's.
constexpr std::uint32_t kOrdinal = 2;

class Exponential final : public espalier::Filter {
 public:
  void options(espalier::Schema& schema) override {
    schema.number("temperature", temperature_, "beta, in the reward's units: the weight of the KL penalty that the accepted law maximises.")
        .above(0.0);
    schema.choice("r_max_policy", policy_, {"fixed", "batch"},
                  "What a score is compared with: the number r_max, or the highest score of the sample's group.");
    schema.number("r_max", r_max_, "With \"fixed\": a number that no score exceeds.");
    schema.choice("group_by", group_by_, {"condition", "all"},
                  "Whose highest score \"batch\" takes, and in which group the law takes quantiles: one condition's, or all.");
  }

  bool by_condition() const override { return group_by_ == "condition"; }

  void check_view(const espalier::PlannedView&) const override {
    if (is_fixed() || r_max_ == kDefaultMaximum) return;
    throw espalier::ConfigError("filter.exponential: r_max is for r_max_policy = \"fixed\"; leave it out with \"batch\"");
  }

  espalier::Selection select(const FilterInput& input) const override {
    espalier::random::Draws draws(input.key, {input.index.begin(), input.index.end()});
    draws.begin(kOrdinal);
    const auto uniforms = draws.uniforms({});  // [N]
    const auto* draw = uniforms.const_data_ptr<double>();
    std::vector<std::size_t> accepted;
    for (const auto& [group, rows] : selection::groups(input, by_condition())) {
      double highest = r_max_;
      if (!is_fixed()) highest = input.score[*std::ranges::max_element(rows, {}, [&](std::size_t row) { return input.score[row]; })];
      for (const auto row : rows) {
        if (is_fixed()) require_below(input.score[row], fmt::format("trajectory {}", input.index[row]));
        if (draw[row] < std::exp((input.score[row] - highest) / temperature_)) accepted.push_back(row);
      }
    }
    return selection::select_rows(input, accepted);
  }

  selection::Acceptance acceptance(const FilterInput&) const override {
    if (!is_fixed())
      return selection::ByScoreInGroup{
          [beta = temperature_](const auto& ascending, std::int64_t size) { return below_group_maximum(ascending, size, beta); }};
    return selection::ByScore{[this](double score) {
      require_below(score, "a sample");
      return std::exp((score - r_max_) / temperature_);
    }};
  }

  std::string formula(const FilterInput&) const override {
    if (is_fixed()) return fmt::format("w ~ exp(r / {}), accepted with probability exp((r - {}) / {})", temperature_, r_max_, temperature_);
    return fmt::format(
        "w ~ F^(M-1)(r) + integral over r' > r of exp((r - r') / {0}) dF^(M-1)(r'): accepted with probability "
        "exp((r - the highest of {1}'s M) / {0})",
        temperature_, by_condition() ? "its condition" : "all");
  }

 private:
  static constexpr double kDefaultMaximum = 1.0;

  bool is_fixed() const { return policy_ == "fixed"; }

  void require_below(double score, const std::string& what) const {
    if (score <= r_max_) return;
    throw espalier::StageError(
        fmt::format("filter.exponential: {} has the score {}, above r_max = {}: its probability would be above 1; take a larger r_max, or "
                    "r_max_policy = \"batch\"",
                    what, score, r_max_));
  }

  // E[exp((r - max(r, r'_1, ..., r'_(M-1))) / beta)] for each r, with the scores given as the law of the others.
  static std::vector<double> below_group_maximum(const std::vector<double>& ascending, std::int64_t size, double beta) {
    const auto count = static_cast<double>(ascending.size());
    const auto power = [&](std::size_t below) { return std::pow(static_cast<double>(below) / count, static_cast<double>(size - 1)); };
    std::vector<double> result(ascending.size());
    double above = 0.0;  // the integral at this score
    for (std::size_t end = ascending.size(), begin = end; end > 0; end = begin) {
      while (begin > 0 && ascending[begin - 1] == ascending[end - 1]) --begin;
      for (auto i = begin; i < end; ++i) result[i] = std::min(1.0, power(end) + above);
      if (begin > 0) above = std::exp((ascending[begin - 1] - ascending[begin]) / beta) * (above + power(end) - power(begin));
    }
    return result;
  }

  double temperature_ = 1.0;
  std::string policy_ = "fixed";
  double r_max_ = kDefaultMaximum;
  std::string group_by_ = "condition";
};

}  // namespace

ESPALIER_PLUGIN(plugin) {
  plugin.filter<Exponential>("exponential", /*numerics_version=*/1,
                             "Accepts a sample with probability exp((r - r_max) / temperature): rejection sampling.");
}
