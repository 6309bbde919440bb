#include "runtime/base/floating_point.h"

#include <cfenv>

#include "runtime/base/errors.h"

namespace espalier {

void set_default_floating_point() {
  if (std::fesetenv(FE_DFL_ENV) != 0) throw InternalError("the default floating-point environment cannot be set");
}

}  // namespace espalier
