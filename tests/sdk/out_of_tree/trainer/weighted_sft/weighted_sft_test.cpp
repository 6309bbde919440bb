#include <gtest/gtest.h>

#include "tests/conformance/conformance.h"

namespace espalier::conformance {
namespace {

TEST(WeightedSft, Conforms) {
  check_trainer(plugin("trainer.weighted_sft"),
                {{"max_train_steps", 8}, {"train_batch_size", 4}, {"logging_steps", 2}, {"keep_state", true}}, TrainsOn::selection);
}

}  // namespace
}  // namespace espalier::conformance
