#pragma once

#include <string>

#include "runtime/base/stop.h"
#include "runtime/sdk/sampler.h"

namespace espalier {

// The recorded state of an inversion has the domain's fields, and beside them what certifies it (float, from step 0, where all are 0, to
// the noise at step N, where all are known):
namespace inversion {
inline constexpr const char* kConverged = "converged";  // [B] 1 when every step met the tolerance and nothing became infinite, else 0
inline constexpr const char* kRoundTripError = "round_trip_error";    // [B] rms of example - sampled(noise)
inline constexpr const char* kKnownNoiseError = "known_noise_error";  // [B] rms of z - inverted(sampled(z)), z fresh noise; NaN: not tried
inline constexpr const char* kResidual = "residual";  // [B, N] by step: rms of y + h v(y) - x; column k: steps remaining k -> k + 1
inline constexpr const char* kContraction =
    "contraction_ratio";                                  // [B, N] largest rms of a Picard move over that of the one before: at most h L
inline constexpr const char* kIterations = "iterations";  // [B, N] network evaluations
}  // namespace inversion

// One block of examples to run back to noise.
struct InversionJob {
  const Phase& phase;  // made by NoiseCorrector::phase
  const Model& model;
  const StateSpec& spec;
  const State& examples;       // clean, [S, ...], on the device
  const TensorMap& condition;  // raw, [S, ...]
  std::int64_t micro_batch;    // rows of every forward pass: a network's last bits depend on it
  random::Draws& draws;        // of the S examples
  at::Device device;
  const StopToken& stop;  // ask between forward passes; throw Stopped
};

// Runs a frozen flow model backwards from examples to the noise that it would have made them of.
class NoiseCorrector : public Plugin {
 public:
  // The sampling to invert: start "examples", its grid, and one segment. Pure. ConfigError when the model is no flow.
  virtual Phase phase(const ModelInfo& model) const = 0;

  // Forward passes of the network that an example is expected to cost, for plans.
  virtual std::int64_t expected_evaluations(const Phase& phase) const = 0;

  // Records every grid point from the sample (step 0) to the noise (step N); each example's bits depend on micro_batch alone. Runs on one
  // thread, without gradients. Returns the forward passes spent, times micro_batch.
  virtual std::int64_t invert(const InversionJob& job, Recorder& recorder) const = 0;
};

}  // namespace espalier
