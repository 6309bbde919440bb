#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <mutex>
#include <vector>

#include "runtime/base/digest.h"
#include "runtime/base/remembered_digests.h"

namespace espalier::images {

// The images of an IDX file of bytes: [N, H, W] grey, or [N, H, W, C] with C = 1, 3 (RGB) or 4 (RGBA, laid over black). The header is
// read at once, the rest when images are first asked for; then they are held in memory as bytes.
class IdxImages {
 public:
  // resolution as to_image's; `remembered` may be null. Throws DataError naming the file.
  IdxImages(std::filesystem::path path, std::int64_t resolution, RememberedDigests* remembered = nullptr);

  const std::filesystem::path& path() const { return path_; }
  std::int64_t size() const { return sizes_[0]; }
  std::int64_t channels() const;                                          // 1 or 3
  const std::vector<std::int64_t>& file_sizes() const { return sizes_; }  // [N, H, W] or [N, H, W, C]
  std::int64_t height() const { return resolution_ != 0 ? resolution_ : sizes_[1]; }
  std::int64_t width() const { return resolution_ != 0 ? resolution_ : sizes_[2]; }
  Hex digest() const;                                          // digest_idx of the file; thread-safe
  at::Tensor at(const std::vector<std::int64_t>& rows) const;  // [B, C, H, W] float in [0, 1]; thread-safe

 private:
  at::Tensor load() const;
  std::filesystem::path path_;
  std::int64_t resolution_;
  RememberedDigests* remembered_;
  std::vector<std::int64_t> sizes_;  // as in the file
  mutable std::once_flag loaded_;
  mutable std::mutex mutex_;  // of digest_
  mutable Hex digest_;
  mutable at::Tensor images_;  // [N, C, H, W] uint8
};

// Throws DataError naming both files unless their images have one size and as many channels.
void require_same_size(const IdxImages& one, const IdxImages& other);

// Labels in an IDX file [N] of bytes: label k of images that belong to it, below `classes`.
class IdxLabels {
 public:
  // Throws DataError when the file has no label for each image, or one that has no class.
  IdxLabels(const std::filesystem::path& path, const IdxImages& images, std::size_t classes);

  Hex digest() const;  // digest_idx of the file
  std::vector<std::int64_t> at(const std::vector<std::int64_t>& rows) const;

 private:
  at::Tensor labels_;  // [N] uint8
};

}  // namespace espalier::images
