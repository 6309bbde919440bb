#pragma once

#include "runtime/training/training_loop.h"

namespace espalier::training {

// An objective of one loss a step, whose curves are means over the steps since the point before.
class MeanObjective : public Objective {
 public:
  void add_gradients(std::int64_t step) final;
  CurveValues curve_values(const CurvePoint& point) final;
  // The sums behind the next point: the tensor "sums" [curves] of "curves".
  void save(Checkpoint& checkpoint) const final;
  void load(const Checkpoint& checkpoint) final;

 protected:
  // The curves' names, that of the loss first.
  MeanObjective(std::vector<std::string> curves, at::Device device);

  // The step's values of the curves, scalars each, the loss to minimise first.
  virtual std::vector<at::Tensor> values(std::int64_t step) = 0;

 private:
  std::vector<std::string> curves_;
  at::Tensor sums_;  // [curves] since the last point
};

}  // namespace espalier::training
