#pragma once

#include <functional>
#include <string>
#include <vector>

#include "runtime/exchange/aside_folder.h"
#include "runtime/exchange/formats.h"
#include "runtime/sdk/view.h"

namespace espalier::exchange {

// Writes the samples of a view in the manifest's format (formats()) and returns which. `manifest`: without its samples; `conditions`: those
// of the view's stage; `done`: called with the number of samples just written, and may throw to stop. Throws ConfigError for what the
// format's readers would misread, before anything is decoded or written.
std::vector<ExportedSample> export_samples(const Manifest& manifest, const View& view, const Conditions& conditions, AsideFolder& folder,
                                           const std::function<void(std::int64_t)>& done);

}  // namespace espalier::exchange
