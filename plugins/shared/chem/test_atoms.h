#pragma once

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

#include "plugins/shared/chem/atoms.h"

// For tests: geometries.
namespace espalier::chem::testing {

inline Atoms water() { return {{8, 1, 1}, {{0, 0, 0.1173}, {0, 0.7572, -0.4692}, {0, -0.7572, -0.4692}}}; }

// A regular tetrahedron of hydrogens, 1.09 angstrom from the carbon; the first `hydrogens` of them.
inline Atoms methane(int hydrogens = 4) {
  constexpr double a = 0.6293;  // 1.09 / sqrt(3)
  const std::vector<std::array<double, 3>> corners = {{a, a, a}, {a, -a, -a}, {-a, a, -a}, {-a, -a, a}};
  Atoms atoms{{6}, {{0, 0, 0}}};
  for (int i = 0; i < hydrogens; ++i) {
    atoms.atomic_number.push_back(1);
    atoms.position.push_back(corners[static_cast<std::size_t>(i)]);
  }
  return atoms;
}

// Both, the second moved along x.
inline Atoms beside(Atoms first, const Atoms& second, double distance) {
  for (std::size_t i = 0; i < second.atomic_number.size(); ++i) {
    first.atomic_number.push_back(second.atomic_number[i]);
    first.position.push_back({second.position[i][0] + distance, second.position[i][1], second.position[i][2]});
  }
  return first;
}

// Normal noise of `sigma` angstrom on every coordinate.
inline Atoms shaken(Atoms atoms, double sigma, std::mt19937& random) {
  std::normal_distribution<double> noise(0.0, 1.0);
  for (auto& position : atoms.position) {
    for (double& x : position) x += sigma * noise(random);
  }
  return atoms;
}

// A file of the folder ESPALIER_DATA; null where that is unset.
inline nlohmann::json data_json(const std::string& name) {
  const char* data = std::getenv("ESPALIER_DATA");
  if (data == nullptr || !std::filesystem::exists(std::filesystem::path(data) / name)) return nullptr;
  std::ifstream file(std::filesystem::path(data) / name);
  return nlohmann::json::parse(file);
}

// QM9's first twenty molecules, with its geometries; none where ESPALIER_DATA is unset.
inline std::vector<Atoms> qm9_first20() {
  std::vector<Atoms> molecules;
  const nlohmann::json file = data_json("qm9_3d_mini/qm9_first20.json");
  for (const auto& molecule : file.is_null() ? nlohmann::json::array() : file) {
    Atoms& atoms = molecules.emplace_back();
    for (const auto& symbol : molecule.at("symbols")) atoms.atomic_number.push_back(parse_element(symbol.get<std::string>()));
    atoms.position = molecule.at("positions_angstrom").get<std::vector<std::array<double, 3>>>();
  }
  return molecules;
}

}  // namespace espalier::chem::testing
