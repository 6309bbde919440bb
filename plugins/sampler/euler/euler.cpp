// Euler's method for a rectified flow, with classifier-free guidance, stitched models and a noise corrector's flow as the prior.
#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "plugins/shared/flow/flow_sampler.h"
#include "runtime/base/errors.h"
#include "runtime/sampling/stitch.h"
#include "runtime/sdk/plugin.h"

namespace {

using espalier::ConfigError;
using espalier::ModelInfo;
using espalier::Phase;
using espalier::Segment;

class Euler final : public espalier::flow::FlowSampler {
 public:
  Euler() : FlowSampler("sampler.euler", "euler") {}

  void options(espalier::Schema& schema) override {
    FlowSampler::options(schema);
    schema
        .integer("prior_num_inference_steps", prior_num_inference_steps_,
                 "With a prior: steps from noise to the noise that the model starts from.")
        .at_least(1)
        .at_most(1e5);
    schema
        .choice("prior_solver", prior_solver_, {"euler", "heun"},
                "With a prior: the rule of its steps; heun asks the network twice in all but the last.")
        .unkeyed_default();
  }

  void inputs(espalier::Inputs& in) override {
    FlowSampler::inputs(in);
    in.model("prior", "A noise corrector's flow: it makes the noise that the model starts from.")
        .process(espalier::flow::kProcess)
        .optional();
  }

  std::vector<Phase> phases(const std::vector<ModelInfo>& models, const ModelInfo* prior) const override {
    auto phases = FlowSampler::phases(models, nullptr);
    if (prior == nullptr) return phases;
    auto first = espalier::sampling::stitched_phase({*prior}, {prior_num_inference_steps_}, name(), espalier::flow::kProcess);
    first.solver = prior_solver_;
    check_prior(phases.front().segments, *prior);
    phases.front().start = "previous";
    phases.insert(phases.begin(), std::move(first));
    return phases;
  }

 private:
  // Noise found by inverting one sampling fits that sampling alone.
  void check_prior(const std::vector<Segment>& used, const ModelInfo& prior) const {
    const auto who = fmt::format("{}: the prior {}", name(), prior.digest.substr(0, 12));
    if (!espalier::flow::is_corrector(prior)) {
      throw ConfigError(who + " was not trained on inverted noises; name a flow that trainer.sft made from a noise corrector's examples");
    }
    const auto& weights = prior.corrects->weights;
    if (std::none_of(used.begin(), used.end(), [&](const Segment& segment) { return segment.model.digest == weights; })) {
      std::string digests;
      for (const auto& segment : used) digests += (digests.empty() ? "" : ", ") + segment.model.digest.substr(0, 12);
      throw ConfigError(
          fmt::format("{} makes the noise of model {}, which is not sampled here ({} is); sample that model, or train a corrector for this "
                      "one",
                      who, weights.substr(0, 12), digests));
    }
    if (guidance_scale() != 1.0) {
      throw ConfigError(fmt::format("{} makes the noise of sampling without guidance, and guidance_scale is {}; set guidance_scale = 1.0",
                                    who, guidance_scale()));
    }
    const auto steps = prior.corrects->num_inference_steps;
    if (steps != num_inference_steps()) {
      throw ConfigError(fmt::format(
          "{} makes the noise of {} steps, and num_inference_steps is {}; set num_inference_steps = {}, or invert examples at {} steps",
          who, steps, num_inference_steps(), steps, num_inference_steps()));
    }
  }

  std::int64_t prior_num_inference_steps_ = 10;
  std::string prior_solver_ = "euler";
};

}  // namespace

ESPALIER_PLUGIN(plugin) {
  plugin.sampler<Euler>("euler", /*numerics_version=*/1, "Euler sampling of a rectified flow, also from a noise corrector's flow.");
}
