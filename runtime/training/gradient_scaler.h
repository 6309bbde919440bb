#pragma once

#include <cstdint>

#include "runtime/base/value.h"
#include "runtime/training/optimizer.h"

namespace espalier::training {

// Prevents gradients from vanishing in float16: the loss is multiplied by a scale, and the gradients are divided by it. As in
// torch.amp.GradScaler with its defaults, the scale starts at 65536, is halved if gradients are not finite (that step is skipped), and is
// doubled after 2000 consecutive steps with finite gradients.
class GradientScaler {
 public:
  explicit GradientScaler(bool enabled) : enabled_(enabled) {}
  bool enabled() const { return enabled_; }
  double scale() const { return enabled_ ? scale_ : 1.0; }

  // Divides the gradients by the scale and adapts the scale. Returns whether the gradients are finite; if not, clears them. A disabled
  // scaler does nothing and returns true.
  bool unscale(const NamedParameters& parameters);

  Value state() const;
  void load(const Value& state);

 private:
  bool enabled_;
  double scale_ = 65536.0;
  std::int64_t finite_steps_ = 0;  // since the last change of the scale
};

}  // namespace espalier::training
