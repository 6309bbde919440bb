#include "plugins/noise_corrector/inverse_noise/anderson.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cholesky_solve.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/linalg_cholesky.h>
#include <ATen/ops/stack.h>

#include <limits>

namespace espalier::inverse_noise {
namespace {

constexpr double kRegularisation = 1e-10;  // of a normal matrix whose diagonal is 1

at::Tensor differences(const std::vector<at::Tensor>& rows) {
  const auto all = at::stack(rows).to(at::kDouble);  // [m + 1, D]
  return all.narrow(0, 1, all.size(0) - 1) - all.narrow(0, 0, all.size(0) - 1);
}

}  // namespace

at::Tensor anderson_next(const std::vector<at::Tensor>& iterates, const std::vector<at::Tensor>& moves) {
  const auto &y = iterates.back(), &f = moves.back();
  if (moves.size() == 1) return y + f;
  const auto change_f = differences(moves), change_y = differences(iterates);  // [m, D]
  const auto move = f.to(at::kDouble);
  const auto length = change_f.square().sum(1).sqrt().clamp_min(std::numeric_limits<double>::min());  // [m]
  const auto scaled = change_f / length.unsqueeze(1);
  const auto normal = scaled.mm(scaled.t()) + kRegularisation * at::eye(scaled.size(0), scaled.options());
  const auto gamma = at::cholesky_solve(scaled.mv(move).unsqueeze(1), at::linalg_cholesky(normal)).squeeze(1) / length;  // [m]
  return (y.to(at::kDouble) + move - (change_y + change_f).t().mv(gamma)).to(y.scalar_type());
}

}  // namespace espalier::inverse_noise
