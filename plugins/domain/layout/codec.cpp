#include "plugins/domain/layout/codec.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/where.h>

#include <utility>

#include "plugins/shared/layout/draw.h"
#include "plugins/shared/layout/page.h"

namespace espalier::layout {
namespace {

constexpr const char* kPlugin = "domain.layout";

elements::SetShape shape_of(std::int64_t max_boxes, const std::vector<std::string>& class_names) {
  return {max_boxes, static_cast<std::int64_t>(class_names.size()), /*vector_dim=*/4};
}

}  // namespace

State encode_pages(const Sample& sample) {
  const auto vector = sample.tensors.at("box").to(at::kDouble).sub(0.5).mul(kVectorScale);  // [B, M, 4]
  const auto given = sample.tensors.find("given");
  return elements::pack(sample.tensors.at("class"), vector, given == sample.tensors.end() ? at::Tensor() : given->second);
}

LayoutCodec::LayoutCodec(std::int64_t max_boxes, std::vector<std::string> class_names, const ModelInfo* model)
    : SetCodec(shape_of(max_boxes, class_names), model), class_names_(std::move(class_names)) {}

Value LayoutCodec::key() const { return Value::Map{{"type", "boxes"}, {"scale", kVectorScale}, {"version", 1}}; }

State LayoutCodec::encode(const Sample& sample, const CodecContext&) const { return encode_pages(sample); }

Sample LayoutCodec::decode(const State& state, const CodecContext&) const {
  const auto& present = state.at("present");
  const auto box = state.at("vector").to(at::kFloat).div(kVectorScale).add(0.5);
  const auto centre = box.narrow(-1, 0, 2), half = box.narrow(-1, 2, 2).clamp_min(0.0).div(2.0);
  const auto low = (centre - half).clamp(0.0, 1.0), high = (centre + half).clamp(0.0, 1.0);
  const auto cut = at::cat({(low + high).div(2.0), high - low}, -1).mul(present.unsqueeze(-1));
  return {"layout", {{"class", at::where(present, state.at("token"), -1)}, {"box", cut}, {"given", state.at("frozen")}}, {}};
}

std::vector<Image> LayoutCodec::draw(const Sample& sample) const {
  std::vector<Image> images;
  DrawOptions options;
  options.class_names = class_names_;
  for (const auto& page : pages_of(sample, kPlugin)) images.push_back(draw_page(page, options));
  return images;
}

std::map<std::string, std::string> LayoutCodec::records(const Sample& sample) const {
  std::string text;
  for (const auto& page : pages_of(sample, kPlugin)) {
    Value::List elements;
    for (std::size_t i = 0; i < page.size(); ++i) {
      const auto edges = edges_of(page.box[i]);
      elements.emplace_back(Value::Map{{"class", class_names_[static_cast<std::size_t>(page.class_index[i])]},
                                       {"class_index", page.class_index[i]},
                                       {"box_ltwh_norm", Value::List{edges.left, edges.top, page.box[i][2], page.box[i][3]}}});
    }
    text += to_json(Value::Map{{"elements", Value(std::move(elements))}}) + "\n";
  }
  return {{"layouts.jsonl", text}};
}

}  // namespace espalier::layout
