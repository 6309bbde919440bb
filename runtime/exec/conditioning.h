#pragma once

#include <memory>
#include <string>
#include <vector>

#include "runtime/exec/context.h"
#include "runtime/exec/embeddings.h"
#include "runtime/sdk/encoding.h"

namespace espalier::exec {

// The first tag of the stage's inputs that is this model.
std::string tag_of(const Context& context, const config::StageSpec& stage, const ModelInfo& model);

// What a batch of trajectories starts from and is conditioned on, in the order of their indices, which go round the conditions (a
// sampler's) or the examples (a noise corrector's): of the last block, what lies beyond the last example is in no view.
class Conditioning {
 public:
  Conditioning(Context& context, const plan::StagePlan& plan, Direction direction);

  std::uint64_t count() const { return static_cast<std::uint64_t>(count_); }  // of conditions or examples
  std::uint64_t number_of(std::uint64_t index) const { return index % static_cast<std::uint64_t>(count_); }

  struct Batch {
    State examples = {};                                 // a noise corrector's
    std::vector<std::vector<SegmentModel>> models = {};  // [phase][segment]
  };
  // Throws DataError for an example that is not finite.
  Batch batch(const std::vector<std::uint64_t>& indices) const;

 private:
  void check(const EncodedExamples::Batch& batch, const std::vector<std::uint64_t>& numbers) const;

  std::string split_, domain_type_;
  StateSpec spec_;
  at::Device device_;
  std::int64_t micro_batch_;
  std::vector<std::vector<std::shared_ptr<const Model>>> models_;  // [phase][segment]
  std::int64_t count_ = 1;
  std::vector<std::vector<ConditionEmbeddings>> conditions_;  // a sampler's, as models_
  std::shared_ptr<const EncodedExamples> examples_;           // a noise corrector's
};

}  // namespace espalier::exec
