#pragma once

#include <vector>

#include "runtime/sdk/trajectory_source.h"

namespace espalier {

// The recorded state of an inversion has the codec's fields, and beside them what certifies it (float, from step 0, where all are 0, to
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

// Runs a frozen flow model backwards from examples to the noise that it would have made them of. What it computes is a block of examples:
// it records every grid point from the sample (step 0) to the noise (step N), and its rows share the network's micro-batches.
class NoiseCorrector : public Plugin, public TrajectorySource {
 public:
  // The sampling to invert: start "examples", its grid, and one segment. Pure. ConfigError when the model is no flow.
  virtual Phase phase(const ModelInfo& model) const = 0;

  Direction direction() const final { return Direction::to_noise; }
  std::vector<Phase> phases(const std::vector<ModelInfo>& models, const ModelInfo*) const final { return {phase(models.front())}; }
  bool whole_blocks() const final { return true; }
};

}  // namespace espalier
