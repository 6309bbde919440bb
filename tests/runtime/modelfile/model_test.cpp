#include "runtime/modelfile/model.h"

#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <set>

#include "runtime/base/errors.h"
#include "runtime/sdk/domain.h"
#include "runtime/sdk/kinds.h"
#include "runtime/sdk/plugin.h"

namespace espalier {
namespace {

Weights weights() {
  return {{"unet.a", at::tensor({1.0f, 2.0f, 3.0f, 4.0f, 5.0f, 6.0f}).view({2, 3})}, {"unet.b", at::tensor({7, 8}, at::kLong)}};
}

TEST(DigestWeights, DependsOnContentAlone) {
  auto same = weights();
  same["unet.a"] = weights()["unet.a"].t().contiguous().t().requires_grad_();  // other strides, the same values
  EXPECT_EQ(digest_weights(weights()), digest_weights(same));
  EXPECT_EQ(digest_weights({}), sha256(""));
}

TEST(DigestWeights, ChangesWithEveryChange) {
  std::set<Hex> seen{digest_weights(weights())};
  const auto differs = [&seen](auto change) {
    auto changed = weights();
    change(changed);
    return seen.insert(digest_weights(changed)).second;
  };
  EXPECT_TRUE(differs([](Weights& w) { w["unet.a"] = w["unet.a"].view({3, 2}); }));
  EXPECT_TRUE(differs([](Weights& w) { w["unet.a"] = w["unet.a"].to(at::kDouble); }));
  EXPECT_TRUE(differs([](Weights& w) { w["unet.a"] = w["unet.a"].neg(); }));
  EXPECT_TRUE(differs([](Weights& w) { w["unet.c"] = at::zeros({0}); }));
  EXPECT_TRUE(differs([](Weights& w) { w.erase("unet.b"); }));
  EXPECT_TRUE(differs([](Weights& w) { std::swap(w["unet.a"], w["unet.b"]); }));
  EXPECT_THROW(differs([](Weights& w) { w["unet.a"] = at::Tensor(); }), InternalError);
}

TEST(ModelInfo, ReadsBackFromItsValue) {
  ModelInfo info;
  info.digest = std::string(64, 'a');
  info.architecture["layers"] = 3;
  info.process["name"] = "variance_preserving";
  info.role = "classifier";
  info.last_step = Step(std::int64_t{6});
  info.trained_num_steps = 25;
  info.text_front = std::string(64, 'b');
  info.base = std::string(64, 'c');
  info.corrects = CorrectedSampling{std::string(64, 'd'), 10};
  const auto back = ModelInfo::from_value(parse_json(to_json(info.to_value()), "x"));
  EXPECT_EQ(back.to_value(), info.to_value());
  EXPECT_EQ(back.last_step, info.last_step);
  EXPECT_EQ(back.text_front, info.text_front);
  EXPECT_EQ(back.corrects, info.corrects);
  auto broken = info.to_value();
  broken["digest"] = 3;
  EXPECT_THROW(ModelInfo::from_value(broken), DataError);
}

Conditions conditions() {
  Conditions out;
  out.tensors["label"] = at::tensor({3, 1, 2}, at::kLong);
  out.null_tensors["label"] = at::tensor({9}, at::kLong);
  out.text = {"a", "b", "c"};
  out.metadata = {Value(1), Value(2), Value(3)};
  return out;
}

TEST(Conditions, DigestCoversEveryPart) {
  const auto base = conditions().digest();
  EXPECT_EQ(base, conditions().digest());
  std::set<Hex> seen{base};
  const auto differs = [&seen](auto change) {
    auto changed = conditions();
    change(changed);
    return seen.insert(changed.digest()).second;
  };
  EXPECT_TRUE(differs([](Conditions& c) { c.tensors["label"][0] = 4; }));
  EXPECT_TRUE(differs([](Conditions& c) { c.null_tensors["label"][0] = 4; }));
  EXPECT_TRUE(differs([](Conditions& c) { c.text[2] = "d"; }));
  EXPECT_TRUE(differs([](Conditions& c) { c.metadata[2] = Value(3.0); }));
  EXPECT_TRUE(differs([](Conditions& c) { std::swap(c.text[0], c.text[1]); }));
}

TEST(Conditions, RowsMayRepeat) {
  const auto rows = conditions().rows({2, 0, 2});
  const auto& label = rows.tensors.at("label");
  EXPECT_EQ(std::vector<std::int64_t>(label.const_data_ptr<std::int64_t>(), label.const_data_ptr<std::int64_t>() + 3),
            (std::vector<std::int64_t>{2, 3, 2}));
  EXPECT_EQ(rows.text, (std::vector<std::string>{"c", "a", "c"}));
  EXPECT_EQ(rows.metadata, (std::vector<Value>{Value(3), Value(1), Value(3)}));
  EXPECT_TRUE(rows.null_tensors.at("label").equal(conditions().null_tensors.at("label"))) << "the null condition stays one";
  EXPECT_THROW(conditions().rows({3}), InternalError);
}

TEST(Kinds, AreWhatPipelinesMayName) {
  ASSERT_NE(find_kind("reward"), nullptr);
  EXPECT_EQ(find_kind("rewards"), nullptr);
  EXPECT_EQ(find_kind("domain"), nullptr) << "the domain is no stage";
  const auto usual = [](const char* kind) {
    Inputs in;
    find_kind(kind)->usual_inputs(in);
    return in.infos();
  };
  ASSERT_EQ(usual("reward").size(), 1u);
  EXPECT_TRUE(usual("reward")[0].name == "samples" && usual("reward")[0].required && usual("reward")[0].takes == ResultKind::trajectories);
  EXPECT_TRUE(usual("sampler")[0].many && usual("sampler")[0].of == "denoiser");
  EXPECT_FALSE(usual("filter")[1].required);
  EXPECT_TRUE(usual("metric").empty());
  EXPECT_STREQ(result_name(find_kind("filter")->gives), "selection");
}

TEST(Stamp, NamesWhatBothSidesShare) {
  const auto stamp = host_stamp();
  for (const char* key : {"abi=", "compiler=", "cxx11_abi=1\n", "libtorch=2.", "sanitize="})
    EXPECT_NE(stamp.find(key), std::string::npos) << stamp;
  static constexpr auto kNote = stamp_note("abi=1\n");
  EXPECT_EQ(kNote.descriptor_size, 6u);
  EXPECT_EQ(sizeof kNote, 12u + 12u + 8u) << "owner and text are padded to a multiple of 4";
  EXPECT_EQ(std::string(kNote.text, 6), "abi=1\n");
}

}  // namespace
}  // namespace espalier
