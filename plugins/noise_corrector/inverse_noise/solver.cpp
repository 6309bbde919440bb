#include "plugins/noise_corrector/inverse_noise/solver.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <cmath>
#include <deque>

#include "plugins/noise_corrector/inverse_noise/anderson.h"

namespace espalier::inverse_noise {
namespace {

double root_mean_square(const at::Tensor& row) { return std::sqrt(row.to(at::kDouble).square().mean().item<double>()); }

// A row of the batch: the trip that has it now, and where that trip is.
struct Slot {
  RoundTrip* trip = nullptr;  // null: idle
  bool inverting = false;
  std::int64_t steps_remaining = 1;  // where the velocity is evaluated
  std::int64_t condition = 0;
  // Of the step being inverted:
  InverseStep step;
  double last_move = 0.0;
  at::Tensor best;  // [D], a view of an iterate of the history; its residual is step.residual
  bool accelerated = false;
};

class Pool {
 public:
  Pool(const EulerMap& map, const SolverOptions& options, std::int64_t slots, std::vector<RoundTrip>& trips)
      : map_(map), options_(options), trips_(trips), slots_(static_cast<std::size_t>(slots)) {
    for (auto& slot : slots_) slot.condition = trips_.front().condition;
    y_ = trips_.front().start.unsqueeze(0).expand({slots, -1}).clone();  // idle rows repeat the first
    from_ = y_.clone();
  }

  std::int64_t run() {
    std::int64_t evaluations = 0;
    while (fill()) {
      evaluate();
      ++evaluations;
    }
    return evaluations * static_cast<std::int64_t>(slots_.size());
  }

 private:
  // One evaluation's rows: where they were, and Picard's (or Euler's) move from there.
  struct Iterate {
    at::Tensor y, move;  // [B, D]
  };

  at::Tensor y(std::size_t row) const { return y_.select(0, static_cast<std::int64_t>(row)); }
  at::Tensor from(std::size_t row) const { return from_.select(0, static_cast<std::int64_t>(row)); }

  // Gives idle slots to waiting trips; false when all have arrived.
  bool fill() {
    bool any = false;
    for (std::size_t row = 0; row < slots_.size(); ++row) {
      if (slots_[row].trip == nullptr && next_ < trips_.size()) depart(row, trips_[next_++]);
      any = any || slots_[row].trip != nullptr;
    }
    return any;
  }

  void depart(std::size_t row, RoundTrip& trip) {
    trip.steps.assign(map_.step_size.size(), {});
    trip.path = at::empty({map_.num_steps() + 1, trip.start.size(0)}, trip.start.options());
    slots_[row].trip = &trip;
    slots_[row].condition = trip.condition;
    trip.from_noise ? begin_sampling(row, trip.start) : begin_inverting(row, trip.start);
  }

  void begin_sampling(std::size_t row, const at::Tensor& noise) {
    slots_[row].inverting = false;
    slots_[row].steps_remaining = map_.num_steps();
    y(row).copy_(noise);
    from(row).copy_(noise);
  }

  void begin_inverting(std::size_t row, const at::Tensor& sample) {
    slots_[row].inverting = true;
    slots_[row].trip->path.select(0, 0).copy_(sample);
    begin_inverse_step(row, sample, 1);
  }

  // From x at steps_remaining - 1 back to y at steps_remaining.
  void begin_inverse_step(std::size_t row, const at::Tensor& x, std::int64_t steps_remaining) {
    auto& slot = slots_[row];
    slot.steps_remaining = steps_remaining;
    slot.step = {};
    slot.best = at::Tensor();
    slot.accelerated = false;
    y(row).copy_(x);
    from(row).copy_(x);
  }

  // One velocity for every row. Euler's step is Picard's with the other sign of h, taken once: both are from - c v(y).
  void evaluate() {
    std::vector<std::int64_t> steps_remaining, conditions;
    std::vector<double> factor;
    for (const auto& slot : slots_) {
      const double h = map_.step_size[static_cast<std::size_t>(slot.steps_remaining - 1)];
      steps_remaining.push_back(slot.steps_remaining);
      conditions.push_back(slot.condition);
      factor.push_back(slot.inverting ? h : -h);
    }
    const auto c = at::tensor(factor, at::kDouble).to(y_.options()).unsqueeze(1);  // [B, 1]
    const auto target = from_ - c * map_.velocity(y_, steps_remaining, conditions);
    const auto move = target - y_;
    const auto length = move.to(at::kDouble).square().mean(1).sqrt().to(at::kCPU);  // [B]
    history_.push_back({y_, move});
    if (static_cast<std::int64_t>(history_.size()) > options_.anderson_memory + 1) history_.pop_front();
    y_ = target;  // rows of it may be overwritten below; the history's are left alone
    for (std::size_t row = 0; row < slots_.size(); ++row) {
      if (slots_[row].trip == nullptr) continue;
      const double moved = length.const_data_ptr<double>()[row];
      slots_[row].inverting ? judge(row, moved) : arrive_at_next(row, std::isfinite(moved));
    }
  }

