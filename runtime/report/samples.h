#pragma once

#include <filesystem>

#include "runtime/exec/record.h"

namespace espalier::report {

// Writes samples/<stage>/<index>.png and, beside the stages' folders, metadata.jsonl (all samples), accepted.jsonl and rejected.jsonl
// (those a filter judged), a sample a line: file_name, text, reward (null: not scored), stage, index, and selection where judged. Hugging
// Face's imagefolder reader takes the folder as it is. Nothing is written for a record without samples.
void write_samples(const exec::Record& record, const std::filesystem::path& folder);

}  // namespace espalier::report
