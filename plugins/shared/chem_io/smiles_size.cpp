#include "plugins/shared/chem_io/smiles_size.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <utility>
#include <vector>

namespace espalier::chem {
namespace {

// Longer texts are RDKit's: its parser has limits of its own.
constexpr std::size_t kLongest = 1000;
constexpr std::string_view kHydrogen = "[H]";

int valence_of(char element) {
  switch (element) {
    case 'C':
      return 4;
    case 'N':
      return 3;
    case 'O':
      return 2;
    case 'F':
      return 1;
    default:
      return 0;
  }
}

int order_of(char bond) {
  switch (bond) {
    case '-':
      return 1;
    case '=':
      return 2;
    case '#':
      return 3;
    default:
      return 0;
  }
}

// Takes the text letter by letter; each take_... is false where the letter may not stand.
class SizeReader {
 public:
  std::optional<MoleculeSize> read(std::string_view text) {
    if (text.size() > kLongest) return std::nullopt;
    while (!text.empty()) {
      const bool hydrogen = text.starts_with(kHydrogen);
      if (!(hydrogen ? take_atom(1, true) : take(text.front()))) return std::nullopt;
      text.remove_prefix(hydrogen ? kHydrogen.size() : 1);
    }
    return finish();
  }

 private:
  static constexpr int kNone = -1;
  enum class After { start, atom, opening, closing };  // what was read last, bond symbols aside; of a ring's digit: atom
  struct Atom {
    int valence = 0, bonds = 0;
    bool hydrogen = false;
  };
  struct Ring {
    int atom = kNone;  // where it was opened; none: it is closed
    int order = 0;     // as written there; 0: not written
  };

  bool take(char letter) {
    if (const int valence = valence_of(letter); valence > 0) return take_atom(valence, false);
    if (const int order = order_of(letter); order > 0) return take_bond(order);
    if (letter >= '0' && letter <= '9') return take_ring(rings_[static_cast<std::size_t>(letter - '0')]);
    if (letter == '(') return take_opening();
    return letter == ')' && take_closing();
  }

  bool take_atom(int valence, bool hydrogen) {
    const int atom = static_cast<int>(atoms_.size());
    atoms_.push_back({valence, 0, hydrogen});
    if (last_ != kNone) connect(last_, atom, order_);
    last_ = atom;
    order_ = 0;
    after_ = After::atom;
    return true;
  }

  bool take_bond(int order) {
    if (after_ == After::start || order_ != 0) return false;
    order_ = order;
    return true;
  }

  bool take_ring(Ring& ring) {
    if (after_ != After::atom) return false;
    const int order = std::exchange(order_, 0);
    if (ring.atom == kNone) {
      ring = {last_, order};
      return true;
    }
    const Ring opened = std::exchange(ring, Ring{});
    const bool differ = order != 0 && opened.order != 0 && order != opened.order;
    if (differ || opened.atom == last_ || std::ranges::find(bonds_, std::pair(opened.atom, last_)) != bonds_.end()) return false;
    connect(opened.atom, last_, std::max(order, opened.order));
    return true;
  }

  bool take_opening() {
    if (order_ != 0 || after_ == After::start || after_ == After::opening) return false;
    branches_.push_back(last_);
    after_ = After::opening;
    return true;
  }

  bool take_closing() {
    if (order_ != 0 || after_ == After::opening || branches_.empty()) return false;
    last_ = branches_.back();
    branches_.pop_back();
    after_ = After::closing;
    return true;
  }

  // `first` was read before `second`; order 0: not written, single.
  void connect(int first, int second, int order) {
    bonds_.emplace_back(first, second);
    for (const int atom : {first, second}) atoms_[static_cast<std::size_t>(atom)].bonds += std::max(order, 1);
  }

  std::optional<MoleculeSize> finish() const {
    const bool open = order_ != 0 || !branches_.empty() || std::ranges::any_of(rings_, [](const Ring& ring) { return ring.atom != kNone; });
    if (open || atoms_.empty()) return std::nullopt;
    MoleculeSize size;
    for (const Atom& atom : atoms_) {
      if (atom.bonds > atom.valence || (atom.hydrogen && atom.bonds == 0)) return std::nullopt;
      size.heavy_atoms += atom.hydrogen ? 0 : 1;
      size.atoms += 1 + atom.valence - atom.bonds;
    }
    return size;
  }

  std::vector<Atom> atoms_;
  std::vector<std::pair<int, int>> bonds_;
  std::vector<int> branches_;  // the atoms that open branches hang on
  std::array<Ring, 10> rings_;
  int last_ = kNone;  // the atom that the next one is bonded to
  int order_ = 0;     // of a bond symbol whose second atom is still to come
  After after_ = After::start;
};

}  // namespace

std::optional<MoleculeSize> read_size(std::string_view smiles) { return SizeReader().read(smiles); }

}  // namespace espalier::chem
