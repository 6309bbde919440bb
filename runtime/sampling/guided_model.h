#pragma once

#include "runtime/modelfile/model.h"

namespace espalier::sampling {

// A model under classifier-free guidance for one micro-batch: uncond + guidance_scale (cond - uncond), both halves in one batch;
// guidance_scale = 1 runs one half.
class GuidedModel {
 public:
  GuidedModel(const Model& model, const TensorMap& condition, const TensorMap& null_condition, double guidance_scale);
  State predict(const State& noisy, double timestep) const;

 private:
  const Model& model_;
  TensorMap embedded_;
  double guidance_scale_;
};

}  // namespace espalier::sampling
