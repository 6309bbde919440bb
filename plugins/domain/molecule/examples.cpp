#include "plugins/domain/molecule/examples.h"

#include <ATen/ops/zeros.h>

#include <array>
#include <cmath>
#include <utility>

#include "plugins/domain/molecule/codec.h"
#include "plugins/domain/molecule/conformer_cache.h"
#include "runtime/base/errors.h"
#include "runtime/base/process_stop.h"
#include "runtime/base/suggest.h"
#include "runtime/random/draws.h"
#include "runtime/random/streams.h"

namespace espalier::molecule {
namespace {

using Point = std::array<double, 3>;
using Matrix = std::array<Point, 3>;

constexpr std::uint64_t kConditionSeed = 0;                                  // how many atoms condition i has is the same in every run
constexpr auto kTurns = random::streams::examples(/*seed=*/0, /*split=*/0);  // the same in every run

// Of the quaternion (w, x, y, z) / norm. Four normals have a uniform direction, and so a uniform rotation.
Matrix rotation(const double* q) {
  const double norm = q[0] * q[0] + q[1] * q[1] + q[2] * q[2] + q[3] * q[3];
  const double w = q[0], x = q[1], y = q[2], z = q[3], s = 2.0 / norm;
  return {{{1.0 - s * (y * y + z * z), s * (x * y - w * z), s * (x * z + w * y)},
           {s * (x * y + w * z), 1.0 - s * (x * x + z * z), s * (y * z - w * x)},
           {s * (x * z - w * y), s * (y * z + w * x), 1.0 - s * (x * x + y * y)}}};
}

Point mean(const std::vector<Point>& points) {
  Point sum{};
  for (const Point& point : points) {
    for (std::size_t k = 0; k < 3; ++k) sum[k] += point[k];
  }
  for (double& x : sum) x /= static_cast<double>(points.size());
  return sum;
}

std::string atoms_in_words(std::int64_t count) { return count == 1 ? "1 atom" : std::to_string(count) + " atoms"; }

// Writes a molecule, centred and turned, into its row of a sample: `number` [M], `position` [M, 3].
void place(const chem::Atoms& atoms, const Matrix& turn, std::int64_t* number, double* position) {
  const Point centre = mean(atoms.position);
  for (std::size_t a = 0; a < atoms.atomic_number.size(); ++a) {
    *number++ = atoms.atomic_number[a];
    for (const Point& row : turn) {
      double x = 0.0;
      for (std::size_t k = 0; k < 3; ++k) x += row[k] * (atoms.position[a][k] - centre[k]);
      *position++ = x;
    }
  }
}

class MoleculeExamples final : public Examples {
 public:
  MoleculeExamples(std::shared_ptr<const Geometries> geometries, std::vector<std::int64_t> places, const Encoding& encoding)
      : geometries_(std::move(geometries)), places_(std::move(places)), encoding_(encoding) {}

  std::int64_t size() const override { return distinct() * (1 + encoding_.rotations); }
  std::int64_t distinct() const override { return static_cast<std::int64_t>(rows().size()); }

  Hex digest() const override {
    return espalier::digest(Value::Map{{"molecules", geometries_->digest(places_)},
                                       {"max_atoms", encoding_.max_atoms},
                                       {"position_scale", encoding_.position_scale},
                                       {"rotations", encoding_.rotations}});
  }

  Batch at(const std::vector<std::uint64_t>& positions) const override {
    constexpr Matrix kNoTurn = {{{1.0, 0.0, 0.0}, {0.0, 1.0, 0.0}, {0.0, 0.0, 1.0}}};
    const auto& rows = this->rows();
    const auto end = static_cast<std::uint64_t>(size());
    random::Draws draws(kTurns, positions);
    const at::Tensor quaternion = draws.normals({4}, at::kDouble);  // [B, 4]
    const auto batch_size = static_cast<std::int64_t>(positions.size());
    const auto number = at::zeros({batch_size, encoding_.max_atoms}, at::kLong);
    const auto position = at::zeros({batch_size, encoding_.max_atoms, kDimensions}, at::kDouble);
    Batch batch;
    for (std::size_t b = 0; b < positions.size(); ++b) {
      if (positions[b] >= end)
        throw InternalError("molecule " + std::to_string(positions[b]) + " of " + std::to_string(end) + " was asked for");
      const auto row = static_cast<std::size_t>(rows[positions[b] % rows.size()]);
      const auto& atoms = geometries_->atoms()[row];
      const auto count = static_cast<std::int64_t>(atoms.atomic_number.size()), first = static_cast<std::int64_t>(b) * encoding_.max_atoms;
      if (count > encoding_.max_atoms)
        throw InternalError("a molecule of " + atoms_in_words(count) + " does not fit " + std::to_string(encoding_.max_atoms));
      const bool turned = positions[b] >= rows.size();
      place(atoms, turned ? rotation(quaternion.const_data_ptr<double>() + 4 * b) : kNoTurn,
            number.mutable_data_ptr<std::int64_t>() + first, position.mutable_data_ptr<double>() + kDimensions * first);
      batch.condition.text.push_back(atoms_in_words(count));
      batch.condition.metadata.push_back(Value::Map{{"num_atoms", count}, {"smiles", geometries_->list().smiles[row]}});
    }
    batch.sample = {"molecule", {{"atomic_number", number}, {"position", position}}, {}};
    batch.condition.tensors = encode_molecules(batch.sample, encoding_.position_scale);
    return batch;
  }

