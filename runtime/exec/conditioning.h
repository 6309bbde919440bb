#pragma once

#include <memory>
#include <string>
#include <vector>

#include "runtime/exec/context.h"
#include "runtime/exec/embeddings.h"
#include "runtime/sdk/encoding.h"

namespace espalier::exec {

// Returns the first tag among the stage's inputs that names this model. Throws InternalError if there is none.
std::string tag_of(const Context& context, const config::StageSpec& stage, const ModelInfo& model);

// The examples that a batch of trajectories starts from and the conditions that it has. Trajectory i has condition i mod C of a sampler, or
// example i mod C of a noise corrector; trajectories of the last block beyond the last example are in no view.
class Conditioning {
 public:
  Conditioning(Context& context, const plan::StagePlan& plan, Direction direction);

  std::uint64_t count() const { return static_cast<std::uint64_t>(count_); }  // of conditions or examples
  std::uint64_t number_of(std::uint64_t index) const { return index % static_cast<std::uint64_t>(count_); }

  struct Batch {
    State examples = {};                                 // for a noise corrector
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
  std::vector<std::vector<ConditionEmbeddings>> conditions_;  // [phase][segment], for a sampler
  std::shared_ptr<const EncodedExamples> examples_;           // for a noise corrector
};

}  // namespace espalier::exec
