#pragma once

#include "runtime/exec/block_cache.h"
#include "runtime/sdk/encoding.h"
#include "runtime/sdk/trajectory_source.h"

namespace espalier::exec {

// The embeddings of a stage's conditions by one model. Each is computed once per run, when first needed, in passes of `micro_batch`
// conditions; if the bounded cache has dropped it, it is computed again with the same bits. Thread-safe.
class ConditionEmbeddings {
 public:
  ConditionEmbeddings(BlockCache& cache, std::shared_ptr<const Model> model, EncodedConditions conditions, std::int64_t micro_batch,
                      at::Device device);
  // Returns the model with the embeddings for trajectories with these conditions, on the device.
  SegmentModel at(const std::vector<std::int64_t>& conditions) const;

 private:
  std::shared_ptr<const TensorMap> embedded(const char* which, std::uint64_t pass, const TensorMap& condition) const;
  TensorMap embedded_rows(const std::vector<std::int64_t>& conditions) const;

  BlockCache& cache_;
  std::shared_ptr<const Model> model_;
  EncodedConditions conditions_;
  Hex digest_;  // of conditions_
  std::int64_t count_, micro_batch_;
  at::Device device_;
};

}  // namespace espalier::exec
