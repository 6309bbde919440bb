#include "runtime/exchange/formats.h"

#include <gmock/gmock.h>

#include <cstdlib>
#include <filesystem>
#include <sstream>

#include "lists.h"
#include "runtime/base/errors.h"
#include "runtime/base/files.h"

namespace espalier::exchange {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

Value clauses() { return Value::List{Value::Map{{"class", "dog"}, {"count", 1}}}; }

Value about(const std::string& tag) { return Value::Map{{"tag", tag}, {"include", clauses()}, {"category", tag}, {"prompts", "geneval"}}; }

template <class Make>
void refused(const Make& make, const std::string& message) {
  EXPECT_THAT(make, ThrowsMessage<ConfigError>(HasSubstr(message)));
}

TEST(Formats, AreKnownByName) {
  EXPECT_EQ(find_format("sdf").sample_kind, "molecule");
  refused([] { find_format("genevl"); }, "unknown format 'genevl'; did you mean 'geneval'?");
}

TEST(ImageFolder, NamesImagesByTheirTrajectories) {
  auto list = list_of({"a", "b"}, 2, {Value::Map{{"label", 0}}, Value::Map{{"label", 1}}});
  list.index.erase(list.index.begin() + 1);  // excluded
  list.condition.erase(list.condition.begin() + 1);
  const auto exported = imagefolder(list);
  EXPECT_THAT(files_of(exported.samples), ElementsAre("000000.png", "000002.png", "000003.png"));
  EXPECT_EQ(exported.texts.at("metadata.jsonl"),
            "{\"file_name\": \"000000.png\", \"index\": 0, \"label\": 0, \"text\": \"a\"}\n"
            "{\"file_name\": \"000002.png\", \"index\": 2, \"label\": 0, \"text\": \"a\"}\n"
            "{\"file_name\": \"000003.png\", \"index\": 3, \"label\": 1, \"text\": \"b\"}\n");
}

// pyarrow, which reads the lines, gives a column one type.
TEST(ImageFolder, WritesAColumnOfSeveralTypesAsJsonTexts) {
  const std::vector<Value> metadata = {
      Value::Map{{"mixed", 1}, {"numbers", 1}, {"colours", Value::List{"red", "blue"}}, {"position", Value::List{"left of", 0}}},
      Value::Map{{"mixed", "x"}, {"numbers", 0.5}, {"colours", Value::List{}}, {"position", nullptr}}};
  std::istringstream lines(imagefolder(list_of({"a", "b"}, 1, metadata)).texts.at("metadata.jsonl"));
  std::string first, second;
  std::getline(lines, first);
  std::getline(lines, second);
  const auto a = parse_json(first, "a"), b = parse_json(second, "b");
  EXPECT_EQ(a.at("mixed"), Value("1"));
  EXPECT_EQ(b.at("mixed"), Value("\"x\""));
  EXPECT_EQ(a.at("numbers"), Value(1));
  EXPECT_EQ(a.at("colours"), Value(Value::List{"red", "blue"}));
  EXPECT_EQ(a.at("position"), Value("[\"left of\", 0]"));
  EXPECT_TRUE(b.at("position").is_null());
}

TEST(ImageFolder, RefusesNamesThatMeanSomethingElseThere) {
  for (const char* name : {"file_name", "mask_file_name", "file_names", "other_file_names"}) {
    refused([&] { imagefolder(list_of({"a"}, 1, {Value::Map{{name, "x.png"}}})); },
            "the condition metadata has '" + std::string(name) + "', which ImageFolder would take for images");
  }
  for (const char* name : {"image", "index", "text"}) {
    refused([&] { imagefolder(list_of({"a"}, 1, {Value::Map{{name, "x"}}})); }, "a column of the export's own");
  }
}

TEST(Geneval, HasAFolderOfDigitsAPrompt) {
  auto list = list_of({"a dog", "two dogs"}, 2, {about("single_object"), about("counting")});
  list.export_id = "1a2b";
  const auto exported = geneval(list);
  EXPECT_THAT(files_of(exported.samples),
              ElementsAre("00000/samples/00000.png", "00001/samples/00000.png", "00000/samples/00001.png", "00001/samples/00001.png"));
  EXPECT_EQ(exported.texts.size(), 2U);
  EXPECT_EQ(exported.texts.at("00001/metadata.jsonl"),
            "{\"espalier_export\": \"1a2b\", \"include\": [{\"class\": \"dog\", \"count\": 1}], \"prompt\": \"two dogs\", \"tag\": "
            "\"counting\"}\n");
}

// GenEval's own file, as the domain reads it, comes out as it was, with the export's id.
TEST(Geneval, WritesThePublishedMetadata) {
  const char* base = std::getenv("ESPALIER_DATA");
  const auto path = std::filesystem::path(base ? base : "/nonexistent") / "prompts/geneval/evaluation_metadata.jsonl";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "ESPALIER_DATA names no folder with prompts/geneval";
  std::istringstream file(read_file(path));
  std::vector<std::string> prompts;
  std::vector<Value> own, metadata;
  for (std::string line; std::getline(file, line);) {
    own.push_back(parse_json(line, "line"));
    auto rest = own.back().as_map();
    prompts.push_back(rest.at("prompt").as_string());
    rest.erase("prompt");
    metadata.emplace_back(rest);
    metadata.back()["category"] = rest.at("tag");
    metadata.back()["prompts"] = "geneval";
  }
  const auto exported = geneval(list_of(prompts, 1, metadata));
  ASSERT_EQ(exported.texts.size(), 553U);
  std::size_t i = 0;
  for (const auto& [name, text] : exported.texts) {
    own[i][kExportId] = "";
    EXPECT_EQ(parse_json(text, name), own[i++]) << name;
  }
}

TEST(Geneval, RefusesPromptsThatItsEvaluatorCannotJudge) {
  const auto make = [](const Value& metadata) { return [metadata] { geneval(list_of({"a dog"}, 1, {metadata})); }; };
  refused(make(Value()), "the prompt 'a dog' has no 'tag'");
  refused(make(Value::Map{{"tag", "counting"}}), "must be a list of tables");
  refused(make(Value::Map{{"tag", "counting"}, {"include", Value::List{}}}), "must be a list of tables");
  refused(make(Value::Map{{"tag", "counting"}, {"include", Value::List{Value::Map{{"class", "dog"}}}}}), "with 'class' and 'count'");
  refused(make(Value::Map{{"tag", "counting"}, {"include", clauses()}, {"exclude", "dog"}}), "'exclude'");
  auto list = list_of({"a dog", "a cat"}, 1, {about("single_object"), about("single_object")});
  list.index.pop_back();
  list.condition.pop_back();
  refused([&] { geneval(list); }, "the prompt 'a cat' has no sample");
}

TEST(Compbench, NumbersTheImagesOfACategoryPromptByPrompt) {
  const Value colour = Value::Map{{"category", "color"}}, shape = Value::Map{{"category", "shape"}};
  const auto samples = t2i_compbench(list_of({"a", "b", "c"}, 10, {colour, shape, colour})).samples;
  EXPECT_EQ(samples[0].file, "color/samples/a_000000.png");
  EXPECT_EQ(samples[1].file, "shape/samples/b_000000.png");
  EXPECT_EQ(samples[2].file, "color/samples/c_000010.png");
  EXPECT_EQ(samples[29].file, "color/samples/c_000019.png");
  EXPECT_EQ(samples[29].id, 19);
  EXPECT_EQ(samples[29].index, 29);
  EXPECT_EQ(t2i_compbench(list_of({"a"}, 10, {Value()})).samples[9].file, "samples/a_000009.png");
}

TEST(Compbench, RefusesWhatItsScriptsWouldMisread) {
  const auto make = [](const std::string& prompt, std::int64_t per_prompt = 10, const Value& metadata = Value()) {
    return [=] { t2i_compbench(list_of({prompt}, per_prompt, {metadata})); };
  };
  refused(make("a red_circle"), "the prompt 'a red_circle' has a '_', at which the scripts cut it");
  refused(make("a/b"), "has a '/', which no file name can have");
  refused(make("a.png of a dog"), "has '.png'");
  refused(make("a\nb"), "has a control character");
  refused(make(""), "is empty");
  refused(make(std::string(245, 'x')), "makes a file name of 256 bytes; a name has at most 255");
  EXPECT_NO_THROW(make(std::string(244, 'x'))());
  refused(make("a dog", 9), "has 9 samples, and the scripts read 10 a prompt: set samples_per_condition = 10");
  refused(make("a dog", 11), "has 11 samples");
  refused(make("a dog", 10, Value::Map{{"category", "../x"}}), "cannot be a folder's name here");
  refused(make("a dog", 10, Value::Map{{"category", 3}}), "has a 'category' that is no text");
  refused([] { t2i_compbench(list_of({"a", "b"}, 10, {Value::Map{{"category", "color"}}, Value()})); }, "some have none");
}

TEST(Sdf, RecordsHaveTheNumberOfTheTrajectory) {
  EXPECT_EQ(sdf_record({{"molecules.sdf", "C\nM  END\n$$$$\n"}}, 12), "C\nM  END\n> <index>\n12\n\n$$$$\n");
  EXPECT_EQ(sdf_record({{"molecules.smi", "C\n"}}, 12), "");
}

TEST(Coco, BoxesAreInPixelsOfThePage) {
  CocoBoxes boxes;
  const Image page{100, 200, std::vector<std::uint8_t>(60000)};
  const std::string record = R"({"elements": [{"class": "title", "class_index": 1, "box_ltwh_norm": [0.5, 0.25, 0.25, 0.125]}]})";
  boxes.add({7, "images/000007.png", "1 box"}, {{"layouts.jsonl", record}}, page);
  boxes.add({9, "images/000009.png", "1 box"}, {{"layouts.jsonl", record}}, page);
  const auto found = parse_json(boxes.to_text(), "coco");
  EXPECT_EQ(found.at("categories"), Value(Value::List{Value::Map{{"id", 2}, {"name", "title"}}}));
  const auto& box = found.at("annotations").as_list().at(1);
  EXPECT_EQ(box.at("bbox"), Value(Value::List{50.0, 50.0, 25.0, 25.0}));
  EXPECT_EQ(box.at("image_id"), Value(9));
  EXPECT_EQ(box.at("id"), Value(2));
  EXPECT_EQ(found.at("images").as_list().at(0).at("height"), Value(200));
}

}  // namespace
}  // namespace espalier::exchange
