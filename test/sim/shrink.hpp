#pragma once

#include "flaw.hpp"
#include "history.hpp"

namespace pgtally::sim {

// Returns a shorter history that fails in the same way: removes steps and simplifies the rest while it still fails.
history shrink(history failing, flaw broken);

}  // namespace pgtally::sim
