#pragma once

namespace espalier::random {

// Elementary functions made of IEEE additions, multiplications and divisions alone, so that their bits do not depend on a machine's
// mathematics library. Polynomials and their coefficients are fdlibm's (Sun Microsystems, 1993; e_log.c, k_sin.c, k_cos.c); the error is
// below 2 units in the last place.

double log_of(double x);  // natural logarithm; x positive, finite and normal

struct SinCos {
  double sin = 0.0;
  double cos = 1.0;
};
SinCos sincos_turns(double turns);  // of 2 pi turns; turns in [0, 1]

}  // namespace espalier::random
