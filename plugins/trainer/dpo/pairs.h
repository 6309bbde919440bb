#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace espalier::dpo {

// Of each prompt its best and its worst sample, as rows of the scored samples; prompts ascending.
struct Pairs {
  std::vector<std::int64_t> winner, loser;  // [P]
  std::int64_t tied = 0;                    // prompts without a pair, because all of their samples have one score
  std::int64_t single = 0;                  // prompts without a pair, because only one of their samples has a finite score

  std::int64_t size() const { return static_cast<std::int64_t>(winner.size()); }
  std::string text() const;  // "12 pairs; 3 prompts give none: all samples of 2 have one score, 1 has a single sample"
};

// `prompt` and `score` are [N], in the order of the samples. Of several best or worst samples of a prompt the first is taken. Samples whose
// score is not finite are in no pair.
Pairs best_and_worst(const std::vector<std::int64_t>& prompt, const std::vector<double>& score);

}  // namespace espalier::dpo
