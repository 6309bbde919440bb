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

// The sampling for which a noise corrector's flow makes the noise.
struct CorrectedSampling {
  Hex weights;  // of the model that is sampled
  std::int64_t num_inference_steps = 0;
  Value to_value() const;
  static CorrectedSampling from_value(const Value& value);
  bool operator==(const CorrectedSampling&) const = default;
};

// What is known of a model without reading its weights into memory; plans and keys are made of it.
struct ModelInfo {
  // digest_weights() of the tensors in the files, which may have another dtype in memory; with an adapter, digest_with_adapter().
  Hex digest;
  Value architecture;
  Value process;                                             // NoiseProcess::config()
  std::string role = kDenoiser;                              // "denoiser" (usable by samplers), "classifier", ...
  Step last_step = {};                                       // this model is for steps N -> last_step; 0, the sample: for all
  std::int64_t trained_num_steps = 0;                        // the N of last_step's index; 0 if it is a fraction or the sample
  std::optional<CorrectedSampling> corrects = std::nullopt;  // only for a noise corrector's flow
  Hex text_front = {};                                       // TextFront::digest(); "": the model takes no texts
  std::int64_t network_version = 1;                          // NetworkEntry::numerics_version
  at::ScalarType dtype = at::kFloat;                         // in which a denoiser is computed (LoadOptions::dtype)
  Value settings = Value::Map{};                             // NetworkSettings::to_value()
  // Digest of the model that training began with; for a model with an adapter, of the model without it. "": none, or not known.
  Hex base = {};
  Hex adapter = {};  // digest_weights() of the adapter's tensors (network/adapter.h); "": none
  // The components that it has weights of ("text_encoder", "unet"), sorted; in no key. Empty: not known.
  std::vector<std::string> components = {};
  std::vector<std::string> modules = {};  // network::adaptable_modules() of its weights; in no key. Empty: not known
  Value to_value() const;
  static ModelInfo from_value(const Value& value);

  // All that the model's predictions depend on: weights, architecture, process, text front, the network's version, dtype and settings. It
  // enters keys.
  Value function() const;

  // Digest of the model without its adapter; without an adapter, its own digest.
  const Hex& without_adapter() const { return adapter.empty() ? digest : base; }

  // The content of espalier.json, which the engine adds to a model's folder: role, steps, corrected sampling, base, adapter, settings. The
  // other fields follow from the folder's other files.
  Value annotations() const;
  void read_annotations(const Value& value);
};

struct Model {
  ModelInfo info;
  std::shared_ptr<const Network> network;  // null for roles other than denoiser
  std::shared_ptr<const diffusion::NoiseProcess> process;
  Weights weights;
  std::shared_ptr<const modelfile::TextFront> text = nullptr;             // null: the model takes no texts
  std::vector<std::shared_ptr<const modelfile::MappedFile>> mapped = {};  // the files that hold the weights
};

// SHA-256 over sorted tensor names, dtypes, shapes and bytes (contiguous, on the CPU).
Hex digest_weights(const Weights& weights);

// ModelInfo::digest of a model with an adapter, from the digest of the model without it and digest_weights() of the adapter's tensors.
Hex digest_with_adapter(const Hex& base, const Hex& adapter);

// Returns the parts of the weights' names before the first dot, sorted.
std::vector<std::string> components_of(const Weights& weights);

}  // namespace espalier
