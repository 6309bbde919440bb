#include "plugins/shared/images/idx_images.h"

#include <ATen/ops/floor_divide.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/tensor.h>
#include <fmt/format.h>

#include <utility>

#include "plugins/shared/images/idx.h"
#include "plugins/shared/images/image.h"
#include "runtime/base/errors.h"

namespace espalier::images {
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

IdxImages::IdxImages(std::filesystem::path path, std::int64_t resolution, RememberedDigests* remembered)
    : path_(std::move(path)), resolution_(resolution), remembered_(remembered), sizes_(read_idx_sizes(path_, image_rank(path_))) {
  if (sizes_.size() == kColourRank && sizes_[3] != 1 && sizes_[3] != 3 && sizes_[3] != 4) {
    throw DataError(fmt::format("{}: images of {} channels; an image has 1 (grey), 3 (RGB) or 4 (RGBA)", path_.string(), sizes_[3]));
  }
}

std::int64_t IdxImages::channels() const { return sizes_.size() == kGreyRank || sizes_[3] == 1 ? 1 : 3; }

Hex IdxImages::digest() const {
  const std::lock_guard lock(mutex_);
  const auto compute = [this] { return digest_idx(read_idx(path_, sizes_.size())); };
  if (digest_.empty()) digest_ = remembered_ == nullptr ? compute() : remembered_->of(path_, "idx", compute);
  return digest_;
}

at::Tensor IdxImages::load() const {
  const std::lock_guard lock(mutex_);
  at::Tensor images = read_idx(path_, sizes_.size());
  if (!digest_.empty() && digest_idx(images) != digest_) {
    throw DataError(path_.string() + ": its images are not those that this run's keys were made of; touch the file and run again");
  }
  images = sizes_.size() == kGreyRank ? images.unsqueeze(1) : images.permute({0, 3, 1, 2});
  return (images.size(1) == kAlpha + 1 ? over_black(images) : images).contiguous();
}

at::Tensor IdxImages::at(const std::vector<std::int64_t>& rows) const {
  std::call_once(loaded_, [this] { images_ = load(); });
  return to_image(at::index_select(images_, 0, at::tensor(rows)), resolution_);
}

void require_same_size(const IdxImages& one, const IdxImages& other) {
  const auto& a = one.file_sizes();
  const auto& b = other.file_sizes();
  if (a[1] != b[1] || a[2] != b[2] || one.channels() != other.channels()) {
    throw DataError(fmt::format("{}: images of {} x {} with {} channels, but {} has {} x {} with {}", one.path().string(), a[2], a[1],
                                one.channels(), other.path().string(), b[2], b[1], other.channels()));
  }
}

IdxLabels::IdxLabels(const std::filesystem::path& path, const IdxImages& images, std::size_t classes) {
  const std::int64_t count = read_idx_sizes(path, kLabelRank)[0];
  if (count != images.size()) {
    throw DataError(fmt::format("{}: {} labels for the {} images of {}", path.string(), count, images.size(), images.path().string()));
  }
  labels_ = read_idx(path, kLabelRank);
  const std::uint8_t* label = labels_.const_data_ptr<std::uint8_t>();
  for (std::int64_t i = 0; i < count; ++i) {
    if (label[i] < classes) continue;
    throw DataError(fmt::format("{}: label {} of image {} has no name; class_names has {} entries", path.string(), label[i], i, classes));
  }
}

Hex IdxLabels::digest() const { return digest_idx(labels_); }

std::vector<std::int64_t> IdxLabels::at(const std::vector<std::int64_t>& rows) const {
  const std::uint8_t* label = labels_.const_data_ptr<std::uint8_t>();
  std::vector<std::int64_t> labels;
  for (const std::int64_t row : rows) labels.push_back(label[row]);
  return labels;
}

}  // namespace espalier::images
