#pragma once

#include <cstdint>
#include <vector>

#include "runtime/sdk/trajectory_source.h"

namespace espalier::sampling {

// Returns the rows, of `count`, that the pass from `first` on embeds; the last pass is filled up with the first rows.
std::vector<std::int64_t> rows_of_pass(std::int64_t first, std::int64_t micro_batch, std::int64_t count);

// Returns the embeddings [C, ...] of conditions [C, ...] by the model's network, in passes of `micro_batch` rows (rows_of_pass), so that an
// embedding depends only on its condition and the size of a pass. Without gradients.
TensorMap embed(const Model& model, const TensorMap& condition, std::int64_t micro_batch);

// Returns a model for a batch of trajectories with these conditions, [B, ...], and the null condition, [1, ...] (empty: no guidance).
SegmentModel segment_model(std::shared_ptr<const Model> model, TensorMap condition, std::int64_t micro_batch,
                           const TensorMap& null_condition = {});

}  // namespace espalier::sampling
