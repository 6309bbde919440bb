#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/cdist.h>
#include <ATen/ops/cross.h>
#include <ATen/ops/linalg_det.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/stack.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <numbers>
#include <numeric>

#include "plugins/domain/molecule/test_files.h"

// The turned copies of training examples.
namespace espalier::molecule {
namespace {

constexpr std::int64_t kCopies = 5000;

class Rotations : public ::testing::Test {
 protected:
  Rotations() {
    write_file(folder_ / "one.smi", "CC(N)O\n");  // no two of its heavy atoms are alike, and they lie in no plane
    domain_ =
        opened({{"source", "smiles"}, {"data", (folder_ / "one.smi").string()}, {"max_atoms", 11}, {"rotations", kCopies}}, folder_.path());
    examples_ = domain_->data().examples("train");
    std::vector<std::uint64_t> positions(kCopies + 1);
    std::iota(positions.begin(), positions.end(), 0);
    vectors_ = states(*domain_, positions).at("vector").to(at::kDouble);  // [1 + copies, 11, 3]
  }

  // The right-handed frame of the first three atoms, [B, 3, 3], its axes in columns.
  static at::Tensor frames(const at::Tensor& vectors) {
    const auto unit = [](const at::Tensor& v) { return v / v.norm(2, {1}, true); };
    const auto origin = vectors.select(1, 0);
    const auto x = unit(vectors.select(1, 1) - origin), in_plane = vectors.select(1, 2) - origin;
    const auto y = unit(in_plane - (in_plane * x).sum(1, true) * x);
    return at::stack({x, y, at::cross(x, y, 1)}, 2);
  }
  at::Tensor turns() const {
    const auto all = frames(vectors_);
    return at::matmul(all.narrow(0, 1, kCopies), all[0].t());  // [copies, 3, 3]
  }

  TempFolder folder_;
  std::unique_ptr<Domain> domain_;
  std::unique_ptr<Examples> examples_;
  at::Tensor vectors_;
};

// The largest distance between the numbers' empirical law and `law`, times sqrt(n): above 1.95 once in 1,000.
double kolmogorov(const at::Tensor& numbers, const std::function<double(double)>& law) {
  const auto flat = numbers.flatten().contiguous();
  std::vector<double> x(flat.const_data_ptr<double>(), flat.const_data_ptr<double>() + flat.numel());
  std::sort(x.begin(), x.end());
  double largest = 0.0;
  const auto n = static_cast<double>(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double f = law(x[i]), rank = static_cast<double>(i);
    largest = std::max({largest, f - rank / n, (rank + 1.0) / n - f});
  }
  return largest * std::sqrt(n);
}

TEST_F(Rotations, FollowTheMolecule) {
  EXPECT_EQ(examples_->distinct(), 1);
  EXPECT_EQ(examples_->size(), kCopies + 1);
}

TEST_F(Rotations, KeepDistancesAndHandedness) {
  const auto distances = at::cdist(vectors_, vectors_);
  EXPECT_LT((distances - distances[0]).abs().max().item<double>(), 2e-3);  // cdist's own rounding of float32 vectors
  const auto edges = vectors_.narrow(1, 1, 3) - vectors_.narrow(1, 0, 1);
  const auto volume = at::linalg_det(edges);
  EXPECT_GT(volume[0].abs().item<double>(), 0.1);
  EXPECT_LT((volume - volume[0]).abs().max().item<double>(), 1e-5);
}

TEST_F(Rotations, TurnEveryAtomAlike) {
  const auto turned = at::matmul(vectors_[0], turns().transpose(1, 2));  // [copies, 11, 3]
  EXPECT_LT((turned - vectors_.narrow(0, 1, kCopies)).abs().max().item<double>(), 1e-5);
  EXPECT_LT((at::linalg_det(turns()) - 1.0).abs().max().item<double>(), 1e-9);
}

// Under the uniform law on SO(3) every entry of the matrix is uniform on [-1, 1], and the angle has the distribution (a - sin a) / pi.
TEST_F(Rotations, AreUniform) {
  const auto all = turns();
  for (std::int64_t i = 0; i < 3; ++i) {
    for (std::int64_t j = 0; j < 3; ++j) {
      const auto entry = all.select(1, i).select(1, j);
      EXPECT_LT(kolmogorov(entry, [](double x) { return (x + 1.0) / 2.0; }), 1.95) << i << ", " << j;
    }
  }
  const auto trace = all.diagonal(0, 1, 2).sum(1);
  const auto angle = ((trace - 1.0) / 2.0).clamp(-1.0, 1.0).acos();
  EXPECT_LT(kolmogorov(angle, [](double a) { return (a - std::sin(a)) / std::numbers::pi; }), 1.95);
  EXPECT_GT(kolmogorov(angle, [](double a) { return a / std::numbers::pi; }), 1.95) << "the test tells laws apart";
}

TEST_F(Rotations, AreAFunctionOfThePosition) {
  const auto again =
      opened({{"source", "smiles"}, {"data", (folder_ / "one.smi").string()}, {"max_atoms", 11}, {"rotations", 7}}, folder_.path(), 9);
  const auto batch = states(*again, {5, 2, 5}).at("vector").to(at::kDouble);
  EXPECT_TRUE(batch.equal(at::stack({vectors_[5], vectors_[2], vectors_[5]})));
  EXPECT_FALSE(vectors_[5].equal(vectors_[2]));
}

TEST_F(Rotations, AreForTrainingAlone) {
  write_file(folder_ / "two.smi", "CC(N)O\nCCO\n");
  const auto domain = opened(
      {{"source", "smiles"}, {"data", (folder_ / "two.smi").string()}, {"max_atoms", 11}, {"held_out_fraction", 0.5}}, folder_.path());
  EXPECT_EQ(domain->data().examples("train")->size(), 1001);
  EXPECT_EQ(domain->data().examples("held_out")->size(), 1);
}

}  // namespace
}  // namespace espalier::molecule
