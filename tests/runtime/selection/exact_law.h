#pragma once

#include <cmath>
#include <cstdint>
#include <functional>
#include <vector>

#include "runtime/random/draws.h"
#include "runtime/selection/tied_law.h"

// Laws of scores with ties, exactly: what a selection's law is, and what an estimate from n samples is on average.
namespace espalier::selection {

// A part of a law: one score (an atom) or a continuous part, ascending.
struct Part {
  double mass;
  bool atom;
};

inline LawNumbers& operator+=(LawNumbers& sum, const LawNumbers& more) {
  sum.kl += more.kl, sum.quantile += more.quantile, sum.square += more.square;
  return sum;
}
inline LawNumbers operator*(double weight, const LawNumbers& numbers) {
  return {weight * numbers.kl, weight * numbers.quantile, weight * numbers.square};
}

inline LawNumbers true_numbers(const AcceptedDensity& curve, const std::vector<Part>& law) {
  LawNumbers sum;
  double below = 0.0;
  for (const auto& [mass, atom] : law) {
    const double above = std::min(1.0, below + mass);
    sum += numbers_of_stretch(curve, below, above, atom);
    below = above;
  }
  return sum;
}

// The mean of estimate(multiplicity) over n samples, by all the ways in which they can fall into the parts.
inline LawNumbers mean_estimate(const std::vector<Part>& law, std::int64_t n,
                                const std::function<LawNumbers(const std::vector<std::int64_t>&)>& estimate) {
  LawNumbers sum;
  std::vector<std::int64_t> multiplicity;
  const std::function<void(std::size_t, std::int64_t, double)> place = [&](std::size_t part, std::int64_t left, double log_probability) {
    if (part == law.size()) {
      if (left == 0) sum += std::exp(log_probability) * estimate(multiplicity);
      return;
    }
    const auto size = multiplicity.size();
    for (std::int64_t here = 0; here <= left; ++here) {
      if (here > 0 && law[part].mass <= 0.0) break;
      if (here > 0 && law[part].atom) multiplicity.push_back(here);
      if (here > 0 && !law[part].atom) multiplicity.insert(multiplicity.end(), static_cast<std::size_t>(here), 1);
      const auto count = static_cast<double>(here);
      place(part + 1, left - here, log_probability + (here > 0 ? count * std::log(law[part].mass) : 0.0) - std::lgamma(count + 1.0));
      multiplicity.resize(size);
    }
  };
  place(0, n, std::lgamma(static_cast<double>(n) + 1.0));
  return sum;
}

// Laws of 2 to 4 parts: two values of every probability, uniform ones, and random ones of atoms and of both kinds.
inline std::vector<std::vector<Part>> some_laws() {
  std::vector<std::vector<Part>> laws;
  for (const double p : {0.001, 0.01, 0.05, 0.1, 0.3, 0.5, 0.7, 0.9, 0.97, 0.999}) {
    laws.push_back({{1.0 - p, true}, {p, true}});
    laws.push_back({{1.0 - p, true}, {p, false}});
    laws.push_back({{1.0 - p, false}, {p, true}});
  }
  for (const std::size_t values : {3, 4}) laws.emplace_back(values, Part{1.0 / static_cast<double>(values), true});
  random::Draws draws({.seed = 11, .purpose = random::Purpose::evaluation}, {0});
  for (std::uint32_t i = 0; i < 24; ++i) {
    draws.begin(i);
    const auto uniforms = draws.uniforms({4});  // [1, 4]
    std::vector<Part> law;
    double total = 0.0;
    for (std::int64_t part = 0; part < 3 + i % 2; ++part) {
      const double mass = std::pow(-std::log(uniforms.const_data_ptr<double>()[part]), 1.0 + i % 3);
      law.push_back({mass, i % 4 < 2 || part % 2 == i / 4 % 2});
      total += mass;
    }
    for (auto& part : law) part.mass /= total;
    laws.push_back(law);
  }
  return laws;
}

}  // namespace espalier::selection
