#pragma once

#include <memory>
#include <string>
#include <vector>

#include "runtime/exec/context.h"
#include "runtime/sdk/view.h"

// Reads trajectories from the cache; the only place where they are read for use. All functions throw Quarantined on damage.
namespace espalier::exec {

// One recorded step of a whole block, read and verified once and kept in Context::blocks.
struct BlockStates {
  std::vector<std::uint64_t> condition;  // [S]
  cache::Block::Recorded recorded;
};
std::shared_ptr<const BlockStates> block_states(Context& context, const plan::Result& trajectories, std::uint64_t block, std::int64_t step);

// The samples of a whole block that are not excluded, decoded once and checked.
struct DecodedBlock {
  std::vector<std::int64_t> rows;  // of the block, ascending
  Sample sample;                   // of these rows; empty if there are none
};
// Adds the samples that this call decoded with a model's weights to `decoded` (null: Context::samples_decoded): none if they were in
// memory.
std::shared_ptr<const DecodedBlock> decoded_block(Context& context, const plan::Result& trajectories, std::uint64_t block,
                                                  std::atomic<std::int64_t>* decoded = nullptr);

// Returns the view of a finished sampler or noise_corrector stage, without excluded samples. It must not outlive the context.
View view_of(Context& context, const std::string& tag);

}  // namespace espalier::exec
