#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <limits>
#include <vector>

namespace espalier::inverse_noise {

// Euler's map from noise to sample, over flat rows: x_next = x + h v(x), the velocity taken at the grid point that the step leaves from.
// Column k of what follows is the step between k + 1 and k steps remaining.
struct EulerMap {
  // [B, D] at rows y [B, D]; row i stands at steps_remaining[i] (N..1) and has the condition numbered condition[i]. Each row of the answer
  // must depend on its own row alone. What it throws ends the solution.
  std::function<at::Tensor(const at::Tensor& y, const std::vector<std::int64_t>& steps_remaining,
                           const std::vector<std::int64_t>& condition)>
      velocity;
  std::vector<double> step_size;  // [N]
  std::int64_t num_steps() const { return static_cast<std::int64_t>(step_size.size()); }
};

struct SolverOptions {
  double tolerance = 1e-5;           // on the rms of y + h v(y) - x, above 0
  std::int64_t max_iterations = 50;  // network evaluations a step, at least 1
  double anderson_from_ratio = 0.9;  // accelerate a step once a move is longer than this times the one before
  std::int64_t anderson_memory = 5;  // differences kept; 0: Picard iteration alone
};

// How the inversion of one step went.
struct InverseStep {
  double residual = std::numeric_limits<double>::quiet_NaN();           // rms of y + h v(y) - x; NaN: not tried
  double contraction_ratio = std::numeric_limits<double>::quiet_NaN();  // the largest of a Picard move to the one before; NaN: none
  std::int64_t iterations = 0;                                          // network evaluations
};

// One row that goes from sample to noise and back again, or from noise to sample and back again.
struct RoundTrip {
  bool from_noise = false;
  std::int64_t condition = 0;
  at::Tensor start;  // [D]

  // Filled by solve(); of the leg from sample to noise:
  at::Tensor path = {};                 // [N + 1, D] by steps remaining. After a step that became infinite: its last finite state
  std::vector<InverseStep> steps = {};  // [N]
  bool converged = true;                // every step met the tolerance, and no leg became infinite
  // Of the whole trip: rms of start - end; infinite where a leg became infinite.
  double error = std::numeric_limits<double>::infinity();
};

// Completes every trip, `slots` rows in each evaluation of the velocity: each row is at its own step and iteration, one that has converged
// goes on to its next step and one that has arrived gives its place to the next that waits. Where none waits its place is evaluated idly,
// so that the batch keeps its size and no trip's bits depend on the others.
//
// The inverse y of a step, y = x - h v(y), is found by Picard iteration from y = x; its move is minus the residual at y. A step whose moves
// shrink by less than anderson_from_ratio, or too slowly to end within max_iterations, goes on by Anderson acceleration. A step that does
// not meet the tolerance leaves its best iterate. Returns evaluations times slots.
std::int64_t solve(const EulerMap& map, const SolverOptions& options, std::int64_t slots, std::vector<RoundTrip>& trips);

}  // namespace espalier::inverse_noise
