#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "plugins/shared/layout/read.h"

namespace espalier::layout {

struct NamedBox {
  std::string class_name;
  Edges edges;              // as shares of the page
  std::int64_t number = 0;  // in the file's own count, from 1
  bool crowd = false;       // around a crowd, not around one object
};

// Puts a reader's pages together: excludes boxes, checks the others, fails or counts by ReadOptions.
class Collector {
 public:
  // Boxes are called "<file>: <page's name>, <box_noun> <number>" in messages.
  Collector(std::string file, std::string box_noun, const ReadOptions& options);

  void set_classes(std::vector<std::string> names);  // when the options name none; else every class met is one
  void page(const std::string& name, const std::vector<NamedBox>& boxes);
  void bad_page(const std::string& name, const std::string& reason, const std::string& detail);
  void bad_box(const std::string& name, const std::string& reason, const std::string& detail);
  PageSet finish();

 private:
  int class_of(const std::string& name);  // -1: unknown
  void keep_example(const std::string& message);
  bool exclude(const std::string& page_name, const NamedBox& box);  // true for a box that is no box of the page, which it counts
  void accept(const std::string& page_name, const NamedBox& box, Page& page);

  std::string file_, box_noun_;
  ReadOptions options_;
  bool fixed_ = false;  // the classes are known beforehand
  std::map<std::string, int> index_;
  PageSet set_;
};

// Returns `set`; throws DataError naming the file and what was left out when it has no page.
PageSet require_pages(PageSet set, const std::filesystem::path& path);

}  // namespace espalier::layout
