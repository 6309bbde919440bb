#pragma once

#include <map>
#include <string>

#include "runtime/config/node.h"
#include "runtime/config/spec.h"

// [rounds] and [sweep]: one stage of the file becomes several. Both are pure functions of the document, so that planning and running have
// no code for them.
namespace espalier::config {

struct Expanded {
  Node root;                                   // the pipeline with all copies, without [rounds] and [sweep]
  std::map<std::string, StageOrigin> origins;  // of each stage, by its tag in `root`
};

// Makes first the rounds, then the copies of the sweep.
//
// [rounds]
//   count = 3
//   stages = ["samples", "alignment", "best", "pgraft"]
//   start = "base"               # what the first round starts from: a model of [models]
//   next = ["pgraft", "base"]    # what a later round samples from: stages of the round before, models of [models]
// Round r of stage `x` has the tag "x-r<r>". A stage of the rounds that names another names that of its own round. From round 2 on, an
// input that is `start` alone becomes `next` (of a sampler) or the first of `next` (of other stages), of the round before. Every stage
// outside names the last round's; a metric's list names all. From round 2 on, a stage's seed is round_seed(), except that of a sampler
// with noise = "held_out".
//
// [sweep]
//   seed = [1, 2, 3]                       # an axis: of every stage that has no seed of its own, except metrics
//   pgraft.intermediate_step = [0.25, 0.5] # of a stage; "pgraft.seed" sets the stage's seed
//   "trainer.sft".seed = [1, 2, 3]         # of all stages of a type
// A stage that an axis sets, and every stage that depends on one, is copied for each value; its tag gets "-<value>" for each axis in the
// file's order. A metric is copied only for the axes of inputs that it names alone; its lists name all copies. At most 4096 stages.
Expanded expand(const Node& root, Problems& problems);

// The seed of a round's stages: the seed itself in round 1, later the first 63 bits of the SHA-256 of "round <round> of seed <seed>".
std::int64_t round_seed(std::int64_t seed, std::int64_t round);

}  // namespace espalier::config
