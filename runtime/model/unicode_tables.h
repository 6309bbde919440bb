#pragma once

#include <cstddef>
#include <cstdint>

namespace espalier::model {

// Sorted tables of Unicode properties, for CLIP's tokenizer.
struct CodePointRange {
  std::uint32_t first, last;
};
struct LowerCaseRun {  // first, first + stride, ..., last become themselves + difference
  std::uint32_t first, last, stride;
  std::int32_t difference;
};

extern const CodePointRange kLetters[], kNumbers[];
extern const CodePointRange kNormalFormUnsure[];  // normal form C changes the point, or may join it with the one before
extern const LowerCaseRun kLowerCase[];
extern const std::size_t kLettersCount, kNumbersCount, kNormalFormUnsureCount, kLowerCaseCount;

}  // namespace espalier::model
