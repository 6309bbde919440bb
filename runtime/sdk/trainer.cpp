#include "runtime/sdk/trainer.h"

#include "runtime/base/errors.h"

namespace espalier {

std::shared_ptr<const EncodedExamples> TrainerInput::encoded(const std::string& split) const {
  if (codec == nullptr) throw InternalError("examples are encoded for a model that samplers take; this stage has none");
  return encode_examples(domain.data().examples(split), codec, model, seed, context.device);
}

}  // namespace espalier
