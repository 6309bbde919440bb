#pragma once

#include <memory>

#include "plugins/shared/image_sources/source.h"
#include "runtime/sdk/dataset.h"

namespace espalier::text_to_image {

// Images, each with its prompt.
std::unique_ptr<Examples> make_prompted_examples(const Conditions& conditions, std::unique_ptr<images::Images> images);

}  // namespace espalier::text_to_image