  // After Euler's step.
  void arrive_at_next(std::size_t row, bool finite) {
    auto& slot = slots_[row];
    if (!finite) {
      slot.trip->converged = false;
      if (slot.trip->from_noise) {  // nothing to invert
        slot.trip->path.copy_(slot.trip->start.unsqueeze(0).expand_as(slot.trip->path));
      }
      return leave(row);
    }
    from(row).copy_(y(row));
    if (--slot.steps_remaining > 0) return;
    slot.trip->from_noise ? begin_inverting(row, y(row).clone()) : finish(row);
  }

  // After an evaluation at an iterate of the inverse, whose residual is `residual`.
  void judge(std::size_t row, double residual) {
    auto& slot = slots_[row];
    ++slot.step.iterations;
    if (!std::isfinite(residual)) return freeze(row);
    if (slot.step.iterations > 1 && !slot.accelerated) {
      slot.step.contraction_ratio = std::fmax(slot.step.contraction_ratio, residual / slot.last_move);
    }
    if (!(residual >= slot.step.residual)) {  // the first has NaN before it
      slot.step.residual = residual;
      slot.best = history_.back().y.select(0, static_cast<std::int64_t>(row));
    }
    if (residual <= options_.tolerance || slot.step.iterations >= options_.max_iterations) return accept(row);
    if (slot.step.iterations > 1 && too_slow(slot, residual)) slot.accelerated = true;
    if (slot.accelerated) accelerate(row);
    slot.last_move = residual;
  }

  bool too_slow(const Slot& slot, double residual) const {
    if (options_.anderson_memory == 0) return false;
    const double ratio = residual / slot.last_move;
    const auto left = static_cast<double>(options_.max_iterations - slot.step.iterations);
    return ratio > options_.anderson_from_ratio || residual * std::pow(ratio, left) > options_.tolerance;
  }

  void accelerate(std::size_t row) {
    const auto own = std::min(history_.size(), static_cast<std::size_t>(slots_[row].step.iterations));
    std::vector<at::Tensor> iterates, moves;
    for (std::size_t i = history_.size() - own; i < history_.size(); ++i) {
      iterates.push_back(history_[i].y.select(0, static_cast<std::int64_t>(row)));
      moves.push_back(history_[i].move.select(0, static_cast<std::int64_t>(row)));
    }
    y(row).copy_(anderson_next(iterates, moves));
  }

  // Takes the best iterate as the inverse.
  void accept(std::size_t row) {
    auto& slot = slots_[row];
    keep_step(row);
    slot.trip->path.select(0, slot.steps_remaining).copy_(slot.best);
    const auto reached = slot.best;
    if (slot.steps_remaining < map_.num_steps()) return begin_inverse_step(row, reached, slot.steps_remaining + 1);
    if (!slot.trip->from_noise) return begin_sampling(row, reached);
    y(row).copy_(reached);
    finish(row);
  }

  // The velocity or an iterate became infinite: the trip ends here, with its last finite state as all that follows.
  void freeze(std::size_t row) {
    auto& slot = slots_[row];
    keep_step(row);
    slot.trip->converged = false;
    const auto rest = slot.trip->path.narrow(0, slot.steps_remaining, map_.num_steps() + 1 - slot.steps_remaining);
    rest.copy_((slot.best.defined() ? slot.best : from(row)).unsqueeze(0).expand_as(rest));
    leave(row);
  }

  void leave(std::size_t row) {
    y(row).copy_(from(row));  // an idle row stays finite
    slots_[row].trip = nullptr;
  }

  void keep_step(std::size_t row) {
    const auto& slot = slots_[row];
    slot.trip->steps[static_cast<std::size_t>(slot.steps_remaining - 1)] = slot.step;
    slot.trip->converged = slot.trip->converged && slot.step.residual <= options_.tolerance;
  }

  void finish(std::size_t row) {
    auto& slot = slots_[row];
    slot.trip->error = root_mean_square(slot.trip->start - y(row));
    slot.steps_remaining = 1;
    slot.trip = nullptr;
  }

  const EulerMap& map_;
  const SolverOptions& options_;
  std::vector<RoundTrip>& trips_;
  std::vector<Slot> slots_;
  std::size_t next_ = 0;         // the first trip that waits
  at::Tensor y_, from_;          // [B, D]
  std::deque<Iterate> history_;  // the newest at the end
};

}  // namespace

std::int64_t solve(const EulerMap& map, const SolverOptions& options, std::int64_t slots, std::vector<RoundTrip>& trips) {
  return trips.empty() ? 0 : Pool(map, options, slots, trips).run();
}

}  // namespace espalier::inverse_noise
