#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/base/digest.h"
#include "runtime/diffusion/process.h"
#include "runtime/diffusion/step.h"
#include "runtime/network/network.h"
#include "runtime/tensor/state.h"

namespace espalier {

// The sampling whose noise a noise corrector's flow makes.
struct CorrectedSampling {
  Hex weights;  // of the model that is sampled
  std::int64_t num_inference_steps = 0;
  Value to_value() const;
  static CorrectedSampling from_value(const Value& value);
  bool operator==(const CorrectedSampling&) const = default;
};

// Known without reading weights into memory: what plans and keys are made of.
struct ModelInfo {
  Hex digest;  // of the weights: sorted names, dtypes, shapes, bytes
  Value architecture;
  Value process;                                             // NoiseProcess::config()
  std::string role = "denoiser";                             // "denoiser" (usable by samplers), "classifier", ...
  Step last_step;                                            // this model is for steps N -> last_step; the sample (0) means all
  std::int64_t trained_num_steps = 0;                        // the N that last_step was an index of; 0 when it is a fraction or the sample
  std::optional<CorrectedSampling> corrects = std::nullopt;  // of a noise corrector's flow alone
  // The components that its weights are of ("text_encoder", "unet"), sorted; in no key. Empty: not known.
  std::vector<std::string> components = {};
  Value to_value() const;
  static ModelInfo from_value(const Value& value);
};

struct Model {
  ModelInfo info;
  std::shared_ptr<const Network> network;  // null for roles other than denoiser
  std::shared_ptr<const diffusion::NoiseProcess> process;
  Weights weights;
};

// SHA-256 over sorted tensor names, dtypes, shapes and bytes (contiguous, on the CPU).
Hex digest_weights(const Weights& weights);

}  // namespace espalier
