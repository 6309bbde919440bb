#include "plugins/shared/pictures/idx_images.h"

#include <ATen/ops/floor_divide.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/tensor.h>
#include <fmt/format.h>

#include <utility>

#include "plugins/shared/pictures/idx.h"
#include "plugins/shared/pictures/image.h"
#include "runtime/base/errors.h"

namespace espalier::pictures {
namespace {

constexpr std::size_t kGreyRank = 3;    // [N, H, W]
constexpr std::size_t kColourRank = 4;  // [N, H, W, C]
constexpr std::size_t kLabelRank = 1;   // [N]
constexpr std::int64_t kAlpha = 3;      // its channel

std::size_t image_rank(const std::filesystem::path& path) { return read_idx_rank(path) == kColourRank ? kColourRank : kGreyRank; }

// [N, 4, H, W] to [N, 3, H, W], rounded as decode_png rounds.
at::Tensor over_black(const at::Tensor& rgba) {
  const at::Tensor colour = rgba.narrow(1, 0, kAlpha).to(at::kInt), alpha = rgba.narrow(1, kAlpha, 1).to(at::kInt);
  return at::floor_divide(colour.mul(alpha).add(127), 255).to(at::kByte);
}

}  // namespace

IdxImages::IdxImages(std::filesystem::path path, std::int64_t resolution)
    : path_(std::move(path)), resolution_(resolution), sizes_(read_idx_sizes(path_, image_rank(path_))) {
  if (sizes_.size() == kColourRank && sizes_[3] != 1 && sizes_[3] != 3 && sizes_[3] != 4) {
    throw DataError(fmt::format("{}: pictures of {} channels; a picture has 1 (grey), 3 (RGB) or 4 (RGBA)", path_.string(), sizes_[3]));
  }
}

std::int64_t IdxImages::channels() const { return sizes_.size() == kGreyRank || sizes_[3] == 1 ? 1 : 3; }

at::Tensor IdxImages::at(const std::vector<std::int64_t>& rows) const {
  std::call_once(loaded_, [this] {
    at::Tensor images = read_idx(path_, sizes_.size());
    images = sizes_.size() == kGreyRank ? images.unsqueeze(1) : images.permute({0, 3, 1, 2});
    images_ = (images.size(1) == kAlpha + 1 ? over_black(images) : images).contiguous();
  });
  return to_image(at::index_select(images_, 0, at::tensor(rows)), resolution_);
}

void require_same_size(const IdxImages& one, const IdxImages& other) {
  const auto& a = one.file_sizes();
  const auto& b = other.file_sizes();
  if (a[1] != b[1] || a[2] != b[2] || one.channels() != other.channels()) {
    throw DataError(fmt::format("{}: pictures of {} x {} with {} channels, but {} has {} x {} with {}", one.path().string(), a[2], a[1],
                                one.channels(), other.path().string(), b[2], b[1], other.channels()));
  }
}

IdxLabels::IdxLabels(std::filesystem::path path, const IdxImages& images, std::size_t classes) : path_(std::move(path)), classes_(classes) {
  const std::int64_t count = read_idx_sizes(path_, kLabelRank)[0];
  if (count != images.size()) {
    throw DataError(fmt::format("{}: {} labels for the {} images of {}", path_.string(), count, images.size(), images.path().string()));
  }
}

void IdxLabels::load() const {
  at::Tensor labels = read_idx(path_, kLabelRank);
  const std::uint8_t* label = labels.const_data_ptr<std::uint8_t>();
  for (std::int64_t i = 0; i < labels.size(0); ++i) {
    if (label[i] >= classes_) {
      throw DataError(
          fmt::format("{}: label {} of picture {} has no name; class_names has {} entries", path_.string(), label[i], i, classes_));
    }
  }
  labels_ = std::move(labels);
}

std::vector<std::int64_t> IdxLabels::at(const std::vector<std::int64_t>& rows) const {
  std::call_once(loaded_, [this] { load(); });
  const std::uint8_t* label = labels_.const_data_ptr<std::uint8_t>();
  std::vector<std::int64_t> labels;
  for (const std::int64_t row : rows) labels.push_back(label[row]);
  return labels;
}

}  // namespace espalier::pictures
