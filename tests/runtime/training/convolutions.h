#pragma once

#include "runtime/sdk/plugin.h"

namespace espalier::sft {

// A model of the toy domain's images for tests of adapters, conv_out(silu(conv_in(x) + time(t / 1000))): of the modules "conv_in", "time"
// and "conv_out", all of which may have an adapter.
Model convolutions();

}  // namespace espalier::sft
