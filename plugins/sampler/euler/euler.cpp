// Euler's method for a rectified flow, with classifier-free guidance, stitched models and a noise corrector's flow as the prior.
#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "plugins/shared/flow/flow_sampler.h"
#include "runtime/base/errors.h"
#include "runtime/sdk/plugin.h"

namespace {

using espalier::ConfigError;
using espalier::ModelInfo;
using espalier::Phase;
using espalier::State;

class Euler final : public espalier::flow::FlowSampler {
 public:
  Euler() : FlowSampler("sampler.euler") {}

  void options(espalier::Schema& schema) override {
    FlowSampler::options(schema);
    schema
        .integer("prior_num_inference_steps", prior_num_inference_steps_,
                 "With a prior: Euler steps from noise to the noise that the model starts from.")
        .at_least(1);
  }

  std::vector<Phase> phases(const std::vector<ModelInfo>& models, const ModelInfo* prior) const override {
    auto phases = FlowSampler::phases(models, nullptr);
    if (prior == nullptr) return phases;
    auto first = espalier::stitched_phase({*prior}, prior_num_inference_steps_, name(), espalier::flow::kProcess);
    check_prior(models, *prior);
    phases.front().start = "previous";
    phases.insert(phases.begin(), std::move(first));
    return phases;
  }

 protected:
  State step(const espalier::GuidedModel& model, const espalier::diffusion::NoiseProcess& process, const State& x,
             const espalier::diffusion::GridPoint& from, const espalier::diffusion::GridPoint& to,
             espalier::random::Draws& draws) const override {
    return process.step(x, model.predict(x, from.timestep), from, to, 0.0, draws);
  }
  std::int64_t predictions(const espalier::Segment& segment) const override { return segment.first - segment.last; }

 private:
  // Noise found by inverting one sampling is right for that sampling alone.
  void check_prior(const std::vector<ModelInfo>& models, const ModelInfo& prior) const {
    const auto who = fmt::format("{}: the prior {}", name(), prior.digest.substr(0, 12));
    if (!espalier::flow::is_corrector(prior)) {
      throw ConfigError(who + " was not trained on inverted noises; name a flow that trainer.sft made from a noise corrector's examples");
    }
    const auto& weights = prior.corrects.at("weights").as_string();
    const auto base = std::find_if(models.begin(), models.end(), [&](const ModelInfo& model) { return model.digest == weights; });
    if (base == models.end()) {
      std::string digests;
      for (const auto& model : models) digests += (digests.empty() ? "" : ", ") + model.digest.substr(0, 12);
      throw ConfigError(
          fmt::format("{} makes the noise of model {}, which is not sampled here ({} is); sample that model, or train a corrector for this "
                      "one",
                      who, weights.substr(0, 12), digests));
    }
    if (guidance_scale() != 1.0) {
      throw ConfigError(fmt::format("{} makes the noise of sampling without guidance, and guidance_scale is {}; set guidance_scale = 1.0",
                                    who, guidance_scale()));
    }
    const auto steps = prior.corrects.at("num_inference_steps").as_integer();
    if (steps != num_inference_steps()) {
      throw ConfigError(fmt::format(
          "{} makes the noise of {} steps, and num_inference_steps is {}; set num_inference_steps = {}, or invert examples at {} steps",
          who, steps, num_inference_steps(), steps, num_inference_steps()));
    }
  }

  std::int64_t prior_num_inference_steps_ = 10;
};

}  // namespace

ESPALIER_PLUGIN(plugin) {
  plugin.sampler<Euler>("euler", /*numerics_version=*/1, /*takes=*/espalier::flow::kProcess,
                        "Euler sampling of a rectified flow, also from a noise corrector's flow.");
}
