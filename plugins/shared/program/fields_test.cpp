#include "plugins/shared/program/fields.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>

#include "runtime/base/errors.h"
#include "tests/conformance/toy.h"

namespace espalier::program {
namespace {

using conformance::ForwardingCodec;
using conformance::ForwardingDomain;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::ThrowsMessage;

// Writes "names.txt", a line for each sample whose name is not "": as a molecule that is not valid has no line.
class NamesCodec final : public ForwardingCodec {
 public:
  NamesCodec() : ForwardingCodec(conformance::toy_domain()->codec(nullptr)) {}
  Sample decode(const State& state, const CodecContext& context) const override {
    auto sample = ForwardingCodec::decode(state, context);
    sample.strings["name"] = std::vector<std::string>(static_cast<std::size_t>(state.begin()->second.size(0)), "real");
    return sample;
  }
  std::map<std::string, std::string> records(const Sample& sample) const override {
    std::map<std::string, std::string> files;
    for (const auto& name : sample.strings.at("name")) {
      if (!name.empty()) files["names.txt"] += name + "\n";
    }
    return files;
  }
};

class NamesDomain final : public ForwardingDomain {
 public:
  std::shared_ptr<const Codec> codec(const ModelInfo*) const override { return std::make_shared<NamesCodec>(); }
};

Sample two_samples(const std::vector<std::string>& names = {"red", ""}) {
  Sample sample{"image", {}, {{"name", names}}};
  sample.tensors["image"] = at::arange(2 * 3 * 8 * 8, at::kFloat).view({2, 3, 8, 8}).div(400.0);
  sample.tensors["label"] = at::arange(2, at::kLong);
  return sample;
}

Fields fields(const std::vector<std::string>& send) {
  static const NamesDomain domain;
  return {"reward.process", send, &domain, domain.codec(nullptr)};
}

TEST(Fields, AreAllTensorsAndStringsWhereNoneAreNamed) {
  const auto sample = two_samples();
  const auto packed = fields({}).pack(sample, 2);
  EXPECT_EQ(to_json(Value(packed.fields)),
            R"([{"bytes": 1536, "dtype": "float32", "format": "tensor", "name": "image", "shape": [2, 3, 8, 8]}, )"
            R"({"bytes": 16, "dtype": "int64", "format": "tensor", "name": "label", "shape": [2]}, )"
            R"({"format": "strings", "name": "name", "values": ["red", ""]}])");
  ASSERT_EQ(packed.payload.size(), 2u);
  EXPECT_EQ(packed.payload[0].data(), sample.tensors.at("image").const_data_ptr()) << "the tensor is not copied";
}

TEST(Fields, OfImagesAreLosslessPngFiles) {
  const auto sample = two_samples();
  const auto packed = fields({"png"}).pack(sample, 2);
  ASSERT_EQ(packed.payload.size(), 2u);
  EXPECT_EQ(packed.fields.at(0).at("sizes").as_list().at(1).as_integer(), std::ssize(packed.payload[1]));
  const auto drawn = NamesCodec().draw(sample);
  for (std::size_t i = 0; i < 2; ++i) EXPECT_EQ(decode_png(packed.payload[i], "sent").rgb, drawn[i].rgb);
}

TEST(Fields, OfADomainsFileAreOneTextASample) {
  const auto packed = fields({"names.txt"}).pack(two_samples(), 2);
  EXPECT_EQ(packed.payload, (std::vector<std::string_view>{"red\n", ""}));
  EXPECT_EQ(to_json(Value(packed.fields)), R"([{"bytes": 4, "format": "files", "name": "names.txt", "sizes": [4, 0]}])");
  EXPECT_EQ(fields({"names.txt"}).pack(two_samples({"", ""}), 2).payload, (std::vector<std::string_view>{"", ""}))
      << "none of these has a line, but the domain's examples have";
}

TEST(Fields, ThatAreNotThereAreNamedWithThoseThatAre) {
  EXPECT_THAT([] { fields({"name.txt"}).pack(two_samples(), 2); },
              ThrowsMessage<StageError>("reward.process names 'name.txt' in the option send, which samples of kind 'image' do not have; "
                                        "did you mean 'names.txt'?"));
}

std::vector<std::string> problems(const Domain& domain, const std::vector<std::string>& send) {
  std::vector<std::string> messages;
  for (const auto& [option, message] : Fields("reward.process", send, &domain, domain.codec(nullptr)).problems()) {
    messages.push_back(option + ": " + message);
  }
  return messages;
}

// A domain of captions alone: whether its samples have such a file is seen when there are samples.
class NoExamples final : public ForwardingDomain {
 public:
  bool has_examples() const override { return false; }
};

TEST(Fields, ThatNoSampleOfTheDomainHasAreFoundBeforeThereAreSamples) {
  EXPECT_THAT(problems(NamesDomain(), {}), IsEmpty());
  EXPECT_THAT(problems(NamesDomain(), {"image", "name", "png", "names.txt"}), IsEmpty());
  EXPECT_THAT(problems(NamesDomain(), {"imgae", "image", "name.txt"}),
              ElementsAre("send: names 'imgae' in the option send, which samples of kind 'image' do not have; did you mean 'image'?",
                          "send: names 'name.txt' in the option send, which samples of kind 'image' do not have; did you mean "
                          "'names.txt'?"));
  EXPECT_THAT(problems(NoExamples(), {"molecules.sdf"}), IsEmpty());
  EXPECT_THAT(problems(NoExamples(), {"pixels"}),
              ElementsAre("send: names 'pixels' in the option send, which samples of kind 'image' do not have; known: image, png"));
}

TEST(Fields, ThatTheProtocolCannotCarryAreNamed) {
  auto sample = two_samples();
  sample.tensors["image"] = at::zeros({2, 3}, at::kHalf);
  EXPECT_THAT([&] { fields({"image"}).pack(sample, 2); }, ThrowsMessage<StageError>(HasSubstr("'image' of 2 samples is Half [2, 3]")));
  EXPECT_EQ(fields({"label"}).pack(sample, 2).payload.size(), 1u) << "the others can be sent";
  EXPECT_THAT([&] { fields({"label"}).pack(sample, 3); }, ThrowsMessage<StageError>(HasSubstr("'label' of 3 samples is Long [2]")));
}

TEST(Fields, StandInAHeaderWithNumbersPromptsAndMetadata) {
  const std::vector<std::int64_t> index = {14, 15};
  const std::vector<std::string> text = {"a red circle", "a \"blue\" square"};
  const std::vector<Value> metadata = {Value::Map{{"colour", "red"}}, Value()};
  const auto header = samples_header("samples", {index, text, metadata}, {});
  EXPECT_EQ(to_json(header), R"({"count": 2, "fields": [], "index": [14, 15], "metadata": [{"colour": "red"}, {}], )"
                             R"("prompts": ["a red circle", "a \"blue\" square"], "type": "samples"})");
  EXPECT_THROW(samples_header("samples", {{}, text, metadata}, {}), InternalError);
}

}  // namespace
}  // namespace espalier::program
