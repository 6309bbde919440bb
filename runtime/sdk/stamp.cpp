#include "runtime/sdk/stamp.h"

namespace espalier {

std::string host_stamp() { return ESPALIER_STAMP_TEXT; }

}  // namespace espalier
