#include "runtime/tensor/dtype.h"

#include <array>
#include <utility>

namespace espalier::tensor {
namespace {

constexpr std::array<std::pair<const char*, at::ScalarType>, 3> kDtypes{
    {{"float32", at::kFloat}, {"bfloat16", at::kBFloat16}, {"float16", at::kHalf}}};

}  // namespace

std::vector<std::string> compute_dtypes() {
  std::vector<std::string> names;
  for (const auto& [name, dtype] : kDtypes) names.emplace_back(name);
  return names;
}

std::optional<at::ScalarType> compute_dtype(const std::string& name) {
  for (const auto& [known, dtype] : kDtypes) {
    if (name == known) return dtype;
  }
  return std::nullopt;
}

std::string dtype_name(at::ScalarType dtype) {
  for (const auto& [name, known] : kDtypes) {
    if (dtype == known) return name;
  }
  return c10::toString(dtype);
}

bool cpu_computes(at::ScalarType dtype) {
  if (dtype != at::kHalf) return true;
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx512fp16") != 0;
#elif defined(__ARM_FEATURE_FP16_VECTOR_ARITHMETIC)
  return true;
#else
  return false;
#endif
}

}  // namespace espalier::tensor
