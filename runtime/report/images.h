#pragma once

#include <cstddef>
#include <filesystem>
#include <string>

#include "runtime/exec/record.h"

namespace espalier::report {

// Where the i-th image that a metric stage found is written, relative to the run's folder: "images/<stage>/<i>.png".
std::string image_file(const std::string& stage, std::size_t i);

// Writes them below the run's folder; nothing where no metric found an image.
void write_images(const exec::Record& record, const std::filesystem::path& folder);

}  // namespace espalier::report
