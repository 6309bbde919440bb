#include "plugins/shared/image_sources/shapes_source.h"

#include <ATen/ops/stack.h>

#include <algorithm>
#include <utility>

#include "plugins/shared/shapes/renderer.h"
#include "plugins/shared/shapes/world.h"
#include "runtime/base/errors.h"
#include "runtime/random/draws.h"
#include "runtime/random/streams.h"

namespace espalier::images {
namespace {

// What a position draws, in this order.
constexpr std::int64_t kUniforms = 10;
enum Uniform : std::size_t { kPrompt = 0, kJitter = 1, kRelationErrs = 7, kRelation = 8, kBindingErrs = 9 };

shapes::Prompt with_errors(shapes::Prompt prompt, const double* uniform, const CaptionNoise& noise) {
  if (uniform[kRelationErrs] < noise.relation) {
    const auto turn = 1 + std::min(2, static_cast<int>(uniform[kRelation] * 3.0));
    prompt.relation = static_cast<shapes::Relation>((static_cast<int>(prompt.relation) + turn) % 4);
  }
  if (uniform[kBindingErrs] < noise.binding) std::swap(prompt.colour[0], prompt.colour[1]);
  return prompt;
}

class ShapesImages final : public Images {
 public:
  ShapesImages(std::vector<shapes::Prompt> prompts, std::int64_t resolution, CaptionNoise noise, random::StreamKey key)
      : prompts_(std::move(prompts)), resolution_(resolution), noise_(noise), key_(key) {}

  std::int64_t size() const override { return 0; }

  Hex digest() const override {
    return espalier::digest(Value::Map{{"source", "shapes"},
                                       {"world", shapes::kWorldVersion},
                                       {"random", random::kGeneratorId},
                                       {"seed", std::to_string(key_.seed)},
                                       {"round", static_cast<std::int64_t>(key_.round)},
                                       {"resolution", resolution_},
                                       {"caption_relation_noise", noise_.relation},
                                       {"caption_binding_noise", noise_.binding}});
  }

  Batch at(const std::vector<std::uint64_t>& positions) const override {
    random::Draws draws(key_, positions);
    draws.begin(0);
    const at::Tensor uniforms = draws.uniforms({kUniforms}).contiguous();
    Batch batch;
    std::vector<at::Tensor> images;
    for (std::size_t b = 0; b < positions.size(); ++b) {
      const double* uniform = uniforms.const_data_ptr<double>() + b * kUniforms;
      const auto last = prompts_.size() - 1;
      const std::size_t number = std::min(last, static_cast<std::size_t>(uniform[kPrompt] * static_cast<double>(prompts_.size())));
      shapes::Jitter jitter;
      std::copy_n(uniform + kJitter, jitter.size(), jitter.begin());
      images.push_back(shapes::render(shapes::place(with_errors(prompts_[number], uniform, noise_), jitter), resolution_));
      batch.caption.push_back(static_cast<std::int64_t>(number));
    }
    batch.image = at::stack(images);
    return batch;
  }

 private:
  std::vector<shapes::Prompt> prompts_;
  std::int64_t resolution_;
  CaptionNoise noise_;
  random::StreamKey key_;
};

class ShapesSource final : public Source {
 public:
  ShapesSource(std::int64_t resolution, CaptionNoise noise, std::uint64_t seed) : resolution_(resolution), noise_(noise), seed_(seed) {}

  std::int64_t channels() const override { return 3; }
  std::int64_t height() const override { return resolution_; }
  std::int64_t width() const override { return resolution_; }
  std::vector<std::string> splits() const override { return {"train", "held_out"}; }

  Captions captions(const std::string& split) const override {
    Captions result;
    for (const shapes::Prompt& prompt : of(split)) {
      result.text.push_back(shapes::text(prompt));
      result.metadata.push_back(shapes::metadata(prompt));
    }
    return result;
  }

  std::unique_ptr<Images> images(const std::string& split) const override {
    const bool train = split == "train";
    const auto key = random::streams::examples(seed_, train ? 0U : 1U);
    return std::make_unique<ShapesImages>(of(split), resolution_, train ? noise_ : CaptionNoise{}, key);
  }

 private:
  static std::vector<shapes::Prompt> of(const std::string& split) {
    return split == "train" ? shapes::train_prompts() : shapes::held_out_prompts();
  }
  std::int64_t resolution_;
  CaptionNoise noise_;
  std::uint64_t seed_;
};

}  // namespace

std::unique_ptr<Source> make_shapes_source(std::int64_t resolution, CaptionNoise noise, std::uint64_t seed) {
  const std::int64_t size = resolution == 0 ? 16 : resolution;
  if (size < shapes::kSmallestImage) {
    throw ConfigError("domain.text_to_image: resolution " + std::to_string(size) + " is too small for the shapes world; at least " +
                      std::to_string(shapes::kSmallestImage));
  }
  return std::make_unique<ShapesSource>(size, noise, seed);
}

}  // namespace espalier::images
