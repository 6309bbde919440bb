#pragma once

#include "runtime/sdk/trajectory_source.h"

namespace espalier::sampling {

// A model under classifier-free guidance for one micro-batch: uncond + guidance_scale (cond - uncond), both halves in one batch;
// guidance_scale = 1 runs one half.
class GuidedModel {
 public:
  // Throws ConfigError where guidance_scale is not 1 and there is no condition to guide by.
  GuidedModel(const SegmentModel& segment, double guidance_scale);
  State predict(const State& noisy, double timestep) const;

 private:
  const Model& model_;
  TensorMap embedded_;
  double guidance_scale_;
};

}  // namespace espalier::sampling
