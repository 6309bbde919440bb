#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>

#include "runtime/modelfile/model.h"

// The network of the Frechet inception distance as a function of named weights: Inception-v3 (Szegedy et al., 2016, arXiv 1512.00567) as
// TensorFlow's inception-2015-12-05 has it and pytorch-fid ports it. Its poolings differ from other Inception-v3s: averages in the mixed
// blocks leave the border's padding out, and the last block takes a maximum. Weights are called as in pytorch-fid's
// pt_inception-2015-12-05-6726825d.pth; "<...>.num_batches_tracked" is not needed and is ignored.
namespace espalier::frechet_distance::inception {

inline constexpr std::int64_t kFeatures = 2048;
inline constexpr std::int64_t kLeastSide = 75;  // the smallest image of which something is left to average

// A safetensors file, without what features() does not use (the classes' layer). Throws DataError naming the file and the first tensor that
// is missing, misshapen or unknown: weights of another Inception-v3 have another number of classes.
Weights read(const std::filesystem::path& path);

// image [B, 3, H, W] float in [0, 1], at least kLeastSide high and wide, on the weights' device. Gives [B, kFeatures], the last block's
// mean over the image.
at::Tensor features(const Weights& weights, const at::Tensor& image);

}  // namespace espalier::frechet_distance::inception
