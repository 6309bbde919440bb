#pragma once

#include <functional>

namespace espalier::network {

// Floating-point operations of the matrix products, convolutions and attentions that `work` runs on this thread, 2 a multiply-add; what
// PyTorch's flop counter counts. Everything else (norms, activations) is not counted.
// `work` must not count itself.
double count_flops(const std::function<void()>& work);

}  // namespace espalier::network
