#include "plugins/shared/image_sources/source.h"

namespace espalier::images {

Captions captions_of_classes(const std::vector<std::string>& names) {
  Captions captions{names, {}};
  for (std::size_t k = 0; k < names.size(); ++k) {
    captions.metadata.push_back(Value::Map{{"label", static_cast<std::int64_t>(k)}, {"class", names[k]}});
  }
  return captions;
}

}  // namespace espalier::images
