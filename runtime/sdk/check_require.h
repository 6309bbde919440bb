#pragma once

#include <ATen/core/Tensor.h>
#include <fmt/format.h>

#include <string>
#include <utility>

#include "runtime/base/errors.h"

// What the bodies of check.h share; no plugin needs it.
namespace espalier::check {

template <class... Parts>
void require(bool holds, const std::string& who, fmt::format_string<Parts...> text, Parts&&... parts) {
  if (!holds) throw PluginError(who + ": " + fmt::format(text, std::forward<Parts>(parts)...));
}

// "Float [4, 3, 8, 8]"
inline std::string described(at::ScalarType dtype, at::IntArrayRef sizes) {
  std::string text;
  for (const auto size : sizes) text += (text.empty() ? "" : ", ") + std::to_string(size);
  return fmt::format("{} [{}]", c10::toString(dtype), text);
}
inline std::string described(const at::Tensor& tensor) { return described(tensor.scalar_type(), tensor.sizes()); }

}  // namespace espalier::check
