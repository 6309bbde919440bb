#include "plugins/domain/molecule/conformer_cache.h"

#include <ATen/ops/empty.h>
#include <fmt/format.h>

#include <array>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>
#include <numeric>
#include <optional>

#include "plugins/shared/chem/conformers.h"
#include "plugins/shared/chem/parallel.h"
#include "plugins/shared/chem/version.h"
#include "plugins/shared/chem_io/records.h"
#include "runtime/base/digest.h"
#include "runtime/base/errors.h"
#include "runtime/base/files.h"
#include "runtime/base/progress.h"
#include "runtime/modelfile/safetensors.h"

namespace espalier::molecule {
namespace {

namespace fs = std::filesystem;

constexpr const char* kFormat = "espalier conformers, format 1";
// What chem::make_conformer does; raise the number when that changes.
constexpr const char* kAlgorithm = "ETKDGv3, MMFF94; version 1";
constexpr std::int64_t kSeed = 0;  // of every molecule: its geometry is a function of its SMILES, in every run and every list
constexpr std::array kParts = {"num_atoms", "atomic_number", "position"};
constexpr std::size_t kDigestBytes = 32;

void say(const std::string& line) { make_progress()->say("domain.molecule: " + line); }

at::Tensor digest_parts(const TensorMap& file) {
  Sha256 sha;
  for (const char* part : kParts) {
    const auto& tensor = file.at(part);
    sha.update(tensor.const_data_ptr(), tensor.nbytes());
  }
  const auto bytes = sha.finish();
  auto digest = at::empty({kDigestBytes}, at::kByte);
  std::memcpy(digest.mutable_data_ptr<std::uint8_t>(), bytes.data(), kDigestBytes);
  return digest;
}

TensorMap pack(const std::vector<chem::Atoms>& molecules) {
  std::int64_t total = 0;
  for (const auto& atoms : molecules) total += static_cast<std::int64_t>(atoms.atomic_number.size());
  TensorMap file = {{"num_atoms", at::empty({static_cast<std::int64_t>(molecules.size())}, at::kLong)},
                    {"atomic_number", at::empty({total}, at::kByte)},
                    {"position", at::empty({total, 3}, at::kFloat)}};
  auto* count = file["num_atoms"].mutable_data_ptr<std::int64_t>();
  auto* number = file["atomic_number"].mutable_data_ptr<std::uint8_t>();
  auto* position = file["position"].mutable_data_ptr<float>();
  for (const auto& atoms : molecules) {
    *count++ = static_cast<std::int64_t>(atoms.atomic_number.size());
    for (const int element : atoms.atomic_number) *number++ = static_cast<std::uint8_t>(element);
    for (const auto& point : atoms.position) {
      for (const double x : point) *position++ = static_cast<float>(x);
    }
  }
  file["sha256"] = digest_parts(file);
  return file;
}

// Why the file is not one of `molecules` molecules; "" when it is.
std::string find_damage(const TensorMap& file, std::size_t molecules) {
  const std::map<std::string, at::ScalarType> types = {
      {"num_atoms", at::kLong}, {"atomic_number", at::kByte}, {"position", at::kFloat}, {"sha256", at::kByte}};
  for (const auto& [name, type] : types) {
    if (!file.contains(name) || file.at(name).scalar_type() != type) return fmt::format("'{}' is missing or of another type", name);
  }
  if (file.at("sha256").numel() != kDigestBytes ||
      std::memcmp(digest_parts(file).const_data_ptr(), file.at("sha256").const_data_ptr(), kDigestBytes) != 0) {
    return "its digest is not that of its numbers";
  }
  const auto& count = file.at("num_atoms");
  const auto* counts = count.const_data_ptr<std::int64_t>();
  const auto total = std::accumulate(counts, counts + count.numel(), std::int64_t{0});
  const bool fits = count.numel() == static_cast<std::int64_t>(molecules) && file.at("atomic_number").numel() == total &&
                    file.at("position").numel() == 3 * total;
  return fits ? "" : "its sizes do not fit the molecules";
}

std::vector<chem::Atoms> unpack(const TensorMap& file) {
  const auto& count = file.at("num_atoms");
  const auto* number = file.at("atomic_number").const_data_ptr<std::uint8_t>();
  const auto* position = file.at("position").const_data_ptr<float>();
  std::vector<chem::Atoms> molecules;
  for (std::int64_t i = 0; i < count.numel(); ++i) {
    auto& atoms = molecules.emplace_back();
    for (std::int64_t a = 0; a < count.const_data_ptr<std::int64_t>()[i]; ++a, position += 3) {
      atoms.atomic_number.push_back(*number++);
      atoms.position.push_back({position[0], position[1], position[2]});
    }
  }
  return molecules;
}

std::optional<TensorMap> read(const fs::path& path, std::size_t molecules) {
  if (!fs::exists(path)) return std::nullopt;
  std::string damage;
  try {
    auto file = modelfile::read_safetensors(path);
    damage = find_damage(file, molecules);
    if (damage.empty()) return file;
  } catch (const DataError& error) {
    damage = error.what();
  }
  say(fmt::format("{} is damaged ({}); the conformers are made again", path.string(), damage));
  return std::nullopt;
}

TensorMap make(const std::vector<std::string>& smiles, const fs::path& path, const StopToken& stop) {
  constexpr std::size_t kLong = 2000;  // of these it takes some seconds
  if (smiles.size() >= kLong) say(fmt::format("making conformers of {} molecules, once", smiles.size()));
  std::vector<chem::Atoms> molecules(smiles.size());
  chem::for_each_index(smiles.size(), 0, [&](std::size_t i) {
    if (stop.stop_requested()) throw Stopped("stopped while making conformers, which the next run does from the start");
    try {
      molecules[i] = chem::make_conformer(smiles[i], kSeed);
    } catch (const DataError&) {
      molecules[i] = {};  // reported by its SMILES whenever the file is read
    }
  });
  auto file = pack(molecules);
  try {
    make_folders(path.parent_path());
    replace_file(path, modelfile::format_safetensors(file));
  } catch (const CacheError& error) {
    throw CacheError(std::string(error.what()) + "; the option conformer_cache names another folder");
  }
  return file;
}

void report_failures(const std::vector<chem::Atoms>& molecules, const std::vector<std::string>& smiles) {
  chem::Skipped failed;
  for (std::size_t i = 0; i < molecules.size(); ++i) {
    if (molecules[i].atomic_number.empty()) failed.add(smiles[i], "");
  }
  if (failed.count > 0)
    say(fmt::format("of {} molecules without a geometry that ETKDG and MMFF find, {}", molecules.size(), failed.summary()));
}

}  // namespace

std::string conformer_key(const std::vector<std::string>& smiles) {
  return digest(Value::Map{{"format", kFormat},
                           {"algorithm", kAlgorithm},
                           {"rdkit", chem::rdkit_version()},
                           {"seed", kSeed},
                           {"smiles", Value(Value::List(smiles.begin(), smiles.end()))}});
}

fs::path default_conformer_folder() {
  if (const char* home = std::getenv("ESPALIER_HOME"); home != nullptr && *home != '\0') return fs::path(home) / "conformers";
  if (const char* home = std::getenv("HOME"); home != nullptr && *home != '\0') return fs::path(home) / ".cache/espalier/conformers";
  throw ConfigError("domain.molecule: neither ESPALIER_HOME nor HOME is set; name a folder by the option conformer_cache");
}

std::vector<chem::Atoms> conformers_of(const std::vector<std::string>& smiles, const fs::path& folder, const StopToken& stop) {
  const fs::path path = folder / (conformer_key(smiles) + ".safetensors");
  auto file = read(path, smiles.size());
  if (!file) file = make(smiles, path, stop);
  auto molecules = unpack(*file);
  report_failures(molecules, smiles);
  return molecules;
}

}  // namespace espalier::molecule
