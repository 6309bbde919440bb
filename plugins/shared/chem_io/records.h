#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace espalier::chem {

struct Atoms;

enum class OnError { fail, skip };

// What a record of a file must be, and what becomes of one that is not.
struct ReadOptions {
  OnError on_error = OnError::fail;
  int max_atoms = 29;     // hydrogens counted; QM9's largest molecules have 29
  bool connected = true;  // one piece only
  // Of the records that are right, those with more atoms other than hydrogen are left out and not counted; 0: none are.
  int max_heavy_atoms = 0;

  bool leaves_out(int heavy_atoms) const { return max_heavy_atoms > 0 && heavy_atoms > max_heavy_atoms; }
  bool leaves_out(const Atoms& atoms) const;
};

// Why an ion is excluded: the states of molecules have no charge. "" for a charge of 0.
std::string ion_reason(int charge);

// Records that were left out: how many, and for each kind of reason how many, with its first three records.
struct Skipped {
  struct Cause {
    std::int64_t count = 0;
    std::vector<std::string> examples;  // "<where>: <reason>"
  };
  std::int64_t count = 0;
  std::map<std::string, Cause> causes;  // by the reason without its numbers and quoted words

  void add(const std::string& where, const std::string& reason);
  void add(const Skipped& others);
  std::string summary() const;  // "3 skipped: <example>; ...", of several causes "3 skipped: 2 like <example>; 1 like ..."; "" when none
};

// Collects the defects of one file's records: the first one throws DataError (OnError::fail), or all are counted.
class Defects {
 public:
  Defects(std::filesystem::path path, OnError on_error) : path_(std::move(path)), on_error_(on_error) {}
  // `record` counts from 1, `line` (of the file) too. The message is "<file>:<line>: record <record>: <reason>".
  void add(std::int64_t record, std::int64_t line, const std::string& reason);
  // A sound record that this program cannot use (an ion): counted whatever OnError is.
  void exclude(std::int64_t record, std::int64_t line, const std::string& reason);
  const Skipped& skipped() const { return skipped_; }

 private:
  std::string place(std::int64_t record, std::int64_t line) const;
  std::filesystem::path path_;
  OnError on_error_;
  Skipped skipped_;
};

}  // namespace espalier::chem
