#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "runtime/sdk/plugin.h"

// A world for tests of trainers of denoisers (trainer.sft, trainer.dpo) in which the best network is known in closed form: Gaussian data,
// and a network that is linear in the state at every timestep.
namespace espalier::sft {

inline constexpr std::int64_t kTimesteps = 12;  // of training
inline constexpr std::int64_t kElements = 16;   // of a state, all with the same law
inline constexpr std::int64_t kEmpty = 2;       // the null condition's label

// Variance preserving, noise predicted; betas run linearly from 0.02 to 0.4.
std::shared_ptr<const diffusion::NoiseProcess> linear_process();
std::vector<double> alpha_bars();  // [kTimesteps], of these betas

// eps = gain[t] (x + shift[label]) + offset[label, t]. Weights: "unet.gain" [T], "unet.offset" [3, T], "text_encoder.shift" [3].
class LinearNetwork final : public Network {
 public:
  Value architecture() const override { return "linear"; }
  TensorMap embed(const Weights& weights, const TensorMap& condition) const override;
  State predict(const Weights& weights, const State& noisy, const at::Tensor& timestep, const TensorMap& embedded) const override;
  Weights initialize(std::uint64_t seed) const override;
  // What it has evaluated so far.
  mutable std::set<std::int64_t> timesteps;
  mutable std::map<std::int64_t, std::int64_t> labels;  // label -> rows
};

Model linear_model();  // weights 0, and its own network
const LinearNetwork& network_of(const Model& model);

// x_0 = +-1 (labels 0 and 1) + spread * noise; splits "train" and "held_out"; endless examples.
std::unique_ptr<Domain> gaussian_domain(double spread = 0.5);

// What is accepted: K rows of x_0, and X_t = stretch alpha_t x_0 + lift + sigma_t noise for t > 0, on a grid of 4 steps.
struct Accepted {
  Accepted(std::int64_t count, double spread, std::vector<double> weights_in);
  State states(std::int64_t steps_remaining) const;
  SelectedTrajectories selection() const;    // of what it is now
  at::Tensor clean;                          // [K, kElements], odd rows about -1, even ones about +1
  std::vector<double> weight, score;         // [K]
  std::vector<std::int64_t> condition = {};  // [K], of the view; empty: all 0
  std::int64_t label = 0;
  double stretch = 1.0, lift = 0.0;
  diffusion::Grid trajectory;
};

// One training run as in a process of its own: stops or dies at a given step, keeps its checkpoints as bytes.
struct Training {
  Model start = linear_model();
  std::unique_ptr<Domain> domain = gaussian_domain();
  const Accepted* selection = nullptr;
  std::int64_t stop_after = -1;  // optimizer steps; then a stop is requested
  std::int64_t die_after = -1;   // optimizer steps; then an exception that no trainer catches
  std::string checkpoint;        // in and out: of the newest one, "" for none
  std::int64_t saved = 0;
  std::map<std::string, std::map<std::int64_t, double>> curves;  // name -> step -> value

  const TensorMap* state = nullptr;  // what the trainer of `start` handed on

  TrainedModel train(const Trainer& trainer);
  Model run(const Trainer& trainer) { return train(trainer).model; }
};
struct Died {};

}  // namespace espalier::sft
