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

// What computed a block, beside all that its key states. A maker would make its own blocks again bit for bit; what another one made is
// probed before it is used (docs/decisions/0012).
struct Maker {
  Value libraries;       // name -> SHA-256 of each library whose numbers enter; empty where an old record does not name them
  Value numerics_class;  // CPU, LibTorch, device
  Value to_value() const { return Value::Map{{"libraries", libraries}, {"numerics_class", numerics_class}}; }
  Hex id() const { return digest(to_value()); }
  Hex build() const { return libraries == Value() ? "" : digest(libraries); }
};

// What came of a probe: `maker` computed again a part of a block that `against` had made, and it was the same within `tolerance`.
struct Probe {
  Maker maker;
  Maker against;
  std::uint64_t block = 0;
  std::int64_t samples = 0;  // computed again
  double difference = 0.0;   // the largest absolute one over the largest absolute value
  double tolerance = 0.0;
};

struct CommitInfo {
  std::int64_t bytes = 0;
  double seconds = 0.0;
  std::int64_t network_evaluations = 0;
  std::vector<Maker> makers = {};  // of the layers, oldest first
};

// What is committed of one block: the union of its layers' steps.
struct BlockStatus {
  std::set<std::int64_t> steps;
  CommitInfo total;
  std::optional<std::int64_t> nonfinite;  // samples whose x_0 holds NaN or an infinity; nullopt: committed before they were counted
};

// A published selection, model or set of findings.
struct ResultInfo {
  Hex digest;            // of the result's files: what a stage below depends on
  Value request;         // what the key is the digest of
  Value info;            // what the stage reported of it (ModelInfo, accounting, findings)
  double seconds = 0.0;  // info's "seconds", if it has one
};

// What the planner reads of a cache. Tests pass a fake.
class Index {
 public:
  virtual ~Index() = default;
  virtual std::map<std::uint64_t, BlockStatus> blocks(const Hex& set_id) const = 0;
  virtual std::map<std::uint64_t, CommitInfo> score_blocks(const Hex& set_id, const Hex& score_id) const = 0;
  // The probes recorded of a set's trajectories (score_id ""), or of scores of it.
  virtual std::vector<Probe> probes(const Hex& set_id, const Hex& score_id) const = 0;
  virtual std::optional<ResultInfo> result(const std::string& kind, const Hex& key) const = 0;
  // Every request of a kind that has an entry ("trajectories": recipes, "scores", "selection", "model", "findings"), for `explain`.
  virtual std::vector<Value> requests(const std::string& kind) const = 0;
};

}  // namespace espalier::cache
