#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "runtime/cli/command.h"

namespace espalier::cli {

std::string human(std::int64_t bytes);  // "1.5 GiB"

int doctor(const std::filesystem::path& root, bool json);

}  // namespace espalier::cli
