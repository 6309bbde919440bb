#include <fmt/format.h>

#include "plugins/shared/chem/bonds.h"
#include "plugins/shared/chem_io/lines.h"
#include "plugins/shared/chem_io/readers.h"

namespace espalier::chem {
namespace {

bool is_integer(const std::string& line) {
  const auto fields = split_blanks(line);
  std::int64_t value = 0;
  return fields.size() == 1 && parse_count(fields[0], value);
}

class XyzReader {
 public:
  XyzReader(const std::filesystem::path& path, const ReadOptions& options)
      : options_(options), lines_(path), defects_(path, options.on_error) {}

  Molecules read() {
    for (std::string line; lines_.next(line);) {
      const auto fields = split_blanks(line);
      if (fields.empty()) continue;
      ++record_;
      first_line_ = lines_.number();
      std::int64_t count = 0;
      if (fields.size() != 1 || !parse_count(fields[0], count)) {
        defects_.add(record_, first_line_, fmt::format("{} where a number of atoms should stand alone", quote(line)));
        skip_to_integer();
      } else {
        read_record(count);
      }
    }
    result_.skipped = defects_.skipped();
    return std::move(result_);
  }

 private:
  void skip_to_integer() {
    for (std::string line; lines_.next(line);) {
      if (!is_integer(line)) continue;
      lines_.put_back(line);
      return;
    }
  }

  // QM9's frequencies, SMILES and InChI, as far as the file still has them: the next record's number of atoms is none of them.
  void skip_tail() {
    constexpr int kTail = 3;
    std::string line;
    for (int taken = 0; taken < kTail && lines_.next(line); ++taken) {
      if (is_integer(line)) return lines_.put_back(line);
    }
  }

  // Takes all of the record's lines, also when it is refused, so that the next record is found.
  void read_record(std::int64_t count) {
    std::string comment, reason, line;
    lines_.next(comment);
    const bool keep = count <= options_.max_atoms;
    if (!keep) reason = fmt::format("{} atoms, over the {} there may be", count, options_.max_atoms);
    std::int64_t line_of_reason = first_line_, taken = 0;
    Atoms atoms;
    for (; taken < count && lines_.next(line); ++taken) {
      std::string defect = read_atom(line, atoms);
      if (!keep) atoms = Atoms{};
      if (defect.empty()) continue;
      const bool next_record = is_integer(line);
      if (next_record) defect = fmt::format("{} of the {} atoms promised, then {}", taken, count, quote(line));
      if (reason.empty()) {
        reason = std::move(defect);
        line_of_reason = lines_.number();
      }
      if (next_record) {
        lines_.put_back(line);
        break;
      }
    }
    if (reason.empty() && taken < count) reason = fmt::format("the file ends after {} of the {} atoms promised", taken, count);
    if (taken == count && comment.starts_with("gdb ")) skip_tail();
    if (reason.empty()) reason = judge(atoms);
    if (!reason.empty()) return defects_.add(record_, line_of_reason, reason);
    if (options_.leaves_out(atoms)) return;
    result_.atoms.push_back(std::move(atoms));
    result_.record.push_back(record_);
  }

  static std::string read_atom(const std::string& line, Atoms& atoms) {
    const auto fields = split_blanks(line);
    std::array<double, 3> position{};
    bool numbers = fields.size() >= 4;
    for (std::size_t k = 0; numbers && k < 3; ++k) numbers = parse_number(fields[k + 1], position[k]);
    if (!numbers) return fmt::format("{} where '<element> <x> <y> <z>' should stand", quote(line));
    const int element = parse_element(fields[0]);
    if (element == 0) return fmt::format("element {} is none of H, C, N, O, F", quote(fields[0]));
    atoms.atomic_number.push_back(element);
    atoms.position.push_back(position);
    return "";
  }

  std::string judge(const Atoms& atoms) const {
    std::string defect = find_defect(atoms);
    if (!defect.empty() || !options_.connected) return defect;
    const int pieces = count_fragments(static_cast<int>(atoms.atomic_number.size()), find_bonds(atoms));
    return pieces == 1 ? "" : fmt::format("in {} pieces, by its distances", pieces);
  }

  const ReadOptions& options_;
  Lines lines_;
  Defects defects_;
  Molecules result_;
  std::int64_t record_ = 0, first_line_ = 0;
};

}  // namespace

Molecules read_xyz(const std::filesystem::path& path, const ReadOptions& options) { return XyzReader(path, options).read(); }

}  // namespace espalier::chem
