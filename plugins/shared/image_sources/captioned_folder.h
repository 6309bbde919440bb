#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>

#include "plugins/shared/image_sources/source.h"
#include "runtime/base/remembered_digests.h"

namespace espalier::images {

// A folder of images (list_images) with metadata.jsonl, as Hugging Face's imagefolder: one {"file_name": ..., "text": ...} a
// line. Each distinct caption is a prompt; metadata {"label": k, "class": caption}, k its place among all captions sorted. The
// ceil(held_out_fraction x captions) with the largest SHA-256 are held out with all their images; 0 offers the split "train" alone. Keyed
// by pixels and captions; `remembered` keeps the pixels' digests (null: nothing does). Throws DataError naming file and line: no caption,
// an unnamed image, a missing or repeated file, a path that leaves the folder. resolution 0: the images' own size, which must be one.
std::unique_ptr<Source> make_captioned_folder_source(const std::filesystem::path& folder, double held_out_fraction, std::int64_t resolution,
                                                     RememberedDigests* remembered = nullptr);

}  // namespace espalier::images
