#pragma once

#include <cstddef>
#include <functional>

namespace espalier::chem {

// Calls work(i) once for each i < count on `threads` threads (0: as many as ATen uses), each taking the next i that is free: RDKit's work
// differs much from molecule to molecule. What work(i) does must not depend on another i. Of the exceptions thrown, the one of the
// smallest i is rethrown once all threads are done; i above one that has thrown may be left out.
void for_each_index(std::size_t count, int threads, const std::function<void(std::size_t)>& work);

}  // namespace espalier::chem
