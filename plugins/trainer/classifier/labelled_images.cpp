#include "plugins/trainer/classifier/labelled_images.h"

#include <ATen/ops/tensor.h>
#include <fmt/format.h>

#include <map>

#include "runtime/base/errors.h"

namespace espalier::classifier {
namespace {

constexpr const char* kKind = "image";

std::int64_t label_of(const Value& metadata, const std::string& text) {
  const Value* label = metadata.is_map() ? metadata.find("label") : nullptr;
  if (label == nullptr || !label->is_integer() || label->as_integer() < 0) {
    throw ConfigError("trainer.classifier: the prompt '" + text + "' has no fact 'label'; it learns labelled images, such as IDX files");
  }
  return label->as_integer();
}

// The names by label, which must run from 0 without a gap.
std::vector<std::string> in_order(const std::map<std::int64_t, std::string>& names) {
  std::vector<std::string> result;
  for (const auto& [label, name] : names) {
    if (label != static_cast<std::int64_t>(result.size())) {
      throw ConfigError(fmt::format("trainer.classifier: labels must be 0, 1, 2, ...; none is {}, but one is {}", result.size(), label));
    }
    result.push_back(name);
  }
  if (result.size() < 2) throw ConfigError("trainer.classifier: needs at least two classes");
  return result;
}

}  // namespace

std::vector<std::string> class_names(const Domain& domain) {
  std::map<std::int64_t, std::string> names;
  for (const auto& split : domain.data().splits()) {
    const auto conditions = domain.data().conditions(split);
    for (std::size_t i = 0; i < conditions.metadata.size(); ++i) {
      if (const Value* listed = conditions.metadata[i].is_map() ? conditions.metadata[i].find("class_names") : nullptr) {
        for (const Value& name : listed->as_list()) names.emplace(static_cast<std::int64_t>(names.size()), name.as_string());
        return in_order(names);
      }
      const auto label = label_of(conditions.metadata[i], conditions.text[i]);
      const Value* name = conditions.metadata[i].find("class");
      if (name == nullptr || !name->is_string()) throw ConfigError(fmt::format("trainer.classifier: label {} has no fact 'class'", label));
      const auto& known = names.emplace(label, name->as_string()).first->second;
      if (known != name->as_string()) {
        throw ConfigError(fmt::format("trainer.classifier: label {} is both '{}' and '{}'", label, known, name->as_string()));
      }
    }
  }
  return in_order(names);
}

LabelledImages::LabelledImages(const Domain& domain, const std::string& split, const std::string& part, random::StreamKey order)
    : domain_(domain), examples_(domain.data().examples(split)), order_(order) {
  if (domain.sample_kind() != kKind) {
    throw ConfigError("trainer.classifier: learns samples of kind 'image'; the domain's are of kind '" + domain.sample_kind() + "'");
  }
  if (part != "all") stride_ = 2;
  if (part == "odd") offset_ = 1;
  const auto whole = static_cast<std::uint64_t>(examples_->size());
  if (whole == 0) return;
  distinct_ = static_cast<std::uint64_t>(examples_->distinct());
  own_ = distinct_ > offset_ ? (distinct_ - offset_ + stride_ - 1) / stride_ : 0;
  size_ = own_ * (whole / distinct_);
  if (size_ == 0) {
    throw ConfigError(fmt::format("trainer.classifier: the part '{}' of the {} examples of '{}' is empty", part, whole, split));
  }
}

LabelledImages::Batch LabelledImages::at(const std::vector<std::uint64_t>& positions) const {
  if (size_ == 0) return read(positions);
  std::vector<std::uint64_t> rows;
  rows.reserve(positions.size());
  for (const auto position : positions) rows.push_back(random::shuffled_index(order_, position / size_, size_, position % size_));
  return read(std::move(rows));
}

LabelledImages::Batch LabelledImages::in_order(std::uint64_t first, std::uint64_t count) const {
  std::vector<std::uint64_t> rows;
  for (std::uint64_t row = first; row < first + count; ++row) rows.push_back(row);
  return read(std::move(rows));
}

LabelledImages::Batch LabelledImages::read(std::vector<std::uint64_t> rows) const {
  for (auto& row : rows) row = size_ == 0 ? stride_ * row + offset_ : row / own_ * distinct_ + stride_ * (row % own_) + offset_;
  const auto examples = examples_->at(rows);
  std::vector<std::int64_t> labels;
  for (const auto& metadata : examples.condition.metadata) labels.push_back(label_of(metadata, "of an example"));
  return {samples_of(domain_, examples).tensors.at("image"), at::tensor(labels, at::kLong)};
}

}  // namespace espalier::classifier
