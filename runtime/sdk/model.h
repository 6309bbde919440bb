#pragma once

#include <memory>
#include <string>
#include <vector>

#include "runtime/base/digest.h"
#include "runtime/base/state.h"
#include "runtime/base/step.h"
#include "runtime/diffusion/process.h"

namespace espalier {

// Named weights, "<component>.<tensor>" ("unet.conv_in.weight", "text_encoder.text_model..."); the names are diffusers' and transformers'.
using Weights = TensorMap;

// A network as a function of named weights. Immutable and shared by threads; holds no tensor of its own.
class Network {
 public:
  virtual ~Network() = default;
  virtual Value architecture() const = 0;  // all that the function depends on besides the weights; enters keys

  // What predict() needs of raw conditions (Conditions::tensors rows, [B, ...]); differentiable in the weights of a text encoder.
  virtual TensorMap embed(const Weights& weights, const TensorMap& condition) const = 0;

  // noisy: the domain's state, [B, ...]; timestep [B] float; embedded: from embed(), [B, ...]. Gives a State of the same shapes.
  virtual State predict(const Weights& weights, const State& noisy, const at::Tensor& timestep, const TensorMap& embedded) const = 0;

  // Fresh weights by the library's usual initialisation, a function of the seed alone.
  virtual Weights initialize(std::uint64_t seed) const = 0;
};

// Known without reading weights into memory: what plans and keys are made of.
struct ModelInfo {
  Hex digest;  // of the weights: sorted names, dtypes, shapes, bytes
  Value architecture;
  Value process;                       // NoiseProcess::config()
  std::string role = "denoiser";       // "denoiser" (usable by samplers), "classifier", ...
  Step last_step;                      // this model is for steps N -> last_step; the sample (0) means all
  std::int64_t trained_num_steps = 0;  // the N that last_step was an index of; 0 when it is a fraction or the sample
  // Of a noise corrector's flow, the sampling whose noise it makes: {"weights": the base's digest, "num_inference_steps": N}; else null.
  Value corrects = nullptr;
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
