#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "runtime/diffusion/process.h"
#include "runtime/diffusion/scheduler_config.h"

namespace espalier::diffusion {

// Sets of elements with a discrete and a continuous part each, noised and denoised a position at a time (after Interleaved Gibbs Diffusion,
// arXiv 2502.13450). A state has, for each of M elements,
//   token   [B, M] int64, 0..K-1      vector  [B, M, D] float
//   present [B, M] bool: the element exists      frozen [B, M, 2] bool: its (token, vector) are given and stay as they are
// Element e's token is position 2e, its vector position 2e + 1. Forward step t = 0..T-1 visits
//   round_robin: position t mod 2M, T = 2M num_rounds     joint: every position at once, T = num_rounds
// and a visit to an absent element or a frozen part does nothing. The m-th visit (m = 1..num_rounds), with b_m of the beta schedule,
// leaves a token as it is with probability 1 - b_m and else draws it anew, uniformly from the K classes; and takes a vector to
// sqrt(1 - b_m) vector + sqrt(b_m) eps.
//
// A grid point with n steps remaining is the state s^(n) after n forward steps; it has the level {1 - n/T, n/T}, the share of the steps
// taken, because no single alpha fits all elements. Network input and answer are described at query() and estimate().
class Interleaved final : public NoiseProcess {
 public:
  explicit Interleaved(const InterleavedConfig& config);

  Value config() const override { return to_value(config_); }
  const InterleavedConfig& options() const { return config_; }
  std::int64_t num_steps() const { return num_steps_; }  // T

  // All T steps; the chain has no shorter one. Throws ConfigError for another number.
  Grid grid(std::int64_t num_inference_steps) const override;

  Level level(double timestep) const override;

  // Uniform tokens, standard normal vectors; everything present and nothing frozen but as the condition has it: the elements that
  // are `present`, and the parts that are `frozen` as given there (token, vector); zeros where no element is.
  State prior(const StateSpec& spec, const TensorMap& condition, random::Draws& draws) const override;

  // What the network is given to go back from n = point.steps_remaining: the state, and "visit" [B], the position that step n - 1 visits
  // (-1: all, in joint order). A visited token is hidden: its class is K. Nothing where the visit changes no sample.
  std::optional<Query> query(const State& x, const GridPoint& point) const override;

  // By the prediction for every element: the likeliest class and the vector without its noise; eps of the vectors alone.
  Estimate estimate(const State& x, const State& prediction, const GridPoint& point) const override;

  // As renoise(), between the steps that the levels stand for.
  State noised(const State& x, const Level& reached, const Level& to, random::Draws& draws) const override;

  // The step back from `from`, drawn by the process's own reverse law. The prediction has token [B, M, K] logits and vector [B, M, D], eps
  // of the vectors. round_robin: a visited token s' with h = softmax(logits) of p(token | the others) is kept with probability phi
  // h(s')/(phi h(s') + b/K),
  //   phi = 1 - b, and else drawn from h (token_reversal = posterior: exact time reversal); or always drawn from h (gibbs).
  // joint: the logits are of the clean token; it is drawn, then the token from q(s^(n-1) | s^(n), clean).
  // A visited vector goes to (s' - b eps/sqrt(1-abar_m))/sqrt(1-b_m) + noise of variance b_m (1-abar_{m-1})/(1-abar_m).
  State reverse_step(const State& x, const State& prediction, const GridPoint& from, random::Draws& draws) const;

  // log p(next | x) of what reverse_step() draws, [B], a mean over the visited parts; 0 where nothing is visited. A vector's last visit
  // back is deterministic and not counted. nullopt where that leaves nothing random.
  std::optional<at::Tensor> reverse_log_prob(const State& x, const State& prediction, const State& next, const GridPoint& from) const;

  // Forward steps from `from` to `to` >= from steps remaining, at once: how a recorded state is noised, and ReDeNoise's way back up.
  State renoise(const State& x, std::int64_t from, std::int64_t to, random::Draws& draws) const;

  // Likelihood-free training on a state s at n_I steps (clean: 0). Draws a visit t' > n_I (and beyond `noisier_than`) that does something
  // for the sample, all alike, and takes
  //   round_robin  of a token: -log h(s^(t'-1)); of a vector, which is then s' = sqrt(rho) s + sqrt(1-rho) e, rho = abar_m / abar_{m_I}:
  //                || sqrt((1-rho)/(1-abar_m)) eps - e ||^2 / D
  //   joint        both, each a mean over the parts that are visited; of a token num_rounds KL(q(s^(t'-1) | s', s) || the prediction's)
  // A sample with nothing left to visit has loss 0.
  at::Tensor loss(const Predict& predict, const TrainingBatch& batch, random::Draws& draws) const override;

 private:
  // What forward step t = n - 1 visits, of the elements first .. first + count: their m-th visit.
  struct Visit {
    std::int64_t m = 0, first = 0, count = 0;
    bool token = false, vector = false;
  };
  Visit visit(std::int64_t steps_remaining) const;
  static State impose(State x, const TensorMap& condition);   // what the condition gives
  std::int64_t position(std::int64_t steps_remaining) const;  // that it visits; -1: all
  double timestep(std::int64_t steps_remaining) const;        // what the network is given
  std::int64_t positions() const { return 2 * config_.num_elements; }
  static at::Tensor active_parts(const State& x);              // [B, M, 2] bool: what visits change
  at::Tensor parts_visited(const at::Tensor& position) const;  // [B, M, 2] bool, of a step that visits position [B]

  // Each sample's training step t', of those after `beyond` steps; throws StageError where there is none. active [M, 2].
  std::vector<std::int64_t> draw_steps(const TrainingBatch& batch, std::int64_t beyond, random::Draws& draws) const;
  std::int64_t draw_step(const at::Tensor& active, double uniform, std::int64_t beyond) const;

  std::int64_t visits(std::int64_t position, std::int64_t steps) const;   // to a position in the first `steps` forward steps
  at::Tensor visits_after(const std::vector<std::int64_t>& steps) const;  // [B, M, 2]
  std::int64_t steps_at(const Level& level) const;                        // n of a recorded level
  at::Tensor alpha_bar_after(const at::Tensor& visits) const;             // double

  // Noises parts that had `from` visits until they have `to`, [B, M, 2]; gives the noise that went into the vectors.
  at::Tensor noise_to(State& x, const at::Tensor& from, const at::Tensor& to, random::Draws& draws) const;

  // p(token before the m-th visit | token after it, logits), [..., K]; and the mean and variance of a vector before it.
  at::Tensor token_law(const at::Tensor& logits, const at::Tensor& token, std::int64_t m) const;
  at::Tensor joint_law(const at::Tensor& clean, const at::Tensor& token, const at::Tensor& keep, const at::Tensor& keep_before,
                       const at::Tensor& keep_after) const;
  at::Tensor joint_token_loss(const at::Tensor& logits, const at::Tensor& start, const at::Tensor& token, const at::Tensor& before,
                              const at::Tensor& after) const;
  at::Tensor vector_weight(const at::Tensor& before, const at::Tensor& after) const;
  at::Tensor vector_mean(const at::Tensor& vector, const at::Tensor& eps, std::int64_t m) const;
  double vector_variance(std::int64_t m) const;

  InterleavedConfig config_;
  std::int64_t num_steps_ = 0;
  std::vector<double> alpha_bar_;  // after m visits, m = 0..num_rounds
};

}  // namespace espalier::diffusion
