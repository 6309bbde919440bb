#include "plugins/shared/images/image_folder.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>
#include <utility>

#include "plugins/shared/folder/files.h"
#include "plugins/shared/images/image.h"
#include "plugins/shared/images/image_file.h"
#include "runtime/base/errors.h"

namespace espalier::images {
namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 5> kRead = {".png", ".jpg", ".jpeg", ".jpe", ".jfif"};
constexpr std::array<std::string_view, 15> kOthers = {".jp2", ".jxl",  ".webp", ".avif", ".heic", ".heif", ".gif", ".bmp",
                                                      ".tif", ".tiff", ".tga",  ".pbm",  ".pgm",  ".ppm",  ".pnm"};

at::Tensor bytes_of(const Image& image) {
  at::Tensor bytes = at::empty({image.height, image.width, 3}, at::kByte);
  std::memcpy(bytes.data_ptr<std::uint8_t>(), image.rgb.data(), image.rgb.size());
  return bytes.permute({2, 0, 1}).contiguous();  // [3, H, W]
}

[[noreturn]] void refuse_size(const fs::path& file, std::int64_t width, std::int64_t height, const fs::path& first,
                              std::int64_t first_width, std::int64_t first_height) {
  throw DataError(fmt::format("{}: {} x {} pixels, but {} has {} x {}; set `resolution` to bring all to one size", file.string(), width,
                              height, first.string(), first_width, first_height));
}

}  // namespace

ImageList list_images(const fs::path& folder) {
  const folder::FileList all = folder::list_files(folder);
  ImageList images{{}, all.note()};
  for (const fs::path& file : all.files) {
    const std::string extension = folder::lower_case(file.extension().string());
    if (std::ranges::find(kOthers, extension) != kOthers.end()) {
      throw DataError(fmt::format("{}: images are read from PNG and JPEG files; convert it, or move it out of {}", (folder / file).string(),
                                  folder.string()));
    }
    if (std::ranges::find(kRead, extension) != kRead.end()) images.files.push_back(file);
  }
  if (images.files.empty()) {
    throw DataError(folder.string() + ": holds no PNG or JPEG files" + (images.note.empty() ? "" : "; " + images.note));
  }
  return images;
}

ImageShape read_shape(const fs::path& folder, const std::vector<fs::path>& files, std::int64_t resolution) {
  const ImageHeader first = read_image_header(folder / files.front());
  ImageShape shape{1, resolution != 0 ? resolution : first.height, resolution != 0 ? resolution : first.width};
  for (const fs::path& file : files) {
    const ImageHeader header = read_image_header(folder / file);
    if (!header.grey) shape.channels = 3;
    if (resolution != 0 || (header.width == first.width && header.height == first.height)) continue;
    refuse_size(folder / file, header.width, header.height, files.front(), first.width, first.height);
  }
  return shape;
}

FolderImages::FolderImages(fs::path folder, std::vector<fs::path> files, std::int64_t channels, std::int64_t resolution,
                           RememberedDigests* remembered)
    : folder_(std::move(folder)), files_(std::move(files)), channels_(channels), resolution_(resolution), remembered_(remembered) {}

const std::vector<Hex>& FolderImages::digests() const {
  const std::lock_guard lock(mutex_);
  if (digests_.empty()) {
    std::vector<Hex> digests;
    for (const fs::path& file : files_) digests.push_back(pixel_digest(folder_ / file, remembered_));
    digests_ = std::move(digests);
  }
  return digests_;
}

at::Tensor FolderImages::at(const std::vector<std::int64_t>& rows) const {
  std::call_once(loaded_, [this] { images_ = load(); });
  return to_image(at::index_select(images_, 0, at::tensor(rows)), 0);
}

at::Tensor FolderImages::load() const {
  const std::lock_guard lock(mutex_);
  std::vector<at::Tensor> images;
  for (std::size_t i = 0; i < files_.size(); ++i) {
    const fs::path path = folder_ / files_[i];
    const Image decoded = read_image(path);
    if (!digests_.empty() && digest_pixels(decoded) != digests_[i]) {
      throw DataError(path.string() + ": its pixels are not those that this run's keys were made of; touch the file and run again");
    }
    at::Tensor image = bytes_of(decoded).narrow(0, 0, channels_);
    if (resolution_ != 0) image = to_image(image.unsqueeze(0), resolution_).mul(255.0).round().to(at::kByte).squeeze(0);
    if (!images.empty() && image.sizes() != images.front().sizes()) {
      refuse_size(path, image.size(2), image.size(1), files_.front(), images.front().size(2), images.front().size(1));
    }
    images.push_back(std::move(image));
  }
  return at::stack(images);
}

}  // namespace espalier::images
