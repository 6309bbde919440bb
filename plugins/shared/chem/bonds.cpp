#include "plugins/shared/chem/bonds.h"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <limits>
#include <numeric>

#include "runtime/base/errors.h"

namespace espalier::chem {
namespace {

// Below which distance, in picometres, a bond of at least this order exists; 0 where EDM's tables have none.
using Limits = std::array<std::array<double, 5>, 5>;

// EDM's lengths, H C N O F both ways (qm9/bond_analyze.py: bonds1, bonds2, bonds3), each with its margin.
constexpr Limits add_margin(std::array<std::array<int, 5>, 5> lengths, int margin) {
  Limits limits{};
  for (std::size_t a = 0; a < 5; ++a) {
    for (std::size_t b = 0; b < 5; ++b) limits[a][b] = lengths[a][b] == 0 ? 0 : lengths[a][b] + margin;
  }
  return limits;
}
constexpr Limits kSingle = add_margin({{{74, 109, 101, 96, 92},      //
                                        {109, 154, 147, 143, 135},   //
                                        {101, 147, 145, 140, 136},   //
                                        {96, 143, 140, 148, 142},    //
                                        {92, 135, 136, 142, 142}}},  //
                                      10);
constexpr Limits kDouble = add_margin({{{}, {0, 134, 129, 120, 0}, {0, 129, 125, 121, 0}, {0, 120, 121, 121, 0}, {}}}, 5);
constexpr Limits kTriple = add_margin({{{}, {0, 120, 116, 113, 0}, {0, 116, 110, 0, 0}, {0, 113, 0, 0, 0}, {}}}, 3);
constexpr std::array<int, 5> kValence = {1, 4, 3, 2, 1};
constexpr double kLongest = 1.65;  // angstrom: no bond is longer than 154 + 10 pm

// In EDM's order: a triple bond must be short enough for a double and a single one too.
int order_of(std::size_t a, std::size_t b, double picometres) {
  if (!(picometres < kSingle[a][b])) return 0;
  if (!(picometres < kDouble[a][b])) return 1;
  return picometres < kTriple[a][b] ? 3 : 2;
}

std::size_t class_of(std::int64_t atomic_number) {
  const int c = element_class(atomic_number);
  if (c < 0) throw DataError(fmt::format("no bond lengths for atomic number {}, which is none of H, C, N, O, F", atomic_number));
  return static_cast<std::size_t>(c);
}

// Calls visit(i, j, order) for each bond, i < j. class_at(i) is an element's class, coordinate(i, k) in angstrom.
template <typename Class, typename Coordinate, typename Visit>
void for_each_bond(std::size_t count, Class class_at, Coordinate coordinate, Visit visit) {
  for (std::size_t i = 0; i < count; ++i) {
    const double x = coordinate(i, 0), y = coordinate(i, 1), z = coordinate(i, 2);
    for (std::size_t j = i + 1; j < count; ++j) {
      const double dx = coordinate(j, 0) - x, dy = coordinate(j, 1) - y, dz = coordinate(j, 2) - z;
      const double squared = dx * dx + dy * dy + dz * dz;
      if (!(squared < kLongest * kLongest)) continue;
      const int order = order_of(class_at(i), class_at(j), 100.0 * std::sqrt(squared));
      if (order != 0) visit(i, j, order);
    }
  }
}

Stability judge(std::span<const std::size_t> classes, std::span<const Bond> bonds) {
  std::vector<int> orders(classes.size(), 0);
  for (const Bond& bond : bonds) {
    orders[static_cast<std::size_t>(bond.first)] += bond.order;
    orders[static_cast<std::size_t>(bond.second)] += bond.order;
  }
  Stability result;
  result.atoms = static_cast<int>(classes.size());
  result.fragments = count_fragments(result.atoms, bonds);
  for (std::size_t i = 0; i < classes.size(); ++i) result.stable_atoms += orders[i] == kValence[classes[i]] ? 1 : 0;
  result.molecule_stable = result.atoms > 0 && result.stable_atoms == result.atoms;
  return result;
}

}  // namespace

int bond_order(std::int64_t atomic_number, std::int64_t other, double distance_angstrom) {
  return order_of(class_of(atomic_number), class_of(other), 100.0 * distance_angstrom);
}

std::vector<Bond> find_bonds(const Atoms& atoms) {
  const std::size_t count = atoms.atomic_number.size();
  std::vector<std::size_t> classes(count);
  for (std::size_t i = 0; i < count; ++i) classes[i] = class_of(atoms.atomic_number[i]);
  std::vector<Bond> bonds;
  for_each_bond(
      count, [&](std::size_t i) { return classes[i]; }, [&](std::size_t i, std::size_t k) { return atoms.position[i][k]; },
      [&](std::size_t i, std::size_t j, int order) { bonds.push_back({static_cast<int>(i), static_cast<int>(j), order}); });
  return bonds;
}

int count_fragments(int atoms, std::span<const Bond> bonds) {
  std::vector<int> parent(static_cast<std::size_t>(atoms));
  std::iota(parent.begin(), parent.end(), 0);
  const auto root = [&](int i) {
    while (parent[static_cast<std::size_t>(i)] != i) i = parent[static_cast<std::size_t>(i)];
    return i;
  };
  int fragments = atoms;
  for (const Bond& bond : bonds) {
    const int a = root(bond.first), b = root(bond.second);
    if (a == b) continue;
    parent[static_cast<std::size_t>(a)] = b;
    --fragments;
  }
  return fragments;
}

Stability measure_stability(const Atoms& atoms) {
  std::vector<std::size_t> classes;
  for (const int number : atoms.atomic_number) classes.push_back(class_of(number));
  return judge(classes, find_bonds(atoms));
}

Stability measure_stability(std::span<const std::int64_t> atomic_numbers, std::span<const float> positions) {
  if (positions.size() != 3 * atomic_numbers.size()) {
    throw InternalError(fmt::format("{} coordinates for {} atomic numbers", positions.size(), atomic_numbers.size()));
  }
  std::vector<std::size_t> rows, classes;
  for (std::size_t i = 0; i < atomic_numbers.size(); ++i) {
    if (atomic_numbers[i] == 0) continue;
    rows.push_back(i);
    classes.push_back(class_of(atomic_numbers[i]));
  }
  std::vector<Bond> bonds;
  for_each_bond(
      rows.size(), [&](std::size_t i) { return classes[i]; },
      [&](std::size_t i, std::size_t k) { return static_cast<double>(positions[3 * rows[i] + k]); },
      [&](std::size_t i, std::size_t j, int order) { bonds.push_back({static_cast<int>(i), static_cast<int>(j), order}); });
  return judge(classes, bonds);
}

}  // namespace espalier::chem
