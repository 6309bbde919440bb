#include "runtime/network/network.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "runtime/base/errors.h"

namespace espalier {

void Network::check(const Weights& weights, const std::string& origin) const {
  const auto expected = initialize(0);
  for (const auto& [name, tensor] : expected) {
    const auto found = weights.find(name);
    if (found == weights.end()) throw DataError(fmt::format("{}: the weight '{}' is missing", origin, name));
    if (found->second.sizes() == tensor.sizes()) continue;
    throw DataError(fmt::format("{}: the weight '{}' has the shape [{}]; its config gives it [{}]", origin, name,
                                fmt::join(found->second.sizes(), ", "), fmt::join(tensor.sizes(), ", ")));
  }
  for (const auto& [name, tensor] : weights) {
    if (!expected.contains(name)) throw DataError(fmt::format("{}: the weight '{}' is unknown", origin, name));
  }
}

}  // namespace espalier
