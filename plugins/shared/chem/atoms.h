#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace espalier::chem {

// One molecule: what its atoms are and where. Explicit hydrogens, no bonds, no charges.
struct Atoms {
  std::vector<int> atomic_number;
  std::vector<std::array<double, 3>> position;  // angstrom
};

// The elements known here, in the order of the classes 0..4: H C N O F.
inline constexpr std::array<int, 5> kElements = {1, 6, 7, 8, 9};

// The class of an element, or -1 when it is none of H C N O F.
constexpr int element_class(std::int64_t atomic_number) {
  return atomic_number == 1 ? 0 : atomic_number >= 6 && atomic_number <= 9 ? static_cast<int>(atomic_number) - 5 : -1;
}

// "H", "C", "N", "O", "F". Throws DataError naming another number.
std::string_view element_symbol(std::int64_t atomic_number);
// 0 for a text that is none of the five symbols (upper case) or the five numbers.
int parse_element(std::string_view symbol_or_number);

// The atoms of a row of a "molecule" sample: atomic numbers [M], positions [3 M] in angstrom; entries of number 0 are left out.
// Throws InternalError unless there are three coordinates for each number.
Atoms present_atoms(std::span<const std::int64_t> atomic_numbers, std::span<const float> positions);

// What keeps atoms from being judged: "no atoms", an element that is not H C N O F, a position that is NaN or infinite; "" when nothing.
// (Chemistry is not looked at.)
std::string find_defect(const Atoms& atoms);

}  // namespace espalier::chem
