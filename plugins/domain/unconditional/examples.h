#pragma once

#include <memory>
#include <string>
#include <vector>

#include "plugins/domain/unconditional/source.h"
#include "runtime/sdk/domain.h"

namespace espalier::unconditional {

// Pictures as states "sample" in [-1, 1], without a condition; facts {"label": k, "class": name} where there are class names, else {}.
// Mirrored, the n pictures are followed by their mirror images: position p >= n shows picture p - n with left and right exchanged.
std::unique_ptr<Examples> make_examples(std::unique_ptr<Pictures> pictures, std::vector<std::string> class_names, bool mirrored);

}  // namespace espalier::unconditional
