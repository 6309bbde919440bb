#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "plugins/domain/unconditional/source.h"
#include "runtime/base/errors.h"

namespace espalier::unconditional {

std::vector<std::int64_t> places_of(const std::string& split, const std::vector<std::string>& names, const HeldOut& held_out) {
  const auto count = static_cast<std::size_t>(std::ceil(held_out.fraction * static_cast<double>(names.size())));
  if (count == names.size()) {
    throw ConfigError(fmt::format("domain.unconditional: held_out_fraction {} holds out all {} pictures; none is left to train on",
                                  held_out.fraction, names.size()));
  }
  std::vector<std::pair<Hex, std::int64_t>> keyed;
  for (std::size_t i = 0; i < names.size(); ++i) {
    keyed.emplace_back(sha256(fmt::format("{}/{}", held_out.seed, names[i])), static_cast<std::int64_t>(i));
  }
  std::sort(keyed.rbegin(), keyed.rend());
  const std::size_t first = split == "held_out" ? 0 : count, end = split == "held_out" ? count : names.size();
  std::vector<std::int64_t> places;
  for (std::size_t k = first; k < end; ++k) places.push_back(keyed[k].second);
  std::sort(places.begin(), places.end());
  return places;
}

}  // namespace espalier::unconditional
