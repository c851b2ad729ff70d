#pragma once

#include "flaw.hpp"
#include "history.hpp"

namespace pgtally::sim {

// A short history that fails as this one does: steps are left out, and what is not needed is made plain, while it still
// fails.
history shrink(history failing, flaw broken);

}  // namespace pgtally::sim
