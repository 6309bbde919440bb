#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace espalier::report {

// Text for an HTML element or a double-quoted attribute. Control characters but newline and tab become U+FFFD.
std::string escape(std::string_view text);

// JSON that may stand inside <script type="application/json">: no "<", ">", "&", U+2028 or U+2029 is left in it.
std::string script_safe(std::string_view json);

std::string base64(std::string_view bytes);

// "sha256-...", as a content security policy names an inline script or style.
std::string csp_hash(std::string_view text);

// For people: "0.8364", "12,345", "3 min 21 s". NaN is a dash.
std::string number_text(double value);
std::string count_text(std::int64_t count);
std::string duration_text(double seconds);

// A name of a stage, scalar or curve in words: "held_out_reward" -> "held out reward".
std::string words(std::string_view name);

}  // namespace espalier::report
