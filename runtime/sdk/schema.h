#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "runtime/base/typed_table.h"
#include "runtime/base/value.h"
#include "runtime/diffusion/step.h"

namespace espalier {

// Whether an option enters the key of what a stage makes.
enum class OptionRole {
  keyed,        // changes the result (default)
  view,         // changes how much of a result is used (samples_per_condition, record_steps)
  operational,  // changes neither (checkpointing_steps, logging)
};

// One declared option: the one source of reading, `plugins info`, docs/reference and keys.
struct OptionInfo {
  std::string name;
  std::string type;  // "integer", "number", "bool", "string", "path", "choice", "step", "numbers", "steps", "strings"
  Value default_value;
  std::string doc;
  OptionRole role = OptionRole::keyed;
  bool keyed_at_default = true;
  std::string bounds;  // as a person reads it: "> 0", "0 to 1", "a, b or c"; "" for none
  bool required = false;
  std::vector<std::string> choices;
};

// A problem with one option; config adds file:line:col. The message goes on from the plugin's name: "has no option 'palete'; did you mean
// ...".
struct OptionProblem {
  std::string option;
  std::string message;
};

// Where a plugin declares its options, each bound to the member that holds its value (its initial value is the default).
//   schema.number("scale", scale_, "Radius of gyration, in angstrom, that scores 1/e.").above(0.0);
class Schema {
 public:
  class Declaration {
   public:
    Declaration& above(double bound);     // >
    Declaration& at_least(double bound);  // >=
    Declaration& below(double bound);     // <
    Declaration& at_most(double bound);   // <=
    Declaration& may_be_infinite();       // of numbers, which are finite otherwise
    Declaration& view();
    Declaration& operational();
    // For an option added to a plugin whose results lie in caches already: at its default it is left out of the key, so that they are
    // found again. That default then means what the plugin did before, and may never change.
    Declaration& unkeyed_default();
    // The same, and left out too where `same` holds after read(): where the values then mean what the default means.
    Declaration& unkeyed_default(std::function<bool()> same);
    Declaration& required();

   private:
    friend class Schema;
    Declaration(Schema& schema, std::size_t index) : schema_(schema), index_(index) {}
    template <class Change>
    Declaration& bind(Change change);
    Schema& schema_;
    std::size_t index_;
  };

  Declaration integer(const std::string& name, std::int64_t& target, const std::string& doc);
  Declaration number(const std::string& name, double& target, const std::string& doc);
  Declaration flag(const std::string& name, bool& target, const std::string& doc);
  Declaration text(const std::string& name, std::string& target, const std::string& doc);
  Declaration text(const std::string& name, std::optional<std::string>& target, const std::string& doc);  // one that may be left out
  Declaration path(const std::string& name, std::string& target,
                   const std::string& doc);  // relative to the working directory; operational() where identity() gives the content's digest
  Declaration choice(const std::string& name, std::string& target, const std::vector<std::string>& choices, const std::string& doc);
  Declaration step(const std::string& name, Step& target, const std::string& doc);
  // The same, or the word, which sets `named` and leaves the step.
  Declaration step(const std::string& name, Step& target, const std::string& word, bool& named, const std::string& doc);
  Declaration steps(const std::string& name, std::vector<Step>& target, const std::string& doc);
  Declaration numbers(const std::string& name, std::vector<double>& target, const std::string& doc);
  Declaration strings(const std::string& name, std::vector<std::string>& target, const std::string& doc);

  std::vector<OptionInfo> infos() const;

  // Sets the bound members from a table. Returns every problem: unknown names (with the nearest), wrong types, values out of bounds or not
  // finite, missing required ones. An integer is accepted where a number is meant. Members with a problem keep their default.
  std::vector<OptionProblem> read(const Value& options);

  // The present values (defaults filled in, but those that are left out of keys) of the options of one role, as a table. Infinities are
  // spelled as JSON spells them, so that a key made of the table is the same once it was written and read.
  Value values(OptionRole role) const;

 private:
  struct Entry {
    OptionInfo info;
    Bounds bounds = {};
    std::function<std::string(const Value&)> set;  // "" or what is wrong with the type
    std::function<Value()> get;
    std::function<bool()> same_as_default = {};
    bool finite_where_it_must(const Value& value) const;
  };
  Declaration add(const std::string& name, const std::string& type, const std::string& doc, std::function<std::string(const Value&)> set,
                  std::function<Value()> get);
  std::vector<Entry> entries_;
};

}  // namespace espalier
