#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>

#include "runtime/modelfile/model.h"

// A small network over a page, for a Frechet distance of layouts. A transformer without positions, so that the order of boxes does
// not matter, over the boxes and one token of the page; as the layout FID networks of the literature (Kikuchi et al. 2021, arXiv
// 2108.00871) it learns to classify pages as real or perturbed and to describe the page, here as a map of what each class covers.
//   x_i = class[c_i] + box(waves(box_i)), x_0 = token;  layers times: x += attention(norm(x)), x += mlp(norm(x));  features = norm(x_0)
namespace espalier::layout {

inline constexpr const char* kFeaturesRole = "layout_features";  // ModelInfo::role
inline constexpr std::int64_t kGrid = 8;                         // cells of the map, each way
inline constexpr std::int64_t kHeads = 4;

struct FeatureConfig {
  std::int64_t classes = 5;
  std::int64_t width = 64;  // of the features; a multiple of kHeads
  std::int64_t layers = 2;

  Value to_value() const;
  static FeatureConfig from_value(const Value& value, const std::string& origin);  // throws DataError naming origin
};

Weights initialize_features(const FeatureConfig& config, std::uint64_t seed);
void check_features(const FeatureConfig& config, const Weights& weights, const std::string& origin);  // throws DataError naming a tensor

// class_index [B, M] int64, -1 where there is no box (boxes there mean nothing); box [B, M, 4] float as shares of the page; on the weights'
// device. Gives [B, width]. Throws StageError on a class that the network does not have.
at::Tensor page_features(const FeatureConfig& config, const Weights& weights, const at::Tensor& class_index, const at::Tensor& box);

struct PageHeads {
  at::Tensor real;  // [B], the logit of "a real page"
  at::Tensor map;   // [B, classes, kGrid, kGrid], logits of page_map()
};
PageHeads page_heads(const FeatureConfig& config, const Weights& weights, const at::Tensor& features);

// The share of each cell that boxes of each class cover, their areas added up and cut at 1: [B, classes, kGrid, kGrid].
at::Tensor page_map(const at::Tensor& class_index, const at::Tensor& box, std::int64_t classes);

}  // namespace espalier::layout
