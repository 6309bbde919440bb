#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/random/draws.h"

namespace espalier {

// What a filter chooses from: the samples of a view, or of them those that another filter accepted before it. The filter returns its own
// choice only: the engine multiplies its weights with those given before.
struct FilterInput {
  std::vector<double> score;               // [N]; NaN and infinities are never selected
  std::vector<std::int64_t> condition;     // [N]
  std::vector<std::int64_t> index;         // [N], trajectory indices, ascending
  std::vector<std::string> canonical_key;  // [N] where the filter needs them, else empty; Codec::canonical_keys: "" equals no other
  random::StreamKey key;                   // for ties: a draw belongs to a trajectory index, not to an order
};

struct Selection {
  std::vector<std::int64_t> index;  // accepted, ascending
  std::vector<double> weight;       // of each, > 0
};

// The accepted distribution relative to the base, before any training. u is a sample's quantile: its place in its group's order of scores.
struct Law {
  double acceptance_rate = 0.0;
  double kl_nats = 0.0;  // KL(accepted || base)
  double expected_quantile = 0.5;
  std::vector<double> quantile;  // curve: u in (0, 1)
  std::vector<double> density;   // w(u), accepted density relative to the base
  std::string formula;           // for the reader of a report
};

}  // namespace espalier
