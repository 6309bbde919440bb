#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "plugins/shared/folder/data.h"
#include "plugins/shared/image_sources/source.h"
#include "runtime/base/remembered_digests.h"

namespace espalier::images {

// All images of a folder (list_images), in the order of their paths, without captions. Grey if all of them are stored so, else RGB over
// black. Keyed by their pixels, whose digests `remembered` keeps (null: nothing does). Throws DataError: no image, one of another format,
// or mixed sizes with resolution 0.
std::unique_ptr<Source> make_plain_folder_source(const std::string& plugin, const std::filesystem::path& folder,
                                                 const folder::HeldOut& held_out, std::int64_t resolution,
                                                 RememberedDigests* remembered = nullptr);

}  // namespace espalier::images
