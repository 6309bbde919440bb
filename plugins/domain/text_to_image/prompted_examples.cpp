#include "plugins/domain/text_to_image/prompted_examples.h"

#include <utility>

#include "plugins/shared/images/pixel_codec.h"
#include "runtime/base/errors.h"

namespace espalier::text_to_image {
namespace {

class PromptedExamples final : public Examples {
 public:
  PromptedExamples(const Conditions& conditions, std::unique_ptr<images::Images> images)
      : conditions_(conditions), images_(std::move(images)) {}

  std::int64_t size() const override { return images_->size(); }

  Hex digest() const override { return espalier::digest(Value::Map{{"images", images_->digest()}, {"conditions", conditions_.digest()}}); }

  Batch at(const std::vector<std::uint64_t>& positions) const override {
    const auto end = static_cast<std::uint64_t>(size());
    for (const std::uint64_t position : positions) {
      if (end != 0 && position >= end) {
        throw InternalError("example " + std::to_string(position) + " of " + std::to_string(end) + " was asked for");
      }
    }
    const images::Images::Batch batch = images_->at(positions);
    return {{"image", {{"image", images::as_decoded(batch.image)}}, {}}, conditions_.rows(batch.caption)};
  }

 private:
  Conditions conditions_;
  std::unique_ptr<images::Images> images_;
};

}  // namespace

std::unique_ptr<Examples> make_prompted_examples(const Conditions& conditions, std::unique_ptr<images::Images> images) {
  return std::make_unique<PromptedExamples>(conditions, std::move(images));
}

}  // namespace espalier::text_to_image
