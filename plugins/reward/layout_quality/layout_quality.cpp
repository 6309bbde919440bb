// How well a page is laid out: alignment, overlap, margins or all of them, the larger the better.
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>

#include <limits>
#include <string>

#include "plugins/shared/layout/measures.h"
#include "runtime/base/errors.h"
#include "runtime/sdk/plugin.h"

namespace {

using namespace espalier;

class LayoutQuality final : public Reward {
 public:
  void inputs(Inputs& in) override { in.trajectories("samples").of("layout"); }
  void options(Schema& schema) override {
    schema.choice("term", term_, {"alignment", "overlap", "margins", "readability"},
                  "What is scored, the larger the better: alignment and overlap are LayoutGAN++'s measures, negated.");
    schema.number("alignment_weight", options_.alignment_weight, "Weight of alignment in readability.").at_least(0.0);
    schema.number("overlap_weight", options_.overlap_weight, "Weight of overlap in readability.").at_least(0.0);
    schema.number("margins_weight", options_.margins_weight, "Weight of margins in readability.").at_least(0.0);
    schema.number("alignment_scale", options_.alignment_scale, "The alignment that scores 1/e in readability.").above(0.0);
    schema.number("border", options_.border, "Width that boxes should leave free on each side, as a share of the page; of margins.")
        .at_least(0.0)
        .below(0.5);
  }

  void check() const override {
    if (options_.alignment_weight + options_.overlap_weight + options_.margins_weight > 0.0) return;
    throw ConfigError("reward.layout_quality: alignment_weight, overlap_weight and margins_weight are all 0; at least one must be above");
  }

  // sample: kind "layout"; a page without boxes, or with a number that is not finite, scores NaN.
  at::Tensor score(const RewardInput& input) const override {
    const auto pages = layout::pages_of(input.sample, "reward.layout_quality");
    at::Tensor scores = at::empty({static_cast<std::int64_t>(pages.size())}, at::kDouble);
    auto* out = scores.mutable_data_ptr<double>();
    for (const layout::Page& page : pages) {
      const layout::Page real = layout::with_area(page);
      const double share = static_cast<double>(real.size()) / static_cast<double>(page.size());
      const bool empty = real.size() == 0 && page.size() > 0;  // all of its boxes are without area
      *out++ = layout::usable(real) ? score(real, share) : empty ? worst() : std::numeric_limits<double>::quiet_NaN();
    }
    return scores;
  }

 private:
  // share: of the page's boxes, those that have an area. A box of no size must not raise the score.
  double score(const layout::Page& page, double share) const {
    if (term_ == "alignment") return -layout::alignment(page);
    if (term_ == "overlap") return -layout::overlap(page);
    if (term_ == "margins") return share * layout::margins(page, options_.border);
    return share * layout::readability(page, options_);
  }

  // Of terms that have a least value; alignment and overlap are not defined where nothing is measured.
  double worst() const { return term_ == "margins" || term_ == "readability" ? 0.0 : std::numeric_limits<double>::quiet_NaN(); }

  std::string term_ = "readability";
  layout::Readability options_;
};

}  // namespace

ESPALIER_PLUGIN(registrar) {
  registrar.reward<LayoutQuality>("layout_quality", /*numerics_version=*/2,
                                  "How aligned, free of overlap and framed by margins a page's boxes are.");
}
