#pragma once

#include <string>

#include "runtime/exec/record.h"

namespace espalier::report {

// report.html: one self-contained file. Its content security policy allows its own two scripts and its style by their hashes and
// images in data: URIs, and nothing else, so it makes no request.
std::string page(const exec::Record& record);

}  // namespace espalier::report
