#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/random/draws.h"
#include "runtime/sdk/domain.h"

namespace espalier {

// The examples that a metric compares samples with.
struct RealExamples {
  std::string metric;      // "metric.frechet_distance", which messages begin with
  std::string split;       // of the domain's examples
  std::int64_t count = 0;  // how many, without replacement; 0: all of the split
  std::string unit;        // what they are: "images"

  // How many of `examples` that is. Throws ConfigError where the split has fewer, or no end and no count is given.
  std::int64_t size(const Examples& examples) const;

  // Their positions in a drawn order, so that any run of them is a fair sample of a split that is sorted.
  std::vector<std::uint64_t> positions(const Examples& examples, const random::StreamKey& key) const;
};

}  // namespace espalier
