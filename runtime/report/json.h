#pragma once

#include <string>

#include "runtime/exec/record.h"

namespace espalier::report {

// report.json; every field is described in runtime/report/README.md. A NaN or infinite number is null.
std::string report_json(const exec::Record& record);

}  // namespace espalier::report
