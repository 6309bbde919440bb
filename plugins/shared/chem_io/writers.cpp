#include "plugins/shared/chem_io/writers.h"

#include <fmt/format.h>

#include <algorithm>

#include "plugins/shared/chem/bonds.h"
#include "runtime/base/errors.h"

namespace espalier::chem {
namespace {

std::string one_line(std::string_view text) {
  std::string line(text);
  std::replace_if(line.begin(), line.end(), [](char c) { return c == '\n' || c == '\r'; }, ' ');
  return line;
}

// -0.0000 as 0.0000, so that equal positions are equal text.
double rounded_zero(double x, double half_a_digit) { return x > -half_a_digit && x < half_a_digit ? 0.0 : x; }

}  // namespace

std::string to_xyz(const Atoms& atoms, std::string_view comment) {
  std::string text = fmt::format("{}\n{}\n", atoms.atomic_number.size(), one_line(comment));
  for (std::size_t i = 0; i < atoms.atomic_number.size(); ++i) {
    text += element_symbol(atoms.atomic_number[i]);
    for (const double x : atoms.position[i]) text += fmt::format(" {:13.8f}", rounded_zero(x, 0.5e-8));
    text += '\n';
  }
  return text;
}

std::string find_sdf_defect(const Atoms& atoms) {
  constexpr std::size_t kMost = 999;
  constexpr double kFarthest = 9999.0;
  const std::size_t bonds = find_bonds(atoms).size();
  if (std::max(atoms.atomic_number.size(), bonds) > kMost) {
    return fmt::format("{} atoms with {} bonds: V2000 holds at most {} of each", atoms.atomic_number.size(), bonds, kMost);
  }
  for (std::size_t i = 0; i < atoms.atomic_number.size(); ++i) {
    for (const double x : atoms.position[i]) {
      if (!(x > -kFarthest && x < kFarthest)) return fmt::format("atom {} at {} angstrom does not fit V2000's columns", i + 1, x);
    }
  }
  return "";
}

std::string to_sdf(const Atoms& atoms, std::string_view name) {
  if (const std::string defect = find_sdf_defect(atoms); !defect.empty()) throw DataError(defect);
  const std::vector<Bond> bonds = find_bonds(atoms);
  std::string text = fmt::format("{}\n  espalier          3D\n\n", one_line(name));
  text += fmt::format("{:3}{:3}  0  0  0  0  0  0  0  0999 V2000\n", atoms.atomic_number.size(), bonds.size());
  for (std::size_t i = 0; i < atoms.atomic_number.size(); ++i) {
    for (const double x : atoms.position[i]) text += fmt::format("{:10.4f}", rounded_zero(x, 0.5e-4));
    text += fmt::format(" {:<3} 0  0  0  0  0  0  0  0  0  0  0  0\n", element_symbol(atoms.atomic_number[i]));
  }
  for (const Bond& bond : bonds) text += fmt::format("{:3}{:3}{:3}  0\n", bond.first + 1, bond.second + 1, bond.order);
  return text + "M  END\n$$$$\n";
}

}  // namespace espalier::chem
