#include "plugins/shared/chem_io/records.h"

#include <fmt/format.h>

#include <algorithm>

#include "plugins/shared/chem/atoms.h"
#include "runtime/base/errors.h"

namespace espalier::chem {

bool ReadOptions::leaves_out(const Atoms& atoms) const {
  return leaves_out(static_cast<int>(std::ranges::count_if(atoms.atomic_number, [](int number) { return number > 1; })));
}

void Skipped::add(const std::string& reason) {
  constexpr std::size_t kKept = 5;
  ++count;
  if (first_reasons.size() < kKept) first_reasons.push_back(reason);
}

std::string Skipped::summary() const {
  if (count == 0) return "";
  std::string text = fmt::format("{} skipped", count);
  for (std::size_t i = 0; i < first_reasons.size(); ++i) text += (i == 0 ? ": " : "; ") + first_reasons[i];
  if (static_cast<std::size_t>(count) > first_reasons.size()) text += "; ...";
  return text;
}

void Defects::add(std::int64_t record, std::int64_t line, const std::string& reason) {
  const std::string message = fmt::format("{}:{}: record {}: {}", path_.string(), line, record, reason);
  if (on_error_ == OnError::fail) throw DataError(message);
  skipped_.add(message);
}

}  // namespace espalier::chem
