#pragma once

#include <cstdint>
#include <vector>

namespace espalier::ddpo {

// One pass over samples and steps, cut into batches for the training loop: first into updates, whose numbers of samples differ by at most
// one, an update into micro-batches of likewise even sizes, and a micro-batch into its steps. All updates have the same number of batches.
class Pass {
 public:
  // All at least 1; at least as many samples as updates.
  Pass(std::int64_t samples, std::int64_t updates, std::int64_t micro_batch, std::int64_t steps);

  std::int64_t batches_per_update() const { return micro_batches_ * steps_; }

  struct Batch {
    std::int64_t update = 0;
    std::vector<std::int64_t> places;  // of samples in the order of the pass; may be empty
    std::int64_t step = 0;             // 0 .. steps - 1
    // What a sum over the samples of this batch is multiplied by, so that the mean over an update's batches is the mean over its samples
    // and steps.
    double weight = 0.0;
  };
  Batch batch(std::int64_t number) const;

 private:
  std::int64_t samples_, updates_, micro_batches_, steps_;
};

}  // namespace espalier::ddpo
