#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "runtime/cache/index.h"
#include "runtime/config/spec.h"

namespace espalier::plan {

// The cache holds blocks that another maker computed: part of one of them is computed again before any is used or added to.
struct PendingProbe {
  cache::Maker against;
  std::uint64_t block = 0;  // the first that this maker computed
};

// Returns the maker of a stage's blocks in this process.
cache::Maker maker_of(const config::PipelineSpec& spec, const config::StageSpec& stage);

// Returns a probe for each maker of these blocks that is not `here` and that no recorded probes show to compute the same numbers, directly
// or through others that were compared with both.
std::vector<PendingProbe> pending_probes(const cache::Maker& here, const std::map<std::uint64_t, cache::CommitInfo>& blocks,
                                         const cache::Index& index, const Hex& set_id, const Hex& score_id);

// Describes how `other` differs from `here`: "another build of sampler.ddim", "another numerics class (cpu 'X' there, 'Y' here)".
std::string maker_difference(const cache::Maker& here, const cache::Maker& other);

}  // namespace espalier::plan
