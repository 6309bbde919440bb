#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "runtime/cache/index.h"
#include "runtime/config/spec.h"

namespace espalier::plan {

// Blocks that another maker computed are there: one of them is to be computed again, in part, before any is used or added to.
struct PendingProbe {
  cache::Maker against;
  std::uint64_t block = 0;  // the first that it made
};

// What computes a stage's blocks here.
cache::Maker maker_of(const config::PipelineSpec& spec, const config::StageSpec& stage);

// One for each maker of these blocks that is neither `here` nor known, by recorded probes, to make the same numbers: directly, or through
// others that were compared with both.
std::vector<PendingProbe> pending_probes(const cache::Maker& here, const std::map<std::uint64_t, cache::CommitInfo>& blocks,
                                         const cache::Index& index, const Hex& set_id, const Hex& score_id);

// "another build of sampler.ddim", "another numerics class (cpu 'X' there, 'Y' here)": how `other` differs from `here`.
std::string maker_difference(const cache::Maker& here, const cache::Maker& other);

}  // namespace espalier::plan