 private:
  // The places whose molecules have a geometry.
  const std::vector<std::int64_t>& rows() const {
    std::call_once(once_, [this] {
      std::vector<std::int64_t> rows;
      for (const auto place : places_) {
        if (!geometries_->atoms()[static_cast<std::size_t>(place)].atomic_number.empty()) rows.push_back(place);
      }
      if (rows.empty())
        throw DataError("domain.molecule: no geometry was found for any of the " + std::to_string(places_.size()) + " molecules");
      rows_ = std::move(rows);
    });
    return rows_;
  }

  std::shared_ptr<const Geometries> geometries_;
  std::vector<std::int64_t> places_;
  Encoding encoding_;
  mutable std::once_flag once_;
  mutable std::vector<std::int64_t> rows_;
};

}  // namespace

Geometries::Geometries(MoleculeList list, std::filesystem::path conformer_folder)
    : list_(std::move(list)), folder_(std::move(conformer_folder)) {}

const std::vector<chem::Atoms>& Geometries::atoms() const {
  if (!list_.atoms.empty()) return list_.atoms;
  std::call_once(once_, [this] { conformers_ = conformers_of(list_.smiles, folder_, ProcessStop()); });
  return conformers_;
}

Hex Geometries::digest(const std::vector<std::int64_t>& places) const {
  if (list_.atoms.empty()) {
    std::vector<std::string> smiles;
    for (const auto place : places) smiles.push_back(list_.smiles[static_cast<std::size_t>(place)]);
    return conformer_key(smiles);
  }
  Sha256 sha;
  for (const auto place : places) {
    const auto& atoms = list_.atoms[static_cast<std::size_t>(place)];
    sha.update(std::to_string(atoms.atomic_number.size()) + ":");
    sha.update(atoms.atomic_number.data(), atoms.atomic_number.size() * sizeof(int));
    sha.update(atoms.position.data(), atoms.position.size() * sizeof(Point));
  }
  return sha.finish_hex();
}

std::unique_ptr<Examples> make_examples(std::shared_ptr<const Geometries> geometries, std::vector<std::int64_t> places,
                                        const Encoding& encoding) {
  return std::make_unique<MoleculeExamples>(std::move(geometries), std::move(places), encoding);
}

MoleculeData::MoleculeData(std::shared_ptr<const Geometries> geometries, std::map<std::string, std::vector<std::int64_t>> places,
                           const Encoding& encoding, std::int64_t num_conditions)
    : geometries_(std::move(geometries)), places_(std::move(places)), encoding_(encoding), num_conditions_(num_conditions) {}

std::vector<std::string> MoleculeData::splits() const {
  std::vector<std::string> names = {"train"};
  if (places_.contains("held_out")) names.emplace_back("held_out");
  return names;
}

Conditions MoleculeData::conditions(const std::string& split) const {
  const std::uint64_t round = places(split) == places("train") ? 0 : 1;
  std::vector<std::int64_t> sizes;
  for (const auto place : places("train")) sizes.push_back(geometries_->list().num_atoms[static_cast<std::size_t>(place)]);
  sizes = elements::spread_sizes(std::move(sizes), num_conditions_, kConditionSeed + round);
  std::vector<std::string> text;
  std::vector<Value> metadata;
  for (const auto size : sizes) {
    text.push_back(atoms_in_words(size));
    metadata.push_back(Value::Map{{"num_atoms", size}});
  }
  return elements::conditions(elements::pack_sizes(sizes, encoding_.max_atoms, kDimensions), std::move(text), std::move(metadata));
}

std::unique_ptr<Examples> MoleculeData::examples(const std::string& split) const {
  Encoding encoding = encoding_;
  if (split != "train") encoding.rotations = 0;
  return make_examples(geometries_, places(split), encoding);
}

const std::vector<std::int64_t>& MoleculeData::places(const std::string& split) const {
  const auto found = places_.find(split);
  if (found == places_.end()) throw ConfigError("domain.molecule: no split '" + split + "'" + did_you_mean(split, splits()));
  return found->second;
}

}  // namespace espalier::molecule
