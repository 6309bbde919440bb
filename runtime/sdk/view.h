#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "runtime/sdk/domain.h"

namespace espalier {

// Where a view's content comes from: the cache, or memory in a test. Trajectories are named by their index, in any order; what is given is
// on the CPU and the caller's own. Thread-safe.
class ViewSource {
 public:
  virtual ~ViewSource() = default;
  // At a step that is recorded (0: the sample). Of an inversion, step N has the fields of noise_corrector.h.
  virtual State states(std::int64_t steps_remaining, const std::vector<std::int64_t>& index) const = 0;
  // What the functions below are for may be missing from a view in memory; they throw InternalError then.
  // The state that each trajectory began with, where it is fresh noise (drawn again from the seed) or recorded.
  virtual State noise(const std::vector<std::int64_t>& index) const;
  // The draws of a sampler's step from `steps_remaining` to one less, from its first element on, as the step took them.
  virtual random::Draws draws(std::int64_t steps_remaining, const std::vector<std::int64_t>& index) const;
  virtual Sample decoded(const std::vector<std::int64_t>& index) const;
  // Of each trajectory its condition.
  virtual Conditions conditions(const std::vector<std::int64_t>& index) const;
  // Of the reward stage `tag`, which scored these trajectories; NaN where there is no score.
  virtual std::vector<double> scores(const std::string& tag, const std::vector<std::int64_t>& index) const;
  virtual double flops_per_sample() const { return 0.0; }
};

// Both states of a step.
struct Transition {
  State before, after;
  diffusion::GridPoint from, to;
};

// What is known of a view without reading any trajectory.
struct ViewInfo {
  std::string tag;                      // of the stage whose trajectories these are
  diffusion::Grid grid;                 // of the trajectories
  std::shared_ptr<const Codec> codec;   // of their states
  std::vector<std::int64_t> index;      // [N], of each row its trajectory; ascending
  std::vector<std::int64_t> condition;  // [N], which of the split's conditions (of an inversion: of the examples)
};

// The trajectories that a stage uses, as rewards, filters, trainers, metrics and the report read them: a row each, without the excluded
// ones (so that row i need not be trajectory i). The one way to read them. A value that is cheap to copy; thread-safe.
class View {
 public:
  using Rows = std::vector<std::int64_t>;  // in any order, each in 0 .. size() - 1

  View(ViewInfo info, std::shared_ptr<const ViewSource> source);

  const std::string& tag() const { return info_->tag; }
  std::int64_t size() const { return static_cast<std::int64_t>(info_->index.size()); }
  const diffusion::Grid& grid() const { return info_->grid; }
  const Codec& codec() const { return *info_->codec; }
  const std::vector<std::int64_t>& index() const { return info_->index; }
  const std::vector<std::int64_t>& condition() const { return info_->condition; }
  static Rows range(std::int64_t first, std::int64_t count);
  Rows all() const { return range(0, size()); }

  // Throw InternalError for a row that is not there, and whatever reading throws.
  State states(std::int64_t steps_remaining, const Rows& rows) const { return source_->states(steps_remaining, trajectories(rows)); }
  // The step from `steps_remaining` (1 .. N) to one less. The noise at N is drawn again from the seed where it is not recorded.
  Transition transition(std::int64_t steps_remaining, const Rows& rows) const;
  State noise(const Rows& rows) const { return source_->noise(trajectories(rows)); }
  // The fresh noise of the step from `steps_remaining` (1 .. N), drawn again from the seed: a sampler's trajectories have it.
  random::Draws draws(std::int64_t steps_remaining, const Rows& rows) const { return source_->draws(steps_remaining, trajectories(rows)); }
  Sample decoded(const Rows& rows) const { return source_->decoded(trajectories(rows)); }
  Conditions conditions(const Rows& rows) const { return source_->conditions(trajectories(rows)); }
  std::vector<double> scores(const std::string& reward) const { return source_->scores(reward, info_->index); }
  // Of the networks that sampled it, 2 a multiply-add; 0 of an inversion.
  double flops_per_sample() const { return source_->flops_per_sample(); }

  View part(const Rows& rows) const;  // these rows alone, in this order

 private:
  std::vector<std::int64_t> trajectories(const Rows& rows) const;
  std::shared_ptr<const ViewInfo> info_;
  std::shared_ptr<const ViewSource> source_;
};

// Samples put one after the other, and some rows of samples. Of one kind, with the same tensors and strings.
Sample joined(const std::vector<Sample>& samples);
Sample rows_of(const Sample& sample, const std::vector<std::int64_t>& rows);

}  // namespace espalier
