#pragma once

#include <span>

// The SMARTS of RDKit's QED, in its order; the text of each lives as long as the program.
namespace espalier::chem::qed_data {

std::span<const char* const> acceptors();  // 11 single atoms that accept a hydrogen bond
std::span<const char* const> alerts();     // 116 unwanted chemical functionalities
inline constexpr const char* kAliphaticRingAtom = "[$([A;R][!a])]";

}  // namespace espalier::chem::qed_data
