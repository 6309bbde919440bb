#include "runtime/diffusion/process.h"

#include <fmt/format.h>

#include <algorithm>

#include "runtime/base/errors.h"
#include "runtime/base/suggest.h"
#include "runtime/diffusion/interleaved.h"
#include "runtime/diffusion/rectified_flow.h"
#include "runtime/diffusion/variance_preserving.h"

namespace espalier::diffusion {

std::shared_ptr<const NoiseProcess> make_process(const Value& config, const std::string& origin) {
  if (!config.is_map()) {
    throw DataError(fmt::format("{}: a noise process is a table, not a {}", origin, config.type_name()));
  }
  const Value* name = config.find("_class_name") != nullptr ? config.find("_class_name") : config.find("name");
  if (name == nullptr) {
    throw DataError(fmt::format("{}: neither '_class_name' (as diffusers writes it) nor 'name' says which noise process this is", origin));
  }
  const std::string& chosen = name->as_string();
  auto known = variance_preserving_schedulers();
  if (std::ranges::find(known, chosen) != known.end()) {
    return std::make_shared<VariancePreserving>(read_scheduler_config(config, origin));
  }
  if (chosen == "FlowMatchEulerDiscreteScheduler" || chosen == "rectified_flow") {
    return std::make_shared<RectifiedFlow>(read_flow_config(config, origin));
  }
  if (chosen == "InterleavedScheduler" || chosen == "interleaved") {
    return std::make_shared<Interleaved>(read_interleaved_config(config, origin));
  }
  known.insert(known.end(), {"FlowMatchEulerDiscreteScheduler", "rectified_flow", "InterleavedScheduler", "interleaved"});
  throw DataError(fmt::format("{}: noise process '{}' is unknown{}", origin, chosen, did_you_mean(chosen, known)));
}

}  // namespace espalier::diffusion
