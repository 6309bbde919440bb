#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <mutex>
#include <string>
#include <vector>

#include "runtime/base/digest.h"
#include "runtime/base/remembered_digests.h"

namespace espalier::images {

// The image files of a folder: those of folder::list_files whose names end in .png, .jpg, .jpeg, .jpe or .jfif, in any
// case.
struct ImageList {
  std::vector<std::filesystem::path> files;  // relative to the folder, sorted
  std::string note;                          // what was passed over, for a person; "" when nothing was
};
// Throws DataError where there is none, or where images of another format lie beside them: they would be missing from the data.
ImageList list_images(const std::filesystem::path& folder);

// What the files' headers say of them together.
struct ImageShape {
  std::int64_t channels = 3;  // 1 where all are grey
  std::int64_t height = 0, width = 0;
};
// resolution as to_image's. Throws DataError naming a file that is no image, or (resolution 0) has another size than the first.
ImageShape read_shape(const std::filesystem::path& folder, const std::vector<std::filesystem::path>& files, std::int64_t resolution);

// Some image files of a folder, as 8-bit grey or RGB. They are read when first asked for, and then held in memory as bytes.
class FolderImages {
 public:
  // files: relative to the folder; channels 3, or 1 for files that are grey; resolution as to_image's. `remembered` may be null.
  FolderImages(std::filesystem::path folder, std::vector<std::filesystem::path> files, std::int64_t channels, std::int64_t resolution,
               RememberedDigests* remembered);

  std::int64_t size() const { return static_cast<std::int64_t>(files_.size()); }
  const std::vector<Hex>& digests() const;  // pixel_digest of each; thread-safe
  // [B, C, H, W] float in [0, 1]; thread-safe. Throws DataError naming a file that is damaged, has another size than the first, or other
  // pixels than its digest was made of.
  at::Tensor at(const std::vector<std::int64_t>& rows) const;

 private:
  at::Tensor load() const;
  std::filesystem::path folder_;
  std::vector<std::filesystem::path> files_;
  std::int64_t channels_, resolution_;
  RememberedDigests* remembered_;
  mutable std::once_flag loaded_;
  mutable std::mutex mutex_;  // of digests_
  mutable std::vector<Hex> digests_;
  mutable at::Tensor images_;  // [N, C, H, W] uint8
};

}  // namespace espalier::images
