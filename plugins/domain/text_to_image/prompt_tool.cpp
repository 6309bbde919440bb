// What prompts_parity.py drives:  prompt_tool FILE [COLUMN]  prints the prompts of a file and their metadata as JSON.
#include <cstdio>
#include <exception>

#include "plugins/domain/text_to_image/prompt_file.h"
#include "runtime/base/value.h"

int main(int count, char** words) {
  using namespace espalier;
  try {
    if (count < 2 || count > 3) return 2;
    const auto list = text_to_image::read_prompt_file(words[1], count == 3 ? words[2] : text_to_image::kPromptColumn);
    const Value value(Value::Map{{"text", Value::List(list.text.begin(), list.text.end())}, {"metadata", list.metadata}});
    std::puts(to_json(value).c_str());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  return 0;
}
