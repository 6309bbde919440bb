#include "plugins/domain/unconditional/examples.h"

#include <ATen/ops/flip.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/where.h>

#include <algorithm>
#include <utility>

#include "runtime/base/errors.h"

namespace espalier::unconditional {
namespace {

class PictureExamples final : public Examples {
 public:
  PictureExamples(std::unique_ptr<Pictures> pictures, std::vector<std::string> class_names, bool mirrored)
      : pictures_(std::move(pictures)), class_names_(std::move(class_names)), mirrored_(mirrored) {}

  std::int64_t size() const override { return (mirrored_ ? 2 : 1) * pictures_->size(); }

  std::int64_t distinct() const override { return pictures_->size(); }

  Hex digest() const override {
    Value value = Value::Map{{"pictures", pictures_->digest()}, {"mirrored", mirrored_}};
    if (!class_names_.empty()) value["class_names"] = Value::List(class_names_.begin(), class_names_.end());
    return espalier::digest(value);
  }

  Batch at(const std::vector<std::uint64_t>& positions) const override {
    const auto end = static_cast<std::uint64_t>(size()), plain = static_cast<std::uint64_t>(pictures_->size());
    std::vector<std::int64_t> rows;
    std::vector<std::uint8_t> turned;
    for (const std::uint64_t position : positions) {
      if (position >= end) throw InternalError("example " + std::to_string(position) + " of " + std::to_string(end) + " was asked for");
      rows.push_back(static_cast<std::int64_t>(position % plain));
      turned.push_back(position >= plain ? 1 : 0);
    }
    Pictures::Batch pictures = pictures_->at(rows);
    if (std::ranges::count(turned, 1) > 0) {
      const at::Tensor which = at::tensor(turned).to(at::kBool).view({-1, 1, 1, 1});
      pictures.image = at::where(which, at::flip(pictures.image, {3}), pictures.image);
    }
    Batch batch;
    batch.state.emplace("sample", pictures.image.mul(2.0).sub(1.0));
    for (std::size_t b = 0; b < positions.size(); ++b) {
      batch.facts.push_back(pictures.label.empty() ? Value(Value::Map{}) : facts_of(pictures.label[b]));
    }
    return batch;
  }

 private:
  Value facts_of(std::int64_t label) const {
    return Value::Map{{"label", label}, {"class", class_names_.at(static_cast<std::size_t>(label))}};
  }

  std::unique_ptr<Pictures> pictures_;
  std::vector<std::string> class_names_;
  bool mirrored_;
};

}  // namespace

std::unique_ptr<Examples> make_examples(std::unique_ptr<Pictures> pictures, std::vector<std::string> class_names, bool mirrored) {
  return std::make_unique<PictureExamples>(std::move(pictures), std::move(class_names), mirrored);
}

}  // namespace espalier::unconditional
