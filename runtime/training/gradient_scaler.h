#pragma once

#include <cstdint>

#include "runtime/base/value.h"
#include "runtime/training/optimizer.h"

namespace espalier::training {

// Keeps gradients that pass through float16 from vanishing: the loss is multiplied by a scale, the gradients are divided by it. As
// torch.amp.GradScaler with its defaults: from 65536 on, halved where gradients are not finite (that step is left out), doubled after 2000
// steps in a row where they are.
class GradientScaler {
 public:
  explicit GradientScaler(bool enabled) : enabled_(enabled) {}
  bool enabled() const { return enabled_; }
  double scale() const { return enabled_ ? scale_ : 1.0; }

  // Divides the gradients and adapts the scale. Whether they are finite: where not, they are cleared. Of a scaler that is not enabled true.
  bool unscale(const NamedParameters& parameters);

  Value state() const;
  void load(const Value& state);

 private:
  bool enabled_;
  double scale_ = 65536.0;
  std::int64_t finite_steps_ = 0;  // since the scale changed
};

}  // namespace espalier::training
