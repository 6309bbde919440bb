#pragma once

#include <filesystem>

#include "runtime/exec/record.h"

namespace espalier::report {

// Writes report.html (one self-contained file), report.json, tensorboard/, samples/ with metadata.jsonl, accepted.jsonl and
// rejected.jsonl into `folder` (made, must not exist). Gives the path of report.html.
std::filesystem::path write(const exec::Record& record, const std::filesystem::path& folder);

}  // namespace espalier::report
