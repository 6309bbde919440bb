// What domains give.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "runtime/sdk/check.h"
#include "runtime/sdk/check_require.h"

namespace espalier {
namespace {

using check::require;

void check_state_spec(const std::string& who, const StateSpec& spec) {
  require(!spec.empty(), who, "codec() has states without a field; a state has at least one");
  for (const auto& [name, field] : spec) {
    require(std::all_of(field.shape.begin(), field.shape.end(), [](std::int64_t size) { return size > 0; }), who,
            "codec() gives the state's field '{}' a size that is not above 0", name);
  }
}

std::int64_t length(std::size_t size) { return static_cast<std::int64_t>(size); }

}  // namespace

void check_domain(const std::string& who, const Domain& domain) {
  require(!domain.sample_kind().empty(), who, "sample_kind() is empty; it names what samples are ('image')");
  std::set<std::string> names;
  for (const auto& split : domain.data().splits()) {
    require(!split.empty() && names.insert(split).second, who, "splits() gives the name '{}' that is empty or there twice", split);
  }
  require(!names.empty(), who, "splits() gives none; a domain has at least one");
  check_codec(who, domain.codec(nullptr).get());
}

void check_codec(const std::string& who, const Codec* codec) {
  require(codec != nullptr, who, "codec() gave none; a model that does not fit is a DataError that says why");
  check_state_spec(who, codec->spec());
}

void check_conditions(const std::string& who, const std::string& split, const Conditions& conditions) {
  const auto what = fmt::format("conditions(\"{}\")", split);
  require(conditions.size() > 0, who, "{} has none; an unconditional domain has one, without tensors", what);
  require(length(conditions.metadata.size()) == conditions.size(), who, "{} has {} texts and {} metadata; there are as many of both", what,
          conditions.size(), conditions.metadata.size());
  for (const auto& [name, tensor] : conditions.tensors) {
    require(tensor.defined() && tensor.dim() > 0 && tensor.size(0) == conditions.size(), who,
            "{} has the tensor '{}' of other length than its {} texts", what, name, conditions.size());
    const auto null = conditions.null_tensors.find(name);
    require(null != conditions.null_tensors.end() && null->second.defined(), who,
            "{} has no null condition '{}'; null_tensors have the same names", what, name);
    auto sizes = tensor.sizes().vec();
    sizes[0] = 1;
    require(null->second.sizes() == at::IntArrayRef(sizes) && null->second.scalar_type() == tensor.scalar_type(), who,
            "{} has the null condition '{}' of other shape or dtype than a row of the tensor", what, name);
  }
  require(conditions.null_tensors.size() == conditions.tensors.size(), who,
          "{} has {} null tensors and {} tensors; they have the same names", what, conditions.null_tensors.size(),
          conditions.tensors.size());
}

void check_examples(const std::string& who, const EncodedExamples::Batch& batch, const StateSpec& spec, std::int64_t count) {
  check_state(who, fmt::format("a batch of {} examples", count), batch.state, spec, count);
  for (const auto& [name, tensor] : batch.condition) {
    require(tensor.defined() && tensor.dim() > 0 && tensor.size(0) == count, who,
            "a batch of {} examples has the condition '{}' of another length", count, name);
  }
  require(length(batch.metadata.size()) == count, who, "a batch of {} examples has {} metadata; there is one for each", count,
          batch.metadata.size());
}

void check_decoded(const std::string& who, const Sample& sample, const std::string& kind, std::int64_t count) {
  require(sample.kind == kind, who, "decode() gave samples of the kind '{}'; sample_kind() is '{}'", sample.kind, kind);
  require(!sample.tensors.empty() || !sample.strings.empty(), who, "decode() gave samples with neither tensors nor strings");
  for (const auto& [name, tensor] : sample.tensors) {
    const auto found = tensor.defined() && tensor.dim() > 0 ? tensor.size(0) : 0;
    require(found == count, who, "decode() gave '{}' of {} samples for {}", name, found, count);
  }
  for (const auto& [name, texts] : sample.strings) {
    require(length(texts.size()) == count, who, "decode() gave '{}' of {} samples for {}", name, texts.size(), count);
  }
}

void check_images(const std::string& who, const std::vector<Image>& images, std::int64_t count) {
  require(length(images.size()) == count, who, "draw() gave {} images for {} samples; there is one for each", images.size(), count);
  for (const auto& image : images) {
    require(image.width > 0 && image.height > 0 && length(image.rgb.size()) == 3 * image.width * image.height, who,
            "draw() gave an image of {} x {} with {} bytes; it has 3 a pixel, and one pixel at least", image.width, image.height,
            image.rgb.size());
  }
}

void check_canonical_keys(const std::string& who, const std::vector<std::string>& keys, std::int64_t count) {
  require(length(keys.size()) == count, who, "canonical_keys() gave {} keys for {} samples; there is one for each", keys.size(), count);
}

}  // namespace espalier
