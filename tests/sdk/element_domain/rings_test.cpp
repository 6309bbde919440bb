#include <gtest/gtest.h>

#include "tests/conformance/conformance.h"

namespace espalier::conformance {
namespace {

const std::string kModel = ESPALIER_SOURCE_DIR "/tests/sdk/element_domain/model";

TEST(Rings, Conforms) {
  check_domain(plugin("domain.rings"), {{"model", kModel}, {"initialize_weights", true}}, {.disjoint_splits = false});
}

}  // namespace
}  // namespace espalier::conformance
