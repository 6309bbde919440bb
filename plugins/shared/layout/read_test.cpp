#include "plugins/shared/layout/read.h"

#include <gmock/gmock.h>
#include <zlib.h>

#include <cstdlib>
#include <fstream>

#include "runtime/base/errors.h"
#include "runtime/base/files.h"

namespace espalier::layout {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;
using ::testing::ThrowsMessage;

class Read : public ::testing::Test {
 protected:
  Read() { fs::create_directories(folder_); }
  ~Read() override { fs::remove_all(folder_); }
  fs::path file(const std::string& text, const std::string& name = "pages.json") const {
    std::ofstream(folder_ / name, std::ios::binary) << text;
    return folder_ / name;
  }
  fs::path zipped(const std::string& text) const {
    const fs::path path = folder_ / "pages.gz";
    const gzFile out = gzopen(path.c_str(), "wb");
    gzwrite(out, text.data(), static_cast<unsigned>(text.size()));
    gzclose(out);
    return path;
  }
  fs::path folder_ = fs::path(::testing::TempDir()) / ("espalier-" + unique_name());
};

const ReadOptions kSkip{.on_error = OnError::skip};

std::string coco(const std::string& annotations, const std::string& images = R"({"id": 7, "width": 200, "height": 100})") {
  return R"({"info": {"a": [{"b": {}}]}, "annotations": [)" + annotations + R"(], "images": [)" + images +
         R"(], "categories": [{"id": 5, "name": "figure"}, {"id": 1, "name": "text"}]})";
}
std::string annotation(const std::string& box, int category = 1, int image = 7) {
  return R"({"segmentation": [[1, 2]], "image_id": )" + std::to_string(image) + R"(, "category_id": )" + std::to_string(category) +
         R"(, "bbox": )" + box + "}";
}
std::string rico(const std::string& box, const std::string& name = "TEXT", int depth = 0) {
  return R"({"class": ")" + name + R"(", "box": )" + box + R"(, "parent": -1, "depth": )" + std::to_string(depth) + "}";
}
std::string screen(const std::string& elements) { return R"({"screen_id": "1", "elements": [)" + elements + "]}\n"; }

fs::path data(const std::string& name) {
  const char* root = std::getenv("ESPALIER_DATA");
  return root == nullptr ? fs::path() : fs::path(root) / name;
}

std::map<std::string, std::int64_t> classes(const PageSet& set) {
  std::map<std::string, std::int64_t> counts;
  for (const Page& page : set.pages) {
    for (const int index : page.class_index) ++counts[set.class_names.at(static_cast<std::size_t>(index))];
  }
  return counts;
}

TEST_F(Read, CocoInSharesOfThePage) {
  const auto text = coco(annotation("[20, 10, 100, 50]") + "," + annotation("[0, 60, 200, 40]", 5));
  for (const auto& path : {file(text), zipped(text)}) {
    const PageSet set = read_coco(path);
    EXPECT_THAT(set.class_names, ElementsAre("text", "figure"));
    ASSERT_EQ(set.pages.size(), 1U);
    EXPECT_THAT(set.pages[0].class_index, ElementsAre(0, 1));
    EXPECT_THAT(set.pages[0].box[0], ElementsAre(0.35, 0.35, 0.5, 0.5));
    EXPECT_THAT(set.pages[0].box[1], ElementsAre(0.5, 0.8, 1.0, 0.4));
    EXPECT_EQ(set.skipped(), "nothing");
  }
}

TEST_F(Read, ClassesInTheOrderThatIsGiven) {
  const auto path = file(coco(annotation("[20, 10, 100, 50]") + "," + annotation("[0, 60, 200, 40]", 5)));
  EXPECT_THAT(read_coco(path, {.class_names = {"figure", "text"}}).pages[0].class_index, ElementsAre(1, 0));
  EXPECT_THAT(
      [&] { read_coco(path, {.class_names = {"fgure", "text"}}); },
      ThrowsMessage<DataError>(AllOf(HasSubstr("image 7, annotation 2: unknown class: 'figure'"), HasSubstr("did you mean 'fgure'"))));
  const PageSet set = read_coco(path, {.class_names = {"text"}, .on_error = OnError::skip});
  EXPECT_THAT(set.skipped_boxes, ElementsAre(Pair("unknown class", 1)));
  EXPECT_EQ(set.pages[0].size(), 1U);
}

TEST_F(Read, CocoNamesWhatIsWrongWithABox) {
  const auto says = [&](const std::string& record, const std::string& reason) {
    const auto path = file(coco(annotation("[0, 0, 10, 10]") + "," + record));
    EXPECT_THAT([&] { read_coco(path); }, ThrowsMessage<DataError>(AllOf(HasSubstr("pages.json: "), HasSubstr("annotation 2: " + reason))));
    const PageSet set = read_coco(path, kSkip);
    EXPECT_THAT(set.skipped_boxes, ElementsAre(Pair(reason, 1)));
    EXPECT_EQ(set.pages.at(0).size(), 1U);
  };
  says(annotation("[150, 0, 60, 10]"), "outside the page");
  says(annotation("[-1, 0, 60, 10]"), "outside the page");
  says(annotation("[10, 0, 20, -10]"), "negative size");
  says(annotation("[1e308, 1e308, 1e308, 1e308]"), "not finite");
  says(annotation("[10, 0, 20]"), "malformed record");
  says(annotation("[10, 0, null, 10]"), "malformed record");
  says(annotation("[10, 0, 20, 10]", 2), "unknown class");
  says(annotation("[10, 0, 20, 10]", 1, 8), "unknown image");
}

// They are no boxes of one thing: excluded and counted, not refused; image 8 has nothing else.
TEST_F(Read, CocoExcludesCrowdsAndBoxesWithoutArea) {
  const auto crowd = [](const std::string& box, int image, const std::string& flag) {
    const auto record = annotation(box, 1, image);
    return record.substr(0, record.size() - 1) + R"(, "iscrowd": )" + flag + "}";
  };
  const auto path = file(coco(crowd("[0, 0, 50, 50]", 7, "0") + "," + crowd("[0, 0, 200, 100]", 7, "1") + "," +
                                  annotation("[10, 0, 0, 10]") + "," + crowd("[0, 0, 60, 60]", 8, "true"),
                              R"({"id": 7, "width": 200, "height": 100}, {"id": 8, "width": 200, "height": 100})"));
  const PageSet set = read_coco(path, {.max_boxes = 1});
  ASSERT_EQ(set.pages.size(), 1U);
  EXPECT_EQ(set.pages[0].size(), 1U);
  EXPECT_EQ(set.records, 2);
  EXPECT_THAT(set.skipped_boxes, ElementsAre(Pair("crowd", 2), Pair("no area", 1)));
  EXPECT_THAT(set.skipped_pages, ElementsAre(Pair("only excluded boxes", 1)));
  EXPECT_THAT(set.skipped(),
              HasSubstr("1 pages (1 only excluded boxes), 3 boxes (2 crowd, 1 no area): image 7, annotation 2: crowd: left 0"));
}

TEST_F(Read, AFileWithoutPagesIsNamed) {
  const auto nothing = file(R"({"images": [], "annotations": [], "categories": []})");
  EXPECT_THAT([&] { read_coco(nothing); }, ThrowsMessage<DataError>(HasSubstr("pages.json: holds no pages; skipped nothing")));
  EXPECT_THAT([&] { read_lines(file("")); }, ThrowsMessage<DataError>(HasSubstr("pages.json: holds no pages; skipped nothing")));
  EXPECT_THAT([&] { read_rico(file("nothing\nhere\n"), kSkip); },
              ThrowsMessage<DataError>(HasSubstr("holds no pages; skipped 2 pages (2 malformed JSON): line 1: malformed JSON")));
}

TEST_F(Read, AJsonArrayIsNoFileOfLines) {
  const auto path = file("\n [\n" + screen(rico("[0, 0, 999, 333]")) + "]\n");
  for (const auto& options : {ReadOptions{}, kSkip}) {
    EXPECT_THAT([&] { read_rico(path, options); },
                ThrowsMessage<DataError>(AllOf(HasSubstr("pages.json: line 2 begins a JSON array"), HasSubstr("a page a line is wanted"))));
  }
}

TEST_F(Read, CutsABoxThatIsOutByRounding) {
  const PageSet set = read_coco(file(coco(annotation("[-0.1, 0, 200.15, 100]"))));
  EXPECT_THAT(set.pages.at(0).box[0], ElementsAre(0.5, 0.5, 1.0, 1.0));
}

TEST_F(Read, CocoNamesWhatIsWrongWithAPage) {
  const std::string good = R"({"id": 7, "width": 200, "height": 100})";
  const auto says = [&](const std::string& image, const std::string& reason) {
    const auto path = file(coco(annotation("[0, 0, 10, 10]"), good + "," + image));
    EXPECT_THAT([&] { read_coco(path); }, ThrowsMessage<DataError>(HasSubstr(reason)));
    const PageSet set = read_coco(path, kSkip);
    EXPECT_THAT(set.skipped_pages, ElementsAre(Pair(reason, 1)));
    EXPECT_EQ(set.pages.size(), 1U);
    EXPECT_EQ(set.records, 2);
  };
  says(R"({"id": 9, "width": 200, "height": 100})", "no boxes");
  says(R"({"id": 9, "width": 0, "height": 100})", "malformed record");
  says(R"({"id": "9", "width": 200, "height": 100})", "malformed record");
  says(good, "malformed record");
}

TEST_F(Read, CocoExcludesABoxWithoutAreaOutsideThePage) {
  const PageSet set = read_coco(file(coco(annotation("[0, 0, 10, 10]") + "," + annotation("[1400, 10, 0, 20]"))));
  EXPECT_THAT(set.skipped_boxes, ElementsAre(Pair("no area", 1)));
  EXPECT_EQ(set.pages.size(), 1U);
}

TEST_F(Read, CocoRefusesWhatIsNone) {
  const auto says = [&](const std::string& text, const std::string& reason) {
    const auto path = file(text);
    EXPECT_THAT([&] { read_coco(path, kSkip); }, ThrowsMessage<DataError>(AllOf(HasSubstr("pages.json"), HasSubstr(reason))));
  };
  says("", "not valid JSON");
  says(coco(annotation("[0, 0, NaN, 10]")), "not valid JSON");
  says(coco(annotation("[0, 0, 1e999, 10]")), "not valid JSON");
  says(coco(annotation("[0, 0, 10, 10]")).substr(0, 120), "not valid JSON");
  says(R"({"images": [], "annotations": []})", "no list 'categories'");
  says("[1, 2]", "no list 'images'");
  says(R"({"images": [], "annotations": [], "categories": [{"id": 1}]})", "category record 1");
  says(std::string(100000, '['), "not valid JSON");
  EXPECT_THAT([&] { read_coco(folder_ / "absent.json"); }, ThrowsMessage<DataError>(HasSubstr("cannot be opened")));
  EXPECT_THAT([&] { read_coco(folder_); }, ThrowsMessage<DataError>(HasSubstr("is a directory, not a regular file")));
}

TEST_F(Read, ACutOffGzipIsNamed) {
  std::string lines;
  for (int i = 0; i < 2000; ++i) lines += screen(rico("[0, 0, " + std::to_string(1 + (i * 7919) % 998) + ", 999]"));
  const auto bytes = read_file(zipped(lines));
  const auto path = file(bytes.substr(0, bytes.size() / 2), "cut.gz");
  EXPECT_THAT([&] { read_rico(path, kSkip); }, ThrowsMessage<DataError>(AllOf(HasSubstr("cut.gz"), HasSubstr("cut off"))));
}

// One line of 300 MB in 300 kB.
TEST_F(Read, AGzipThatWouldFillTheMemoryIsRefused) {
  const auto path = zipped("{\"elements\": \"" + std::string(300'000'000, ' '));
  EXPECT_THAT([&] { read_rico(path, kSkip); }, ThrowsMessage<DataError>(HasSubstr("pages.gz: unpacks to more than 268435456 bytes")));
}

TEST_F(Read, RicoAllElementsOrTheTopLevelAlone) {
  const auto path = file(screen(rico("[0, 0, 999, 333]", "TOOLBAR") + "," + rico("[0, 0, 333, 333]", "BUTTON", 1)));
  const PageSet all = read_rico(path);
  EXPECT_THAT(all.class_names, ElementsAre("BUTTON", "TOOLBAR"));
  EXPECT_THAT(all.pages.at(0).class_index, ElementsAre(1, 0));
  EXPECT_NEAR(all.pages[0].box[0][1], 1.0 / 6.0, 1e-12);
  const PageSet top = read_rico(path, {.top_level_only = true});
  EXPECT_THAT(top.class_names, ElementsAre("TOOLBAR"));
  EXPECT_EQ(top.pages.at(0).size(), 1U);
}

TEST_F(Read, LinesNameWhatIsWrongAndWhere) {
  const auto good = screen(rico("[0, 0, 999, 333]"));
  const auto says = [&](const std::string& line, const std::string& reason, const std::string& where) {
    const auto path = file(good + "\n" + line + "\n" + good);
    EXPECT_THAT([&] { read_rico(path, {.max_boxes = 2}); },
                ThrowsMessage<DataError>(AllOf(HasSubstr("pages.json: " + where), HasSubstr(reason))));
    const PageSet set = read_rico(path, {.on_error = OnError::skip, .max_boxes = 2});
    EXPECT_EQ(set.skipped_pages.at(reason), 1);
    EXPECT_EQ(set.pages.size(), 2U);
    EXPECT_EQ(set.records, 3);
  };
  says("{\"elements\": [", "malformed JSON", "line 3");
  says(screen(rico("[0, 0, NaN, 1]")), "malformed JSON", "line 3");
  says("[]", "malformed record", "line 3: malformed record: needs a list 'elements'");
  says(screen(R"({"box": [0, 0, 1, 1]})"), "malformed record", "line 3: malformed record: element 1 needs a string 'class'");
  says(screen(rico("[0, 0, 1]")), "malformed record", "line 3: malformed record: element 1 needs 'box' of four numbers");
  says(screen(""), "no boxes", "line 3: no boxes: the page is empty");
  const auto box = rico("[0, 0, 1, 1]");
  says(screen(box + "," + box + "," + box), "too many boxes", "line 3: too many boxes: 3, but at most 2");
}

TEST_F(Read, LinesNameABadBox) {
  const auto path = file(screen(rico("[0, 0, 999, 333]") + "," + rico("[0, 0, 1500, 333]")));
  EXPECT_THAT([&] { read_rico(path); },
              ThrowsMessage<DataError>(HasSubstr("line 1, element 2: outside the page: left 0, top 0, right 1.502")));
  EXPECT_THAT(read_rico(path, kSkip).skipped(), HasSubstr("1 boxes (1 outside the page): line 1, element 2: outside the page: left 0"));
}

TEST_F(Read, TheDigestIsOfPagesAndClasses) {
  const auto one = read_rico(file(screen(rico("[0, 0, 999, 333]"))));
  EXPECT_EQ(one.digest(), read_rico(zipped(screen(rico("[0, 0, 999, 333]")))).digest());
  EXPECT_NE(one.digest(), read_rico(file(screen(rico("[0, 0, 999, 332]")))).digest());
  EXPECT_NE(one.digest(), read_rico(file(screen(rico("[0, 0, 999, 333]", "MAP")))).digest());
}

TEST_F(Read, TwentyPagesOfPubLayNet) {
  if (data("").empty()) GTEST_SKIP() << "ESPALIER_DATA is not set";
  const PageSet set = read_coco(data("publaynet_samples/samples.json.gz"));
  EXPECT_EQ(set.pages.size(), 20U);
  EXPECT_THAT(set.class_names, ElementsAre("text", "title", "list", "table", "figure"));
  EXPECT_THAT(classes(set), ElementsAre(Pair("figure", 9), Pair("list", 7), Pair("table", 6), Pair("text", 137), Pair("title", 34)));
  const PageSet lines = read_lines(data("publaynet_samples/layouts.jsonl"), {.class_names = set.class_names});
  ASSERT_EQ(lines.pages.size(), 20U);
  double total = 0.0, lines_total = 0.0;  // the two files have their pages in other orders
  for (std::size_t p = 0; p < 20; ++p) {
    for (const Box& box : set.pages[p].box) total += box[0] + 3.0 * box[1] + 7.0 * box[2] + 11.0 * box[3];
    for (const Box& box : lines.pages[p].box) lines_total += box[0] + 3.0 * box[1] + 7.0 * box[2] + 11.0 * box[3];
  }
  EXPECT_EQ(classes(lines), classes(set));
  EXPECT_NEAR(total, lines_total, 193 * 1e-4);
}

TEST_F(Read, TheScreensOfRico) {
  if (data("").empty()) GTEST_SKIP() << "ESPALIER_DATA is not set";
  const auto path = data("rico_screen_annotation/rico_layouts.jsonl.gz");
  const auto total = [](const PageSet& set) {
    std::size_t boxes = 0;
    for (const Page& page : set.pages) boxes += page.size();
    return boxes;
  };
  const PageSet all = read_rico(path);
  EXPECT_EQ(all.pages.size(), 2310U);
  EXPECT_EQ(total(all), 56975U);
  EXPECT_EQ(all.class_names.size(), 15U);
  EXPECT_EQ(classes(all).at("PICTOGRAM"), 18553);
  EXPECT_EQ(total(read_rico(path, {.top_level_only = true})), 27287U);
  const PageSet few = read_rico(path, {.on_error = OnError::skip, .max_boxes = 25});
  EXPECT_EQ(few.pages.size(), 1382U);
  EXPECT_EQ(few.skipped_pages.at("too many boxes"), 928);
}

}  // namespace
}  // namespace espalier::layout
