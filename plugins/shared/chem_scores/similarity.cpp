#include "plugins/shared/chem_scores/similarity.h"

#include <DataStructs/ExplicitBitVect.h>
#include <GraphMol/Fingerprints/MorganFingerprints.h>

#include <bit>
#include <boost/dynamic_bitset.hpp>
#include <memory>
#include <numeric>
#include <vector>

#include "plugins/shared/chem/parallel.h"
#include "plugins/shared/chem_scores/smiles_molecule.h"

namespace espalier::chem {
namespace {

constexpr unsigned kRadius = 2, kBits = 2048;
static_assert(sizeof(boost::dynamic_bitset<>::block_type) == 8 && std::tuple_size_v<Fingerprint> * 64 == kBits);

std::vector<unsigned> set_bits(const Fingerprint& fingerprint) {
  std::vector<unsigned> bits;
  for (unsigned word = 0; word < fingerprint.size(); ++word) {
    for (auto rest = fingerprint[word]; rest != 0; rest &= rest - 1)
      bits.push_back(64 * word + static_cast<unsigned>(std::countr_zero(rest)));
  }
  return bits;
}

}  // namespace

Fingerprint morgan_fingerprint(const std::string& smiles) {
  const auto molecule = molecule_of(smiles);
  const std::unique_ptr<ExplicitBitVect> bits(RDKit::MorganFingerprints::getFingerprintAsBitVect(*molecule, kRadius, kBits));
  Fingerprint fingerprint{};
  boost::to_block_range(*bits->dp_bits, fingerprint.begin());
  return fingerprint;
}

double tanimoto(const Fingerprint& a, const Fingerprint& b) {
  int common = 0, all = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    common += std::popcount(a[i] & b[i]);
    all += std::popcount(a[i] | b[i]);
  }
  return all == 0 ? 0.0 : static_cast<double>(common) / all;
}

double mean_tanimoto(std::span<const Fingerprint> fingerprints) {
  if (fingerprints.size() < 2) return 0.0;
  // Few of the 2048 bits are set: a pair is compared by the first one's bits alone.
  std::vector<std::vector<unsigned>> set(fingerprints.size());
  for (std::size_t i = 0; i < set.size(); ++i) set[i] = set_bits(fingerprints[i]);
  std::vector<double> sum(set.size(), 0.0);
  for_each_index(set.size(), /*threads=*/0, [&](std::size_t i) {
    for (std::size_t j = i + 1; j < set.size(); ++j) {
      unsigned common = 0;
      for (const unsigned bit : set[i]) common += static_cast<unsigned>(fingerprints[j][bit / 64] >> (bit % 64) & 1U);
      const auto all = set[i].size() + set[j].size() - common;
      sum[i] += all == 0 ? 0.0 : static_cast<double>(common) / static_cast<double>(all);
    }
  });
  const auto n = static_cast<double>(fingerprints.size());
  return std::accumulate(sum.begin(), sum.end(), 0.0) / (n * (n - 1.0) / 2.0);
}

}  // namespace espalier::chem
