#pragma once

namespace espalier {

// Sets the calling thread's floating-point environment to C's default: rounding to nearest, no traps, and numbers below the normal range
// kept. A library linked with -ffast-math has a constructor that makes them zero, in the thread that loads it and in all that this one
// starts: numbers of other plugins would depend on which libraries lie in a folder.
void set_default_floating_point();

}  // namespace espalier
