#include "plugins/trainer/ddpo/pass.h"

namespace espalier::ddpo {
namespace {

std::int64_t rounded_up(std::int64_t number, std::int64_t by) { return (number + by - 1) / by; }

// Where the part `i` of `parts` even parts of `whole` begins.
std::int64_t begin_of(std::int64_t i, std::int64_t parts, std::int64_t whole) { return i * whole / parts; }

}  // namespace

Pass::Pass(std::int64_t samples, std::int64_t updates, std::int64_t micro_batch, std::int64_t steps)
    : samples_(samples), updates_(updates), micro_batches_(rounded_up(rounded_up(samples, updates), micro_batch)), steps_(steps) {}

Pass::Batch Pass::batch(std::int64_t number) const {
  Batch batch;
  batch.update = number / batches_per_update();
  const auto part = number % batches_per_update();
  batch.step = part % steps_;
  const auto first = begin_of(batch.update, updates_, samples_), size = begin_of(batch.update + 1, updates_, samples_) - first;
  const auto micro_batch = part / steps_;
  const auto end = first + begin_of(micro_batch + 1, micro_batches_, size);
  for (auto place = first + begin_of(micro_batch, micro_batches_, size); place < end; ++place) batch.places.push_back(place);
  batch.weight = static_cast<double>(micro_batches_) / static_cast<double>(size);
  return batch;
}

}  // namespace espalier::ddpo
