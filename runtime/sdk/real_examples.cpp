#include "runtime/sdk/real_examples.h"

#include <fmt/format.h>

#include "runtime/base/errors.h"

namespace espalier {
namespace {

std::int64_t distinct(const Examples& examples) { return examples.size() == 0 ? 0 : examples.distinct(); }  // 0: without end

}  // namespace

std::int64_t RealExamples::size(const Examples& examples) const {
  const auto distinct_examples = distinct(examples);
  if (distinct_examples == 0 && count == 0) {
    throw ConfigError(fmt::format("{}: the split '{}' is generated without end; say how many by the option count", metric, split));
  }
  if (distinct_examples > 0 && count > distinct_examples) {
    throw ConfigError(fmt::format("{}: count = {}, but the split '{}' has {} {}", metric, count, split, distinct_examples, unit));
  }
  return count == 0 ? distinct_examples : count;
}

std::vector<std::uint64_t> RealExamples::positions(const Examples& examples, const random::StreamKey& key) const {
  const auto all = static_cast<std::uint64_t>(distinct(examples)), taken = static_cast<std::uint64_t>(size(examples));
  std::vector<std::uint64_t> result;
  for (std::uint64_t i = 0; i < taken; ++i) result.push_back(all == 0 ? i : random::shuffled_index(key, /*epoch=*/0, all, i));
  return result;
}

}  // namespace espalier
