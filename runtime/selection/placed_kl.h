#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>

namespace espalier::selection {

// Weights of what was accepted at some place, and their squares.
struct Mass {
  double weight = 0.0, square = 0.0;
  void add(double more) { weight += more, square += more * more; }
};

// The KL of what was accepted to a law in which all of `possible` places are alike. Miller and Madow: a plug-in KL over K places that occur
// is too large by (K - 1)/(2 n), n the number of samples.
struct PlacedKl {
  double sum = 0.0;  // of m log m
  double places = 0.0;
  Mass whole;
  void add(const Mass& place) {
    if (place.weight <= 0.0) return;
    sum += place.weight * std::log(place.weight);
    places += 1.0;
    whole.weight += place.weight, whole.square += place.square;
  }
  // Times the weight of the whole.
  double weighted_nats(double possible) const {
    if (whole.weight <= 0.0) return 0.0;
    return sum + whole.weight * std::log(possible / whole.weight) - 0.5 * (places - 1.0) * whole.square / whole.weight;
  }
};

// What was accepted within the stretches of quantiles of rows whose scores no others have: in which eighth of its stretch, pooled over rows
// of equal rank from the top or, in the lower half, from the bottom.
struct WithinStretches {
  static constexpr std::size_t kParts = 8;
  static constexpr std::size_t kEnd = 32;  // ranks at either end that are kept apart
  std::array<std::array<Mass, kParts>, 2 * kEnd + 1> parts{};

  static std::size_t rank_class(std::size_t rank, std::size_t group_size) {
    const auto from_top = group_size - 1 - rank;
    if (from_top <= rank) return std::min(from_top, kEnd);
    return rank < kEnd ? kEnd + 1 + rank : kEnd;
  }
  // part: where in its stretch, in (0, 1).
  void add(std::size_t rank, std::size_t group_size, double part, double weight) {
    parts[rank_class(rank, group_size)][std::min(kParts - 1, static_cast<std::size_t>(part * kParts))].add(weight);
  }
  // The KL to even stretches, times the weight of all.
  double weighted_nats() const {
    double sum = 0.0;
    for (const auto& row : parts) {
      PlacedKl kl;
      for (const auto& part : row) kl.add(part);
      sum += kl.weighted_nats(kParts);
    }
    return sum;
  }
};

}  // namespace espalier::selection
