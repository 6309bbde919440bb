#include "plugins/shared/chem/atoms.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "runtime/base/errors.h"

namespace espalier::chem {
namespace {

constexpr std::array<std::string_view, 5> kSymbols = {"H", "C", "N", "O", "F"};

}  // namespace

std::string_view element_symbol(std::int64_t atomic_number) {
  const int c = element_class(atomic_number);
  if (c < 0) throw DataError(fmt::format("the element of atomic number {} is none of H, C, N, O, F", atomic_number));
  return kSymbols[static_cast<std::size_t>(c)];
}

int parse_element(std::string_view symbol_or_number) {
  for (std::size_t c = 0; c < kElements.size(); ++c) {
    if (symbol_or_number == kSymbols[c] || symbol_or_number == std::to_string(kElements[c])) return kElements[c];
  }
  return 0;
}

Atoms present_atoms(std::span<const std::int64_t> atomic_numbers, std::span<const float> positions) {
  if (positions.size() != 3 * atomic_numbers.size()) {
    throw InternalError(fmt::format("{} coordinates for {} atomic numbers", positions.size(), atomic_numbers.size()));
  }
  Atoms atoms;
  for (std::size_t i = 0; i < atomic_numbers.size(); ++i) {
    if (atomic_numbers[i] == 0) continue;
    atoms.atomic_number.push_back(static_cast<int>(atomic_numbers[i]));
    atoms.position.push_back({positions[3 * i], positions[3 * i + 1], positions[3 * i + 2]});
  }
  return atoms;
}

std::string find_defect(const Atoms& atoms) {
  if (atoms.atomic_number.empty()) return "no atoms";
  if (atoms.position.size() != atoms.atomic_number.size()) {
    return fmt::format("{} positions for {} atoms", atoms.position.size(), atoms.atomic_number.size());
  }
  for (std::size_t i = 0; i < atoms.atomic_number.size(); ++i) {
    if (element_class(atoms.atomic_number[i]) < 0) {
      return fmt::format("atom {} has atomic number {}, none of H, C, N, O, F", i + 1, atoms.atomic_number[i]);
    }
    const auto& p = atoms.position[i];
    if (!std::all_of(p.begin(), p.end(), [](double x) { return std::isfinite(x); })) {
      return fmt::format("atom {} is at ({}, {}, {})", i + 1, p[0], p[1], p[2]);
    }
  }
  return "";
}

}  // namespace espalier::chem
