#pragma once

#include <memory>

#include "plugins/domain/text_to_image/source.h"
#include "runtime/sdk/domain.h"

namespace espalier::text_to_image {

// Pictures as states "sample" in [-1, 1], each with its prompt's tensors and facts.
std::unique_ptr<Examples> make_prompted_examples(const Conditions& conditions, std::unique_ptr<Pictures> pictures);

}  // namespace espalier::text_to_image
