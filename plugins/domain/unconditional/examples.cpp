#include "plugins/domain/unconditional/examples.h"

#include <ATen/ops/flip.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/where.h>

#include <algorithm>
#include <utility>

#include "plugins/shared/images/pixel_codec.h"
#include "runtime/base/errors.h"

namespace espalier::unconditional {
namespace {

class ImageExamples final : public Examples {
 public:
  ImageExamples(std::unique_ptr<images::Images> images, std::vector<std::string> class_names, bool mirrored)
      : images_(std::move(images)), class_names_(std::move(class_names)), mirrored_(mirrored) {}

  std::int64_t size() const override { return (mirrored_ ? 2 : 1) * images_->size(); }

  std::int64_t distinct() const override { return images_->size(); }

  Hex digest() const override {
    Value value = Value::Map{{"images", images_->digest()}, {"mirrored", mirrored_}};
    if (!class_names_.empty()) value["class_names"] = Value::List(class_names_.begin(), class_names_.end());
    return espalier::digest(value);
  }

  Batch at(const std::vector<std::uint64_t>& positions) const override {
    const auto end = static_cast<std::uint64_t>(size()), plain = static_cast<std::uint64_t>(images_->size());
    std::vector<std::uint64_t> rows;
    std::vector<std::uint8_t> turned;
    for (const std::uint64_t position : positions) {
      if (position >= end) throw InternalError("example " + std::to_string(position) + " of " + std::to_string(end) + " was asked for");
      rows.push_back(position % plain);
      turned.push_back(position >= plain ? 1 : 0);
    }
    images::Images::Batch images = images_->at(rows);
    if (std::ranges::count(turned, 1) > 0) {
      const at::Tensor which = at::tensor(turned).to(at::kBool).view({-1, 1, 1, 1});
      images.image = at::where(which, at::flip(images.image, {3}), images.image);
    }
    Batch batch;
    batch.sample = {"image", {{"image", images::as_decoded(images.image)}}, {}};
    batch.condition.text.resize(positions.size());
    for (std::size_t b = 0; b < positions.size(); ++b) {
      batch.condition.metadata.push_back(images.caption.empty() ? Value(Value::Map{}) : metadata_of(images.caption[b]));
    }
    return batch;
  }

 private:
  Value metadata_of(std::int64_t label) const {
    return Value::Map{{"label", label}, {"class", class_names_.at(static_cast<std::size_t>(label))}};
  }

  std::unique_ptr<images::Images> images_;
  std::vector<std::string> class_names_;
  bool mirrored_;
};

}  // namespace

std::unique_ptr<Examples> make_examples(std::unique_ptr<images::Images> images, std::vector<std::string> class_names, bool mirrored) {
  return std::make_unique<ImageExamples>(std::move(images), std::move(class_names), mirrored);
}

}  // namespace espalier::unconditional
