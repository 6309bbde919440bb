#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace espalier::chem {

// A number that RDKit gives of a molecule's graph, by its name: those of RDKit's property registry ("CrippenClogP", "tpsa", ...), and those
// of its Python module Descriptors that its C++ library computes ("MolLogP", "TPSA", "MolWt", "SlogP_VSA1", ...). Thread-safe.
class Descriptor {
 public:
  // Throws ConfigError naming the nearest one, its message beginning with `who`.
  explicit Descriptor(const std::string& name, const std::string& who = "chem::Descriptor");
  ~Descriptor();
  Descriptor(Descriptor&&) noexcept;
  Descriptor& operator=(Descriptor&&) noexcept;

  // Throws DataError for a text that is no SMILES of at least one atom.
  double value(const std::string& smiles) const;

 private:
  struct Function;
  std::unique_ptr<Function> function_;
};

// Every name, sorted.
std::vector<std::string> descriptor_names();

}  // namespace espalier::chem
