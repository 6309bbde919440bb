#pragma once

#include <string>

#include "runtime/diffusion/scheduler_config.h"
#include "runtime/tensor/state.h"

namespace espalier::sampling {

// How a network of a variance preserving process answers pure noise at the noisiest timestep T-1. There x_t is nearly eps: a prediction of
// epsilon is nearly the state itself, one of the velocity or of the clean state hardly depends on it.
struct NoiseResponse {
  double timestep = 0.0;
  double slope = 0.0;      // of the prediction on x_t, between two noises of one condition
  double explained = 0.0;  // r^2: the share of the predictions' difference that the slope explains
  double varying = 0.0;    // the share of the predictions' mean square that differs between the noises
};

// Of a prediction, without guidance, whose first two rows are of two noises and one condition.
NoiseResponse noise_response(double timestep, const State& noise, const State& prediction);

// "epsilon" (a slope of 1 that explains most of the difference), "v_prediction or sample" (a slope of 0, and predictions of which most is
// common to both noises), or "" where the response does not show it, as that of random weights.
std::string shown_prediction(const NoiseResponse& response);

// Whether the response shows another prediction than the scheduler's file names.
bool contradicts(const NoiseResponse& response, diffusion::Prediction named);

}  // namespace espalier::sampling
