#include <ATen/TensorOperators.h>
#include <gmock/gmock.h>

#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>

#include "plugins/domain/layout/tasks.h"
#include "plugins/shared/layout/generator.h"
#include "runtime/base/errors.h"
#include "runtime/modelfile/folder.h"
#include "runtime/sdk/encoding.h"
#include "runtime/sdk/notes.h"
#include "tests/conformance/conformance.h"

namespace espalier::layout {
namespace {

namespace fs = std::filesystem;
using conformance::Options;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

const std::string kBlank = ESPALIER_SOURCE_DIR "/datasets/models/layout-blank-small";

std::unique_ptr<Domain> opened(const Options& options) {
  auto domain = conformance::make<Domain>(conformance::plugin("domain.layout"), options);
  domain->open({.seed = 3});
  return domain;
}

Options small(Options options = {}) {
  options["max_boxes"] = 8;
  options["num_pages"] = 40;
  options["num_conditions"] = 12;
  return options;
}

std::vector<std::uint64_t> positions(std::uint64_t count) {
  std::vector<std::uint64_t> all;
  for (std::uint64_t i = 0; i < count; ++i) all.push_back(i);
  return all;
}

State states(const Domain& domain, const std::string& split, const std::vector<std::uint64_t>& at) {
  return domain.codec(nullptr)->encode(domain.data().examples(split)->at(at).sample, {});
}

// The pages as states, decoded.
Sample shown(const Domain& domain, const std::vector<Page>& pages) { return samples_of(domain, {sample_of(pages, 8, at::kDouble), {}}); }

// A file of these lines that goes with the test.
class Lines {
 public:
  explicit Lines(const std::string& text)
      : path_(fs::temp_directory_path() / ("espalier-layout-" + std::to_string(::getpid()) + ".jsonl")) {
    std::ofstream(path_) << text;
  }
  ~Lines() { fs::remove(path_); }
  std::string path() const { return path_.string(); }

