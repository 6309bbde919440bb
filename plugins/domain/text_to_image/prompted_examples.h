#pragma once

#include <memory>

#include "plugins/domain/text_to_image/source.h"
#include "runtime/sdk/domain.h"

namespace espalier::text_to_image {

// Images as states "sample" in [-1, 1], each with its prompt's tensors and metadata.
std::unique_ptr<Examples> make_prompted_examples(const Conditions& conditions, std::unique_ptr<Images> images);

}  // namespace espalier::text_to_image
