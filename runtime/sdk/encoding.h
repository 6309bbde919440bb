#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/sdk/domain.h"

// Data as one model takes it: conditions with what its tokenizer makes of the texts, examples as its states.
namespace espalier {

// What a model's network and process take of conditions.
struct EncodedConditions {
  TensorMap tensors;       // [C, ...]
  TensorMap null_tensors;  // the same names, [1, ...]
};

// The conditions' own tensors, and those of the model's text front. The null condition of a text is the negative prompt, without one the
// empty text, which a network may embed in another way (network/text_role.h).
EncodedConditions encode_conditions(const Conditions& conditions, const Model& model,
                                    const std::optional<std::string>& negative_prompt = std::nullopt);

// Training examples as states, addressed as Examples are.
class EncodedExamples {
 public:
  virtual ~EncodedExamples() = default;
  virtual std::int64_t size() const = 0;  // 0: without end
  virtual Hex digest() const = 0;
  struct Batch {
    State state;                  // clean, [B, ...]
    TensorMap condition;          // EncodedConditions' rows, [B, ...]
    std::vector<Value> metadata;  // [B], as Conditions::metadata
  };
  virtual Batch at(const std::vector<std::uint64_t>& positions) const = 0;  // thread-safe
};

// A dataset's examples as the states of this model, which outlives them. A codec that draws gives the same state for an example whenever
// it is encoded with one seed.
std::shared_ptr<const EncodedExamples> encode_examples(std::shared_ptr<const Examples> examples, std::shared_ptr<const Codec> codec,
                                                       const Model& model, std::uint64_t seed, at::Device device = at::kCPU);

// A batch of examples as rewards and metrics see samples: encoded and decoded by the codec of the samples' own size.
Sample samples_of(const Domain& domain, const Examples::Batch& batch);

}  // namespace espalier
