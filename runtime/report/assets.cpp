#include "runtime/report/assets.h"

#include <cstddef>

// .incbin puts a file into the read-only data as it is: nothing to escape, and no compiler limit on literals.
#define ESPALIER_EMBED(name, path)                                                                               \
  __asm__(                                                                                                       \
      ".pushsection .rodata\n"                                                                                   \
      ".global espalier_" #name "_begin\n.hidden espalier_" #name "_begin\nespalier_" #name                      \
      "_begin:\n"                                                                                                \
      ".incbin \"" path                                                                                          \
      "\"\n"                                                                                                     \
      ".global espalier_" #name "_end\n.hidden espalier_" #name "_end\nespalier_" #name                          \
      "_end:\n"                                                                                                  \
      ".byte 0\n"                                                                                                \
      ".popsection\n");                                                                                          \
  extern "C" {                                                                                                   \
  extern const char espalier_##name##_begin[] __attribute__((visibility("hidden")));                             \
  extern const char espalier_##name##_end[] __attribute__((visibility("hidden")));                               \
  }                                                                                                              \
  std::string_view espalier::report::name() {                                                                    \
    return {espalier_##name##_begin, static_cast<std::size_t>(espalier_##name##_end - espalier_##name##_begin)}; \
  }

ESPALIER_EMBED(page_css, ESPALIER_PAGE_CSS)
ESPALIER_EMBED(page_js, ESPALIER_PAGE_JS)
ESPALIER_EMBED(chart_js, ESPALIER_CHART_JS)
