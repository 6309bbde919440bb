#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/sdk/domain.h"

namespace espalier {

struct FilterInput {
  std::vector<double> score;            // [N]; NaN and infinities are never selected
  std::vector<std::int64_t> condition;  // [N]
  std::vector<std::int64_t> index;      // [N], trajectory indices, ascending
  random::StreamKey key;                // for ties: a draw belongs to a trajectory index, not to an order
};

struct Selection {
  std::vector<std::int64_t> index;  // accepted, ascending
  std::vector<double> weight;       // of each, > 0
};

// What the filter does to the base law, before any training.
struct Law {
  double acceptance_rate = 0.0;
  double kl_nats = 0.0;  // KL(accepted || base); an upper bound with ties where kl_is_bound
  bool kl_is_bound = false;
  double expected_quantile = 0.5;  // E[u] of accepted samples, u the reward's quantile within its group
  std::vector<double> quantile;    // curve: u in (0, 1)
  std::vector<double> density;     // w(u), accepted density relative to the base
  std::string formula;             // as a person reads it
};

class Filter : public Plugin {
 public:
  virtual Selection select(const FilterInput& input) const = 0;  // throws StageError when it cannot
  virtual Law law(const FilterInput& input) const = 0;
};

}  // namespace espalier
