#include "runtime/sdk/trainer.h"

#include <fmt/format.h>

#include "runtime/base/errors.h"

namespace espalier {

double SamplingInfo::number(const std::string& who, const std::string& option) const {
  const auto* found = options.is_map() ? options.find(option) : nullptr;
  if (found != nullptr && found->is_number()) return found->as_number();
  throw ConfigError(fmt::format("{}: it reads the number `{}` of the sampler of its trajectories, but the options of {} are {}", who,
                                option, sampler, to_json(options)));
}

std::shared_ptr<const EncodedExamples> TrainerInput::encoded(const std::string& split) const {
  if (codec == nullptr) throw InternalError("examples are encoded for a model that samplers take; this stage has none");
  return encode_examples(domain.data().examples(split), codec, model, seed, context.device);
}

}  // namespace espalier
