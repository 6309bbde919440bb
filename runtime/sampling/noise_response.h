#pragma once

#include <string>

#include "runtime/diffusion/scheduler_config.h"
#include "runtime/tensor/state.h"

namespace espalier::sampling {

// How the prediction of a network of a variance preserving process depends on pure noise at the noisiest timestep T-1. There x_t is nearly
// eps, so that a prediction of epsilon is nearly x_t, and one of the velocity or of the clean state hardly depends on x_t.
struct NoiseResponse {
  double timestep = 0.0;
  double slope = 0.0;      // regression slope of the prediction on x_t, from two noises with one condition
  double explained = 0.0;  // r^2: share of the predictions' difference that the slope explains
  double varying = 0.0;    // share of the predictions' mean square that differs between the noises
};

// `prediction`: without guidance; its first two rows are for two noises with one condition.
NoiseResponse noise_response(double timestep, const State& noise, const State& prediction);

// Returns "epsilon" (the slope is near 1 and explains most of the difference), "v_prediction or sample" (the slope is near 0, and the
// predictions for both noises are mostly equal), or "" if the response shows neither, as for random weights.
std::string shown_prediction(const NoiseResponse& response);

// Returns whether the response shows another prediction than the scheduler's file names.
bool contradicts(const NoiseResponse& response, diffusion::Prediction named);

}  // namespace espalier::sampling
