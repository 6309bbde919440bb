#pragma once

namespace espalier::cli {

// While it lives, an exit() in a library, and an exception where none may be thrown (a destructor, a static initialiser, a thread of a
// plugin's own), end the process with a message that names the work in progress, and the exit code of a refused plugin: such a run is never
// taken for a finished one. A mapped file that is cut short ends it with a message and the exit code of a failed stage. One a process, in
// main().
class LastWords {
 public:
  LastWords();
  ~LastWords();
  LastWords(const LastWords&) = delete;
  LastWords& operator=(const LastWords&) = delete;
};

}  // namespace espalier::cli
