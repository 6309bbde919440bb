#pragma once

#include <cstdint>
#include <vector>

#include "runtime/diffusion/process.h"

namespace espalier::dpo {

// A batch of B pairs under one draw of noise. All are scalars.
struct PreferenceLoss {
  at::Tensor loss;             // mean over the pairs of -log sigma(beta_dpo margin), margin = (ref_w - ref_l) - (theta_w - theta_l)
  at::Tensor accuracy;         // share of pairs with margin > 0; of those with 0, half
  at::Tensor error;            // mean of theta_w and theta_l
  at::Tensor reference_error;  // mean of ref_w and ref_l
};

// Diffusion-DPO, arXiv 2311.12908, equation 14. theta and ref are the mean squared errors of the trained network's and the reference's
// prediction, over the dimensions of the state, in the units of what the network predicts (NoiseProcess::loss from clean samples). Winner
// and loser of a pair, and both networks, have the same noise and the same timestep: those of the pair's position.
//
// winner, loser: clean states [B, ...] of the same conditions. trained, reference: predictions for 2 B states, the winners first; the
// loss is differentiable through `trained` alone. positions: [B], of the pairs in the stream of training.
PreferenceLoss preference_loss(const diffusion::NoiseProcess& process, const diffusion::Predict& trained,
                               const diffusion::Predict& reference, const State& winner, const State& loser, const random::StreamKey& noise,
                               const std::vector<std::uint64_t>& positions, double beta_dpo);

}  // namespace espalier::dpo
