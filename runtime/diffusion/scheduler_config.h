#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "runtime/base/value.h"

namespace espalier::diffusion {

enum class BetaSchedule { linear, scaled_linear, squaredcos_cap_v2 };
enum class Prediction { epsilon, v_prediction, sample };
enum class TimestepSpacing { leading, trailing, linspace };

// What a diffusers scheduler_config.json states of a variance preserving process, whatever class of scheduler wrote it: how a sampler steps
// is the sampler's. A key that a file leaves out has the default of the file's class, except where a comment says otherwise.
struct SchedulerConfig {
  std::int64_t num_train_timesteps = 1000;
  BetaSchedule beta_schedule = BetaSchedule::linear;
  double beta_start = 0.0001;
  double beta_end = 0.02;
  Prediction prediction = Prediction::epsilon;
  std::optional<TimestepSpacing> spacing = std::nullopt;  // none: the file names none, and each kind of grid has its own default
  std::int64_t steps_offset = 0;
  bool set_alpha_to_one = true;  // of a DDIM grid, whose default this is: the level below timestep 0: alpha_bar 1, else alpha_bar_0
  bool clip_sample = true;  // clamp the predicted x_0 to +-clip_sample_range in every step; only DDIM's and DDPM's class does so by default
  double clip_sample_range = 1.0;
};

const char* prediction_name(Prediction prediction);  // as diffusers' prediction_type

// The classes whose files read_scheduler_config reads, and "variance_preserving".
const std::vector<std::string>& variance_preserving_schedulers();

// Reads a file's table (`origin` names it in messages). Keys beginning with '_' are diffusers' bookkeeping; known keys that bear on how a
// scheduler steps, and not on the process, are passed over. Throws DataError for an unknown key (with the nearest name), a wrong type or
// value, and for what is not implemented: thresholding, rescale_betas_zero_snr, trained_betas, a learned variance, flow sigmas.
SchedulerConfig read_scheduler_config(const Value& table, const std::string& origin);

// What a person should know of how such a table is read, a sentence each: a prediction_type that it leaves out, and how its scheduler would
// step where that is not its class's usual way. Of a table of another class: none.
std::vector<std::string> scheduler_notes(const Value& table);

// The same as DDIMScheduler's, every key that matters present: equal processes give equal tables.
Value to_value(const SchedulerConfig& config);

// What a diffusers scheduler_config.json states of a rectified flow, as FlowMatchEulerDiscreteScheduler.
struct FlowConfig {
  std::int64_t num_train_timesteps = 1000;  // the timestep that the network receives for pure noise
};

// As read_scheduler_config. Known keys that bear only on a shifted schedule are passed over. Throws DataError for what would change the
// numbers and is not implemented: another shift than 1, dynamic shifting, Karras, exponential or beta sigmas, inverted sigmas, a terminal
// shift, stochastic sampling.
FlowConfig read_flow_config(const Value& table, const std::string& origin);

Value to_value(const FlowConfig& config);

enum class VisitOrder { round_robin, joint };
enum class TokenReversal { posterior, gibbs };

// What a scheduler_config.json states of the process `interleaved` (interleaved.h), as InterleavedScheduler: a class of this project's own.
struct InterleavedConfig {
  std::int64_t num_elements = 1;  // M, the most that a state holds
  std::int64_t num_classes = 2;   // K
  std::int64_t num_rounds = 100;  // visits to each position
  VisitOrder order = VisitOrder::round_robin;
  TokenReversal token_reversal = TokenReversal::posterior;
  BetaSchedule beta_schedule = BetaSchedule::squaredcos_cap_v2;  // over the visits to a position
  double beta_start = 0.0001;
  double beta_end = 0.02;
};

// As read_scheduler_config; token_reversal = "gibbs" is for order = "round_robin".
InterleavedConfig read_interleaved_config(const Value& table, const std::string& origin);

Value to_value(const InterleavedConfig& config);

}  // namespace espalier::diffusion
