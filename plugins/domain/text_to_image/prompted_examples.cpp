#include "plugins/domain/text_to_image/prompted_examples.h"

#include <utility>

#include "runtime/base/errors.h"

namespace espalier::text_to_image {
namespace {

class PromptedExamples final : public Examples {
 public:
  PromptedExamples(const Conditions& conditions, std::unique_ptr<Images> images) : conditions_(conditions), images_(std::move(images)) {}

  std::int64_t size() const override { return images_->size(); }

  Hex digest() const override { return espalier::digest(Value::Map{{"images", images_->digest()}, {"conditions", conditions_.digest()}}); }

  Batch at(const std::vector<std::uint64_t>& positions) const override {
    const auto end = static_cast<std::uint64_t>(size());
    for (const std::uint64_t position : positions) {
      if (end != 0 && position >= end) {
        throw InternalError("example " + std::to_string(position) + " of " + std::to_string(end) + " was asked for");
      }
    }
    const Images::Batch images = images_->at(positions);
    Batch batch;
    batch.state.emplace("sample", images.image.mul(2.0).sub(1.0));
    batch.condition = conditions_.rows(images.prompt);
    for (const std::int64_t prompt : images.prompt) batch.metadata.push_back(conditions_.metadata[static_cast<std::size_t>(prompt)]);
    return batch;
  }

 private:
  Conditions conditions_;
  std::unique_ptr<Images> images_;
};

}  // namespace

std::unique_ptr<Examples> make_prompted_examples(const Conditions& conditions, std::unique_ptr<Images> images) {
  return std::make_unique<PromptedExamples>(conditions, std::move(images));
}

}  // namespace espalier::text_to_image
