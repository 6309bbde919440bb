#pragma once

#include <memory>
#include <string>
#include <vector>

#include "plugins/shared/image_sources/source.h"
#include "runtime/sdk/dataset.h"

namespace espalier::unconditional {

// Images without a condition; metadata {"label": k, "class": name} where there are class names, else {}.
// Mirrored, the n images are followed by their mirror images: position p >= n shows image p - n with left and right exchanged.
std::unique_ptr<Examples> make_examples(std::unique_ptr<images::Images> images, std::vector<std::string> class_names, bool mirrored);

}  // namespace espalier::unconditional
