#pragma once

#include "runtime/sdk/trajectory_source.h"

namespace espalier::sampling {

// A model under classifier-free guidance for one micro-batch: uncond + scale (cond - uncond), both halves in one batch; a scale of 1 runs
// one half. With `rescale` r the guided prediction g becomes r g std(cond) / std(g) + (1 - r) g, the deviations those of each row (Lin et
// al. 2023, arXiv 2305.08891, section 3.4; diffusers' rescale_noise_cfg).
class GuidedModel {
 public:
  // Throws ConfigError where the scale is not 1 and there is no condition to guide by.
  GuidedModel(const SegmentModel& segment, const Guidance& guidance);
  State predict(const State& noisy, double timestep) const;

 private:
  const Model& model_;
  TensorMap embedded_;
  double scale_, rescale_;
};

}  // namespace espalier::sampling
