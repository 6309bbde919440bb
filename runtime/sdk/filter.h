#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/sdk/domain.h"

namespace espalier {

// What a filter chooses from: the samples of a view, or of them those that another filter accepted before it. Its own choice is all it
// tells: the engine multiplies its weights with those given before.
struct FilterInput {
  std::vector<double> score;               // [N]; NaN and infinities are never selected
  std::vector<std::int64_t> condition;     // [N]
  std::vector<std::int64_t> index;         // [N], trajectory indices, ascending
  std::vector<std::string> canonical_key;  // [N] where the filter needs them, else empty; Domain::canonical_keys: "" equals no other
  random::StreamKey key;                   // for ties: a draw belongs to a trajectory index, not to an order
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
  virtual Law law(const FilterInput& input) const = 0;           // of this filter alone; the engine estimates that of a chain

  // What cannot be selected from such a view (k above the group). In a chain the view is the largest that the filter can be offered. Called
  // before anything is sampled. Throws ConfigError.
  virtual void check_view(const PlannedView& view) const { (void)view; }

  // Whether `select` reads canonical keys. A pipeline whose domain gives none is then refused before anything is sampled.
  virtual bool needs_keys() const { return false; }
  // Whether samples compete only with those of their own condition: the group in which a chain's law takes quantiles.
  virtual bool by_condition() const { return true; }
};

}  // namespace espalier
