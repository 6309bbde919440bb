#include "plugins/filter/top_k/curve.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace espalier::top_k {
namespace {

constexpr std::int64_t kCells = 4096;      // at least so many, a multiple of M
constexpr std::int64_t kMaxCells = 16384;  // of a large M

// Lentz's algorithm for DLMF 8.17.22; converges in about sqrt(max(a, b)) turns where x < (a + 1)/(a + b + 2).
double beta_fraction(double x, double a, double b) {
  constexpr double kTiny = 1e-300;
  const auto guarded = [](double value) { return std::abs(value) < kTiny ? kTiny : value; };
  double c = 1.0;
  double d = 1.0 / guarded(1.0 - (a + b) * x / (a + 1.0));
  double result = d;
  for (int m = 1; m <= 100000; ++m) {
    const double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1.0 / guarded(1.0 + even * d);
    c = guarded(1.0 + even / c);
    result *= d * c;
    const double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1.0 / guarded(1.0 + odd * d);
    c = guarded(1.0 + odd / c);
    result *= d * c;
    if (std::abs(d * c - 1.0) < 1e-16) {
      break;
    }
  }
  return result;
}

// Gauss and Legendre's 5 points on [0, 1].
constexpr std::array<double, 5> kAbscissa = {0.046910077030668, 0.230765344947158, 0.5, 0.769234655052842, 0.953089922969332};
constexpr std::array<double, 5> kWeight = {0.118463442528095, 0.239314335249683, 0.284444444444444, 0.239314335249683, 0.118463442528095};

}  // namespace

double incomplete_beta(double x, double a, double b) {
  if (x <= 0.0) {
    return 0.0;
  }
  if (x >= 1.0) {
    return 1.0;
  }
  const double front = std::exp(std::lgamma(a + b) - std::lgamma(a) - std::lgamma(b) + a * std::log(x) + b * std::log1p(-x));
  return x < (a + 1.0) / (a + b + 2.0) ? front * beta_fraction(x, a, b) / a : 1.0 - front * beta_fraction(1.0 - x, b, a) / b;
}

Curve::Curve(std::int64_t k, std::int64_t group_size) : k_(static_cast<double>(k)), group_size_(static_cast<double>(group_size)) {
  const std::int64_t cells = group_size > kMaxCells ? kMaxCells : group_size * ((kCells + group_size - 1) / group_size);
  const double width = 1.0 / static_cast<double>(cells);
  kl_ = {0.0};
  for (std::int64_t cell = 0; cell < cells; ++cell) {
    double sum = 0.0;
    for (std::size_t i = 0; i < kAbscissa.size(); ++i) {
      const double w = density((static_cast<double>(cell) + kAbscissa[i]) * width);
      sum += w > 0.0 ? kWeight[i] * width * w * std::log(w) : 0.0;
    }
    kl_.push_back(kl_.back() + sum);
  }
}

double Curve::density(double u) const { return k_ == group_size_ ? 1.0 : group_size_ / k_ * incomplete_beta(u, group_size_ - k_, k_); }

// By parts: the integral of I_t(a, b) from 0 to u is u I_u(a, b) - a/(a + b) I_u(a + 1, b).
double Curve::accepted_to(double u) const {
  if (k_ == group_size_) {
    return u;
  }
  const double a = group_size_ - k_;
  return group_size_ / k_ * (u * incomplete_beta(u, a, k_) - a / group_size_ * incomplete_beta(u, a + 1.0, k_));
}

// By parts: that of t I_t(a, b) is (u^2 I_u(a, b) - a (a + 1)/((a + b) (a + b + 1)) I_u(a + 2, b))/2.
double Curve::quantile_sum_to(double u) const {
  if (k_ == group_size_) {
    return 0.5 * u * u;
  }
  const double a = group_size_ - k_;
  const double moment = a * (a + 1.0) / (group_size_ * (group_size_ + 1.0));
  return 0.5 * group_size_ / k_ * (u * u * incomplete_beta(u, a, k_) - moment * incomplete_beta(u, a + 2.0, k_));
}

double Curve::kl_to(double u) const {
  const double place = u * static_cast<double>(kl_.size() - 1);
  const auto left = std::min(kl_.size() - 2, static_cast<std::size_t>(place));
  const double part = place - static_cast<double>(left);
  return (1.0 - part) * kl_[left] + part * kl_[left + 1];
}

std::vector<double> Curve::points() const {
  constexpr int kPieces = 100;
  std::vector<double> result;
  for (int i = 0; i <= kPieces; ++i) {
    result.push_back(static_cast<double>(i) / kPieces);
    double low = 0.0;
    double high = 1.0;
    while (high - low > 1e-9) {  // the u below which i of kPieces parts of the accepted samples lie
      const double middle = 0.5 * (low + high);
      (accepted_to(middle) < static_cast<double>(i) / kPieces ? low : high) = middle;
    }
    result.push_back(high);
  }
  std::sort(result.begin(), result.end());
  result.erase(std::unique(result.begin(), result.end(), [](double a, double b) { return b - a < 1e-7; }), result.end());
  result.back() = 1.0;
  return result;
}

}  // namespace espalier::top_k
