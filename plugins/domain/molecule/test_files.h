#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "plugins/shared/chem/atoms.h"
#include "runtime/base/files.h"
#include "runtime/base/value.h"
#include "tests/conformance/conformance.h"

// What the tests of this folder share.
namespace espalier::molecule {

class TempFolder {
 public:
  TempFolder() : path_(std::filesystem::path(::testing::TempDir()) / ("espalier-" + unique_name())) { make_folders(path_); }
  ~TempFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

inline void write_file(const std::filesystem::path& path, const std::string& bytes) {
  std::filesystem::remove(path);
  std::ofstream(path, std::ios::binary) << bytes;
}

// An opened domain whose conformers lie in `folder`.
inline std::unique_ptr<Domain> opened(conformance::Options options, const std::filesystem::path& folder, std::uint64_t seed = 3) {
  const bool has_positions = options.contains("source") && (options["source"] == Value("xyz") || options["source"] == Value("sdf"));
  if (!has_positions) options.emplace("conformer_cache", folder.string());
  auto domain = conformance::make<Domain>(conformance::plugin("domain.molecule"), options);
  domain->open({.seed = seed});
  return domain;
}

// Examples as states of the samples' own size.
inline State states(const Domain& domain, const std::vector<std::uint64_t>& at, const std::string& split = "train") {
  return domain.codec(nullptr)->encode(domain.data().examples(split)->at(at).sample, {});
}

// The 20 reference geometries of qm9_3d_mini, or none where ESPALIER_DATA does not have them.
inline std::vector<chem::Atoms> reference_geometries() {
  const char* data = std::getenv("ESPALIER_DATA");
  const auto path = std::filesystem::path(data == nullptr ? "" : data) / "qm9_3d_mini/qm9_first20.json";
  std::vector<chem::Atoms> molecules;
  if (!std::filesystem::is_regular_file(path)) return molecules;
  const Value records = parse_json(read_file(path), path.string());
  for (const Value& record : records.as_list()) {
    auto& atoms = molecules.emplace_back();
    for (const Value& symbol : record.at("symbols").as_list()) atoms.atomic_number.push_back(chem::parse_element(symbol.as_string()));
    for (const Value& point : record.at("positions_angstrom").as_list()) {
      const auto& numbers = point.as_list();
      atoms.position.push_back({numbers[0].as_number(), numbers[1].as_number(), numbers[2].as_number()});
    }
  }
  return molecules;
}

}  // namespace espalier::molecule
