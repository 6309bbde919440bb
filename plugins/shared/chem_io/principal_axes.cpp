#include "plugins/shared/chem_io/principal_axes.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>

namespace espalier::chem {
namespace {

using Vector = std::array<double, 3>;
using Matrix = std::array<Vector, 3>;

// Jacobi's rotations of a symmetric matrix: the columns of `axes` become its eigenvectors, its diagonal the eigenvalues.
void diagonalise(Matrix& a, Matrix& axes) {
  axes = {{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}};
  constexpr int kSweeps = 12;
  for (int sweep = 0; sweep < kSweeps; ++sweep) {
    for (std::size_t p = 0; p < 2; ++p) {
      for (std::size_t q = p + 1; q < 3; ++q) {
        if (a[p][q] == 0.0) continue;
        const double angle = 0.5 * std::atan2(2.0 * a[p][q], a[q][q] - a[p][p]);
        const double c = std::cos(angle), s = std::sin(angle);
        for (std::size_t k = 0; k < 3; ++k) {  // columns p and q of both
          const double ap = a[k][p], aq = a[k][q], vp = axes[k][p], vq = axes[k][q];
          a[k][p] = c * ap - s * aq;
          a[k][q] = s * ap + c * aq;
          axes[k][p] = c * vp - s * vq;
          axes[k][q] = s * vp + c * vq;
        }
        for (std::size_t k = 0; k < 3; ++k) {  // rows p and q
          const double ap = a[p][k], aq = a[q][k];
          a[p][k] = c * ap - s * aq;
          a[q][k] = s * ap + c * aq;
        }
      }
    }
  }
}

}  // namespace

std::vector<std::array<double, 3>> align_to_axes(const Atoms& atoms) {
  Vector mean{};
  const double share = 1.0 / static_cast<double>(std::max<std::size_t>(1, atoms.position.size()));
  for (const Vector& p : atoms.position) {
    for (std::size_t k = 0; k < 3; ++k) mean[k] += share * p[k];
  }
  Matrix spread{}, axes{};
  for (const Vector& p : atoms.position) {
    for (std::size_t i = 0; i < 3; ++i) {
      for (std::size_t j = 0; j < 3; ++j) spread[i][j] += (p[i] - mean[i]) * (p[j] - mean[j]);
    }
  }
  diagonalise(spread, axes);
  std::array<std::size_t, 3> order = {0, 1, 2};
  std::stable_sort(order.begin(), order.end(), [&](std::size_t i, std::size_t j) { return spread[i][i] > spread[j][j]; });
  const auto axis = [&](std::size_t k) { return Vector{axes[0][order[k]], axes[1][order[k]], axes[2][order[k]]}; };
  const Vector x = axis(0), y = axis(1);
  const Vector z = {x[1] * y[2] - x[2] * y[1], x[2] * y[0] - x[0] * y[2], x[0] * y[1] - x[1] * y[0]};
  std::vector<Vector> result;
  for (const Vector& p : atoms.position) {
    const Vector d = {p[0] - mean[0], p[1] - mean[1], p[2] - mean[2]};
    const auto along = [&](const Vector& v) { return std::inner_product(d.begin(), d.end(), v.begin(), 0.0); };
    result.push_back({along(x), along(y), along(z)});
  }
  return result;
}

}  // namespace espalier::chem
