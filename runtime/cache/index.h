#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "runtime/base/digest.h"
#include "runtime/base/value.h"

namespace espalier::cache {

struct CommitInfo {
  std::int64_t bytes = 0;
  double seconds = 0.0;
  std::int64_t network_evaluations = 0;
};

// What is committed of one block: the union of its layers' steps.
struct BlockStatus {
  std::set<std::int64_t> steps;
  CommitInfo total;
};

// A published selection, model or figure set.
struct ResultInfo {
  Hex digest;            // of the result's files: what a stage below depends on
  Value request;         // what the key is the digest of
  Value info;            // what the stage said of it (ModelInfo, accounting, figures)
  double seconds = 0.0;  // info's "seconds", if it has one
};

// What the planner asks of a cache. Tests give it a fake.
class Index {
 public:
  virtual ~Index() = default;
  virtual std::map<std::uint64_t, BlockStatus> blocks(const Hex& set_id) const = 0;
  virtual std::map<std::uint64_t, CommitInfo> score_blocks(const Hex& set_id, const Hex& score_id) const = 0;
  virtual std::optional<ResultInfo> result(const std::string& kind, const Hex& key) const = 0;
  // Every request of a kind that has an entry ("trajectories": recipes, "scores", "selection", "model", "figures"), for `explain`.
  virtual std::vector<Value> requests(const std::string& kind) const = 0;
};

}  // namespace espalier::cache
