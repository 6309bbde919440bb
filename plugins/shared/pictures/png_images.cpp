#include "plugins/shared/pictures/png_images.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <fmt/format.h>

#include <array>
#include <cstring>
#include <fstream>
#include <string_view>
#include <utility>

#include "plugins/shared/pictures/image.h"
#include "runtime/base/errors.h"
#include "runtime/base/files.h"
#include "runtime/base/picture.h"

namespace espalier::pictures {
namespace {

namespace fs = std::filesystem;

at::Tensor load_picture(const fs::path& path) {
  const Picture picture = decode_png(read_file(path), path.string());
  at::Tensor bytes = at::empty({picture.height, picture.width, 3}, at::kByte);
  std::memcpy(bytes.data_ptr<std::uint8_t>(), picture.rgb.data(), picture.rgb.size());
  return bytes.permute({2, 0, 1}).contiguous();  // [3, H, W]
}

}  // namespace

// file := signature{8} length{4} "IHDR" width{u32, big-endian} height{u32} depth{1} colour_type{1} ...
PngHeader read_png_header(const fs::path& path) {
  constexpr std::string_view kStart("\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR", 16);
  constexpr std::size_t kColourType = 25;
  constexpr int kGrey = 0, kGreyWithAlpha = 4;
  std::array<char, kColourType + 1> bytes{};
  std::ifstream(path, std::ios::binary).read(bytes.data(), bytes.size());
  if (!std::string_view(bytes.data(), bytes.size()).starts_with(kStart)) throw DataError(path.string() + ": no PNG file");
  const auto number = [&bytes](std::size_t at) {
    std::int64_t value = 0;
    for (std::size_t i = at; i < at + 4; ++i) value = value << 8 | static_cast<std::uint8_t>(bytes[i]);
    return value;
  };
  const int type = static_cast<std::uint8_t>(bytes[kColourType]);
  return {number(16), number(20), type == kGrey || type == kGreyWithAlpha};
}

PngImages::PngImages(fs::path folder, std::vector<fs::path> files, std::int64_t channels, std::int64_t resolution)
    : folder_(std::move(folder)), files_(std::move(files)), channels_(channels), resolution_(resolution) {}

at::Tensor PngImages::at(const std::vector<std::int64_t>& rows) const {
  std::call_once(loaded_, [this] { images_ = load(); });
  return to_image(at::index_select(images_, 0, at::tensor(rows)), 0);
}

at::Tensor PngImages::load() const {
  std::vector<at::Tensor> images;
  for (const fs::path& file : files_) {
    at::Tensor image = load_picture(folder_ / file).narrow(0, 0, channels_);
    if (resolution_ != 0) image = to_image(image.unsqueeze(0), resolution_).mul(255.0).round().to(at::kByte).squeeze(0);
    if (!images.empty() && image.sizes() != images.front().sizes()) {
      throw DataError(fmt::format("{}: {} x {} pixels, but {} has {} x {}; set `resolution` to bring all to one size",
                                  (folder_ / file).string(), image.size(2), image.size(1), files_.front().string(), images.front().size(2),
                                  images.front().size(1)));
    }
    images.push_back(std::move(image));
  }
  return at::stack(images);
}

}  // namespace espalier::pictures
