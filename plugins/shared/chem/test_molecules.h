#pragma once

#include <zlib.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

// For tests: molecules to judge, and Debian's python3-rdkit to judge them too.
namespace espalier::chem::testing {

// Well-known drugs, and a few that try the formulas' corners: macrocycles, spiro atoms, bridgeheads, cages, salts, metals, radicals.
inline std::vector<std::string> drugs() {
  return {"CC(=O)Oc1ccccc1C(=O)O",
          "CC(C)Cc1ccc(cc1)C(C)C(=O)O",
          "CN1C=NC2=C1C(=O)N(C(=O)N2C)C",
          "CC(=O)Nc1ccc(O)cc1",
          "CN1CC[C@]23c4c5ccc(O)c4O[C@H]2[C@@H](O)C=C[C@H]3[C@H]1C5",
          "CC1(C)S[C@@H]2[C@H](NC(=O)Cc3ccccc3)C(=O)N2[C@H]1C(=O)O",
          "CN1C(=O)CN=C(c2ccccc2)c2cc(Cl)ccc21",
          "CNCCC(Oc1ccc(cc1)C(F)(F)F)c1ccccc1",
          "CCCc1nn(C)c2c1nc([nH]c2=O)-c1cc(ccc1OCC)S(=O)(=O)N1CCN(C)CC1",
          "CC(C)c1c(C(=O)Nc2ccccc2)c(-c2ccccc2)c(-c2ccc(F)cc2)n1CC[C@@H](O)C[C@@H](O)CC(=O)O",
          "Cc1ccc(cc1Nc1nccc(n1)-c1cccnc1)NC(=O)c1ccc(cc1)CN1CCN(C)CC1",
          "CN(C)C(=N)NC(=N)N",
          "COc1ccc2[nH]c(nc2c1)S(=O)Cc1ncc(C)c(OC)c1C",
          "CC(C)NCC(O)COc1cccc2ccccc12",
          "C[C@]12CC[C@H]3[C@@H](CCC4=CC(=O)CC[C@]34C)[C@@H]1CC[C@@H]2O",
          "CC(C)(C)NCC(O)c1ccc(O)c(CO)c1",
          "OC(=O)c1cn(C2CC2)c2cc(N3CCNCC3)c(F)cc2c1=O",
          "CC(=O)CC(c1ccccc1)c1c(O)c2ccccc2oc1=O",
          "Clc1ccc(cc1)C(c1ccccc1)N1CCN(CC1)CCOCC(=O)O",
          "NC(=O)N1c2ccccc2C=Cc2ccccc12",
          "CC1OC(OC2C(O)CC(OC3C(O)CC(OC4CCC5(C)C(CCC6C5CC(O)C5(C)C(CCC65O)C5=CC(=O)OC5)C4)OC3C)OC2C)CC(O)C1O",
          "CCC1OC(=O)C(C)C(OC2CC(C)(OC)C(O)C(C)O2)C(C)C(OC2OC(C)CC(C2O)N(C)C)C(C)(O)CC(C)C(=O)C(C)C(O)C1(C)O",
          "CN1CCC[C@H]1c1cccnc1",
          "O=C1CC2(CCCC2)CC(=O)N1CCCCN1CCN(CC1)c1ncccn1",
          "C1C2CC3CC1CC(C2)(C3)N",
          "C12C3C4C1C5C2C3C45",
          "Nc1ncnc2n(cnc12)C1OC(COP(O)(=O)OP(O)(=O)OP(O)(O)=O)C(O)C1O",
          "[O-][N+](=O)c1ccc(cc1)C=NNC(=S)N",
          "CC[N+](CC)(CC)CC.[Cl-]",
          "C[Si](C)(C)C#CC1=CC(=O)C(=O)C=C1",
          "c1ccc2c(c1)ccc1ccccc12",
          "CC(=O)OCC(COC(C)=O)OC(C)=O",
          "C",
          "[CH3]",
          "O",
          "[2H]C([2H])([2H])O",
          "C=C=O",
          "N=C(CCSCc1csc(N=C(N)N)n1)NS(N)(=O)=O",
          "CNC(=NCCSCc1nc[nH]c1C)NC#N",
          "CCCCCNC(=N)NN=Cc1c[nH]c2ccc(CO)cc12",
          "OC1=C(O)C=C2C(=C1)OC3=CC(=O)C(=CC3=C2C4=CC=CC=C4)O",
          "CC(C)C1=CC2=C(C)C=CC2=C(C)C=C1",
          "CC1CCCC(C)C1C(F)(Cl)Br"};
}

// `count` molecules spread over QM9's list in the folder ESPALIER_DATA, or none where that is unset.
inline std::vector<std::string> qm9(std::size_t count) {
  const char* data = std::getenv("ESPALIER_DATA");
  if (data == nullptr) return {};
  const std::string path = std::string(data) + "/qm9_smiles/qm9.csv.gz";
  const std::unique_ptr<gzFile_s, int (*)(gzFile)> file(gzopen(path.c_str(), "rb"), gzclose);
  if (!file) return {};
  std::string text(16 << 20, '\0');
  text.resize(static_cast<std::size_t>(std::max(0, gzread(file.get(), text.data(), static_cast<unsigned>(text.size())))));
  std::vector<std::string> all, chosen;
  std::istringstream lines(text);
  std::string line;
  std::getline(lines, line);  // "smiles"
  while (std::getline(lines, line)) all.push_back(line);
  for (std::size_t i = 0; i < count && !all.empty(); ++i) chosen.push_back(all[i * all.size() / count]);
  return chosen;
}

// The drugs, and 1,000 of QM9 where its list is at hand.
inline std::vector<std::string> molecules() {
  auto list = drugs();
  for (auto& smiles : qm9(1000)) list.push_back(std::move(smiles));
  return list;
}

// Debian's Python, whose RDKit is of the very release that is linked here.
class RdkitPython {
 public:
  RdkitPython() {
    std::string pattern = (std::filesystem::temp_directory_path() / "espalier-rdkit-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("no temporary folder");
    folder_ = pattern;
  }
  ~RdkitPython() {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  RdkitPython(const RdkitPython&) = delete;
  RdkitPython& operator=(const RdkitPython&) = delete;

  static bool available() { return std::system("/usr/bin/python3 -c 'import rdkit' >/dev/null 2>&1") == 0; }

  // The lines that the script prints, which finds `input`'s lines in sys.stdin. Throws where it fails.
  std::vector<std::string> lines(const std::string& script, const std::vector<std::string>& input,
                                 const std::vector<std::string>& arguments = {}) const {
    std::ofstream(folder_ / "script.py") << script;
    std::ofstream stdin_file(folder_ / "in");
    for (const auto& line : input) stdin_file << line << '\n';
    stdin_file.close();
    const std::string at = folder_.string();
    std::string command = "/usr/bin/python3 " + at + "/script.py";
    for (const auto& argument : arguments) command += " '" + argument + "'";
    if (std::system((command + " < " + at + "/in > " + at + "/out 2> " + at + "/err").c_str()) != 0) {
      std::ostringstream reason;
      reason << std::ifstream(folder_ / "err").rdbuf();
      throw std::runtime_error("python3: " + reason.str());
    }
    std::vector<std::string> output;
    std::ifstream out(folder_ / "out");
    for (std::string line; std::getline(out, line);) output.push_back(line);
    return output;
  }

  // The same as numbers, a row a line.
  std::vector<std::vector<double>> numbers(const std::string& script, const std::vector<std::string>& input,
                                           const std::vector<std::string>& arguments = {}) const {
    std::vector<std::vector<double>> rows;
    for (const auto& line : lines(script, input, arguments)) {
      std::vector<double>& row = rows.emplace_back();
      std::istringstream words(line);
      for (std::string word; words >> word;) row.push_back(std::stod(word));
    }
    return rows;
  }

 private:
  std::filesystem::path folder_;
};

}  // namespace espalier::chem::testing
