#pragma once

#include "runtime/sdk/trajectory_source.h"

namespace espalier::sampling {

// A model with classifier-free guidance for one micro-batch. Predicts uncond + scale (cond - uncond), with both halves in one batch; with a
// scale of 1 only cond. With `rescale` r the guided prediction g becomes r g std(cond) / std(g) + (1 - r) g, with the standard deviations
// of each row (Lin et al. 2023, arXiv 2305.08891, section 3.4; diffusers' rescale_noise_cfg).
class GuidedModel {
 public:
  // Throws ConfigError if the scale is not 1 and there is no condition.
  GuidedModel(const SegmentModel& segment, const Guidance& guidance);
  State predict(const State& noisy, double timestep) const;

 private:
  const Model& model_;
  TensorMap embedded_;
  double scale_, rescale_;
};

}  // namespace espalier::sampling
