#include "plugins/trainer/dpo/pairs.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

namespace espalier::dpo {

std::string Pairs::text() const {
  auto text = fmt::format("{} pair{}", size(), size() == 1 ? "" : "s");
  if (tied + single > 0) {
    text += fmt::format("; {} prompt{} give none: of {} all samples have one score, of {} one sample has a finite score", tied + single,
                        tied + single == 1 ? "" : "s", tied, single);
  }
  return text;
}

Pairs best_and_worst(const std::vector<std::int64_t>& prompt, const std::vector<double>& score) {
  std::map<std::int64_t, std::vector<std::int64_t>> rows;
  for (std::size_t i = 0; i < score.size(); ++i) {
    if (std::isfinite(score[i])) rows[prompt[i]].push_back(static_cast<std::int64_t>(i));
  }
  const auto less = [&](std::int64_t a, std::int64_t b) { return score[static_cast<std::size_t>(a)] < score[static_cast<std::size_t>(b)]; };
  Pairs pairs;
  for (const auto& [one, of_prompt] : rows) {
    const auto best = *std::ranges::max_element(of_prompt, less), worst = *std::ranges::min_element(of_prompt, less);
    if (of_prompt.size() == 1) {
      ++pairs.single;
    } else if (!less(worst, best)) {
      ++pairs.tied;
    } else {
      pairs.winner.push_back(best);
      pairs.loser.push_back(worst);
    }
  }
  return pairs;
}

}  // namespace espalier::dpo
