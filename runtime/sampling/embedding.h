#pragma once

#include <cstdint>
#include <vector>

#include "runtime/sdk/trajectory_source.h"

namespace espalier::sampling {

// The rows of `count` that the pass from `first` on embeds: the last pass goes round to the first rows.
std::vector<std::int64_t> rows_of_pass(std::int64_t first, std::int64_t micro_batch, std::int64_t count);

// What the model's network makes of conditions [C, ...], [C, ...]: `micro_batch` rows a pass (rows_of_pass), so that an embedding depends
// on its condition and the size of the pass alone. Without gradients.
TensorMap embed(const Model& model, const TensorMap& condition, std::int64_t micro_batch);

// A model for a batch of trajectories with these conditions, [B, ...], and the null condition, [1, ...] (none: no guidance).
SegmentModel segment_model(std::shared_ptr<const Model> model, TensorMap condition, std::int64_t micro_batch,
                           const TensorMap& null_condition = {});

}  // namespace espalier::sampling
