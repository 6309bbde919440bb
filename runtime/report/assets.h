#pragma once

#include <string_view>

namespace espalier::report {

// Files put into the program when it was built.
std::string_view page_css();
std::string_view page_js();
std::string_view chart_js();  // Chart.js 3.9, minified

}  // namespace espalier::report
