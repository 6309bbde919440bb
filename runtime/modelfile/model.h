#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/base/digest.h"
#include "runtime/diffusion/process.h"
#include "runtime/diffusion/step.h"
#include "runtime/modelfile/mapped_file.h"
#include "runtime/modelfile/text_front.h"
#include "runtime/network/network.h"
#include "runtime/tensor/state.h"

namespace espalier {

inline constexpr const char* kDenoiser = "denoiser";  // the role of models that samplers take

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
  // digest_weights() of the files' tensors, which memory may hold in another dtype; with an adapter, digest_with_adapter().
  Hex digest;
  Value architecture;
  Value process;                                             // NoiseProcess::config()
  std::string role = kDenoiser;                              // "denoiser" (usable by samplers), "classifier", ...
  Step last_step = {};                                       // this model is for steps N -> last_step; the sample (0) means all
  std::int64_t trained_num_steps = 0;                        // the N that last_step was an index of; 0 when it is a fraction or the sample
  std::optional<CorrectedSampling> corrects = std::nullopt;  // of a noise corrector's flow alone
  Hex text_front = {};                                       // TextFront::digest(); "": the model takes no texts
  std::int64_t network_version = 1;                          // NetworkEntry::numerics_version
  at::ScalarType dtype = at::kFloat;                         // that a denoiser is computed in (LoadOptions::dtype)
  Value settings = Value::Map{};                             // NetworkSettings::to_value()
  // Digest of the model that training began with; of a model with an adapter that of the model without it. "": none, or not known.
  Hex base = {};
  Hex adapter = {};  // digest_weights() of the adapter's tensors (network/adapter.h); "": none
  // The components that its weights are of ("text_encoder", "unet"), sorted; in no key. Empty: not known.
  std::vector<std::string> components = {};
  std::vector<std::string> modules = {};  // network::adaptable_modules() of its weights; in no key. Empty: not known
  Value to_value() const;
  static ModelInfo from_value(const Value& value);

  // All that the model's predictions depend on: weights, architecture, process, text front, the network's version, dtype and settings.
  // Enters keys.
  Value function() const;

  // Digest of the model without its adapter; of one that has none, its own.
  const Hex& without_adapter() const { return adapter.empty() ? digest : base; }

  // What the engine adds to a model's folder (espalier.json): role, steps, what is corrected, base, adapter, settings. The rest is what the
  // folder holds.
  Value annotations() const;
  void read_annotations(const Value& value);
};

struct Model {
  ModelInfo info;
  std::shared_ptr<const Network> network;  // null for roles other than denoiser
  std::shared_ptr<const diffusion::NoiseProcess> process;
  Weights weights;
  std::shared_ptr<const modelfile::TextFront> text = nullptr;             // null: the model takes no texts
  std::vector<std::shared_ptr<const modelfile::MappedFile>> mapped = {};  // the files in which weights lie
};

// SHA-256 over sorted tensor names, dtypes, shapes and bytes (contiguous, on the CPU).
Hex digest_weights(const Weights& weights);

// ModelInfo::digest of a model with an adapter, from the digest of the model without it and digest_weights() of the adapter's tensors.
Hex digest_with_adapter(const Hex& base, const Hex& adapter);

// What stands before the first dot of the weights' names, sorted.
std::vector<std::string> components_of(const Weights& weights);

}  // namespace espalier
