#include "plugins/shared/chem_io/records.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <functional>

#include "plugins/shared/chem/atoms.h"
#include "runtime/base/errors.h"

namespace espalier::chem {
namespace {

// A reason without what differs from record to record: its numbers, and what stands between quotes.
std::string kind_of(const std::string& reason) {
  std::string kind;
  bool quoted = false;
  for (const char c : reason) {
    if (c == '\'') quoted = !quoted;
    if (!quoted && (c < '0' || c > '9')) kind += c;
  }
  return kind;
}

}  // namespace

bool ReadOptions::leaves_out(const Atoms& atoms) const {
  return leaves_out(static_cast<int>(std::ranges::count_if(atoms.atomic_number, [](int number) { return number > 1; })));
}

std::string ion_reason(int charge) {
  return charge == 0 ? "" : fmt::format("an ion of charge {:+}; only neutral molecules are taken", charge);
}

void Skipped::add(const std::string& where, const std::string& reason) {
  const std::string example = where.empty() || reason.empty() ? where + reason : where + ": " + reason;
  add({.count = 1, .causes = {{kind_of(reason), {1, {example}}}}});
}

void Skipped::add(const Skipped& others) {
  constexpr std::size_t kKept = 3;
  count += others.count;
  for (const auto& [kind, cause] : others.causes) {
    Cause& mine = causes[kind];
    mine.count += cause.count;
    for (const std::string& example : cause.examples) {
      if (mine.examples.size() < kKept) mine.examples.push_back(example);
    }
  }
}

std::string Skipped::summary() const {
  constexpr std::size_t kShown = 5;
  if (count == 0) return "";
  std::vector<const Cause*> by_count;
  for (const auto& [kind, cause] : causes) by_count.push_back(&cause);
  std::ranges::stable_sort(by_count, std::greater{}, &Cause::count);
  std::string text = fmt::format("{} skipped", count);
  std::int64_t rest = count;
  for (std::size_t k = 0; k < std::min(kShown, by_count.size()); ++k) {
    const Cause& cause = *by_count[k];
    text += (k == 0 ? ": " : "; ") + (causes.size() > 1 ? fmt::format("{} like ", cause.count) : "") +
            fmt::format("{}", fmt::join(cause.examples, "; "));
    if (static_cast<std::size_t>(cause.count) > cause.examples.size()) text += "; ...";
    rest -= cause.count;
  }
  return text + (rest > 0 ? fmt::format("; {} for other reasons", rest) : "");
}

std::string Defects::place(std::int64_t record, std::int64_t line) const {
  return fmt::format("{}:{}: record {}", path_.string(), line, record);
}

void Defects::add(std::int64_t record, std::int64_t line, const std::string& reason) {
  if (on_error_ == OnError::fail) throw DataError(place(record, line) + ": " + reason);
  skipped_.add(place(record, line), reason);
}

void Defects::exclude(std::int64_t record, std::int64_t line, const std::string& reason) { skipped_.add(place(record, line), reason); }

}  // namespace espalier::chem
