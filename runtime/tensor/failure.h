#pragma once

#include <exception>
#include <string>
#include <utility>

#include "runtime/base/errors.h"
#include "runtime/base/value.h"

namespace espalier {

// An exception in one line: the message of ours; of others the type and its text, without LibTorch's frames; the value of a number or
// text that was thrown.
std::string failure_text(const std::exception_ptr& failure);

// For a lack of memory: which of the options may have requested it. "; its largest options are train_batch_size = 65536, k = 4", or "".
bool is_out_of_memory(const std::exception_ptr& failure);
std::string largest_of(const Value& options);

// What the process is doing, for a plugin's exit() and for std::terminate, where nothing can be caught any more.
class Doing {
 public:
  explicit Doing(std::string what);  // "stage 'score' (reward.qed)"
  ~Doing();
  Doing(const Doing&) = delete;
  Doing& operator=(const Doing&) = delete;
  static std::string now();  // what began last and has not ended, on this thread, or on any if this one does nothing; "" for nothing

 private:
  std::string what_;
};

// Gives what a plugin's function gives. Whatever it throws comes out as an E, with `who` before its message, unless it is an Error already.
template <class E, class Call>
decltype(auto) named(const std::string& who, Call&& call) {
  const Doing doing(who);
  try {
    return std::forward<Call>(call)();
  } catch (const Error&) {
    throw;
  } catch (...) {
    throw E(who + ": " + failure_text(std::current_exception()));
  }
}

}  // namespace espalier
