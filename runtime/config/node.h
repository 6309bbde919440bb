#pragma once

#include <string>
#include <vector>

#include "runtime/base/source_span.h"
#include "runtime/base/value.h"

namespace espalier::config {

struct Field;

// A value of a pipeline file with its place. The parser returns the file as a tree of nodes, and all checks work on it.
struct Node {
  enum class Shape { scalar, list, table };
  SourceSpan where;
  Shape shape = Shape::table;
  Value scalar;               // of a scalar
  std::vector<Node> list;     // of a list
  std::vector<Field> fields;  // of a table, in the file's order

  bool is_table() const { return shape == Shape::table; }
  bool is_list() const { return shape == Shape::list; }
  bool is_string() const { return shape == Shape::scalar && scalar.is_string(); }
  const Field* find(const std::string& key) const;               // nullptr if absent, or if this is not a table
  Field& set(const std::string& key, Node value);                // tables only: adds or replaces the field
  Node& table(const std::string& key, const SourceSpan& place);  // tables only: returns the table `key`, created if absent
  Value to_value() const;
  std::string found() const;  // for messages: "the integer 3", "a list"
};

struct Field {
  std::string key;
  SourceSpan where;  // of the key
  Node value;
};

// The problems of a file: collected, then thrown together.
class Problems {
 public:
  void add(const SourceSpan& where, const std::string& message);
  bool empty() const { return problems_.empty(); }
  std::size_t count() const { return problems_.size(); }
  void raise() const;  // throws ConfigError if there are any: one line each, in the file's order, those without a place last

 private:
  struct Problem {
    SourceSpan where;
    std::string message;
  };
  std::vector<Problem> problems_;
};

}  // namespace espalier::config
