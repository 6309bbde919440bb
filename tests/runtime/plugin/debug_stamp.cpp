// A library with the stamp of one compiled with -D_GLIBCXX_DEBUG, whose containers have another layout; none of its code may run.
#include "runtime/sdk/stamp.h"

ESPALIER_PLUGIN_STAMP

extern "C" __attribute__((visibility("default"))) void espalier_register(void*) {}