 private:
  fs::path path_;
};

std::string page_line(int boxes, const std::string& class_name = "text") {
  std::string line = "{\"elements\": [";
  for (int i = 0; i < boxes; ++i) {
    line += (i ? ", " : "") + std::string("{\"class\": \"") + class_name + "\", \"box_ltwh_norm\": [0.1, " + std::to_string(0.1 * i) +
            ", 0.8, 0.05]}";
  }
  return line + "]}\n";
}

TEST(Layout, ConformsForEachTask) {
  const auto model = modelfile::load(kBlank, network::engine_networks(), {.initialize_weights = 3});
  for (const auto& task : task_names()) {
    SCOPED_TRACE(task);
    conformance::check_domain(conformance::plugin("domain.layout"), small({{"task", task}}), {.disjoint_splits = false, .model = &model});
  }
}

TEST(Layout, DecodesToThePagesItEncoded) {
  const Page page{{0, 4, 1}, {{0.5, 0.25, 0.8, 0.1}, {0.3, 0.6, 0.2, 0.4}, {0.05, 0.05, 0.1, 0.1}}};
  const auto sample = shown(*opened(small()), {page, {{2}, {{0.5, 0.5, 1.0, 1.0}}}});
  const auto pages = pages_of(sample, "test");
  ASSERT_EQ(pages.size(), 2U);
  EXPECT_EQ(pages[0].class_index, page.class_index);
  EXPECT_EQ(pages[1].size(), 1U);
  for (std::size_t i = 0; i < page.size(); ++i) {
    for (std::size_t k = 0; k < 4; ++k) EXPECT_NEAR(pages[0].box[i][k], page.box[i][k], 1e-6);
  }
}

// What a state held before there were codecs: float((number - 1/2) 4), and nothing where there is no box.
TEST(Layout, StatesHoldTheBoxesOfThePage) {
  auto options = small();
  options["held_out_fraction"] = 0.0;
  const auto state = states(*opened(options), "train", positions(40));
  for (std::int64_t p = 0; p < 40; ++p) {
    const auto page = generate_page(0, static_cast<std::uint64_t>(p), 8);
    for (std::int64_t i = 0; i < 8; ++i) {
      const auto box = static_cast<std::size_t>(i);
      const bool there = box < page.size();
      EXPECT_EQ(state.at("present")[p][i].item<bool>(), there);
      EXPECT_EQ(state.at("token")[p][i].item<std::int64_t>(), there ? page.class_index[box] : 0);
      for (std::int64_t k = 0; k < 4; ++k) {
        const float expected = there ? static_cast<float>((page.box[box][static_cast<std::size_t>(k)] - 0.5) * 4.0) : 0.0F;
        EXPECT_EQ(state.at("vector")[p][i][k].item<float>(), expected) << "page " << p << ", box " << i;
      }
    }
  }
}

TEST(Layout, EncodingADecodedStateGivesItBack) {
  const auto domain = opened(small({{"train_tasks", Value::List{"unconditional", "class_conditioned", "completion"}}}));
  const auto codec = domain->codec(nullptr);
  const auto state = states(*domain, "train", positions(108));
  const auto again = codec->encode(codec->decode(state, {}), {});
  for (const auto* name : {"token", "present", "frozen"}) EXPECT_TRUE(again.at(name).equal(state.at(name))) << name;
  EXPECT_LT((again.at("vector") - state.at("vector")).abs().max().item<double>(), 1e-5);
}

TEST(Layout, TheConditionOfAnExampleIsItsState) {
  const auto domain = opened(small({{"task", "completion"}}));
  const auto batch = domain->data().examples("train")->at(positions(6));
  EXPECT_EQ(digest_weights(batch.condition.tensors), digest_weights(domain->codec(nullptr)->encode(batch.sample, {})));
  EXPECT_TRUE(batch.condition.tensors.at("frozen").any().item<bool>());
  EXPECT_THAT(batch.condition.text.front(), HasSubstr("given"));
}

TEST(Layout, WritesPagesThatItReadsAgain) {
  const auto domain = opened(small());
  const auto sample = samples_of(*domain, domain->data().examples("train")->at(positions(5)));
  const Lines lines(domain->codec(nullptr)->records(sample).at("layouts.jsonl"));
  const auto again = opened({{"source", "lines"},
                             {"data", lines.path()},
                             {"class_names", Value::List{"text", "title", "list", "table", "figure"}},
                             {"max_boxes", 8},
                             {"held_out_fraction", 0.0}});
  const auto before = pages_of(sample, "test"),
             after = pages_of(samples_of(*again, again->data().examples("train")->at(positions(5))), "test");
  for (std::size_t i = 0; i < 5; ++i) {
    EXPECT_EQ(after[i].class_index, before[i].class_index);
    for (std::size_t k = 0; k < before[i].size(); ++k) EXPECT_NEAR(after[i].box[k][0], before[i].box[k][0], 1e-6);
  }
}

TEST(Layout, RecordsNameAndNumberTheClasses) {
  const auto domain = opened(small());
  const auto text =
      domain->codec(nullptr)->records(shown(*domain, {{{3, 0}, {{0.5, 0.5, 0.4, 0.2}, {0.5, 0.5, 0.2, 0.2}}}})).at("layouts.jsonl");
  const auto page = parse_json(text, "layouts.jsonl");
  const auto& elements = page.at("elements").as_list();
  EXPECT_EQ(elements.at(0).at("class"), Value("table"));
  EXPECT_EQ(elements.at(0).at("class_index"), Value(3));
  EXPECT_EQ(elements.at(1).at("class_index"), Value(0));
}

// A network with little training draws boxes without area, in pages of nothing else too: a run's file of them is read again.
TEST(Layout, ReadsAgainWhatItWroteOfBoxesWithoutArea) {
  const auto domain = opened(small());
  const Page some{{0, 1, 2}, {{0.5, 0.5, 0.4, 0.2}, {0.5, 0.5, -0.3, 0.2}, {1.4, 0.5, 0.2, 0.2}}}, none{{3}, {{0.2, 0.2, 0.0, 0.0}}};
  const Lines lines(domain->codec(nullptr)->records(shown(*domain, {some, none})).at("layouts.jsonl"));
  const auto again = opened({{"source", "lines"}, {"data", lines.path()}, {"max_boxes", 8}, {"held_out_fraction", 0.0}});
  ASSERT_EQ(again->data().examples("train")->size(), 1);
  EXPECT_EQ(states(*again, "train", {0}).at("present").sum().item<std::int64_t>(), 1);
  EXPECT_THAT(notes_of(*again), ::testing::ElementsAre(HasSubstr("skipped 1 pages (1 only excluded boxes), 3 boxes (3 no area)")));
}

TEST(Layout, CutsBoxesAtThePagesEdge) {
  const auto sample = shown(*opened(small()), {{{0, 1}, {{0.9, 0.5, 0.4, 0.2}, {0.5, 0.5, -0.3, 0.2}}}});
  const auto page = pages_of(sample, "test").front();
  EXPECT_NEAR(edges_of(page.box[0]).left, 0.7, 1e-6);
  EXPECT_NEAR(edges_of(page.box[0]).right, 1.0, 1e-6);
  EXPECT_NEAR(page.box[1][2], 0.0, 1e-6);
}

TEST(Layout, HoldsOutPagesThatAreNotTrainedOn) {
  const auto domain = opened(small());
  std::set<std::string> seen;
  for (const auto& [split, size] : {std::pair{"train", 36}, std::pair{"held_out", 4}}) {
    ASSERT_EQ(domain->data().examples(split)->size(), size);
    const auto state = states(*domain, split, positions(static_cast<std::uint64_t>(size)));
    for (std::int64_t i = 0; i < state.at("vector").size(0); ++i) {
      EXPECT_TRUE(seen.insert(digest_weights({{"v", state.at("vector")[i].contiguous()}})).second);
    }
  }
}

// The sizes of the conditions are the pages', each task gives what it says, and the network is never told more.
TEST(Layout, ConditionsGiveWhatTheTaskSays) {
  const auto unconditional = opened(small())->data().conditions("train");
  EXPECT_EQ(unconditional.size(), 12);
  EXPECT_FALSE(unconditional.tensors.at("frozen").any().item<bool>());
  EXPECT_FALSE(unconditional.tensors.at("vector").any().item<bool>());

  const auto domain = opened(small({{"task", "class_conditioned"}}));
  const auto classes = domain->data().conditions("held_out");
  const auto page = states(*domain, "held_out", {0});
  EXPECT_TRUE(classes.tensors.at("token")[0].equal(page.at("token")[0]));
  EXPECT_TRUE(classes.tensors.at("frozen")[0].select(-1, 0).equal(page.at("present")[0]));
  EXPECT_FALSE(classes.tensors.at("frozen").select(-1, 1).any().item<bool>());

  const auto completion = opened(small({{"task", "completion"}, {"given_share", 0.3}}))->data().conditions("train");
  for (std::int64_t i = 0; i < completion.size(); ++i) {
    const auto boxes = completion.tensors.at("present")[i].sum().item<std::int64_t>();
    const auto given = completion.tensors.at("frozen")[i].select(-1, 1).sum().item<std::int64_t>();
    EXPECT_EQ(given, std::min(boxes - 1, static_cast<std::int64_t>(std::ceil(0.3 * static_cast<double>(boxes)))));
    EXPECT_TRUE(completion.tensors.at("frozen")[i].select(-1, 0).equal(completion.tensors.at("frozen")[i].select(-1, 1)));
  }
}

TEST(Layout, TrainsForSeveralTasksOnEveryPage) {
  const auto domain = opened(small({{"train_tasks", Value::List{"unconditional", "class_conditioned", "completion"}}}));
  EXPECT_EQ(domain->data().examples("train")->size(), 3 * 36);
  EXPECT_EQ(domain->data().examples("train")->distinct(), 36);
  const auto state = states(*domain, "train", {5, 41, 77});
  for (const auto* name : {"token", "vector", "present"}) {
    EXPECT_TRUE(state.at(name)[0].equal(state.at(name)[1]) && state.at(name)[0].equal(state.at(name)[2])) << name;
  }
  EXPECT_EQ(state.at("frozen")[0].sum().item<std::int64_t>(), 0);
  EXPECT_TRUE(state.at("frozen")[1].select(-1, 0).equal(state.at("present")[1]));
  EXPECT_GT(state.at("frozen")[2].select(-1, 1).sum().item<std::int64_t>(), 0);
}

TEST(Layout, ReadsFilesAndSaysWhatIsWrong) {
  const Lines lines(page_line(3) + page_line(9) + page_line(2, "image"));
  const Options options{{"source", "lines"}, {"data", lines.path()}, {"max_boxes", 8}, {"held_out_fraction", 0.0}};
  EXPECT_THAT([&] { opened(options); }, ThrowsMessage<DataError>(AllOf(HasSubstr(lines.path()), HasSubstr("9"))));
  auto skipping = options;
  skipping["on_error"] = "skip";
  EXPECT_EQ(opened(skipping)->data().examples("train")->size(), 2);
  EXPECT_EQ(opened(skipping)->data().splits(), (std::vector<std::string>{"train"}));
  EXPECT_THAT(notes_of(*opened(skipping)), ::testing::ElementsAre(AllOf(HasSubstr(lines.path()), HasSubstr("skipped 1 page"))));
}

TEST(Layout, RefusesOptionsThatAreForAnotherSource) {
  const auto refuses = [](const Options& options, const std::string& message) {
    EXPECT_THAT([&] { opened(options); }, ThrowsMessage<ConfigError>(HasSubstr(message)));
  };
  refuses({{"data", "x.json"}}, "option 'data' is for a source that is a file");
  refuses({{"source", "coco"}}, "needs the option 'data'");
  refuses({{"source", "coco"}, {"data", "x"}, {"num_pages", 7}}, "option 'num_pages' is for source = \"generated\"");
  refuses({{"top_level_only", true}}, "option 'top_level_only' is for source = \"rico\"");
  refuses(small({{"train_tasks", Value::List{"completing"}}}), "no task 'completing'; did you mean");
  EXPECT_THAT([] { opened({{"source", "rico"}, {"data", "no/such.jsonl"}}); },
              ThrowsMessage<DataError>(AllOf(HasSubstr("no/such.jsonl"), HasSubstr("ESPALIER_DATA"))));
  EXPECT_THAT([] { opened(small())->data().conditions("test"); }, ThrowsMessage<ConfigError>(HasSubstr("no split 'test'")));
}

TEST(Layout, RefusesAModelOfOtherPages) {
  const auto blank = modelfile::info(kBlank, network::engine_networks(), {.initialize_weights = 3});
  const auto refuses = [](const Options& options, const ModelInfo& model, const std::string& message) {
    const auto domain = opened(options);
    EXPECT_THAT([&] { domain->codec(&model); }, ThrowsMessage<DataError>(HasSubstr(message)));
  };
  EXPECT_EQ(opened(small())->codec(&blank)->spec().at("vector").shape, (std::vector<std::int64_t>{8, 4}));
  refuses({{"max_boxes", 12}}, blank, "transformer/config.json: max_elements is 8, but the domain's states have 12");
  auto other = blank;
  other.process["num_classes"] = 4;
  refuses(small(), other, "scheduler/scheduler_config.json: num_classes is 4, but the domain's states have 5");
  other.process = Value::Map{{"_class_name", "FlowMatchEulerDiscreteScheduler"}, {"num_train_timesteps", 1000}};
  refuses(small(), other, "the process is 'rectified_flow'; sets of elements need an InterleavedScheduler");
  other.architecture = Value::Map{{"unet", Value()}};
  refuses(small(), other, "sets of elements need an ElementTransformer");
}

TEST(Layout, ReadsRealPagesAndScreens) {
  const char* data = std::getenv("ESPALIER_DATA");
  if (!data || !fs::is_directory(fs::path(data) / "publaynet_samples")) GTEST_SKIP() << "ESPALIER_DATA does not hold publaynet_samples";
  const auto pages =
      opened({{"source", "coco"}, {"data", "publaynet_samples/samples.json.gz"}, {"max_boxes", 26}, {"held_out_fraction", 0.0}});
  EXPECT_EQ(states(*pages, "train", positions(20)).at("present").sum().item<std::int64_t>(), 193);
  const auto decoded = pages_of(samples_of(*pages, pages->data().examples("train")->at(positions(20))), "test");
  EXPECT_EQ(decoded.size(), 20U);
}

}  // namespace
}  // namespace espalier::layout
