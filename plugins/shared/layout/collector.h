#pragma once

#include <map>
#include <string>
#include <vector>

#include "plugins/shared/layout/read.h"

namespace espalier::layout {

struct NamedBox {
  std::string class_name;
  Edges edges;              // as shares of the page
  std::int64_t number = 0;  // in the file's own count, from 1
};

// Puts a reader's pages together: checks each box, fails or counts as ReadOptions says.
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
  bool accept(const std::string& page_name, const NamedBox& box, Page& page);

  std::string file_, box_noun_;
  ReadOptions options_;
  bool fixed_ = false;  // the classes are known beforehand
  std::map<std::string, int> index_;
  PageSet set_;
};

}  // namespace espalier::layout
