#include "runtime/sdk/codec.h"

#include "runtime/base/errors.h"

namespace espalier {

std::vector<std::string> Codec::canonical_keys(const Sample& sample) const {
  throw ConfigError("the domain gives samples of kind '" + sample.kind + "' no canonical keys: it cannot say which of them are the same");
}

}  // namespace espalier
