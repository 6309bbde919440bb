#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>

#include "plugins/domain/text_to_image/source.h"

namespace espalier::text_to_image {

// A folder of PNG files with metadata.jsonl, as Hugging Face's imagefolder: one {"file_name": ..., "text": ...} a line. Each distinct
// caption is a prompt; facts {"label": k, "class": caption}, k its place among all captions sorted. The ceil(held_out_fraction x captions)
// with the largest SHA-256 are held out with all their pictures; 0 offers the split "train" alone.
// Throws DataError naming file and line: no caption, an unnamed picture, a missing or repeated file, a path that leaves the folder.
// resolution 0: the pictures' own size, which must be one.
std::unique_ptr<Source> make_folder_source(const std::filesystem::path& folder, double held_out_fraction, std::int64_t resolution);

}  // namespace espalier::text_to_image
