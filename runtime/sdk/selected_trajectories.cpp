#include "runtime/sdk/selected_trajectories.h"

#include <fmt/format.h>

#include "runtime/base/errors.h"

namespace espalier {

double SamplingInfo::number(const std::string& who, const std::string& option) const {
  const auto* found = options.is_map() ? options.find(option) : nullptr;
  if (found != nullptr && found->is_number()) return found->as_number();
  throw ConfigError(fmt::format("{}: it reads the number `{}` of the sampler of its trajectories, but the options of {} are {}", who,
                                option, sampler, to_json(options)));
}

}  // namespace espalier
