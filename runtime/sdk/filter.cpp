#include "runtime/sdk/filter.h"

namespace espalier {

Law law_of(const std::string& who, const Filter& filter, const FilterInput& input) {
  return selection::law(who, input, filter.by_condition(), filter.acceptance(input), filter.formula(input));
}

}  // namespace espalier
