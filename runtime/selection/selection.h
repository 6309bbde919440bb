#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "runtime/random/draws.h"
#include "runtime/selection/intervals.h"

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
  static constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

  double acceptance_rate = 0.0;
  double kl_nats = 0.0;  // KL(accepted || base)
  double expected_quantile = 0.5;
  // 95 %, conditions (prompts) drawn again; NaN where there are fewer than two. Of the estimate: a bias is not in them.
  intervals::Interval kl_interval = {kNone, kNone};
  intervals::Interval quantile_interval = {kNone, kNone};
  // The largest bias that the two can have, as far as the estimate's makers looked (`formula` says how it was made); 0 of a closed form,
  // NaN where it is not known.
  double kl_bias = kNone;
  double quantile_bias = kNone;
  // The base's N samples, weighted by their acceptance a: (sum a)^2 / sum a^2 (Kish), N where all are accepted alike.
  double effective_sample_size = 0.0;
  // The curve w(u), the accepted density relative to the base, at u in (0, 1). Of tied scores it is drawn with each group's own scores as
  // the base: the step that few samples show, and no estimate of the true law's.
  std::vector<double> quantile;
  std::vector<double> density;
  std::string formula;  // for the reader of a report

  // [as quantile] log E[A | u] = log(acceptance_rate w(u)): the reward, in units of its KL penalty, that the accepted distribution
  // maximises
  // (-infinity where nothing is accepted).
  std::vector<double> reshaped_reward() const;
};

}  // namespace espalier
